//! `limits` of a listener.

use model::ListenerLimits;

use crate::read::narrow;
use crate::schema::{Absent, Key, Shape, Table};
use crate::section::Section;

pub(crate) const KEY: Key = Key::new(
    "limits",
    Shape::Table(&LIMITS),
    Absent::Inner,
    "{ body = \"10MiB\" }",
    "The limits of one client.",
)
.aka(&["limit"]);

pub(crate) static LIMITS: Table = Table {
    header: "[listeners.NAME.limits]",
    noun: "a listener's limits",
    doc: "The limits of one client.",
    keys: &[
        Key::new(
            "header_bytes",
            Shape::Size(1 << 10..=1 << 20),
            Absent::Text("32KiB"),
            "\"32KiB\"",
            "The request line and all headers together; more gets 431.",
        )
        .aka(&["header", "header_size", "max_header_bytes"]),
        Key::new(
            "headers",
            Shape::Count(1..=10_000),
            Absent::Count(100),
            "100",
            "How many header fields a request may have; more gets 431. (A response may have 1,000.)",
        )
        .aka(&["header_count", "max_headers"]),
        Key::new(
            "body",
            Shape::SizeOrUnlimited,
            Absent::Text("10MiB"),
            "\"10MiB\"",
            "A request's body, of a gRPC call all its messages together; more gets 413. A route's `body` \
             overrides it.",
        )
        .aka(&["client_max_body_size", "body_size", "body_bytes", "max_body"]),
        Key::new(
            "connections",
            Shape::Count(1..=10_000_000),
            Absent::Count(20_000),
            "20000",
            "Open connections at once. When one more comes, the connection that has been idle for \
             longest is closed to make room; where none is idle, new ones wait.",
        )
        .aka(&["max_connections", "maxconn", "worker_connections"]),
        Key::new(
            "connections_per_client",
            Shape::Count(1..=10_000_000),
            Absent::Means("a quarter of `connections`"),
            "100",
            "Open connections at once of one client: one address, of IPv6 one /64, as the socket or \
             the PROXY protocol names it. More are closed as soon as they come. Peers in \
             `trusted_proxies` stand for many clients and have no limit of their own.",
        )
        .aka(&["per_client", "max_connections_per_ip", "limit_conn", "connections_per_ip"]),
    ],
    later: &[],
};

/// Of a listener's connections one client may have this part, unless the file says how many.
const SHARE_OF_ONE: usize = 4;

pub(crate) fn read(limits: &Section<'_>) -> Option<ListenerLimits> {
    let connections: usize = narrow(limits.count("connections"))?;
    let per_client = limits.node("connections_per_client").and_then(|node| node.count());
    let per_client = per_client.and_then(narrow::<usize>);
    Some(ListenerLimits {
        header_bytes: narrow(limits.size("header_bytes"))?,
        headers: narrow(limits.count("headers"))?,
        body: limits.body_limit("body"),
        connections,
        connections_per_client: per_client.unwrap_or(connections.div_ceil(SHARE_OF_ONE)),
    })
}
