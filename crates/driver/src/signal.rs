//! The signals with which an instance can be asked to stop.

use std::fmt;
use std::str::FromStr;

use rustix::process::Signal;

/// A signal that asks an instance to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StopSignal {
    /// SIGTERM, what everyone expects.
    #[default]
    Term,
    /// SIGINT, as from the keyboard.
    Int,
    /// SIGQUIT, with which nginx and others stop in peace.
    Quit,
    /// SIGHUP.
    Hup,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGWINCH, with which Apache stops in peace.
    Winch,
    /// SIGKILL, which nobody survives.
    Kill,
}

/// A name that is no signal that stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no signal that stops an instance; one of SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGKILL is"
)]
pub struct UnknownSignal(pub String);

const NAMES: [(StopSignal, &str, Signal); 8] = [
    (StopSignal::Term, "SIGTERM", Signal::TERM),
    (StopSignal::Int, "SIGINT", Signal::INT),
    (StopSignal::Quit, "SIGQUIT", Signal::QUIT),
    (StopSignal::Hup, "SIGHUP", Signal::HUP),
    (StopSignal::Usr1, "SIGUSR1", Signal::USR1),
    (StopSignal::Usr2, "SIGUSR2", Signal::USR2),
    (StopSignal::Winch, "SIGWINCH", Signal::WINCH),
    (StopSignal::Kill, "SIGKILL", Signal::KILL),
];

/// Other signals by which a process may end.
const FATAL: [(&str, Signal); 13] = [
    ("SIGILL", Signal::ILL),
    ("SIGTRAP", Signal::TRAP),
    ("SIGABRT", Signal::ABORT),
    ("SIGBUS", Signal::BUS),
    ("SIGFPE", Signal::FPE),
    ("SIGSEGV", Signal::SEGV),
    ("SIGPIPE", Signal::PIPE),
    ("SIGALRM", Signal::ALARM),
    ("SIGXCPU", Signal::XCPU),
    ("SIGXFSZ", Signal::XFSZ),
    ("SIGVTALRM", Signal::VTALARM),
    ("SIGPROF", Signal::PROF),
    ("SIGSYS", Signal::SYS),
];

/// The name of the signal `number`, if one can end a process by it.
pub(crate) fn name(number: i32) -> Option<&'static str> {
    let stops = NAMES.iter().map(|(_, name, signal)| (*name, *signal));
    let mut named = stops.chain(FATAL).filter(|(_, signal)| signal.as_raw() == number);
    named.next().map(|(name, _)| name)
}

impl StopSignal {
    fn row(self) -> &'static (Self, &'static str, Signal) {
        NAMES.iter().find(|(signal, ..)| *signal == self).expect("the table names every signal")
    }

    /// The signal as the system knows it.
    pub(crate) fn raw(self) -> Signal {
        self.row().2
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.row().1)
    }
}

impl FromStr for StopSignal {
    type Err = UnknownSignal;

    /// Takes the name with or without its `SIG`, in capitals.
    fn from_str(name: &str) -> Result<Self, UnknownSignal> {
        let is_meant = |full: &str| full == name || full.strip_prefix("SIG") == Some(name);
        NAMES
            .iter()
            .find(|(_, full, _)| is_meant(full))
            .map(|(signal, ..)| *signal)
            .ok_or_else(|| UnknownSignal(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_read_as_it_is_written() {
        for (signal, name, _) in NAMES {
            assert_eq!(signal.to_string().parse(), Ok(signal));
            assert_eq!(name["SIG".len()..].parse(), Ok(signal));
        }
        assert!("SIGSTOP".parse::<StopSignal>().is_err());
    }
}
