//! `keep_alive` of a service: connections to its instances.

use model::KeepAlive;

use crate::schema::{Absent, Key, Shape, TIMEOUT, Table};
use crate::section::Section;

pub(crate) const KEY: Key = Key::new(
    "keep_alive",
    Shape::Table(&KEEP_ALIVE),
    Absent::Inner,
    "{ idle = \"50s\" }",
    "How long connections to the instances are kept for the next request.",
)
.aka(&["keepalive", "keepalive_timeout", "idle_timeout"]);

pub(crate) static KEEP_ALIVE: Table = Table {
    header: "[services.NAME.keep_alive]",
    noun: "kept connections",
    doc: "Connections to the instances over HTTP/1.1 are kept between two requests. A server that \
          closes an idle one just as a request arrives on it fails that request, so that Plimsoll \
          should be the first to close.",
    keys: &[
        Key::new(
            "idle",
            TIMEOUT,
            Absent::Text("50s"),
            "\"50s\"",
            "How long one may be idle. Keep it below the time after which the servers close theirs: \
             5 seconds with Node and uvicorn, 2 with gunicorn, 60 to 75 with most others.",
        )
        .aka(&["timeout", "keepalive_timeout", "ttl"]),
        Key::new(
            "honour_hint",
            Shape::Flag,
            Absent::Flag(true),
            "false",
            "Whether a `Keep-Alive: timeout=N` in a response shortens it: the connection is then used \
             until a second before that time, or for half of it where it is shorter than two.",
        )
        .aka(&["honor_hint", "hint", "hints"]),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> KeepAlive {
    KeepAlive { idle: section.duration("idle"), honour_hint: section.flag("honour_hint") }
}
