//! What an instance sees of a request: the head that is sent to it.

use std::fmt::Write as _;
use std::net::IpAddr;

use model::{HeaderEdits, Policies};
use smallvec::SmallVec;
use wire::head::{Fields, RequestHead, list};
use wire::name::Name;

use crate::fields::FieldSink;
use crate::identity::Peer;
use crate::routing::path_below;

/// A request on its way to an instance.
pub(crate) struct Outbound<'a> {
    pub(crate) head: &'a RequestHead,
    pub(crate) peer: &'a Peer,
    pub(crate) client: IpAddr,
    pub(crate) request_id: &'a [u8],
    pub(crate) policies: &'a Policies,
    /// The protocol that the client asks to change to.
    pub(crate) upgrade: Option<&'a [u8]>,
}

/// Names that the client's `Connection` header names, so that they go no further.
pub(crate) type Named<'a> = SmallVec<[&'a [u8]; 4]>;

impl Outbound<'_> {
    /// The host that the instance sees.
    pub(crate) fn host(&self) -> &[u8] {
        match &self.policies.rewrite.host {
            Some(host) => host.as_bytes(),
            None => self.head.authority(),
        }
    }

    /// Writes the target that the instance sees.
    pub(crate) fn write_target(&self, out: &mut Vec<u8>) {
        let rewrite = &self.policies.rewrite;
        if rewrite.strip_prefix.is_none() && rewrite.add_prefix.is_none() {
            out.extend_from_slice(self.head.target());
            return;
        }
        if let Some(prefix) = &rewrite.add_prefix {
            out.extend_from_slice(prefix.trim_end_matches('/').as_bytes());
        }
        let stripped = rewrite.strip_prefix.as_deref().unwrap_or_default();
        out.extend_from_slice(&path_below(self.head.path(), stripped.as_bytes()));
        if let Some(query) = self.head.query() {
            out.push(b'?');
            out.extend_from_slice(query);
        }
    }

    /// Writes the fields other than `Host` and those that frame the body.
    pub(crate) fn write_fields(&self, out: &mut impl FieldSink) {
        let named = named_by_connection(&self.head.fields);
        let edits = &self.policies.request_headers;
        for (name, text, value) in self.head.fields.iter() {
            if !is_ours(name)
                && !name.is_hop_by_hop()
                && !is_edited(edits, text)
                && !is_named(&named, text)
            {
                out.put(text, value);
            }
        }
        write_edits(edits, out);
        self.write_forwarded(out);
        out.put(b"X-Request-Id", self.request_id);
    }

    /// Writes who asked, and for what; behind a trusted proxy, what it said goes before.
    fn write_forwarded(&self, out: &mut impl FieldSink) {
        let fields = &self.head.fields;
        let trusted = |name| self.peer.trusted.then(|| fields.get(name)).flatten();
        let mut text = Text::new();
        for value in
            self.peer.trusted.then(|| fields.all(Name::XForwardedFor)).into_iter().flatten()
        {
            text.append(value);
            text.append(b", ");
        }
        let before = text.0.len();
        text.address(self.peer.address.ip());
        out.put(b"X-Forwarded-For", &text.0);
        match self.client == self.peer.address.ip() {
            true => out.put(b"X-Real-IP", &text.0[before..]),
            false => {
                let mut client = Text::new();
                client.address(self.client);
                out.put(b"X-Real-IP", &client.0);
            }
        }
        let scheme = self.peer.scheme().as_bytes();
        out.put(b"X-Forwarded-Proto", trusted(Name::XForwardedProto).unwrap_or(scheme));
        let host = self.head.authority();
        let seen = trusted(Name::XForwardedHost).unwrap_or(host);
        if !seen.is_empty() {
            out.put(b"X-Forwarded-Host", seen);
        }
        text.0.clear();
        for value in self.peer.trusted.then(|| fields.all(Name::Forwarded)).into_iter().flatten() {
            text.append(value);
            text.append(b", ");
        }
        text.forwarded(self.peer.address.ip(), host, scheme);
        out.put(b"Forwarded", &text.0);
    }
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

pub(crate) fn is_named(named: &Named<'_>, text: &[u8]) -> bool {
    named.iter().any(|item| item.eq_ignore_ascii_case(text))
}

/// Whether a field of this name is set or removed.
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

/// A value that is put together without touching the heap where it is short.
struct Text(SmallVec<[u8; 128]>);

impl Text {
    fn new() -> Self {
        Self(SmallVec::new())
    }

    fn append(&mut self, part: &[u8]) {
        self.0.extend_from_slice(part);
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                let mut digits = itoa::Buffer::new();
                for (place, octet) in address.octets().into_iter().enumerate() {
                    if place > 0 {
                        self.0.push(b'.');
                    }
                    self.append(digits.format(octet).as_bytes());
                }
            }
            // Writing to memory cannot fail.
            IpAddr::V6(address) => drop(write!(self, "{address}")),
        }
    }

    /// One element of `Forwarded` (RFC 7239).
    fn forwarded(&mut self, peer: IpAddr, host: &[u8], scheme: &[u8]) {
        self.append(b"for=");
        if peer.is_ipv6() {
            self.append(b"\"[");
            self.address(peer);
            self.append(b"]\"");
        } else {
            self.address(peer);
        }
        if !host.is_empty() {
            self.append(b";host=\"");
            self.append(host);
            self.append(b"\"");
        }
        self.append(b";proto=");
        self.append(scheme);
    }
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.append(text.as_bytes());
        Ok(())
    }
}
