//! `proxy_protocol` of a listener.

use model::ProxyProtocol;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::read::networks;
use crate::schema::{Absent, Empty, Key, NETWORK, Shape, Table};
use crate::section::Section;

/// All peers or none, or some of them.
static FORMS: [Shape; 2] = [Shape::Flag, Shape::Table(&PROXY_PROTOCOL)];

pub(crate) const KEY: Key = Key::new(
    "proxy_protocol",
    Shape::Either(&FORMS),
    Absent::Flag(false),
    "{ from = [\"10.0.0.0/8\"] }",
    "A connection begins with a header of the PROXY protocol, version 1 or 2, which names \
     the client. `true`: every connection, and every peer is believed, so only the \
     balancer may be able to reach the port.",
)
.aka(&["accept_proxy"]);

pub(crate) static PROXY_PROTOCOL: Table = Table {
    header: "[listeners.NAME.proxy_protocol]",
    noun: "the PROXY protocol",
    doc: "Which peers begin a connection with a header of the PROXY protocol. It names the \
    client, for \
          `from` of routes, `ip_hash`, logs and `X-Forwarded-For`; whether the client's own \
          `X-Forwarded-*` is believed is decided by `trusted_proxies`.",
    keys: &[Key::new(
        "from",
        Shape::List { of: &Shape::Text(&NETWORK), empty: Empty::Refused },
        Absent::Fault,
        "[\"10.0.0.0/8\"]",
        "The balancers that send the header, and must. A connection from any other peer begins \
         with its request, and a header on it gets 400.",
    )
    .aka(&["trusted", "networks", "trusted_ips"])],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> ProxyProtocol {
    let Some(node) = section.node("proxy_protocol") else {
        return ProxyProtocol::Off;
    };
    if node.is_table() {
        let from = node.section().and_then(|table| Some(networks(&table.require("from")?)));
        return from.map(ProxyProtocol::From).unwrap_or_default();
    }
    if node.flag() != Some(true) {
        return ProxyProtocol::Off;
    }
    node.report(Flaw::new(
        Code::Risky,
        "everybody is believed when it says by the PROXY protocol who its client is",
        "any client can name an address that passes every `from`",
        "name the balancers that send it: `proxy_protocol = { from = [\"10.0.0.0/8\"] }`",
    ));
    ProxyProtocol::FromAnyone
}
