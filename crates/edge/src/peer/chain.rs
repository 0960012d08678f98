//! The way that a request has come, as trusted proxies tell it: addresses, and what the client asked
//! the first of them for. Read from `X-Forwarded-*`, or from `Forwarded` (RFC 7239) where no
//! field of the other family came, and never from both: many proxies write one family and let the
//! other pass as a client sent it.
//!
//! Says what was said, and who the client is by it. Whether it may be believed was decided before.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use smallvec::SmallVec;
use wire::head::{Fields, list};
use wire::name::Name;
use wire::target::is_authority;

use crate::peer::is_within;

/// One that passed the request on, or the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Address(IpAddr),
    /// It was hidden, or what stands there is no address.
    Unknown,
}

/// The way of a request to us.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    /// All before the peer, in their order.
    pub(crate) nodes: SmallVec<[Node; 4]>,
    peer: IpAddr,
    /// Which of the nodes is the client; `None` where it is the peer itself.
    pub(crate) client: Option<usize>,
    /// The scheme that the client spoke, in lower case.
    pub(crate) scheme: Option<Cow<'a, [u8]>>,
    /// The host that the client asked for.
    pub(crate) host: Option<&'a [u8]>,
    /// The port that the client asked at.
    pub(crate) port: Option<&'a [u8]>,
    /// The part of the path that was taken off before.
    pub(crate) prefix: Option<&'a [u8]>,
}

