//! `restart` of a service: when an instance that exited is restarted.

use model::Restart;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::schema::{Absent, Key, Shape, TIMEOUT, Table};
use crate::section::Section;
use crate::value::duration;

use super::WE_RUN;

pub(crate) const KEY: Key = Key::new(
    "restart",
    Shape::Table(&RESTART),
    Absent::Inner,
    "{ backoff = \"100ms\", max_backoff = \"30s\" }",
    "When an instance that exited is restarted.",
)
.needs(WE_RUN);

pub(crate) static RESTART: Table = Table {
    header: "[services.NAME.restart]",
    noun: "restarts",
    doc: "When an instance that exited is restarted. Pauses double with each short run and are \
    randomised.",
    keys: &[
        Key::new("backoff", TIMEOUT, Absent::Text("100ms"), "\"100ms\"", "The first pause.")
            .aka(&["delay", "min_backoff"]),
        Key::new("max_backoff", TIMEOUT, Absent::Text("30s"), "\"30s\"", "No pause is longer.")
            .aka(&["backoff_max", "max_delay"]),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> Restart {
    let restart = Restart {
        backoff: section.duration("backoff"),
        max_backoff: section.duration("max_backoff"),
    };
    if restart.backoff > restart.max_backoff {
        let key = if section.has("backoff") { "backoff" } else { "max_backoff" };
        let flaw = Flaw::new(
            Code::Conflict,
            "`backoff` is longer than `max_backoff`",
            "the first pause is the shortest",
            format!(
                "let `backoff` be {} or less, or `max_backoff` {} or more",
                duration::written(restart.max_backoff),
                duration::written(restart.backoff),
            ),
        );
        section.report_at(key, flaw, &[]);
    }
    restart
}
