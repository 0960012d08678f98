//! `passive` of a service: instances that fail requests are ejected.

use std::num::NonZeroU32;

use model::Passive;

use crate::read::narrow;
use crate::schema::{Absent, Key, Shape, TIMEOUT, Table};
use crate::section::Section;

/// Off, or how.
static FORMS: [Shape; 2] = [Shape::Flag, Shape::Table(&PASSIVE)];

pub(crate) const KEY: Key = Key::new(
    "passive",
    Shape::Either(&FORMS),
    Absent::Inner,
    "{ max_fails = 3 }",
    "Ejects instances that fail requests for a while; `false` switches it off.",
)
.aka(&["outlier_detection", "circuit_breaker", "max_fails", "ejection"]);

pub(crate) static PASSIVE: Table = Table {
    header: "[services.NAME.passive]",
    noun: "passive ejection",
    doc: "Ejects instances that fail requests for a while. The last one is never ejected.",
    keys: &[
        Key::new(
            "max_fails",
            Shape::Count(1..=1_000_000),
            Absent::Count(3),
            "3",
            "This many failures in a row eject an instance; so does a failure rate of half or more \
             over the last `fail_timeout`, once this many have failed in it.",
        )
        .aka(&["fails", "failures", "consecutive_5xx"]),
        Key::new(
            "fail_timeout",
            TIMEOUT,
            Absent::Text("10s"),
            "\"10s\"",
            "How long the first ejection lasts; each further one that follows soon lasts longer.",
        )
        .aka(&["timeout", "base_ejection_time"]),
        Key::new(
            "max_ejected",
            Shape::Share,
            Absent::Text("50%"),
            "\"50%\"",
            "The share of the instances that may be ejected at once; of each release, where two serve.",
        )
        .aka(&["max_ejection_percent"]),
    ],
    later: &[],
};

/// On unless it is switched off.
pub(crate) fn read(section: &Section<'_>) -> Option<Passive> {
    let read = |section: &Section<'_>| {
        let max_fails = narrow::<u32>(section.count("max_fails")).and_then(NonZeroU32::new);
        let (fail_timeout, max_ejected) =
            (section.duration("fail_timeout"), section.share("max_ejected"));
        Some(Passive { max_fails: max_fails?, fail_timeout, max_ejected })
    };
    match section.node("passive") {
        Some(node) if node.is_flag() && node.flag() == Some(false) => None,
        Some(node) if !node.is_flag() => read(&node.section()?),
        _ => read(&section.absent("passive")),
    }
}
