//! The instance's side of one attempt, over a connection of HTTP/1 or a stream of HTTP/2.

pub(crate) mod address_text;
pub(crate) mod attempt;
mod awaited;
mod connecting;
pub(crate) mod downstream;
pub(crate) mod entrance;
pub(crate) mod events;
pub(crate) mod failed;
pub(crate) mod forward;
pub(crate) mod forwarded;
pub(crate) mod held;
pub(crate) mod keep_alive;
pub(crate) mod outbound;
pub(crate) mod own_lines;
pub(crate) mod pace;
mod passing;
pub(crate) mod patience;
pub(crate) mod relay;
pub(crate) mod retry;
pub(crate) mod sendable;
pub(crate) mod trailing;
pub(crate) mod tunnel;
pub(crate) mod wait;
pub(crate) mod websocket;

use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request, Uri};
use model::{Scheme, Violations};
use wire::body::{Error, Sink, Source};
use wire::buffer::Pool;
use wire::h1::framing::is_bodiless;
use wire::h1::{Conn, Framing, Reading};
use wire::h2::head::{self, append_to, content_length};
use wire::h2::stream::fields_bytes;
use wire::h2::{Outbox, Payload, Stream};
use wire::head::{Fields, Method, ResponseHead};
use wire::target::escape_for_h2;
use wire::traffic::Traffic;

use crate::fields::FieldSink;
use crate::instance::{H1, Link, Place};
use crate::upstream::outbound::{Expectation, Outbound};

/// Heads of 1xx before a response that an instance may send.
pub(crate) const INFORMATIONAL_MAX: usize = 16;

/// What an attempt is made over.
pub(crate) enum Upstream {
    /// A connection of HTTP/1, for this attempt alone.
    H1(Box<H1>),
    /// A stream of HTTP/2 on a connection that others use too.
    H2(Box<H2>),
}

/// Why a head did not leave.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// The protocol has no way to say it: never the instance's fault.
    Unsayable,
    /// The connection was gone before anything was sent.
    Gone,
}

pub(crate) struct H2 {
    sender: SendRequest<Payload>,
    /// What the instance is told that it is spoken to by.
    scheme: Scheme,
    response: Option<ResponseFuture>,
    stream: Stream,
    pool: Pool,
    /// Its place on a connection that others use too.
    _place: Option<Place>,
}

impl Upstream {
    /// An attempt over a connection of HTTP/2 that is ready for one more stream.
    pub(crate) fn h2(
        sender: SendRequest<Payload>,
        place: Option<Place>,
        scheme: Scheme,
        pool: &Pool,
    ) -> Self {
        let outbox = Outbox::new(pool.account().clone());
        let stream = Stream::to_server(None, None, outbox, pool.clone());
        let pool = pool.clone();
        Self::H2(Box::new(H2 { sender, scheme, response: None, stream, pool, _place: place }))
    }

    /// Whether the connection had served before, so that it may have been closed meanwhile.
    pub(crate) fn is_reused(&self) -> bool {
        match self {
            Self::H1(upstream) => upstream.reused,
            Self::H2(_) => false,
        }
    }

    /// What becomes of responses that are not what they should be. HTTP/2 leaves nothing to mend.
    #[inline]
    pub(crate) fn read_as(&mut self, violations: Violations) {
        if let Self::H1(upstream) = self {
            upstream.conn.read_as(match violations {
                Violations::Refused => Reading::Strict,
                Violations::Accepted => Reading::Lenient,
            });
        }
    }

    /// Writes the request's head for the instance at `instance`; its body follows by [`Sink`].
    pub(crate) fn send_head(
        &mut self,
        request: &Outbound<'_>,
        framing: Framing,
        instance: SocketAddr,
    ) -> Result<(), Unsent> {
        match self {
            Self::H1(upstream) => {
                write_h1_head(upstream.conn.begin(framing), request, framing, instance);
                Ok(())
            }
            Self::H2(upstream) => upstream.send_head(request, framing, instance),
        }
    }

