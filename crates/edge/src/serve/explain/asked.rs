//! A question as the request that it is of would come in: its head, its framing, its listener and its client.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use model::Listener;
use wire::buffer::Pool;
use wire::h1::Framing;
use wire::head::{HeadBuilder, RequestHead, Version};
use wire::target::{is_authority, is_target};

use super::{ExplainError, Question, Transport};
use crate::peer::{Peer, Sender};
use crate::serve::decision::https_port;

/// A question as it would come in.
pub(super) struct Asked {
    pub(super) head: RequestHead,
    pub(super) framing: Framing,
    pub(super) arrival: Arrival,
}

impl Asked {
    pub(super) fn new(
        question: Question<'_>,
        listeners: Vec<(Arc<Listener>, Vec<u16>)>,
    ) -> Result<Self, ExplainError> {
        let head = head_of(question)?;
        let framing =
            Framing::of_request(Version::Http11, &head.fields).map_err(ExplainError::Framing)?;
        let arrival = Arrival::of(question, &head, listeners);
        Ok(Self { head, framing, arrival })
    }
}

/// How a request comes in.
pub(super) struct Arrival {
    pub(super) listener: Option<Arc<Listener>>,
    pub(super) https_port: Option<NonZeroU16>,
    pub(super) peer: Peer,
    pub(super) sender: Sender,
}

impl Arrival {
    pub(super) fn of(
        question: Question<'_>,
        head: &RequestHead,
        listeners: Vec<(Arc<Listener>, Vec<u16>)>,
    ) -> Self {
        let listener = listener_of(question.entrance, listeners);
        let transport = question.entrance.map_or(Transport::Clear, |(transport, _)| transport);
        let peer = Peer::new(SocketAddr::new(question.peer, 0), None, transport);
        let trusted = listener.as_ref().map_or(&[][..], |listener| &listener.trusted_proxies);
        let sender = peer.sender(&head.fields, trusted);
        let redirecting = listener.as_deref();
        let https_port = redirecting.and_then(|it| https_port(it, &peer, sender, &head.fields));
        Self { https_port, listener, peer, sender }
    }
}

fn head_of(question: Question<'_>) -> Result<RequestHead, ExplainError> {
    let mut builder = HeadBuilder::new(&Pool::default());
    for (name, value) in question.fields {
        let is_name = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !is_name || http::HeaderValue::from_bytes(value.as_bytes()).is_err() {
            // Its value may be a secret.
            return Err(ExplainError::Field(name.escape_debug().to_string()));
        }
        builder.field(name.as_bytes(), value.as_bytes());
    }
    let Question { method, authority, target, .. } = question;
    let is_path = is_target(target) && (target.starts_with('/') || target == "*");
    if !is_path || !authority.is_empty() && !is_authority(authority.as_bytes()) {
        return Err(ExplainError::Target);
    }
    Ok(builder.request(method.as_bytes(), authority.as_bytes(), target.as_bytes()))
}

/// The listener with the port, or the only one of the transport.
fn listener_of(
    entrance: Option<(Transport, u16)>,
    listeners: Vec<(Arc<Listener>, Vec<u16>)>,
) -> Option<Arc<Listener>> {
    let (transport, port) = entrance?;
    let is_tls = transport == Transport::Tls;
    let fits = |(listener, _): &(Arc<Listener>, _)| listener.is_tls() == is_tls;
    let fitting: Vec<_> = listeners.into_iter().filter(fits).collect();
    let by_port = fitting.iter().find(|(_, ports)| ports.contains(&port));
    let only = || if let [only] = &fitting[..] { Some(only) } else { None };
    by_port.or_else(only).map(|(listener, _)| listener.clone())
}
