//! A process that waits to be let go.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::apart;
use super::instance::ProcessInstance;
use super::launcher::{GO, NO_TERMS};
use super::notify::Notices;
use super::pidfd::Pidfd;
use super::spawn::end;
use super::supervisor::Process;
use crate::driver::{Held, Instance, LaunchError};
use crate::launch::{Readiness, Upkeep};
use crate::port::Lease;
use crate::record::{ProcessRecord, Record};

/// A process that waits to be let go. Dropped, it ends.
pub(super) struct HeldProcess {
    record: Record,
    program: PathBuf,
    upkeep: Upkeep,
    /// Taken when it is let go.
    waiting: Option<Waiting>,
}

/// What is held of it.
pub(super) struct Waiting {
    pub(super) line: UnixStream,
    pub(super) child: Child,
    pub(super) pidfd: Pidfd,
    pub(super) lease: Lease,
    /// By what it is found again.
    pub(super) own: ProcessRecord,
    /// Where its notices come, if they are heard.
    pub(super) notices: Option<UnixDatagram>,
}

/// What runs, once it was let go.
struct LetGo {
    record: Record,
    process: Process,
    upkeep: Upkeep,
    notices: Option<UnixDatagram>,
}

impl HeldProcess {
    pub(super) fn new(record: Record, program: PathBuf, waiting: Waiting, upkeep: Upkeep) -> Self {
        Self { record, program, upkeep, waiting: Some(waiting) }
    }

    fn let_go(mut self) -> Result<LetGo, LaunchError> {
        let waiting = self.waiting.take().expect("it is let go once, by value");
        let Waiting { line, mut child, pidfd, lease, own, notices } = waiting;
        match let_run(line, &self.program) {
            Ok(()) => {
                let process = Process { child: Some(child), pidfd, lease, own };
                let (record, upkeep) = (self.record.clone(), self.upkeep.clone());
                Ok(LetGo { record, process, upkeep, notices })
            }
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }
}

impl Held for HeldProcess {
    fn record(&self) -> &Record {
        &self.record
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, Result<Arc<dyn Instance>, LaunchError>> {
        let started = async move {
            let LetGo { record, process, upkeep, notices } = apart(move || self.let_go()).await??;
            let family = process.family(&record);
            let notices = notices.map(|socket| Notices::hear(socket, family, Readiness::Silent));
            let instance = ProcessInstance::watch(record, process, upkeep, notices);
            Ok(Arc::new(instance) as Arc<dyn Instance>)
        };
        // Once begun, it is carried through, so that what runs is watched.
        async { tokio::spawn(started).await.map_err(io::Error::other)? }.boxed()
    }
}

impl Drop for HeldProcess {
    fn drop(&mut self) {
        if let Some(mut waiting) = self.waiting.take() {
            end(&mut waiting.child);
        }
    }
}

impl fmt::Debug for HeldProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldProcess").field("record", &self.record).finish_non_exhaustive()
    }
}

/// Why the program does not run.
enum Refused {
    /// The launcher is gone.
    Line,
    /// The system would not run the program.
    Exec(io::Error),
    /// The system would not let it be run as that user, or under those limits.
    Terms(io::Error),
}

/// Lets a launcher become `program`.
pub(super) fn let_run(line: UnixStream, program: &Path) -> Result<(), LaunchError> {
    say_go(line).map_err(|refused| match refused {
        Refused::Line => LaunchError::Lost,
        Refused::Exec(source) => LaunchError::Exec { program: program.to_owned(), source },
        Refused::Terms(source) => LaunchError::Terms(source),
    })
}

/// Gives the word and waits until the line closes, which it does when the program runs.
fn say_go(mut line: UnixStream) -> Result<(), Refused> {
    let mut answer = Vec::new();
    line.write_all(&GO).map_err(|_| Refused::Line)?;
    line.read_to_end(&mut answer).map_err(|_| Refused::Line)?;
    let Some((kind, number)) = answer.split_first() else { return Ok(()) };
    let number = number.try_into().map(i32::from_le_bytes).map_err(|_| Refused::Line)?;
    let error = io::Error::from_raw_os_error(number);
    Err(if *kind == NO_TERMS { Refused::Terms(error) } else { Refused::Exec(error) })
}