    /// Waits for the next head of the response. `None` when the connection closed before it.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<ResponseHead>, Error>> {
        match self {
            Self::H1(upstream) => upstream.conn.poll_response(cx),
            Self::H2(upstream) => upstream.poll_head(cx),
        }
    }

    /// The head that was read is the final one: tells how its body is framed, and expects that.
    pub(crate) fn expect_body(
        &mut self,
        method: Method,
        head: &ResponseHead,
    ) -> Result<Framing, Error> {
        match self {
            Self::H1(upstream) => Ok(upstream.conn.expect_response(method, head)?),
            // Whenever the stream ends, and whatever comes before that: what follows such a head over HTTP/1
            // would be taken for the next response.
            Self::H2(upstream) if method == Method::Head || is_bodiless(head.status()) => {
                upstream.stream.receive_nothing();
                Ok(Framing::None)
            }
            // An HTTP/1 client has to be told that nothing follows.
            Self::H2(upstream) if upstream.stream.is_received() => Ok(Framing::Length(0)),
            // Trailers may follow even where a length was announced.
            Self::H2(_) => Ok(Framing::Chunked),
        }
    }

    /// Bytes received from and sent to the instance.
    pub(crate) fn take_traffic(&mut self) -> Traffic {
        match self {
            Self::H1(upstream) => upstream.conn.take_traffic(),
            Self::H2(upstream) => upstream.stream.traffic(),
        }
    }

    /// Gives an attempt up that did not come to its end.
    pub(crate) fn cancel(&mut self) {
        if let Self::H2(upstream) = self {
            upstream.stream.reset(h2::Reason::CANCEL);
            upstream.response = None;
        }
    }
}

