//! `stop` of a service: how an instance is stopped.

use model::{Stop, StopSignal, StopTo};

use crate::read::beside::Beside;
use crate::schema::{Absent, Key, Shape, TIMEOUT, Table};
use crate::section::Section;

use super::WE_RUN;

pub(crate) const KEY: Key = Key::new(
    "stop",
    Shape::Table(&STOP),
    Absent::Inner,
    "{ signal = \"SIGTERM\", timeout = \"30s\" }",
    "How an instance is stopped, once no request reaches it.",
)
.aka(&["kill", "shutdown", "stop_signal", "stop_timeout"])
.needs(WE_RUN);

pub(crate) static STOP: Table = Table {
    header: "[services.NAME.stop]",
    noun: "a way to stop",
    doc: "How an instance is stopped, once no request reaches it.",
    keys: &[
        Key::new(
            "signal",
            Shape::Word(
                &[
                    "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH",
                    "SIGKILL",
                ],
                &[],
            ),
            Absent::Text("SIGTERM"),
            "\"SIGTERM\"",
            "The signal that asks it to stop.",
        ),
        Key::new(
            "timeout",
            TIMEOUT,
            Absent::Text("30s"),
            "\"30s\"",
            "How long it may take before it is killed.",
        )
        .aka(&["grace", "grace_period"]),
        Key::new(
            "to",
            Shape::Word(&["all", "first"], &[]),
            Absent::Text("all"),
            "\"first\"",
            "Which processes get the signal: all of an instance, or only its first, which stops \
             the others itself. Those that remain once the first has exited are killed then.",
        )
        .aka(&["mode", "kill_mode", "killmode", "target"]),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> Stop {
    let stop = Stop {
        signal: section.word("signal", |word| word.parse().ok()),
        timeout: section.duration("timeout"),
        to: section.word("to", |word| match word {
            "all" => Some(StopTo::All),
            "first" => Some(StopTo::First),
            _ => None,
        }),
    };
    if stop.signal == StopSignal::Kill {
        let beside = Beside::of(section, "signal", "signal = \"SIGKILL\"", "this leaves no time");
        beside.refuse(section, "timeout", "what is killed is not waited for");
    }
    stop
}
