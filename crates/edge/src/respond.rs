//! The answers that Plimsoll makes itself: of routes that redirect or respond, and of faults.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::num::NonZeroU16;

use model::{HeaderEdits, Redirect, Respond};
use wire::body::{Error, Sink};
use wire::h1::Framing;
use wire::head::{Method, RequestHead};
use wire::name::Name;
use wire::target::escape_for_uri;

use crate::client::{Client, StatusLine};
use crate::fault::Fault;
use crate::fields::FieldSink;
use crate::forward::write_edits;

/// After how many seconds a client may try again, when nobody could serve it.
const RETRY_AFTER: &[u8] = b"1";

/// What is served here as far as that is ours to say: routes and instances may take less.
const METHODS: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// An answer of our own.
struct Own<'a> {
    status: u16,
    content_type: &'a [u8],
    body: &'a [u8],
    request_id: &'a [u8],
    location: Option<&'a [u8]>,
    is_temporary: bool,
    allows: Option<&'a [u8]>,
    edits: Option<&'a HeaderEdits>,
}

/// Answers with what a route says.
pub(crate) async fn respond<C: Client>(
    client: &mut C,
    head: &RequestHead,
    respond: &Respond,
    edits: &HeaderEdits,
    request_id: &[u8],
) -> Result<(), Error> {
    let own = Own {
        status: respond.status,
        content_type: respond.content_type.as_bytes(),
        body: respond.body.as_bytes(),
        request_id,
        location: None,
        is_temporary: respond.status == 503,
        allows: None,
        edits: Some(edits),
    };
    send(client, head.method(), &own).await
}

/// Answers an `OPTIONS` that is to go no further than here (RFC 9110 §7.6.2).
pub(crate) async fn options<C: Client>(
    client: &mut C,
    edits: &HeaderEdits,
    request_id: &[u8],
) -> Result<(), Error> {
    let own = Own {
        status: 200,
        content_type: b"",
        body: b"",
        request_id,
        location: None,
        is_temporary: false,
        allows: Some(METHODS),
        edits: Some(edits),
    };
    send(client, Method::Options, &own).await
}

/// Sends the client elsewhere.
pub(crate) async fn redirect<C: Client>(
    client: &mut C,
    head: &RequestHead,
    redirect: &Redirect,
    edits: &HeaderEdits,
    request_id: &[u8],
) -> Result<(), Error> {
    let location = location(redirect, head);
    let own = Own {
        status: redirect.status,
        content_type: b"text/plain; charset=utf-8",
        body: b"",
        request_id,
        location: Some(&location),
        is_temporary: false,
        allows: None,
        edits: Some(edits),
    };
    send(client, head.method(), &own).await
}

/// Sends the client, which has named a host, to the same place over TLS.
pub(crate) async fn redirect_https<C: Client>(
    client: &mut C,
    head: &RequestHead,
    port: NonZeroU16,
    request_id: &[u8],
) -> Result<(), Error> {
    let host = crate::routing::host_of(head.authority());
    let mut to = format!("https://{}", String::from_utf8_lossy(&host));
    if port.get() != 443 {
        let _ = write!(to, ":{port}");
    }
    let target = Redirect { to, status: 308 };
    redirect(client, head, &target, &HeaderEdits::default(), request_id).await
}

/// Tells the client of a fault. `head` is there unless it was the head that was at fault.
pub(crate) async fn fault<C: Client>(
    client: &mut C,
    head: Option<&RequestHead>,
    fault: Fault,
    request_id: &[u8],
) -> Result<(), Error> {
    let Some(status) = fault.status() else { return Ok(()) };
    let wants_json = head.is_some_and(wants_json);
    let phrase = phrase(status);
    let sentence = fault.sentence();
    let id = String::from_utf8_lossy(request_id);
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
        request_id,
        location: None,
        is_temporary: fault.is_temporary(),
        allows: (fault == Fault::MethodNotAllowed).then_some(METHODS),
        edits: None,
    };
    send(client, head.map_or(Method::Get, RequestHead::method), &own).await
}

async fn send<C: Client>(client: &mut C, method: Method, own: &Own<'_>) -> Result<(), Error> {
    let length = own.body.len() as u64;
    let has_body = method != Method::Head && !wire::h1::framing::is_bodiless(own.status);
    let framing = if has_body { Framing::Length(length) } else { Framing::None };
    client.begin(StatusLine::standard(own.status), framing, |out| own.write_fields(out))?;
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
    fn write_fields(&self, out: &mut impl FieldSink) {
        if !self.body.is_empty() {
            out.put(b"Content-Type", self.content_type);
        }
        if let Some(location) = self.location {
            out.put(b"Location", location);
        }
        if let Some(methods) = self.allows {
            out.put(b"Allow", methods);
        }
        if self.is_temporary {
            out.put(b"Retry-After", RETRY_AFTER);
        }
        out.put(b"X-Request-Id", self.request_id);
        self.edits.into_iter().for_each(|edits| write_edits(edits, out));
    }
}

/// Where a redirect leads: a URL without a path of its own gets the request's, if that has one.
fn location(redirect: &Redirect, head: &RequestHead) -> Vec<u8> {
    let mut location = redirect.to.clone().into_bytes();
    let has_path = match redirect.to.split_once("://") {
        Some((_, rest)) => rest.contains('/'),
        None => true,
    };
    if !has_path && head.path() != b"*" {
        escape_for_uri(head.target(), &mut location);
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