fn write_h1_head(
    out: &mut Vec<u8>,
    request: &Outbound<'_>,
    framing: Framing,
    instance: SocketAddr,
) {
    out.extend_from_slice(request.head.method_text());
    out.push(b' ');
    request.rewriting.write_target(out);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    out.put(b"Host", &request.rewriting.host(instance));
    request.write_fields(out);
    match framing {
        _ if framing.is_empty() => {
            if request.says_empty() {
                out.put(b"Content-Length", b"0");
            }
        }
        Framing::None | Framing::Close => {}
        Framing::Length(length) => {
            out.put(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
        }
        Framing::Chunked => out.put(b"Transfer-Encoding", b"chunked"),
    }
    if request.expectation == Expectation::Continue {
        out.put(b"Expect", b"100-continue");
    }
    if let Some(protocol) = &request.upgrade {
        out.put(b"Connection", b"upgrade");
        out.put(b"Upgrade", protocol);
    }
    out.extend_from_slice(b"\r\n");
}

impl H2 {
    fn send_head(
        &mut self,
        request: &Outbound<'_>,
        framing: Framing,
        instance: SocketAddr,
    ) -> Result<(), Unsent> {
        let mut fields = HeaderMap::new();
        request.write_fields(&mut fields);
        if request.says_empty() {
            fields.put(b"content-length", b"0");
        } else if let Framing::Length(length) = framing {
            fields.put(b"content-length", itoa::Buffer::new().format(length).as_bytes());
        }
        if request
            .head
            .fields
            .all(wire::name::Name::Te)
            .any(|te| te.eq_ignore_ascii_case(b"trailers"))
        {
            append_to(&mut fields, b"te", b"trailers");
        }
        if request.expectation == Expectation::Continue {
            append_to(&mut fields, b"expect", b"100-continue");
        }
        let method = http::Method::from_bytes(request.head.method_text());
        let mut head = Request::new(());
        *head.uri_mut() = uri_of(request, self.scheme, instance)?;
        *head.method_mut() = method.map_err(|_| Unsent::Unsayable)?;
        *head.version_mut() = http::Version::HTTP_2;
        *head.headers_mut() = fields;
        self.begin(head, framing)
    }

    /// Sends a head; the body follows by [`Sink`].
    pub(crate) fn begin(&mut self, head: Request<()>, framing: Framing) -> Result<(), Unsent> {
        let head_bytes = head.method().as_str().len()
            + head.uri().path_and_query().map_or(0, |target| target.as_str().len())
            + head.uri().authority().map_or(0, |host| host.as_str().len())
            + fields_bytes(head.headers()) as usize;
        let sent = self.sender.send_request(head, framing.is_empty());
        let (response, outgoing) = sent.map_err(|error| match error {
            it if it.is_io() || it.is_go_away() || it.is_reset() => Unsent::Gone,
            _ => Unsent::Unsayable,
        })?;
        let left = match framing {
            Framing::Length(length) => Some(length),
            _ => None,
        };
        let outgoing = (!framing.is_empty()).then_some(outgoing);
        let outbox = Outbox::new(self.pool.account().clone());
        self.stream = Stream::to_server(outgoing, left, outbox, self.pool.clone());
        self.stream.sent_head(head_bytes);
        self.response = Some(response);
        Ok(())
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<ResponseHead>, Error>> {
        let Some(response) = &mut self.response else { return Poll::Ready(Ok(None)) };
        if let Poll::Ready(Some(informed)) = response.poll_informational(cx) {
            let (parts, ()) = informed?.into_parts();
            return Poll::Ready(Ok(Some(head::response(&parts, &self.pool)?)));
        }
        let (parts, incoming) = ready!(std::pin::Pin::new(response).poll(cx))?.into_parts();
        self.response = None;
        let head = head::response(&parts, &self.pool)?;
        self.stream.receive(incoming, content_length(&head.fields));
        self.stream.received_head(head.fields.head_bytes());
        Poll::Ready(Ok(Some(head)))
    }
}

/// What the request is for, as HTTP/2 says it. Nothing that `wire::target` reads is too much for it.
fn uri_of(request: &Outbound<'_>, scheme: Scheme, instance: SocketAddr) -> Result<Uri, Unsent> {
    let (mut plain, mut target) = (Vec::with_capacity(64), Vec::with_capacity(64));
    request.rewriting.write_target(&mut plain);
    escape_for_h2(&plain, &mut target);
    let authority = &*request.rewriting.host(instance);
    let uri = Uri::builder().scheme(scheme.as_str()).authority(authority).path_and_query(target);
    uri.build().map_err(|_| Unsent::Unsayable)
}

impl From<Link> for Upstream {
    fn from(link: Link) -> Self {
        match link {
            Link::H1(connection) => Self::H1(connection),
            Link::H2 { sender, place, scheme, pool } => {
                Self::h2(sender, Some(place), scheme, &pool)
            }
        }
    }
}

impl Source for Upstream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        match self {
            Self::H1(upstream) => upstream.conn.poll_fill(cx),
            Self::H2(upstream) => upstream.stream.poll_fill(cx),
        }
    }

    fn expect_room(&mut self, bytes: usize) {
        match self {
            Self::H1(upstream) => upstream.conn.expect_room(bytes),
            Self::H2(upstream) => upstream.stream.expect_room(bytes),
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::H1(upstream) => upstream.conn.data(),
            Self::H2(upstream) => upstream.stream.data(),
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Self::H1(upstream) => upstream.conn.consume(n),
            Self::H2(upstream) => upstream.stream.consume(n),
        }
    }

    fn take_trailers(&mut self) -> Result<Option<Fields>, Error> {
        match self {
            Self::H1(upstream) => upstream.conn.take_trailers(),
            Self::H2(upstream) => upstream.stream.take_trailers(),
        }
    }

    fn remaining(&self) -> Option<u64> {
        match self {
            Self::H1(upstream) => upstream.conn.remaining(),
            Self::H2(upstream) => upstream.stream.remaining(),
        }
    }

    #[inline]
    fn is_over(&self) -> bool {
        match self {
            Self::H1(upstream) => upstream.conn.is_over(),
            Self::H2(upstream) => upstream.stream.is_over(),
        }
    }

    fn source_conn(&mut self) -> Option<&mut Conn> {
        match self {
            Self::H1(upstream) => Some(&mut upstream.conn),
            Self::H2(_) => None,
        }
    }
}

impl Sink for Upstream {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        match self {
            Self::H1(upstream) => upstream.conn.poll_send(cx, data),
            Self::H2(upstream) => upstream.stream.poll_send(cx, data),
        }
    }

    fn room(&self) -> usize {
        match self {
            Self::H1(upstream) => upstream.conn.room(),
            Self::H2(upstream) => upstream.stream.room(),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self {
            Self::H1(upstream) => upstream.conn.poll_flush(cx),
            Self::H2(upstream) => upstream.stream.poll_flush(cx),
        }
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), Error>> {
        match self {
            Self::H1(upstream) => upstream.conn.poll_finish(cx, trailers),
            Self::H2(upstream) => upstream.stream.poll_finish(cx, trailers),
        }
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        match self {
            Self::H1(upstream) => Some(&mut upstream.conn),
            Self::H2(_) => None,
        }
    }
}
