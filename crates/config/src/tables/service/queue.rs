//! `queue` of a service: where requests wait.

use model::Queue;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::read::beside::Beside;
use crate::read::narrow;
use crate::schema::{Absent, Key, Shape, TIMEOUT, Table};
use crate::section::Section;

use super::is_run;

pub(crate) const KEY: Key = Key::new(
    "queue",
    Shape::Table(&QUEUE),
    Absent::Inner,
    "{ length = 1000, timeout = \"5s\" }",
    "Where requests wait while all instances have their `max_connections`, or while there is none \
     where Plimsoll runs them.",
);

pub(crate) static QUEUE: Table = Table {
    header: "[services.NAME.queue]",
    noun: "a queue",
    doc: "Where requests wait while all instances have their `max_connections`, or while there is none where \
          Plimsoll runs them, as with the strategy `replace`.",
    keys: &[
        Key::new(
            "length",
            Shape::Count(0..=1_000_000),
            Absent::Count(1000),
            "1000",
            "How many may wait; more get 503 at once.",
        )
        .aka(&["size", "max", "depth"]),
        Key::new(
            "timeout",
            TIMEOUT,
            Absent::Text("5s"),
            "\"5s\"",
            "How long one may wait before it gets 503.",
        ),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> Option<Queue> {
    let timeout = section.duration("timeout");
    let length = section.count("length");
    if length == 0 {
        let beside = Beside::of(section, "length", "length = 0", "this lets none wait");
        beside.refuse(section, "timeout", "no request waits");
    }
    Some(Queue { length: narrow(length)?, timeout })
}

/// Warns of a queue in which nothing could ever wait. Where Plimsoll runs the instances, requests wait there as
/// well while there is none.
pub(crate) fn warn_of_unused(section: &Section<'_>) {
    if !section.has(KEY.name) || section.has("max_connections") || is_run(section) {
        return;
    }
    let flaw = Flaw::new(
        Code::NoEffect,
        "a queue without `max_connections` is never used",
        "instances without a limit are never full",
        "set `max_connections`, or remove `queue`",
    );
    section.report_at("queue", flaw, &[]);
}
