//! Forward authentication (`forward`): another service is asked of each request whom it is from, as nginx's `auth_request` and Traefik's
//! `ForwardAuth` do.
//!
//! It sees the request's method, scheme, host, target and client, and the fields that it is to be sent, and never the body. All of that is
//! what its response holds for: requests that differ in any of it never share one.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use http::header::{AGE, CACHE_CONTROL, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName};
use model::{ForwardAuth, Proof, ServiceCookies};
use outbound::{Excess, Response};
use policy::claims::Claims;
use policy::freshness;
use policy::time::UnixTime;
use wire::head::RequestHead;

use super::caller::{Caller, Telling};
use super::client::ServerPlan;
use super::denial::Denial;
use super::inquiry::{Answer, Incoming, Question, Slow};
use super::prover::Refused;
use crate::fields::FieldSink;
use crate::peer::chain::{Chain, Node};

/// So much of a response's body is read, so that its connection can be used again. What it says matters to nobody.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What the service is told, beside the fields that it is to be sent.
const METHOD: &str = "X-Forwarded-Method";
const PROTO: &str = "X-Forwarded-Proto";
const HOST: &str = "X-Forwarded-Host";
const URI: &str = "X-Forwarded-Uri";
const FOR: &str = "X-Forwarded-For";

/// The service that is asked.
#[derive(Debug)]
pub(super) struct Forward {
    server: ServerPlan,
    /// How its responses are read.
    reading: Arc<Reading>,
}

impl Forward {
    /// As `forward` says.
    pub(super) fn new(forward: &ForwardAuth) -> Self {
        let named = |name: &String| {
            let header = HeaderName::try_from(name.as_str()).ok()?;
            Some((header, name.as_str().into()))
        };
        let reading = Reading {
            send: forward.send.clone(),
            headers: forward.headers.iter().filter_map(named).collect(),
            subject: forward.subject.as_deref().and_then(|name| HeaderName::try_from(name).ok()),
            cookies: forward.cookies,
        };
        let server = ServerPlan::new(&forward.server, BODY_BYTES_MAX, Excess::Dropped);
        Self { server, reading: reading.into() }
    }

    /// Writes what the service is told of a request.
    fn write(&self, incoming: Incoming<'_>, out: &mut impl FieldSink) {
        let head = incoming.request.head;
        for name in &self.reading.send {
            write_field(head, name, out);
        }
        let Incoming { approach, .. } = incoming;
        let chain = match approach.sender.is_trusted {
            true => Chain::read(approach.fields, approach.peer.ip(), approach.trusted_proxies),
            false => Chain::of_peer(approach.peer.ip()),
        };
        let scheme = chain.scheme.as_deref().unwrap_or(approach.peer.scheme().as_bytes());
        out.put(METHOD.as_bytes(), head.method_text());
        out.put(PROTO.as_bytes(), scheme);
        out.put(HOST.as_bytes(), chain.host.unwrap_or(head.authority()));
        out.put(URI.as_bytes(), head.target());
        out.put(FOR.as_bytes(), client_chain(&chain, incoming).as_bytes());
    }
}

/// Writes each value of the field `name`. What HTTP/2 may split of cookies is one field again (RFC 9113 section 8.2.3).
fn write_field(head: &RequestHead, name: &str, out: &mut impl FieldSink) {
    let mut values = head.fields.named(name.as_bytes());
    if name != "cookie" {
        values.for_each(|value| out.put(name.as_bytes(), value));
        return;
    }
    let Some(first) = values.next() else { return };
    let mut whole = first.to_vec();
    for value in values {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(value);
    }
    out.put(name.as_bytes(), &whole);
}

/// The addresses that the request has come by, as instances are told.
fn client_chain(chain: &Chain<'_>, incoming: Incoming<'_>) -> String {
    let mut list = String::new();
    for node in &chain.nodes {
        match node {
            Node::Address(address) => list.push_str(&address.to_string()),
            Node::Unknown => list.push_str("unknown"),
        }
        list.push_str(", ");
    }
    list.push_str(&incoming.approach.peer.ip().to_string());
    list
}

