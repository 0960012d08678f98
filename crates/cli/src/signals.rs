//! What the system tells a running Plimsoll.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that are listened to. From its creation on none of them ends the process by
/// itself.
#[derive(Debug)]
pub(crate) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    user: Signal,
    terminate: Signal,
}

/// What a signal wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Read the configuration anew.
    Reload,
    /// Open the access log anew, and leave everything else.
    Reopen,
    /// End.
    End,
}

impl Signals {
    /// Begins to listen. SIGPIPE is ignored by every Rust program.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            user: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.user.recv() => Wish::Reopen,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.terminate.recv() => Wish::End,
        }
    }

    /// Waits for the next signal that wants an end.
    pub(crate) async fn end(&mut self) {
        while self.next().await != Wish::End {}
    }
}
