//! `outliers` of a service: what is done about an instance that fails more often than its siblings.

use model::{Balance, OnOutlier};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::schema::{Absent, Key, Shape};
use crate::section::Section;

use super::is_run;

pub(crate) const KEY: Key = Key::new(
    "outliers",
    Shape::Word(&["tell", "replace", "off"], &[]),
    Absent::Text("tell"),
    "\"replace\"",
    "What is done when one instance fails more requests than its siblings, by the same routes in the same seconds, for minutes \
     or days: `tell` says which and since when, `replace` also starts another in its place, at most one in ten minutes. \
     By mistake one is named in a year at most.",
)
.aka(&["outlier", "anomalies", "outlier_watch"]);

/// Warns where nobody could replace it.
pub(crate) fn read(section: &Section<'_>, balance: &Balance) -> OnOutlier {
    let on = section.word(KEY.name, word);
    if on == OnOutlier::Replace && !is_run(section) {
        let flaw = Flaw::new(
            Code::NoEffect,
            "what somebody else runs cannot be replaced",
            "`targets` are started and stopped elsewhere: it is only told",
            "let `outliers` be \"tell\", or run the instances with `command` or `image`",
        );
        section.report_at(KEY.name, flaw, &[]);
    }
    if on != OnOutlier::Off
        && section.has(KEY.name)
        && matches!(balance, Balance::Hash(_) | Balance::IpHash)
    {
        let flaw = Flaw::new(
            Code::NoEffect,
            "instances are not compared where a hash chooses them",
            "which instance a request goes to follows from its client, so that its failures may be the client's",
            "remove this, or choose another `balance`",
        );
        section.report_at(KEY.name, flaw, &[]);
    }
    on
}

fn word(word: &str) -> Option<OnOutlier> {
    match word {
        "tell" => Some(OnOutlier::Tell),
        "replace" => Some(OnOutlier::Replace),
        "off" => Some(OnOutlier::Off),
        _ => None,
    }
}
