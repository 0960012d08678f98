//! `retry` of a service.

use model::Retry;

use crate::node::Node;
use crate::read::beside::Beside;
use crate::read::{distinct, narrow};
use crate::schema::{Absent, Empty, Format, Key, Shape, Table};
use crate::section::Section;
use crate::value::condition;

const CONDITION: Format = Format {
    noun: "\"connect\", \"reset\", \"timeout\" or a status from \"500\" to \"599\"",
    pattern: Some("^(connect|reset|timeout|5[0-9][0-9])$"),
};

pub(crate) const KEY: Key = Key::new(
    "retry",
    Shape::Table(&RETRY),
    Absent::Inner,
    "{ attempts = 2 }",
    "Sends a request that failed on one instance to another, where that is safe.",
)
.aka(&["retries", "proxy_next_upstream"]);

pub(crate) static RETRY: Table = Table {
    header: "[services.NAME.retry]",
    noun: "a retry",
    doc: "Sends a request that failed on one instance to another. The failures in `on` are \
          retried only where nothing can happen twice: a request that has reached an instance is \
          sent again only if its method is idempotent and its body is still buffered.",
    keys: &[
        Key::new(
            "attempts",
            Shape::Count(1..=10),
            Absent::Count(2),
            "2",
            "How often a request is sent at most, the first time included; 1 is no retry.",
        )
        .aka(&["tries", "retries", "max", "count"]),
        Key::new(
            "budget",
            Shape::Share,
            Absent::Text("20%"),
            "\"20%\"",
            "Retries as a share of the recent requests, so that they cannot overload failing \
             instances.",
        ),
        Key::new(
            "on",
            Shape::List { of: &Shape::Text(&CONDITION), empty: Empty::Allowed },
            Absent::Texts(&["connect", "reset", "timeout", "503"]),
            "[\"connect\", \"reset\", \"timeout\", \"503\"]",
            "The failures to retry: no connection could be opened; it broke, or the response was \
             not HTTP; the instance was too slow; it responded with this status.",
        )
        .aka(&["when", "conditions", "retry_on"]),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> Option<Retry> {
    let read = |node: &Node<'_>| node.parse(condition::parse);
    let on = match section.node("on") {
        Some(node) => {
            distinct(node.items(), "condition", read, |condition| format!("{condition:?}"))
        }
        None => {
            let default = section.default_texts("on").iter();
            default.filter_map(|text| condition::parse(text).ok()).collect()
        }
    };
    let (attempts, budget) = (section.count("attempts"), section.share("budget"));
    if attempts == 1 {
        let beside = Beside::of(section, "attempts", "attempts = 1", "this is no retry");
        for key in ["budget", "on"] {
            beside.refuse(section, key, "it says which requests are sent again, and when");
        }
    }
    Some(Retry { attempts: narrow(attempts)?, budget, on })
}
