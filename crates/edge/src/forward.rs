//! What an instance sees of a request: the head that is sent to it.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

use model::{HeaderEdits, Policies};
use smallvec::SmallVec;
use wire::head::{Fields, RequestHead, list};
use wire::name::Name;
use wire::target::{TARGET_BYTES_MAX, escape_for_h2};

use crate::fields::FieldSink;
use crate::hops::{self, Pseudonym};
use crate::identity::Peer;

/// A request on its way to an instance.
pub(crate) struct Outbound<'a> {
    pub(crate) head: &'a RequestHead,
    /// How much of the path the route's rewrite takes away.
    pub(crate) cut: usize,
    pub(crate) peer: &'a Peer,
    pub(crate) client: IpAddr,
    pub(crate) request_id: &'a [u8],
    pub(crate) policies: &'a Policies,
    /// The protocol that the client asks to change to.
    pub(crate) upgrade: Option<Cow<'a, [u8]>>,
    /// What we call ourselves.
    pub(crate) via: &'a Pseudonym,
}

/// Names that the client's `Connection` header names, so that they go no further.
pub(crate) type Named<'a> = SmallVec<[&'a [u8]; 4]>;

impl Outbound<'_> {
    /// The host that the instance at `instance` sees: its own address where the client named none,
    /// for an `http` URI has a host (RFC 9110 §4.2.1).
    pub(crate) fn host(&self, instance: SocketAddr) -> Cow<'_, [u8]> {
        match (&self.policies.rewrite.host, self.head.authority()) {
            (Some(host), _) => host.as_bytes().into(),
            (None, []) => instance.to_string().into_bytes().into(),
            (None, authority) => authority.into(),
        }
    }

    /// Writes the target that the instance sees: as the client sent it, but for what stands for the
    /// prefix that is taken away or replaced.
    pub(crate) fn write_target(&self, out: &mut Vec<u8>) {
        let added = self.policies.rewrite.add_prefix.as_deref().unwrap_or_default();
        if self.cut == 0 && added.is_empty() || self.head.path() == b"*" {
            out.extend_from_slice(self.head.target());
            return;
        }
        let start = out.len();
        out.extend_from_slice(added.trim_end_matches('/').as_bytes());
        out.extend_from_slice(&self.head.path()[self.cut..]);
        if out.len() == start {
            out.push(b'/');
        }
        if let Some(query) = self.head.query() {
            out.push(b'?');
            out.extend_from_slice(query);
        }
    }

    /// Whether HTTP/2 can carry the target; asks so only of long ones, which each byte may make three
    /// times as long.
    pub(crate) fn fits_h2(&self) -> bool {
        let added = self.policies.rewrite.add_prefix.as_ref().map_or(0, String::len);
        if self.head.target().len() + added <= TARGET_BYTES_MAX / 3 {
            return true;
        }
        let (mut plain, mut target) = (Vec::new(), Vec::new());
        self.write_target(&mut plain);
        escape_for_h2(&plain, &mut target);
        target.len() <= TARGET_BYTES_MAX
    }

    /// Writes the fields other than `Host` and those that frame the body.
    pub(crate) fn write_fields(&self, out: &mut impl FieldSink) {
        let named = named_by_connection(&self.head.fields);
        let edits = &self.policies.request_headers;
        let forwards = hops::max_forwards(self.head);
        out.put_kept(&self.head.fields, |name, text| {
            !is_ours(name)
                && !name.is_hop_by_hop()
                && !is_edited(edits, text)
                && !is_named(&named, text)
                && (name != Name::MaxForwards || forwards.is_none())
        });
        write_edits(edits, out);
        if let Some(forwards) = forwards {
            let left = forwards.saturating_sub(1);
            out.put(b"Max-Forwards", itoa::Buffer::new().format(left).as_bytes());
        }
        if !is_edited(edits, b"via") {
            self.via.write(self.head.version(), out);
        }
        self.write_forwarded(out);
        out.put(b"X-Request-Id", self.request_id);
    }

    /// Writes who asked, and for what; behind a trusted proxy, what it said goes before.
    fn write_forwarded(&self, out: &mut impl FieldSink) {
        let peer = self.peer.address.ip();
        let peer_text = AddressText::of(peer);
        let host = self.head.authority();
        let scheme = self.peer.scheme().as_bytes();
        if self.peer.trusted {
            self.write_forwarded_after(out, &peer_text);
        } else {
            out.put(b"X-Forwarded-For", peer_text.as_bytes());
            out.put(b"X-Real-IP", peer_text.as_bytes());
            out.put(b"X-Forwarded-Proto", scheme);
            if !host.is_empty() {
                out.put(b"X-Forwarded-Host", host);
            }
            out.put_parts(b"Forwarded", &element(&peer_text, host, scheme));
        }
    }

    /// Writes the same where the peer is a trusted proxy, which has said before whom it speaks for.
    fn write_forwarded_after(&self, out: &mut impl FieldSink, peer: &AddressText) {
        let fields = &self.head.fields;
        let host = self.head.authority();
        let scheme = self.peer.scheme().as_bytes();
        let chain = chain_of(fields, Name::XForwardedFor);
        out.put_parts(b"X-Forwarded-For", &[&chain, peer.as_bytes()]);
        out.put(b"X-Real-IP", AddressText::of(self.client).as_bytes());
        out.put(b"X-Forwarded-Proto", fields.get(Name::XForwardedProto).unwrap_or(scheme));
        let seen = fields.get(Name::XForwardedHost).unwrap_or(host);
        if !seen.is_empty() {
            out.put(b"X-Forwarded-Host", seen);
        }
        let chain = chain_of(fields, Name::Forwarded);
        let [open, peer, close, before, host, after, scheme] = element(peer, host, scheme);
        out.put_parts(b"Forwarded", &[&chain, open, peer, close, before, host, after, scheme]);
    }
}

