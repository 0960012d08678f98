//! What an instance sees of a request: the head that is sent to it.

use std::borrow::Cow;
use std::net::SocketAddr;

use model::{HeaderEdits, Policies};
use smallvec::SmallVec;
use wire::h1::Framing;
use wire::head::{Fields, RequestHead, list};
use wire::name::{Name, reads_as};
use wire::target::{TARGET_BYTES_MAX, escape_for_h2};

use crate::exchange::hops::{self, Pseudonym};
use crate::exchange::identity::{Peer, Sender};
use crate::response::fields::FieldSink;
use crate::snapshot::ListenerPlan;
use crate::upstream::forwarded;
use crate::upstream::own_lines::OwnLines;

/// A request on its way to an instance.
pub(crate) struct Outbound<'a> {
    pub(crate) head: &'a RequestHead,
    /// How much of the path the route's rewrite takes away.
    pub(crate) cut: usize,
    pub(crate) framing: Framing,
    pub(crate) peer: &'a Peer,
    /// What was said of the connection's requests before.
    pub(crate) own_lines: &'a OwnLines,
    pub(crate) listener: &'a ListenerPlan,
    pub(crate) sender: Sender,
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
        let is_trusted = self.sender.is_trusted;
        let forwards = hops::max_forwards(self.head);
        out.put_kept(&self.head.fields, |name, text| {
            let is_kept = match name {
                Name::Claim => is_trusted,
                Name::Trailer => self.framing == Framing::Chunked,
                Name::MaxForwards => forwards.is_none(),
                _ => !is_ours(name) && !name.is_hop_by_hop(),
            };
            is_kept && !is_edited(edits, text) && !is_named(&named, text)
        });
        write_edits(edits, out);
        if let Some(forwards) = forwards
            && !is_edited(edits, b"max-forwards")
        {
            let left = forwards.saturating_sub(1);
            out.put(b"Max-Forwards", itoa::Buffer::new().format(left).as_bytes());
        }
        match out.as_text() {
            Some(text) if self.has_plain_way() => self.own_lines.write(self, text),
            _ => self.write_way(out),
        }
        if !is_edited(edits, b"x-request-id") {
            out.put_unique(b"X-Request-Id", self.request_id);
        }
    }

    /// Writes what Plimsoll says of the request's way to here.
    pub(crate) fn write_way(&self, out: &mut impl FieldSink) {
        if !is_edited(&self.policies.request_headers, b"via") {
            self.via.write(self.head.version(), out);
        }
        forwarded::write(self, out);
    }

    /// Whether that depends on the peer, the authority and the version alone.
    fn has_plain_way(&self) -> bool {
        let Policies { request_headers, rewrite, .. } = self.policies;
        !self.sender.is_trusted
            && request_headers.set.is_empty()
            && request_headers.remove.is_empty()
            && rewrite.strip_prefix.is_none()
    }

    /// Whether the client speaks TLS: with us, or with a trusted proxy before us.
    pub(crate) fn is_secure(&self) -> bool {
        let trusted = &self.listener.listener.trusted_proxies;
        self.peer.is_secure(self.sender, &self.head.fields, trusted)
    }

    /// Whether the head must say that there is no body (RFC 9110 §8.6): where the method leads to
    /// expect one, and where the client said so.
    pub(crate) fn says_empty(&self) -> bool {
        let expects_one = || matches!(self.head.method_text(), b"POST" | b"PUT" | b"PATCH");
        self.framing.is_empty() && (self.head.fields.has(Name::ContentLength) || expects_one())
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
            | Name::XForwardedPort
            | Name::XForwardedPrefix
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

/// Whether a field of this name is set or removed. One that a server may take for it is, too: else a
/// client could send what the route sets, in another spelling.
#[inline]
pub(crate) fn is_edited(edits: &HeaderEdits, text: &[u8]) -> bool {
    let same = |name: &String| reads_as(text, name.as_bytes());
    edits.remove.iter().any(same) || edits.set.iter().any(|(name, _)| same(name))
}

/// Writes what is set.
pub(crate) fn write_edits(edits: &HeaderEdits, out: &mut impl FieldSink) {
    for (name, value) in &edits.set {
        out.put(name.as_bytes(), value.as_bytes());
    }
}
