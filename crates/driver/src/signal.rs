//! The signals with which an instance can be asked to stop, as the system knows them.

use model::StopSignal;
use rustix::process::Signal;

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
    let stops = StopSignal::NAMES.iter().map(|(signal, name)| (*name, raw(*signal)));
    let mut named = stops.chain(FATAL).filter(|(_, signal)| signal.as_raw() == number);
    named.next().map(|(name, _)| name)
}

/// The signal as the system knows it.
pub(crate) fn raw(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Hup => Signal::HUP,
        StopSignal::Usr1 => Signal::USR1,
        StopSignal::Usr2 => Signal::USR2,
        StopSignal::Winch => Signal::WINCH,
        StopSignal::Kill => Signal::KILL,
    }
}
