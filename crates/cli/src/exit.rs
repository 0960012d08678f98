//! What the program tells whoever started it.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was told.
    Done,
    /// It did not, or what it checked is wrong.
    Failed,
    /// It was used wrongly: what the parser of the command line finds it ends itself, with the same number.
    WrongUse,
    /// It refused before it began.
    Refused,
    /// Somebody ended it with Ctrl-C, and what it watches goes on: what shells say of SIGINT.
    Interrupted,
    /// What it ran ended with this exit code, which is not 0.
    Of(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::WrongUse => Self::from(2),
            Exit::Refused => Self::from(3),
            Exit::Interrupted => Self::from(130),
            Exit::Of(code) => Self::from(code),
        }
    }
}