impl<'a> Chain<'a> {
    /// The chain that ends with `peer`, which is believed.
    pub(crate) fn read(fields: &'a Fields, peer: IpAddr, trusted: &[IpNet]) -> Self {
        const FAMILY: [Name; 4] = [
            Name::XForwardedFor,
            Name::XForwardedProto,
            Name::XForwardedHost,
            Name::XForwardedPort,
        ];
        let by_family = FAMILY.iter().any(|name| fields.has(*name));
        let (nodes, said): (SmallVec<[Node; 4]>, Said<'a>) = match by_family {
            true => {
                (items(fields, Name::XForwardedFor).map(node).collect(), Said::by_family(fields))
            }
            false => elements(fields),
        };
        let client = client_of(&nodes, peer, trusted);
        let chosen = |of: &SmallVec<[&'a [u8]; 2]>| said.of_client(of, nodes.len(), client);
        Self {
            scheme: chosen(&said.schemes).and_then(scheme),
            host: chosen(&said.hosts).filter(|host| is_authority(host)),
            port: chosen(&said.ports).filter(|port| is_port(port)),
            prefix: items(fields, Name::XForwardedPrefix).next_back().filter(|it| is_prefix(it)),
            nodes,
            peer,
            client,
        }
    }

    /// The chain of a peer that speaks for nobody else, or is not believed.
    pub(crate) fn of_peer(peer: IpAddr) -> Self {
        let nodes = SmallVec::new();
        Self { nodes, peer, client: None, scheme: None, host: None, port: None, prefix: None }
    }

    /// The client's address; the next one's where the client is hidden.
    pub(crate) fn client(&self) -> IpAddr {
        match self.client.map(|place| self.nodes[place]) {
            Some(Node::Address(address)) => address,
            _ => self.peer,
        }
    }

    /// Whether the client speaks TLS with the first proxy.
    pub(crate) fn is_https(&self) -> bool {
        matches!(self.scheme.as_deref(), Some(b"https" | b"wss"))
    }
}

/// What proxies said of the client's request, each list in the order of the fields.
#[derive(Default)]
struct Said<'a> {
    schemes: SmallVec<[&'a [u8]; 2]>,
    hosts: SmallVec<[&'a [u8]; 2]>,
    ports: SmallVec<[&'a [u8]; 2]>,
}

impl<'a> Said<'a> {
    fn by_family(fields: &'a Fields) -> Self {
        Self {
            schemes: items(fields, Name::XForwardedProto).collect(),
            hosts: items(fields, Name::XForwardedHost).collect(),
            ports: items(fields, Name::XForwardedPort).collect(),
        }
    }

    /// What was said by the proxy that the client spoke with: where each proxy added an item, the
    /// one beside the client's address; otherwise the last one, the nearest proxy's word. What
    /// stands before may be the client's own.
    fn of_client(
        &self,
        of: &SmallVec<[&'a [u8]; 2]>,
        nodes: usize,
        client: Option<usize>,
    ) -> Option<&'a [u8]> {
        match client {
            Some(place) if of.len() == nodes => of.get(place).copied(),
            _ => of.last().copied(),
        }
        .filter(|item| !item.is_empty())
    }
}

/// The node that is the client: from the nearest on, the first that is no trusted proxy.
fn client_of(nodes: &[Node], peer: IpAddr, trusted: &[IpNet]) -> Option<usize> {
    if !is_within(peer, trusted) {
        return None;
    }
    let mut client = None;
    for (place, node) in nodes.iter().enumerate().rev() {
        let Node::Address(address) = node else { break };
        client = Some(place);
        if !is_within(*address, trusted) {
            break;
        }
    }
    client
}

/// The items of all lists under `name`.
fn items<'a>(fields: &'a Fields, name: Name) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    let values: SmallVec<[&'a [u8]; 4]> = match fields.has(name) {
        true => fields.all(name).flat_map(list).collect(),
        false => SmallVec::new(),
    };
    values.into_iter()
}

/// What an item of `X-Forwarded-For`, or a `for` of `Forwarded`, names; a port is left out.
fn node(item: &[u8]) -> Node {
    let address = || {
        let text = str::from_utf8(item).ok()?;
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
        bare.parse().ok().or_else(with_port)
    };
    address().map_or(Node::Unknown, |address: IpAddr| Node::Address(address.to_canonical()))
}

/// The elements of all `Forwarded`, each with what it says of the request.
fn elements(fields: &Fields) -> (SmallVec<[Node; 4]>, Said<'_>) {
    let mut nodes = SmallVec::new();
    let mut said = Said::default();
    for element in fields.all(Name::Forwarded).flat_map(|value| split(value, b',')) {
        if element.trim_ascii().is_empty() {
            continue;
        }
        let mut named = Node::Unknown;
        // An item for each, so that they stand beside the nodes.
        let (mut scheme, mut host) = (&b""[..], &b""[..]);
        for pair in split(element, b';') {
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
            let value = unquoted(pair[equals + 1..].trim_ascii());
            match pair[..equals].trim_ascii() {
                key if key.eq_ignore_ascii_case(b"for") => named = node(value),
                key if key.eq_ignore_ascii_case(b"proto") => scheme = value,
                key if key.eq_ignore_ascii_case(b"host") => host = value,
                _ => {}
            }
        }
        nodes.push(named);
        said.schemes.push(scheme);
        said.hosts.push(host);
    }
    (nodes, said)
}

/// The parts of `value` between the `separator`s that stand in no quoted string.
fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    value.split(move |byte| {
        let is_plain = !is_quoted && *byte == separator;
        match (is_escaped, is_quoted, *byte) {
            (true, ..) => is_escaped = false,
            (false, true, b'\\') => is_escaped = true,
            (false, _, b'"') => is_quoted = !is_quoted,
            _ => {}
        }
        is_plain
    })
}

/// The content of a quoted string. An escape has no business in a host or an address, and leaves
/// none that would be taken.
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        value => value,
    }
}

/// A scheme (RFC 3986 §3.1), in lower case.
fn scheme(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let is_scheme = text.len() <= 16
        && text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    match text.iter().any(u8::is_ascii_uppercase) {
        _ if !is_scheme => None,
        true => Some(text.to_ascii_lowercase().into()),
        false => Some(text.into()),
    }
}

