//! How a request of our own is made: a connection of its own, for this one alone.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use http::{HeaderMap, Request, Uri};
use model::{Generation, Scheme, UpstreamProtocol};
use tokio::time::{Instant, timeout_at};
use wire::body::{Error, Sink, Source};
use wire::buffer::Pool;
use wire::h1::Framing;
use wire::head::{Fields, Method, ResponseHead};
use wire::name::Name;
use wire::stream::Stream;
use wire::target::escape_for_h2;

use super::fault::NOT_HTTP;
use super::{Greeting, OwnFault, OwnRequest, OwnResponse, Stage};
use crate::fields::FieldSink;
use crate::instance::H1;
use crate::instance::tls::{InstanceTls, Unconnected};
use crate::upstream::{INFORMATIONAL_MAX, Unsent, Upstream};

/// Asks, and reads the whole response.
///
/// # Errors
/// When there is none in time, or none that a client could be given.
pub(super) async fn ask(request: &OwnRequest, pool: &Pool) -> Result<OwnResponse, OwnFault> {
    let deadline = Instant::now() + request.timeout;
    let late = |stage| move |_| OwnFault::Timeout(stage, request.timeout);
    let connecting = timeout_at(deadline, Upstream::open(request, pool));
    let connected = connecting.await.map_err(late(Stage::Connecting))?;
    let mut upstream = connected.map_err(OwnFault::from)?;
    upstream.read_as(request.violations);
    let head = timeout_at(deadline, exchange(request, &mut upstream)).await;
    let head = head.map_err(late(Stage::Waiting))??;
    let body = timeout_at(deadline, read(request, &mut upstream, head)).await;
    body.map_err(late(Stage::Reading))?
}

impl Greeting {
    /// Opens the connection.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn make(&self) -> Result<(), OwnFault> {
        let Self { address, tls, protocol, timeout } = self;
        let opened = tokio::time::timeout(*timeout, open(*address, tls.as_ref(), *protocol)).await;
        let late = |_| OwnFault::Timeout(Stage::Connecting, *timeout);
        opened.map_err(late)?.map(drop).map_err(OwnFault::from)
    }
}

async fn open(
    address: SocketAddr,
    tls: Option<&InstanceTls>,
    protocol: UpstreamProtocol,
) -> Result<Stream, Unconnected> {
    let socket = crate::instance::open(address).await?;
    match tls {
        None => Ok(Stream::Plain(socket)),
        Some(tls) => tls.begin(socket, protocol).await,
    }
}

fn scheme(request: &OwnRequest) -> Scheme {
    if request.tls.is_some() { Scheme::Https } else { Scheme::Http }
}

/// Sends the request and waits for the final head of the response.
async fn exchange(request: &OwnRequest, upstream: &mut Upstream) -> Result<ResponseHead, OwnFault> {
    send(request, upstream).await?;
    for _ in 0..=INFORMATIONAL_MAX {
        let head = match poll_fn(|cx| upstream.poll_head(cx)).await {
            Ok(Some(head)) => head,
            Ok(None) => return Err(OwnFault::Broken(Stage::Waiting, None)),
            Err(_) if upstream.holds_no_response() => {
                return Err(OwnFault::Nonsense(NOT_HTTP.to_owned()));
            }
            Err(error) => return Err(OwnFault::of(error, Stage::Waiting)),
        };
        match head.status() {
            101 => {
                let why = "it switches to a protocol that was not requested (status 101)";
                return Err(OwnFault::Nonsense(why.to_owned()));
            }
            100..=199 => {}
            _ => return Ok(head),
        }
    }
    Err(OwnFault::Nonsense(format!("more than {INFORMATIONAL_MAX} heads of 1xx")))
}

async fn send(request: &OwnRequest, upstream: &mut Upstream) -> Result<(), OwnFault> {
    let body = request.body.as_deref().unwrap_or_default();
    let framing = match request.body {
        Some(_) => Framing::Length(body.len() as u64),
        None => Framing::None,
    };
    match upstream {
        Upstream::H1(upstream) => write_h1(request, framing, upstream.conn.begin(framing)),
        Upstream::H2(upstream) => {
            let head = h2_head(request).map_err(|error| unasked(&error))?;
            upstream.begin(head, framing).map_err(|unsent| match unsent {
                Unsent::Gone => OwnFault::Broken(Stage::Waiting, None),
                Unsent::Unsayable => unasked(&"HTTP/2 has no way to say it"),
            })?;
        }
    }
    let mut sent = 0;
    let sending = poll_fn(|cx| {
        while sent < body.len() {
            sent += std::task::ready!(upstream.poll_send(cx, &body[sent..]))?;
        }
        upstream.poll_finish(cx, None)
    });
    match sending.await {
        // What takes no more may have answered before.
        Ok(()) | Err(Error::Io(_)) => Ok(()),
        Err(error) => Err(OwnFault::of(error, Stage::Waiting)),
    }
}