impl Slow for Forward {
    fn credential<'a>(
        &self,
        _: &'a Proof,
        incoming: Incoming<'a>,
    ) -> Result<Cow<'a, [u8]>, Refused> {
        let mut told = Vec::with_capacity(512);
        self.write(incoming, &mut told);
        Ok(told.into())
    }

    fn within(&self) -> Duration {
        self.server.within()
    }

    fn server(&self) -> Option<&ServerPlan> {
        Some(&self.server)
    }

    fn ask(&self, question: Question<'_>) -> LocalBoxFuture<'static, Answer> {
        let Question { by, credential: _, incoming, server, now } = question;
        let mut fields = HeaderMap::new();
        self.write(incoming, &mut fields);
        let (by, client, server) = (by.clone(), incoming.client(), server.cloned());
        let reading = self.reading.clone();
        async move {
            let Some(server) = server else { return Answer::once(Err(Refused::Unready)) };
            let response = match server.ask(client, fields, Bytes::new(), now).await {
                Ok(response) => response,
                Err(refused) => return Answer::once(Err(refused)),
            };
            let finding = match response.status.as_u16() {
                200..=299 => Ok(reading.caller(&response, |claims| Caller::new(&by, claims))),
                status if Denial::is_one(status) => {
                    Err(Refused::Denied(Rc::new(Denial::new(status, &response.fields))))
                }
                status => {
                    let why = format!("it responds with status {status}");
                    return Answer::once(Err(server.fails(&why, now)));
                }
            };
            server.responds();
            let until = reading.until(&response, now);
            Answer { finding, until }
        }
        .boxed_local()
    }
}

/// How a response is read.
#[derive(Debug)]
struct Reading {
    /// The fields that the service is sent.
    send: Vec<String>,
    /// Those of its response that instances are told.
    headers: Vec<(HeaderName, Box<str>)>,
    subject: Option<HeaderName>,
    cookies: ServiceCookies,
}

impl Reading {
    /// Whether a field of this name is among what the service is told.
    fn is_told(&self, name: &[u8]) -> bool {
        let is = |told: &str| name.eq_ignore_ascii_case(told.as_bytes());
        [METHOD, PROTO, HOST, URI, FOR].into_iter().any(is) || self.send.iter().any(|told| is(told))
    }

    /// Until when the response holds for what was told; `None` where it is for this once.
    fn until(&self, response: &Response, now: UnixTime) -> Option<UnixTime> {
        let values = |name: HeaderName| response.fields.get_all(name).into_iter();
        let cache_control = values(CACHE_CONTROL).map(|value| value.as_bytes());
        let age = response.fields.get(AGE).map(|value| value.as_bytes());
        let lifetime = freshness::explicit(cache_control, age)?;
        let vary = values(VARY).map(|value| value.as_bytes());
        let holds = freshness::depends_on_told(vary, |name| self.is_told(name));
        holds.then(|| now.after(lifetime))
    }

    /// Whom a response of 2xx lets in.
    fn caller(&self, response: &Response, of: impl FnOnce(Claims) -> Caller) -> Caller {
        let subject = self.subject.as_ref().and_then(|name| response.fields.get(name));
        let subject = subject.map(|value| String::from_utf8_lossy(value.as_bytes()));
        let subject = subject.filter(|it| !it.is_empty());
        let claims = subject.map_or_else(Claims::default, |name| Claims::of_subject(&name));
        let told = self.headers.iter().flat_map(|(name, text)| {
            let values = response.fields.get_all(name).iter();
            values.map(|value| Telling { header: text.clone(), value: value.as_bytes().into() })
        });
        let set: Box<[Box<[u8]>]> = match self.cookies {
            ServiceCookies::Dropped => Box::default(),
            ServiceCookies::Passed => {
                let all = response.fields.get_all(SET_COOKIE).iter();
                all.map(|value| value.as_bytes().into()).collect()
            }
        };
        of(claims).telling(told).setting(set)
    }
}
