//! Taking a container over that an earlier Plimsoll started: by its id, and the mark on its label.

use std::path::Path;
use std::sync::Arc;

use driver::port::Ports;
use driver::{AdoptError, Adoption, ContainerRecord, Gone, Record, Upkeep};

use crate::daemon::Daemon;
use crate::held::{Seen, container, seen};
use crate::instance::ContainerInstance;
use crate::labels;
use crate::output::Output;
use crate::supervisor::{self, Container};

/// Takes over what `record` remembers, or removes what is left of it.
///
/// While the engine does not answer, a container that is reached by a port of ours is taken for one that runs: its checks say
/// whether it does, and it is watched as soon as the engine is back.
pub(crate) async fn adopt(
    daemon: &Daemon,
    state_dir: &Path,
    mut record: Record,
    upkeep: Upkeep,
    ports: &Ports,
) -> Result<Adoption, AdoptError> {
    let instance = record.instance.clone();
    let failed = |source: std::io::Error| AdoptError { instance: instance.clone(), source };
    let Some(own) = record.identity.container().cloned() else {
        return Err(failed(std::io::ErrorKind::Unsupported.into()));
    };
    // A start of ours waits for a host once, and not for each of its instances.
    let looked = match daemon.unreached() {
        Some(error) => Err(error),
        None => daemon.container(&own.id).await,
    };
    let found = match looked {
        Ok(None) => return Ok(Adoption::Gone(Gone::Ended { leftovers: 0 })),
        Ok(Some(found)) if !labels::is_run(&found, &record.run) => {
            return Ok(Adoption::Gone(Gone::Ended { leftovers: 0 }));
        }
        Ok(Some(found)) if supervisor::ending(&found).is_some() => {
            bury(daemon, state_dir, &record, &own).await;
            return Ok(Adoption::Gone(Gone::Ended { leftovers: 0 }));
        }
        Ok(Some(found)) => seen(&found, &own),
        Err(error) if !error.is_answer() && own.network.is_none() => {
            tracing::warn!(%instance, %error, "taken for running, as the engine does not answer");
            Some(Seen::default())
        }
        Err(error) => return Err(failed(std::io::Error::other(error))),
    };
    let Some(Seen { pid, address }) = found else {
        return Err(failed(std::io::Error::other("it has no address on its network")));
    };
    if let Some(address) = address {
        record.address = address;
    }
    let lease = own.network.is_none().then(|| ports.keep(record.address.port()));
    let container = Container { lease, ..container(daemon, state_dir, &record, &own) };
    let instance = ContainerInstance::watch(container, pid, &upkeep);
    Ok(Adoption::Running(Arc::new(instance)))
}

/// Takes the last words of one that has ended, and removes it.
async fn bury(daemon: &Daemon, state_dir: &Path, record: &Record, own: &ContainerRecord) {
    let way = container(daemon, state_dir, record, own).way;
    let mark = way.mark.clone();
    Output::follow(way).finish().await;
    let (daemon, id) = (daemon.clone(), own.id.clone());
    // It does not run: nothing has to wait for it to be gone.
    tokio::spawn(async move {
        supervisor::remove(&daemon, &id).await;
        mark.remove();
    });
}
