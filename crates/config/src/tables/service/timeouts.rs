//! `timeouts` of a service.

use model::ServiceTimeouts;

use crate::schema::{Absent, Key, Shape, TIMEOUT, Table};
use crate::section::Section;

pub(crate) const KEY: Key = Key::new(
    "timeouts",
    Shape::Table(&TIMEOUTS),
    Absent::Inner,
    "{ first_byte = \"60s\" }",
    "How long an instance may take.",
)
.aka(&["timeout", "proxy_read_timeout", "proxy_connect_timeout"]);

pub(crate) static TIMEOUTS: Table = Table {
    header: "[services.NAME.timeouts]",
    noun: "a service's timeouts",
    doc: "How long an instance may take.",
    keys: &[
        Key::new("connect", TIMEOUT, Absent::Text("3s"), "\"3s\"", "To open a connection.")
            .aka(&["proxy_connect_timeout", "dial"]),
        Key::new(
            "first_byte",
            TIMEOUT,
            Absent::Text("60s"),
            "\"60s\"",
            "From the request's end to the head of the response.",
        )
        .aka(&["read", "response", "request", "server", "proxy_read_timeout"]),
        Key::new(
            "idle",
            TIMEOUT,
            Absent::Text("60s"),
            "\"60s\"",
            "Without progress of either body.",
        )
        .aka(&["write", "send"]),
        Key::new(
            "tunnel_idle",
            TIMEOUT,
            Absent::Text("1h"),
            "\"1h\"",
            "Without a byte in either direction of an upgraded connection, such as a WebSocket, or of a \
             gRPC call whose client has not ended its stream.",
        )
        .aka(&["tunnel", "websocket", "stream_idle", "grpc_idle"]),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> ServiceTimeouts {
    ServiceTimeouts {
        connect: section.duration("connect"),
        first_byte: section.duration("first_byte"),
        idle: section.duration("idle"),
        tunnel_idle: section.duration("tunnel_idle"),
    }
}
