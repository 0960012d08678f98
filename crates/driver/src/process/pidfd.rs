//! A handle on one process that never comes to mean another.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::exit::ExitCause;

/// A process, run or ended.
#[derive(Debug)]
pub(super) struct Pidfd(AsyncFd<OwnedFd>);

impl Pidfd {
    /// The process that has the number `pid` now, if there is one. To be called within a runtime.
    pub(super) fn open(pid: u32) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(Self(watch(fd)?))),
            // Nobody has the number, or a mere thread of somebody else.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends it `signal`, if it still runs and may be signalled by us.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.0, signal);
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&self) {
        // It can only fail when the runtime ends.
        if self.0.readable().await.is_err() {
            std::future::pending().await
        }
    }

    /// How it ended, without reaping it. Only its parent can know.
    pub(super) fn ending(&self) -> ExitCause {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let Ok(Some(status)) = waitid(WaitId::PidFd(self.0.as_fd()), options) else {
            return ExitCause::Unknown;
        };
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => ExitCause::Code(code),
            (_, Some(signal)) => ExitCause::Signal(signal),
            _ => ExitCause::Unknown,
        }
    }
}

/// The safe constructor is deprecated because a type could change its descriptor behind tokio's
/// back; an `OwnedFd` cannot.
#[expect(deprecated, reason = "its successor is unsafe, and what it guards against cannot happen")]
fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}
