//! Taking a process over that an earlier Plimsoll started.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::apart;
use super::family::Family;
use super::instance::ProcessInstance;
use super::leftovers;
use super::notify::{self, Notices};
use super::pidfd::Pidfd;
use super::supervisor::Process;
use crate::driver::{AdoptError, Adoption, Gone};
use crate::launch::{Notify, Readiness, Upkeep};
use crate::port::Ports;
use crate::procfs;
use crate::record::{ProcessIdentity, Record};

/// What is found under a remembered number.
enum Found {
    Same(Pidfd),
    Ended,
    Rebooted,
}

/// Takes over what `record` remembers, or ends what is left of it.
pub(super) async fn adopt(
    record: Record,
    upkeep: Upkeep,
    ports: Ports,
) -> Result<Adoption, AdoptError> {
    let instance = record.instance.clone();
    let failed = |source| AdoptError { instance: instance.clone(), source };
    let Some(own) = record.identity.process().cloned() else {
        return Err(failed(io::ErrorKind::Unsupported.into()));
    };
    let leader = own.leader.clone();
    let found = apart(move || find(&leader)).await.and_then(|found| found).map_err(failed)?;
    match found {
        Found::Rebooted => Ok(Adoption::Gone(Gone::Rebooted)),
        Found::Ended => {
            let (_, mut orders) = mpsc::unbounded_channel();
            let family = Family::of(&record.run, &own);
            let ended = leftovers::end(&family, upkeep.stop, None, &mut orders).await;
            Ok(Adoption::Gone(Gone::Ended { leftovers: ended.leftovers }))
        }
        Found::Same(pidfd) => {
            let lease = ports.keep(record.address.port());
            let process = Process { child: None, pidfd, lease, own };
            let notices = match upkeep.notify {
                Notify::Heard => Some(notify::listen(&record.run).map_err(failed)?),
                Notify::Unheard => None,
            };
            let family = process.family(&record);
            let notices = notices.map(|socket| Notices::hear(socket, family, Readiness::Before));
            let instance = ProcessInstance::watch(record, process, upkeep, notices);
            Ok(Adoption::Running(Arc::new(instance)))
        }
    }
}

/// Looks for the process. The pidfd is opened first: what is read afterwards under the number is
/// either of the process that the pidfd holds, or tells that it has ended.
fn find(process: &ProcessIdentity) -> io::Result<Found> {
    if procfs::boot_id()? != process.boot_id {
        return Ok(Found::Rebooted);
    }
    let Some(pidfd) = Pidfd::open(process.pid)? else { return Ok(Found::Ended) };
    let is_same = |stat: procfs::Stat| stat.start_ticks == process.start_ticks && !stat.is_zombie;
    Ok(match procfs::stat(process.pid).is_some_and(is_same) {
        true => Found::Same(pidfd),
        false => Found::Ended,
    })
}