fn is_port(text: &[u8]) -> bool {
    let text = str::from_utf8(text).ok().filter(|text| !text.starts_with('+'));
    text.is_some_and(|text| text.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Whether `text` can stand before a path.
fn is_prefix(text: &[u8]) -> bool {
    text.first() == Some(&b'/') && text.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::head::HeadBuilder;

    use super::*;

    /// The chain as text: nodes, the client, scheme, host and port.
    fn read(fields: &[(&str, &str)]) -> String {
        let mut builder = HeadBuilder::new(&Pool::default());
        for (name, value) in fields {
            builder.field(name.as_bytes(), value.as_bytes());
        }
        let fields = builder.trailers();
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let chain = Chain::read(&fields, "10.0.0.1".parse().unwrap(), &trusted);
        let nodes: Vec<String> = chain
            .nodes
            .iter()
            .map(|node| match node {
                Node::Address(address) => address.to_string(),
                Node::Unknown => "?".to_owned(),
            })
            .collect();
        let text =
            |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or(b"-")).into_owned();
        format!(
            "{} | {} {} {} {}",
            nodes.join(" "),
            chain.client(),
            text(chain.scheme.as_deref()),
            text(chain.host),
            text(chain.port)
        )
    }

    #[test]
    fn one_family_is_read_and_never_a_mix() {
        let chain = ("x-forwarded-for", "1.1.1.1");
        let forwarded = ("forwarded", "for=6.6.6.6;proto=https;host=evil");
        assert_eq!(read(&[chain, forwarded]), "1.1.1.1 | 1.1.1.1 - - -");
        assert_eq!(read(&[forwarded]), "6.6.6.6 | 6.6.6.6 https evil -");
        let proto = ("x-forwarded-proto", "HTTPS");
        assert_eq!(read(&[proto, forwarded]), " | 10.0.0.1 https - -");
        assert_eq!(read(&[]), " | 10.0.0.1 - - -");
    }

    #[test]
    fn elements_of_forwarded_are_read_with_quotes_ports_and_hidden_names() {
        assert_eq!(
            read(&[
                ("forwarded", "for=\"[2001:db8::1]:47\";Proto=\"https\";host=\"a,b;c\""),
                ("Forwarded", "by=x;FOR=10.0.0.9:1, , for=_hidden;host=a.b:81,"),
            ]),
            "2001:db8::1 10.0.0.9 ? | 10.0.0.1 - a.b:81 -"
        );
        assert_eq!(
            read(&[(
                "forwarded",
                "for=\"[::ffff:1.2.3.4]\";proto=https;host=\"a:1\", for=10.2.2.2"
            )]),
            "1.2.3.4 10.2.2.2 | 1.2.3.4 https a:1 -"
        );
        for broken in ["for=\"1.1.1.1", "for", "=", ";;", "for=\"a\\\"b,c\""] {
            assert_eq!(read(&[("forwarded", broken)]), "? | 10.0.0.1 - - -", "{broken}");
        }
    }

    #[test]
    fn what_stands_before_the_client_is_its_own_word() {
        let chain = ("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.2.2.2");
        let each = ("x-forwarded-proto", "gopher, https, http");
        assert_eq!(read(&[chain, each]), "6.6.6.6 1.1.1.1 10.2.2.2 | 1.1.1.1 https - -");
        let fewer = ("x-forwarded-proto", "https, http");
        assert_eq!(read(&[chain, fewer]), "6.6.6.6 1.1.1.1 10.2.2.2 | 1.1.1.1 http - -");
    }

    #[test]
    fn what_is_no_host_port_or_scheme_was_not_said() {
        for (name, value) in [
            ("x-forwarded-host", "a/b"),
            ("x-forwarded-host", "a\"b"),
            ("x-forwarded-port", "+80"),
            ("x-forwarded-port", "0"),
            ("x-forwarded-port", "70000"),
            ("x-forwarded-proto", "ht tp"),
            ("x-forwarded-for", ", ,"),
            ("x-forwarded-for", ""),
        ] {
            assert_eq!(read(&[(name, value)]), " | 10.0.0.1 - - -", "{name}: {value}");
        }
    }
}
