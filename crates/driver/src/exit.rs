//! How an instance ended.

use std::fmt;

use crate::signal;

/// The end of an instance's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub ending: ExitCause,
    /// Whether it was asked to.
    pub asked: bool,
    /// Somebody else has its port although nothing of the instance is left. Of an instance that
    /// never became ready this is most likely why: it is to be started anew with another port, and
    /// that is no crash.
    pub port_taken: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCause {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody knows: it was adopted, and the system tells only a parent how its child ended.
    Unknown,
    /// It took more memory than it may, and the kernel ended it.
    OutOfMemory,
    /// The container was removed, and not by us.
    Removed,
    /// Its host does not answer: it may be running still, and is removed when the host is back.
    Unreached,
    /// The engine could not run what the container is made of.
    NotStarted,
}

/// Why something of an instance had to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// Its time was over.
    Overdue,
    /// It had outlived the first process, which alone was asked to stop.
    LeftBehind,
}

/// What became of an instance and all its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How its first process ended.
    pub exit: Exit,
    /// Why something of it had to be killed, if so.
    pub killed: Option<Killed>,
    /// How many of its children outlived it, and were ended.
    pub leftovers: usize,
    /// How many processes could not be ended even by SIGKILL: they hang in the system.
    pub stuck: usize,
}

impl fmt::Display for ExitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(number) => match signal::name(*number) {
                Some(name) => write!(f, "ended by {name}"),
                None => write!(f, "ended by signal {number}"),
            },
            Self::Unknown => f.write_str("ended, how is unknown since it was adopted"),
            Self::OutOfMemory => {
                f.write_str("was killed for lack of memory: it took more than `resources.memory`")
            }
            Self::Removed => f.write_str("was removed, not by Plimsoll"),
            Self::Unreached => f.write_str("is on a host that does not answer"),
            Self::NotStarted => f.write_str("could not be run by its engine"),
        }
    }
}
