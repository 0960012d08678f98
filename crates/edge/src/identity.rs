//! Who asks: the peer, or the client that a trusted proxy names.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use wire::head::{Fields, list};
use wire::name::Name;

/// Who is at the other end of a client's connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The other end, as the socket or the PROXY protocol names it.
    pub(crate) address: SocketAddr,
    /// Whether it speaks TLS with us.
    pub(crate) tls: bool,
    /// Whether its `X-Forwarded-*` is believed.
    pub(crate) trusted: bool,
}

impl Peer {
    /// The scheme that it speaks with us.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The client: the peer itself, or, behind trusted proxies, the last address in
    /// `X-Forwarded-For` that is not one of theirs.
    pub(crate) fn client(&self, fields: &Fields, trusted_proxies: &[IpNet]) -> IpAddr {
        let peer = self.address.ip();
        if !self.trusted || !fields.has(Name::XForwardedFor) {
            return peer;
        }
        let values: Vec<&[u8]> = fields.all(Name::XForwardedFor).collect();
        let mut nearest = peer;
        for item in
            values.iter().rev().flat_map(|value| list(value).collect::<Vec<_>>().into_iter().rev())
        {
            let Some(address) = address_of(item) else { break };
            nearest = address;
            if !is_within(address, trusted_proxies) {
                break;
            }
        }
        nearest
    }
}

/// Whether `address` lies in one of `networks`.
pub(crate) fn is_within(address: IpAddr, networks: &[IpNet]) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The address that an item of `X-Forwarded-For` names; some proxies append a port.
fn address_of(item: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(item).ok()?;
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::head::HeadBuilder;

    use super::*;

    fn client(forwarded_for: &str, trusted: bool) -> String {
        let mut builder = HeadBuilder::new(&Pool::default());
        builder.field(b"x-forwarded-for", forwarded_for.as_bytes());
        let networks = ["10.0.0.0/8".parse().unwrap()];
        let peer = Peer { address: "10.0.0.1:9".parse().unwrap(), tls: false, trusted };
        peer.client(&builder.trailers(), &networks).to_string()
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxy_is_the_client() {
        assert_eq!(client("1.1.1.1, 2.2.2.2, 10.1.1.1", true), "2.2.2.2");
        assert_eq!(client("10.1.1.1", true), "10.1.1.1");
        assert_eq!(client("nonsense, 10.1.1.1", true), "10.1.1.1");
        assert_eq!(client("2.2.2.2:1234", true), "2.2.2.2");
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(client("1.1.1.1", false), "10.0.0.1");
    }
}
