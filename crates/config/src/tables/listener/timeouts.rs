//! `timeouts` of a listener.

use model::ListenerTimeouts;

use crate::schema::{Absent, Key, Shape, TIMEOUT, Table};
use crate::section::Section;

pub(crate) const KEY: Key = Key::new(
    "timeouts",
    Shape::Table(&TIMEOUTS),
    Absent::Inner,
    "{ idle = \"75s\" }",
    "How long a client may take.",
)
.aka(&["timeout"]);

pub(crate) static TIMEOUTS: Table = Table {
    header: "[listeners.NAME.timeouts]",
    noun: "a listener's timeouts",
    doc: "How long a client may take. Those for bodies limit the time without progress, never the \
          whole, so that a large body may take its time.",
    keys: &[
        Key::new(
            "header",
            TIMEOUT,
            Absent::Text("10s"),
            "\"10s\"",
            "From a request's first byte to the end of its head; the TLS handshake likewise.",
        )
        .aka(&["client_header_timeout", "read_header", "http_request"]),
        Key::new(
            "body_idle",
            TIMEOUT,
            Absent::Text("30s"),
            "\"30s\"",
            "Without progress of a request's body. The stream of a gRPC call may be silent for longer: \
             for the service's `tunnel_idle`.",
        )
        .aka(&["body", "client_body_timeout", "read"]),
        Key::new(
            "body_progress",
            Shape::Size(1..=1 << 20),
            Absent::Text("256B"),
            "\"256B\"",
            "How much of a request's body must come within `body_idle` to be progress. Of a body whose \
             length is not known beforehand, such as a gRPC stream, every byte is, as long as no \
             more than 1,000 crawl on a worker at once and none for longer than a day.",
        )
        .aka(&["min_rate", "minrate", "min_body_rate", "body_min_rate"]),
        Key::new(
            "idle",
            TIMEOUT,
            Absent::Text("75s"),
            "\"75s\"",
            "Between two requests on a connection.",
        )
        .aka(&["keepalive", "keep_alive", "keepalive_timeout", "client"]),
        Key::new(
            "write_idle",
            TIMEOUT,
            Absent::Text("30s"),
            "\"30s\"",
            "Without progress of a response that the client should read.",
        )
        .aka(&["write", "send_timeout", "send"]),
    ],
    later: &[],
};

pub(crate) fn read(timeouts: &Section<'_>) -> ListenerTimeouts {
    ListenerTimeouts {
        header: timeouts.duration("header"),
        body_idle: timeouts.duration("body_idle"),
        body_progress: timeouts.size("body_progress"),
        idle: timeouts.duration("idle"),
        write_idle: timeouts.duration("write_idle"),
    }
}