/// Every value under `name`, each with a comma behind it.
fn chain_of(fields: &Fields, name: Name) -> Vec<u8> {
    let mut chain = Vec::new();
    for value in fields.all(name) {
        chain.extend_from_slice(value);
        chain.extend_from_slice(b", ");
    }
    chain
}

/// One element of `Forwarded` (RFC 7239 §4), in parts.
fn element<'a>(peer: &'a AddressText, host: &'a [u8], scheme: &'a [u8]) -> [&'a [u8]; 7] {
    let (open, close): (&[u8], &[u8]) =
        if peer.is_v6 { (b"for=\"[", b"]\"") } else { (b"for=", b"") };
    let (before, after): (&[u8], &[u8]) =
        if host.is_empty() { (b"", b";proto=") } else { (b";host=\"", b"\";proto=") };
    [open, peer.as_bytes(), close, before, host, after, scheme]
}

/// Whether Plimsoll alone says what is written under this name, or its place is elsewhere.
fn is_ours(name: Name) -> bool {
    matches!(
        name,
        Name::Shadow
            | Name::Host
            | Name::ContentLength
            | Name::Expect
            | Name::Forwarded
            | Name::XForwardedFor
            | Name::XForwardedHost
            | Name::XForwardedProto
            | Name::XRealIp
            | Name::XRequestId
    )
}

/// What `Connection` names, beyond what is dropped or kept in any case. That it cannot take away
/// what must stay (`host`, the framing, what we write) follows from those being ours to write.
pub(crate) fn named_by_connection(fields: &Fields) -> Named<'_> {
    if !fields.has(Name::Connection) {
        return Named::new();
    }
    fields
        .all(Name::Connection)
        .flat_map(list)
        .filter(|item| {
            !item.eq_ignore_ascii_case(b"keep-alive") && !item.eq_ignore_ascii_case(b"close")
        })
        .collect()
}

#[inline]
pub(crate) fn is_named(named: &Named<'_>, text: &[u8]) -> bool {
    named.iter().any(|item| item.eq_ignore_ascii_case(text))
}

/// Whether a field of this name is set or removed.
#[inline]
pub(crate) fn is_edited(edits: &HeaderEdits, text: &[u8]) -> bool {
    let same = |name: &String| text.eq_ignore_ascii_case(name.as_bytes());
    edits.remove.iter().any(same) || edits.set.iter().any(|(name, _)| same(name))
}

/// Writes what is set.
pub(crate) fn write_edits(edits: &HeaderEdits, out: &mut impl FieldSink) {
    for (name, value) in &edits.set {
        out.put(name.as_bytes(), value.as_bytes());
    }
}

/// An address as text, without touching the heap.
struct AddressText {
    bytes: [u8; Self::BYTES_MAX],
    len: u8,
    is_v6: bool,
}

impl AddressText {
    /// The longest are of IPv6 with an IPv4 address at their end.
    const BYTES_MAX: usize = 46;

    fn of(address: IpAddr) -> Self {
        let mut text = Self { bytes: [0; Self::BYTES_MAX], len: 0, is_v6: address.is_ipv6() };
        match address {
            IpAddr::V4(address) => {
                for (place, octet) in address.octets().into_iter().enumerate() {
                    if place > 0 {
                        text.push(b'.');
                    }
                    text.octet(octet);
                }
            }
            IpAddr::V6(address) => {
                let mut rest = &mut text.bytes[..];
                write!(rest, "{address}").expect("no address is longer");
                text.len = (Self::BYTES_MAX - rest.len()) as u8;
            }
        }
        text
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.len)] = byte;
        self.len += 1;
    }

    fn octet(&mut self, octet: u8) {
        if octet >= 100 {
            self.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            self.push(b'0' + octet / 10 % 10);
        }
        self.push(b'0' + octet % 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        for text in [
            "0.0.0.0",
            "127.0.0.1",
            "10.99.100.255",
            "255.255.255.255",
            "::1",
            "2001:db8:1111:2222:3333:4444:5555:6666",
            "::ffff:255.255.255.255",
        ] {
            assert_eq!(AddressText::of(text.parse().unwrap()).as_bytes(), text.as_bytes());
        }
    }
}
