//! `drain` of a deploy: what open exchanges get.

use model::{Deploy, Drain};

use crate::schema::{Absent, Key, Table};
use crate::section::Section;

use super::SPAN;

const fn drain_of(name: &'static str, doc: &'static str) -> Key {
    Key::new(name, SPAN, Absent::Text("30s"), "\"30s\"", doc)
}

pub(crate) static DRAIN: Table = Table {
    header: "[services.NAME.deploy.drain]",
    noun: "times to drain",
    doc: "How long open exchanges get before an old instance is asked to stop, each kind for \
          itself. It is asked as soon as none is open whose time is not over.",
    keys: &[
        drain_of("requests", "Requests and their responses: they end by themselves."),
        drain_of(
            "uploads",
            "Requests with a body of more than 64 KiB or of no stated length: they end by \
             themselves.",
        ),
        drain_of(
            "streams",
            "Responses to GET of type `text/event-stream` that are not compressed: they are ended \
             between two \
             events, one after another over this time.",
        )
        .aka(&["sse", "event_streams", "eventsource"]),
        drain_of(
            "tunnels",
            "Upgraded connections: they are closed one after another over this time, WebSockets with 1001 \
             (going away).",
        )
        .aka(&["websockets", "ws", "upgrades"]),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> Drain {
    match section.node("drain") {
        Some(node) if node.is_table() => node.section().map(|of| Drain {
            requests: of.duration("requests"),
            uploads: of.duration("uploads"),
            streams: of.duration("streams"),
            tunnels: of.duration("tunnels"),
        }),
        Some(node) => node.duration().map(Drain::all),
        None => None,
    }
    .unwrap_or_else(|| Deploy::default().drain)
}
