//! The responses that Plimsoll makes itself: of routes that redirect or respond, and of faults.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::num::NonZeroU16;

use model::{HeaderEdits, Redirect, Respond};
use telemetry::{Ending, Told};
use wire::body::{Error, Sink};
use wire::h1::Framing;
use wire::head::{Method, RequestHead};
use wire::name::Name;
use wire::target::escape_for_uri;

use crate::client::Client;
use crate::fields::FieldSink;
use crate::grpc::{self, Dialect};
use crate::policy::auth::caller::Caller;
use crate::policy::headers::is_edited;
use crate::response::{self, Applied, Head};

/// After how many seconds a client may try again, when nobody could serve it.
const RETRY_AFTER: &[u8] = b"1";

/// What is served here as far as that is ours to say: routes and instances may take less.
const METHODS: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A response of our own.
pub(crate) struct Own<'a> {
    pub(crate) status: u16,
    content_type: &'a [u8],
    body: &'a [u8],
    location: Option<&'a [u8]>,
    is_temporary: bool,
    allows: Option<&'a [u8]>,
    /// What a gRPC client reads beside, or instead of, all that.
    grpc: Option<grpc::Told>,
}

/// Answers with what a route says.
pub(crate) async fn respond<C: Client>(
    client: &mut C,
    head: &RequestHead,
    respond: &Respond,
    applied: &Applied<'_>,
) -> Result<(), Error> {
    let own = Own {
        status: respond.status,
        content_type: respond.content_type.as_bytes(),
        body: respond.body.as_bytes(),
        location: None,
        is_temporary: respond.status == 503,
        allows: None,
        grpc: None,
    };
    send(client, head.method(), &own, applied).await
}

/// Tells a CA what it looks for (RFC 8555 section 8.3).
pub(crate) async fn challenge<C: Client>(
    client: &mut C,
    head: &RequestHead,
    body: &str,
    applied: &Applied<'_>,
) -> Result<(), Error> {
    let own = Own {
        status: 200,
        content_type: b"application/octet-stream",
        body: body.as_bytes(),
        location: None,
        is_temporary: false,
        allows: None,
        grpc: None,
    };
    send(client, head.method(), &own, applied).await
}

/// Answers an `OPTIONS` that is to go no further than here (RFC 9110 §7.6.2).
pub(crate) async fn options<C: Client>(client: &mut C, applied: &Applied<'_>) -> Result<(), Error> {
    let own = Own {
        status: 200,
        content_type: b"",
        body: b"",
        location: None,
        is_temporary: false,
        allows: Some(METHODS),
        grpc: None,
    };
    send(client, Method::Options, &own, applied).await
}

/// Answers a preflight: all that it says is the response phase's.
pub(crate) async fn preflight<C: Client>(
    client: &mut C,
    applied: &Applied<'_>,
) -> Result<(), Error> {
    let own = Own {
        status: 204,
        content_type: b"",
        body: b"",
        location: None,
        is_temporary: false,
        allows: None,
        grpc: None,
    };
    send(client, Method::Options, &own, applied).await
}

/// Sends the client elsewhere.
pub(crate) async fn redirect<C: Client>(
    client: &mut C,
    head: &RequestHead,
    redirect: &Redirect,
    applied: &Applied<'_>,
) -> Result<(), Error> {
    let caller = applied.phase.and_then(|phase| phase.carried.caller());
    let location = location(redirect, head, caller);
    let own = Own {
        status: redirect.status,
        content_type: b"text/plain; charset=utf-8",
        body: b"",
        location: Some(&location),
        is_temporary: false,
        allows: None,
        grpc: None,
    };
    send(client, head.method(), &own, applied).await
}

/// Sends the client, which has named a host, to the same place over TLS.
pub(crate) async fn redirect_https<C: Client>(
    client: &mut C,
    head: &RequestHead,
    port: NonZeroU16,
    applied: &Applied<'_>,
) -> Result<(), Error> {
    let host = crate::routing::host_of(head.authority());
    let mut to = format!("https://{}", String::from_utf8_lossy(&host));
    if port.get() != 443 {
        let _ = write!(to, ":{port}");
    }
    let target = Redirect { to, status: 308 };
    redirect(client, head, &target, applied).await
}

/// What is known of the request that met a fault.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    /// There unless it was the head that was at fault.
    pub(crate) head: Option<&'a RequestHead>,
    /// There if it is a gRPC call.
    pub(crate) dialect: Option<Dialect>,
}

