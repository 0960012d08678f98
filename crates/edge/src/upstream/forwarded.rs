//! Tells an instance who asked, and for what: `X-Forwarded-*`, `X-Real-IP` and `Forwarded`
//! (RFC 7239), which say the same. What a client sends of these was dropped; what a trusted proxy
//! said of the way before it is read as one chain, from which both families are made.
//!
//! A route's edits reach what is written here: what they set or remove is not written a second time,
//! and the scheme, host and port that they set hold for the other family, too.

use std::borrow::Cow;

use model::HeaderEdits;

use crate::fields::FieldSink;
use crate::peer::chain::{Chain, Node};
use crate::policy::headers::is_edited;
use crate::upstream::address_text::AddressText;
use crate::upstream::outbound::Outbound;

/// Writes the fields of both families.
pub(crate) fn write(request: &Outbound<'_>, out: &mut impl FieldSink) {
    let edits = &request.policies.request_headers;
    match request.sender.is_trusted || !edits.set.is_empty() || !edits.remove.is_empty() {
        false => write_plain(request, out),
        // What is long is apart from what is frequent.
        true => write_told(request, edits, out),
    }
}

/// Where nobody is believed and nothing is edited, the peer is the client.
fn write_plain(request: &Outbound<'_>, out: &mut impl FieldSink) {
    let address = AddressText::of(request.peer.ip());
    let host = request.head.authority();
    let scheme = request.peer.scheme().as_bytes();
    out.put(b"X-Forwarded-For", address.as_bytes());
    out.put(b"X-Real-IP", address.as_bytes());
    out.put(b"X-Forwarded-Proto", scheme);
    out.put(b"X-Forwarded-Port", port_of(host, scheme));
    if !host.is_empty() {
        out.put(b"X-Forwarded-Host", host);
    }
    if let Some(prefix) = &request.policies.rewrite.strip_prefix {
        out.put(b"X-Forwarded-Prefix", prefix.as_bytes());
    }
    let (open, close) = address.brackets();
    let (before, after) = around_host(host);
    let parts = [b"for=", open, address.as_bytes(), close, before, host, after, scheme];
    out.put_parts(b"Forwarded", &parts);
}

fn write_told(request: &Outbound<'_>, edits: &HeaderEdits, out: &mut impl FieldSink) {
    let way = Way::of(request, edits);
    let mut put = |name: &'static [u8], value: &[u8]| {
        if !value.is_empty() && !is_edited(edits, name) {
            out.put(name, value);
        }
    };
    put(b"X-Forwarded-For", &way.list());
    put(b"X-Real-IP", AddressText::of(request.sender.client).as_bytes());
    put(b"X-Forwarded-Proto", &way.scheme);
    put(b"X-Forwarded-Port", &way.port);
    put(b"X-Forwarded-Host", &way.host);
    put(b"X-Forwarded-Prefix", &way.prefix);
    put(b"Forwarded", &way.forwarded());
}

/// The way of a request to us, as it is told on.
struct Way<'a> {
    chain: Chain<'a>,
    peer: AddressText,
    scheme: Cow<'a, [u8]>,
    host: Cow<'a, [u8]>,
    port: Cow<'a, [u8]>,
    prefix: Vec<u8>,
}

impl<'a> Way<'a> {
    fn of(request: &'a Outbound<'_>, edits: &'a HeaderEdits) -> Self {
        let trusted = &request.listener.listener.trusted_proxies;
        let chain = match request.sender.is_trusted {
            true => Chain::read(&request.head.fields, request.peer.ip(), trusted),
            false => Chain::of_peer(request.peer.ip()),
        };
        let edited = |name: &str| {
            let mut set = edits.set.iter().filter(|(set, _)| set == name);
            set.next().map(|(_, value)| value.as_bytes())
        };
        let own_scheme = request.peer.scheme().as_bytes();
        let scheme = edited("x-forwarded-proto")
            .map(Cow::Borrowed)
            .or_else(|| chain.scheme.clone())
            .unwrap_or(Cow::Borrowed(own_scheme));
        let own_host = request.head.authority();
        let host = edited("x-forwarded-host").or(chain.host).unwrap_or(own_host);
        let port = edited("x-forwarded-port").or(chain.port);
        let port = port.unwrap_or_else(|| port_of(host, &scheme)).to_vec();
        let stripped = request.policies.rewrite.strip_prefix.as_deref().unwrap_or_default();
        let before = chain.prefix.unwrap_or_default();
        // Both are the front of a path, so that together they are one.
        let before = before.strip_suffix(b"/").filter(|_| !stripped.is_empty()).unwrap_or(before);
        let prefix = [before, stripped.as_bytes()].concat();
        let peer = AddressText::of(request.peer.ip());
        Self { chain, peer, scheme, host: host.into(), port: port.into(), prefix }
    }

    /// `X-Forwarded-For`.
    fn list(&self) -> Vec<u8> {
        let mut list = Vec::with_capacity(64);
        for node in &self.chain.nodes {
            match node {
                Node::Address(address) => list.extend(AddressText::of(*address).as_bytes()),
                Node::Unknown => list.extend(b"unknown"),
            }
            list.extend(b", ");
        }
        list.extend(self.peer.as_bytes());
        list
    }

    /// `Forwarded`: what the client asked for stands beside its address.
    fn forwarded(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(128);
        for (place, node) in self.chain.nodes.iter().enumerate() {
            match node {
                Node::Address(address) => put_for(&mut text, &AddressText::of(*address)),
                Node::Unknown => text.extend(b"for=unknown"),
            }
            if self.chain.client == Some(place) {
                self.put_asked(&mut text);
            }
            text.extend(b", ");
        }
        put_for(&mut text, &self.peer);
        if self.chain.client.is_none() {
            self.put_asked(&mut text);
        }
        text
    }

    fn put_asked(&self, text: &mut Vec<u8>) {
        let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\');
        let host = if self.host.iter().all(is_plain) { &*self.host } else { b"" };
        let (before, after) = around_host(host);
        [before, host, after, &self.scheme].iter().for_each(|part| text.extend_from_slice(part));
    }
}

fn put_for(text: &mut Vec<u8>, address: &AddressText) {
    let (open, close) = address.brackets();
    [b"for=", open, address.as_bytes(), close].iter().for_each(|part| text.extend_from_slice(part));
}

/// What stands before and behind a host in an element of `Forwarded`, and before the scheme.
fn around_host(host: &[u8]) -> (&'static [u8], &'static [u8]) {
    if host.is_empty() { (b"", b";proto=") } else { (b";host=\"", b"\";proto=") }
}

/// The port that a client asked at: the one that it names with the host, or its scheme's.
fn port_of<'a>(host: &'a [u8], scheme: &[u8]) -> &'a [u8] {
    match host.iter().rposition(|byte| !byte.is_ascii_digit()) {
        Some(colon) if host[colon] == b':' && colon + 1 < host.len() => &host[colon + 1..],
        _ if matches!(scheme, b"https" | b"wss") => b"443",
        _ => b"80",
    }
}
