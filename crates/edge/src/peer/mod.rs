//! Who asks: the peer, or the client that trusted proxies name.
//!
//! Trust is the socket's: whether somebody is believed depends on the address that the kernel names,
//! never on one that was sent. An IPv4 address is one, also where it came as IPv6 (`::ffff:a.b.c.d`).

pub(crate) mod certificate;
pub(crate) mod chain;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use ipnet::IpNet;
use wire::head::Fields;

use crate::peer::certificate::PeerCertificate;
use crate::peer::chain::Chain;

/// Who is at the other end of a client's connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The other end, as the PROXY protocol names it, or else the socket.
    address: SocketAddr,
    /// The other end, as the socket names it.
    socket: IpAddr,
    /// How it speaks with us.
    transport: Transport,
    /// The certificate that it has shown, if it has.
    certificate: Option<Rc<PeerCertificate>>,
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// On clear text.
    Clear,
    /// Over TLS.
    Tls,
}

/// Who sends a request, as far as that is believed. Judged for each anew: who is trusted may change
/// while a connection is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    /// The client: the peer itself, or, behind trusted proxies, the last address in their chain
    /// that is not one of theirs.
    pub(crate) client: IpAddr,
    /// Whether what the request says of its way is believed.
    pub(crate) is_trusted: bool,
}

/// A client, as far as limits know it: an address, of IPv6 the /64 that it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClientKey(IpAddr);

impl ClientKey {
    /// The client at this address.
    pub(crate) fn of(address: IpAddr) -> Self {
        let IpAddr::V6(whole) = address.to_canonical() else {
            return Self(address.to_canonical());
        };
        let [a, b, c, d, ..] = whole.segments();
        Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
    }

    /// The address, of IPv6 the first of its /64.
    pub(crate) fn address(self) -> IpAddr {
        self.0
    }
}

impl Peer {
    /// The other end of a socket, which may have `named` another one that it speaks for.
    pub(crate) fn new(socket: SocketAddr, named: Option<SocketAddr>, transport: Transport) -> Self {
        let address = canonical(named.unwrap_or(socket));
        Self { address, socket: socket.ip().to_canonical(), transport, certificate: None }
    }

    /// The same, which has shown this certificate, if it has.
    pub(crate) fn showing(self, certificate: Option<Rc<PeerCertificate>>) -> Self {
        Self { certificate, ..self }
    }

    /// The certificate that it has shown, if it has.
    pub(crate) fn certificate(&self) -> Option<&PeerCertificate> {
        self.certificate.as_deref()
    }

    /// Its address.
    pub(crate) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Whether it speaks TLS with us.
    pub(crate) fn is_tls(&self) -> bool {
        self.transport == Transport::Tls
    }

    /// The scheme that it speaks with us.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_tls() { "https" } else { "http" }
    }

    /// Whether the client that sends a request with these fields speaks TLS: with us, or with a trusted
    /// proxy before us, of which `sender` says whether it is one.
    pub(crate) fn is_secure(
        &self,
        sender: Sender,
        fields: &Fields,
        trusted_proxies: &[IpNet],
    ) -> bool {
        let is_https = || Chain::read(fields, self.ip(), trusted_proxies).is_https();
        self.is_tls() || (sender.is_trusted && is_https())
    }

    /// Who sends a request with these fields.
    #[inline]
    pub(crate) fn sender(&self, fields: &Fields, trusted_proxies: &[IpNet]) -> Sender {
        let is_trusted = is_within(self.socket, trusted_proxies);
        let client = match is_trusted {
            true => Chain::read(fields, self.ip(), trusted_proxies).client(),
            false => self.ip(),
        };
        Sender { client, is_trusted }
    }
}

/// How a request has come: what it takes to say whether its client speaks TLS, which is asked seldom.
#[derive(Clone, Copy)]
pub(crate) struct Approach<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) sender: Sender,
    pub(crate) fields: &'a Fields,
    pub(crate) trusted_proxies: &'a [IpNet],
}

impl Approach<'_> {
    /// Whether the client speaks TLS: with us, or with a trusted proxy before us.
    pub(crate) fn is_secure(&self) -> bool {
        self.peer.is_secure(self.sender, self.fields, self.trusted_proxies)
    }
}

/// Whether `address` lies in one of `networks`.
pub(crate) fn is_within(address: IpAddr, networks: &[IpNet]) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::head::HeadBuilder;

    use super::*;

    const TRUSTED: [&str; 2] = ["10.0.0.0/8", "2001:db8::/32"];

    fn sender(socket: &str, named: Option<&str>, forwarded_for: &str) -> (String, bool) {
        let mut builder = HeadBuilder::new(&Pool::default());
        builder.field(b"x-forwarded-for", forwarded_for.as_bytes());
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 9);
        let peer = Peer::new(at(socket), named.map(at), Transport::Clear);
        let networks = TRUSTED.map(|text| text.parse().unwrap());
        let Sender { client, is_trusted } = peer.sender(&builder.trailers(), &networks);
        (client.to_string(), is_trusted)
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxy_is_the_client() {
        let client = |chain: &str| sender("10.0.0.1", None, chain).0;
        assert_eq!(client("1.1.1.1, 2.2.2.2, 10.1.1.1"), "2.2.2.2");
        assert_eq!(client("10.1.1.1"), "10.1.1.1");
        assert_eq!(client("nonsense, 10.1.1.1"), "10.1.1.1");
        assert_eq!(client("2.2.2.2:1234"), "2.2.2.2");
        assert_eq!(client("::ffff:2.2.2.2, ::ffff:10.1.1.1"), "2.2.2.2");
    }

    #[test]
    fn nobody_else_is_believed() {
        assert_eq!(sender("127.0.0.1", None, "1.1.1.1"), ("127.0.0.1".into(), false));
        assert_eq!(sender("::ffff:127.0.0.1", None, "1.1.1.1"), ("127.0.0.1".into(), false));
        assert_eq!(sender("::ffff:10.0.0.1", None, "1.1.1.1"), ("1.1.1.1".into(), true));
    }

    #[test]
    fn an_address_that_was_named_is_not_trusted_for_its_name() {
        assert_eq!(sender("127.0.0.1", Some("10.9.9.9"), "6.6.6.6"), ("10.9.9.9".into(), false));
        let mapped = sender("127.0.0.1", Some("::ffff:10.9.9.9"), "6.6.6.6");
        assert_eq!(mapped, ("10.9.9.9".into(), false));
    }

    #[test]
    fn whom_a_trusted_proxy_names_is_a_link_of_the_chain() {
        // It passes on what its client sent: a client that is no proxy ends the chain.
        assert_eq!(sender("10.0.0.1", Some("1.1.1.1"), "6.6.6.6"), ("1.1.1.1".into(), true));
        assert_eq!(sender("10.0.0.1", Some("10.0.0.2"), "1.1.1.1"), ("1.1.1.1".into(), true));
    }

    fn key(text: &str) -> ClientKey {
        ClientKey::of(text.parse().unwrap())
    }

    #[test]
    fn an_address_of_ipv6_stands_for_its_64() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::7"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
