//! `deny` of a route.

use ipnet::IpNet;

use crate::read::networks;
use crate::schema::{Absent, Empty, Key, NETWORK, Shape};
use crate::section::Section;

pub(crate) const KEY: Key = Key::new(
    "deny",
    Shape::List { of: &Shape::Text(&NETWORK), empty: Empty::Refused },
    Absent::Means("no client is refused"),
    "[\"203.0.113.0/24\"]",
    "Clients from these networks get 403, whatever the route does. Behind `trusted_proxies` the client is the one \
     that they name.",
)
.aka(&["block", "blocklist", "blacklist", "deny_from", "ip_deny"]);

pub(crate) fn read(route: &Section<'_>) -> Vec<IpNet> {
    route.node(KEY.name).map(|node| networks(&node)).unwrap_or_default()
}