/// Tells the client that there is no response, and why. One of gRPC is told in the head alone, which is a response of 200; one of
/// grpc-web, which looks at the status of HTTP first, is told there as well.
pub(crate) async fn told<C: Client>(
    client: &mut C,
    asked: Asked<'_>,
    ending: Ending,
    applied: &Applied<'_>,
) -> Result<(), Error> {
    let Some(told) = ending.told() else { return Ok(()) };
    let Told { status, sentence, .. } = told;
    let status = applied.phase.map_or(status, |phase| phase.carried.status(status));
    let head = asked.head;
    let wants_json = head.is_some_and(wants_json);
    let phrase = phrase(status);
    let id = String::from_utf8_lossy(applied.request_id);
    let in_grpc = |_| grpc::Told::new(told.grpc, &format!("{sentence} Request {id}"));
    let grpc = asked.dialect.map(in_grpc);
    if asked.dialect == Some(Dialect::Native) {
        let own = Own {
            status: 200,
            content_type: grpc::MEDIA_TYPE,
            body: b"",
            location: None,
            is_temporary: false,
            allows: None,
            grpc,
        };
        return send(client, Method::Post, &own, applied).await;
    }
    let body = match wants_json {
        true => format!(
            "{{\"type\":\"about:blank\",\"title\":\"{phrase}\",\"status\":{status},\
             \"detail\":\"{sentence}\",\"request_id\":\"{id}\"}}\n"
        ),
        false => format!("{status} {phrase}\n{sentence}\nRequest {id}\n"),
    };
    let content_type: &[u8] =
        if wants_json { b"application/problem+json" } else { b"text/plain; charset=utf-8" };
    let own = Own {
        status,
        content_type,
        body: body.as_bytes(),
        location: None,
        is_temporary: told.is_temporary(),
        allows: (ending == Ending::MethodNotAllowed).then_some(METHODS),
        grpc,
    };
    send(client, head.map_or(Method::Get, RequestHead::method), &own, applied).await
}

async fn send<C: Client>(
    client: &mut C,
    method: Method,
    own: &Own<'_>,
    applied: &Applied<'_>,
) -> Result<(), Error> {
    let length = own.body.len() as u64;
    let has_body = method != Method::Head && !wire::h1::framing::is_bodiless(own.status);
    let framing = if has_body { Framing::Length(length) } else { Framing::None };
    response::begin(client, Head::Own(own), framing, applied)?;
    if has_body {
        send_all(client, own.body).await?;
    }
    poll_fn(|cx| client.poll_finish(cx, None)).await
}

async fn send_all<C: Sink>(client: &mut C, mut data: &[u8]) -> Result<(), Error> {
    while !data.is_empty() {
        let taken = poll_fn(|cx| client.poll_send(cx, data)).await?;
        data = &data[taken..];
    }
    Ok(())
}

impl Own<'_> {
    /// Writes its own fields but those that are edited. Says whether it has a date, which it never has.
    pub(crate) fn write_fields(&self, edits: &HeaderEdits, out: &mut impl FieldSink) -> bool {
        let has_type = !self.body.is_empty() || self.grpc.is_some();
        for (name, value) in [
            (&b"Content-Type"[..], has_type.then_some(self.content_type)),
            (b"Location", self.location),
            (b"Allow", self.allows),
            (b"Retry-After", self.is_temporary.then_some(RETRY_AFTER)),
        ] {
            if let Some(value) = value
                && !is_edited(edits, name)
            {
                out.put(name, value);
            }
        }
        if let Some(told) = &self.grpc {
            told.write(out);
        }
        false
    }
}

/// Where a redirect leads: a URL without a path of its own gets the request's, if that has one, without what `caller` keeps from
/// others.
fn location(redirect: &Redirect, head: &RequestHead, caller: Option<&Caller>) -> Vec<u8> {
    let mut location = redirect.to.clone().into_bytes();
    let has_path = match redirect.to.split_once("://") {
        Some((_, rest)) => rest.contains('/'),
        None => true,
    };
    if !has_path && head.path() != b"*" {
        match caller.map(|caller| caller.target_of(head)) {
            Some(target) => escape_for_uri(&target, &mut location),
            None => escape_for_uri(head.target(), &mut location),
        }
    }
    location
}

/// Whether the client prefers problems as JSON (RFC 9457).
fn wants_json(head: &RequestHead) -> bool {
    head.fields.all(Name::Accept).any(|accept| {
        let accept = String::from_utf8_lossy(accept).to_ascii_lowercase();
        let place = |text| accept.find(text);
        match (place("json"), place("text/html").or_else(|| place("text/plain"))) {
            (Some(json), Some(text)) => json < text,
            (json, _) => json.is_some(),
        }
    })
}

/// The standard phrase of a status.
pub(crate) fn phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default()
}