fn unasked(why: &dyn std::fmt::Display) -> OwnFault {
    OwnFault::Unasked(format!("no request can be sent: {why}"))
}

fn write_h1(request: &OwnRequest, framing: Framing, out: &mut Vec<u8>) {
    for part in [request.method, " ", &request.target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    out.put(b"Host", request.host.as_bytes());
    for (name, value) in &request.fields {
        out.put(name.as_bytes(), value.as_bytes());
    }
    if let Framing::Length(length) = framing {
        out.put(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
    }
    out.put(b"Connection", b"close");
    out.extend_from_slice(b"\r\n");
}

fn h2_head(request: &OwnRequest) -> Result<Request<()>, http::Error> {
    let uri = Uri::builder().scheme(scheme(request).as_str()).authority(&*request.host);
    let mut target = Vec::new();
    escape_for_h2(request.target.as_bytes(), &mut target);
    let uri = uri.path_and_query(target).build()?;
    let mut head = Request::builder()
        .method(request.method)
        .uri(uri)
        .version(http::Version::HTTP_2)
        .body(())?;
    let mut fields = HeaderMap::new();
    for (name, value) in &request.fields {
        fields.put(name.as_bytes(), value.as_bytes());
    }
    *head.headers_mut() = fields;
    Ok(head)
}

/// Reads the body, as far as it is to be kept.
async fn read(
    request: &OwnRequest,
    upstream: &mut Upstream,
    head: ResponseHead,
) -> Result<OwnResponse, OwnFault> {
    let method = Method::of(request.method.as_bytes());
    let status = head.status();
    upstream.expect_body(method, &head).map_err(|error| framed(&head.fields, error))?;
    let mut response = OwnResponse { status, body: Vec::new(), fields: Vec::new() };
    response.note(&head.fields);
    let broken = |error| OwnFault::of(error, Stage::Reading);
    while response.body.len() < request.kept {
        if !poll_fn(|cx| upstream.poll_fill(cx)).await.map_err(broken)? {
            if let Some(trailers) = upstream.take_trailers().map_err(broken)? {
                response.note(&trailers);
            }
            return Ok(response);
        }
        let room = request.kept - response.body.len();
        let (data, whole) = (upstream.data(), upstream.data().len());
        response.body.extend_from_slice(&data[..data.len().min(room)]);
        upstream.consume(whole);
    }
    upstream.cancel();
    Ok(response)
}

/// What is wrong with how the body is framed.
fn framed(fields: &Fields, error: Error) -> OwnFault {
    let count = |name| fields.all(name).count();
    match count(Name::ContentLength) + count(Name::TransferEncoding) {
        0 | 1 => OwnFault::of(error, Stage::Reading),
        _ => {
            let told: &dyn std::fmt::Display = match &error {
                Error::Fault(fault) => fault,
                other => other,
            };
            OwnFault::Nonsense(format!("two framings: {told}"))
        }
    }
}

impl OwnResponse {
    fn note(&mut self, fields: &Fields) {
        self.fields.extend(fields.iter().map(|(_, name, value)| (name.to_vec(), value.to_vec())));
    }
}

impl Upstream {
    /// A connection that belongs to nobody else, and ends with what is asked over it.
    async fn open(request: &OwnRequest, pool: &Pool) -> Result<Self, Unconnected> {
        let stream = open(request.address, request.tls.as_ref(), request.protocol).await?;
        match request.protocol {
            UpstreamProtocol::H1 => {
                let h1 = H1::new(stream, Generation::default(), None, pool);
                Ok(Self::H1(Box::new(h1)))
            }
            UpstreamProtocol::H2 => {
                let (sender, connection) = crate::instance::begin_h2(stream).await?;
                tokio::task::spawn_local(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "own connection to an instance ended");
                    }
                });
                let sender = sender.ready().await.map_err(io::Error::other)?;
                Ok(Self::h2(sender, None, scheme(request), pool))
            }
        }
    }

    /// Whether what came is the beginning of anything but a response of HTTP/1.
    fn holds_no_response(&self) -> bool {
        match self {
            Self::H1(upstream) => upstream.conn.begins_unlike(b"HTTP/1."),
            Self::H2(_) => false,
        }
    }
}
