//! A client's connection over HTTP/1: one request after another.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::TcpStream;
use wire::body::{Error, Sink, Source};
use wire::h1::conn::Ended;
use wire::h1::request::HeadLimits;
use wire::h1::{Conn, Framing};
use wire::head::{Fields, RequestHead, Version};
use wire::socket::Socket;
use wire::stream::Stream;
use wire::traffic::Traffic;

use super::idleness::Idleness;
use super::{FIRST_REQUEST, linger};
use crate::worker::context::ConnectionContext;
use telemetry::Ending;

use crate::client::{Client, StatusLine};
use crate::exchange::reading;
use crate::exchange::refusal::Refusal;
use crate::fields::FieldSink;
use crate::peer::Peer;
use crate::response::respond;
use crate::serve;
use crate::upstream::entrance::Entrance;
use crate::upstream::own_lines::OwnLines;
use crate::wheel::Timer;
use crate::worker::guest::EXCHANGE_BYTES;
use crate::worker::parking::{PARK_AFTER, Parked};
use crate::worker::turnstile::Turn;

/// How long the last bytes of a connection may take to be written.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(2);

/// A client's connection, with all that is kept of it between two requests.
pub(super) struct Session {
    context: ConnectionContext,
    conn: Conn,
    peer: Peer,
    own_lines: OwnLines,
    timer: Timer,
    /// That of the request that is served. It is kept here so that it need not be moved.
    head: Option<RequestHead>,
    /// How it ends with what came last, which was no request.
    refused: Option<Ending>,
    /// When it will have been idle for too long, once it has been idle for a while.
    parks_until: Option<Duration>,
    /// Whether a request was answered on it.
    has_served: bool,
    /// Where its request stands at the worker's turnstile.
    turn: Turn,
}

/// Whether a connection on which nothing comes gives its task up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parking {
    WhenIdle,
    Never,
}

/// Whether a request has begun.
enum Begun {
    Yes,
    NotYet,
    Never,
}

/// How much of a request's head has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    /// Its first bytes.
    Begun,
    /// Not all of it, and the rest has a deadline.
    InPart,
}

/// Serves requests until one side wants no more, or nothing has come for a while.
pub(super) async fn serve(session: &mut Session) {
    if session.next_head().await {
        // On the heap, and only while requests follow each other: a connection that waits for its first, or is
        // parked, should be small.
        Box::pin(serve_on(session)).await;
    }
    if session.parks_until.is_some() {
        return;
    }
    if let Some(ending) = session.refused.take() {
        Box::pin(refuse(session, ending)).await;
    }
    if !session.ends_when_dropped() {
        Box::pin(close(session)).await;
    }
}

/// Serves one request after another, the first of which has come.
async fn serve_on(session: &mut Session) {
    session.has_served = true;
    while one(session).await && session.next_head().await {}
}

impl Session {
    /// A connection of which nothing was served yet.
    pub(super) fn new(context: ConnectionContext, conn: Conn, peer: Peer, timer: Timer) -> Self {
        Self {
            context,
            conn,
            peer,
            own_lines: OwnLines::default(),
            timer,
            head: None,
            refused: None,
            parks_until: None,
            has_served: false,
            turn: Turn::default(),
        }
    }

    /// Goes on with one that was parked.
    ///
    /// # Errors
    /// When the runtime does not take its socket.
    pub(super) fn resume(parked: Parked) -> std::io::Result<Self> {
        let Parked { socket, context, peer, deadline: _ } = parked;
        let socket = Socket::new(TcpStream::from_std(socket)?);
        let timer = context.worker.wheel.timer();
        let conn = Conn::new(Stream::Plain(socket), context.pool().clone());
        Ok(Self { has_served: true, ..Self::new(context, conn, peer, timer) })
    }

    /// What is kept of it where it parks; `None` where it has come to its end.
    pub(super) fn into_parked(self) -> Option<Parked> {
        let deadline = self.parks_until?;
        let Stream::Plain(socket) = self.conn.into_stream() else { return None };
        let socket = socket.into_std().ok()?;
        Some(Parked { socket, context: self.context, peer: self.peer, deadline })
    }

    /// Whether its client has said all that it will, as far as can be seen.
    fn is_quiet(&mut self) -> bool {
        let conn = &mut self.conn;
        // Of TLS that could not be read, what is left stands in the socket.
        conn.is_received() && !conn.has_unread() && !conn.has_failed()
    }

    /// Whether dropping the socket says all that is to be said.
    fn ends_when_dropped(&mut self) -> bool {
        let is_plain = matches!(self.conn.stream(), Stream::Plain(_));
        self.conn.is_cut() || (is_plain && self.conn.is_sent() && self.is_quiet())
    }

    /// Waits for the head of a request. False when the connection ends in peace, or with a fault.
    fn next_head(&mut self) -> impl Future<Output = bool> {
        let mut stage = Stage::Idle;
        self.context.worker.turnstile.leave(&mut self.turn);
        let idle = self.context.plan().listener.timeouts.idle;
        let parking = match self.has_served && idle > PARK_AFTER && self.conn.is_bare() {
            true => Parking::WhenIdle,
            false => Parking::Never,
        };
        let mut idleness = Idleness::begin(&self.timer, idle);
        poll_fn(move |cx| {
            if stage == Stage::Idle {
                match ready!(self.poll_begun(cx, &mut idleness, parking)) {
                    Begun::Yes => {
                        stage = Stage::Begun;
                        idleness.end();
                    }
                    Begun::Never => return Poll::Ready(false),
                    Begun::NotYet => {
                        let deadline =
                            self.context.worker.wheel.now() + idle - PARK_AFTER.min(idle);
                        self.parks_until = Some(deadline);
                        return Poll::Ready(false);
                    }
                }
                self.context.refresh();
            }
            let head = match self.poll_head(cx) {
                Poll::Pending => {
                    // One that has come whole, as most do, waits for nothing.
                    if stage != Stage::InPart {
                        stage = Stage::InPart;
                        self.timer.set(self.context.plan().listener.timeouts.header);
                    }
                    ready!(self.timer.poll(cx));
                    Err(Ending::HeaderTimeout)
                }
                Poll::Ready(head) => head,
            };
            self.timer.clear();
            match head {
                Ok(head) => self.head = head,
                Err(ending) => self.refused = Some(ending),
            }
            Poll::Ready(self.head.is_some())
        })
    }

    /// Ready with the first bytes of a request, or when none will come, or none have for so long that
    /// the connection is parked, where it can be, and has to go, where it cannot.
    fn poll_begun(
        &mut self,
        cx: &mut Context<'_>,
        idleness: &mut Idleness,
        parking: Parking,
    ) -> Poll<Begun> {
        match self.poll_first_bytes(cx) {
            Poll::Ready(Ok(true)) => Poll::Ready(Begun::Yes),
            Poll::Ready(_) => Poll::Ready(Begun::Never),
            Poll::Pending if self.context.is_closing() && self.has_served => {
                Poll::Ready(Begun::Never)
            }
            Poll::Pending if self.context.is_closing() => {
                self.timer.advance(FIRST_REQUEST);
                self.timer.poll(cx).map(|()| Begun::Never)
            }
            Poll::Pending if parking == Parking::WhenIdle => {
                self.timer.poll(cx).map(|()| Begun::NotYet)
            }
            Poll::Pending => idleness.poll(cx, &self.context, &self.timer).map(|()| Begun::Never),
        }
    }

    /// Waits for the first bytes, and for this connection's turn to read them.
    fn poll_first_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        // What TLS has decrypted already does not show at its socket. When all is to end, whatever
        // has come is to be seen at once.
        if let Stream::Plain(socket) = self.conn.stream()
            && !self.conn.has_unread()
            && !self.context.is_closing()
        {
            if self.turn != Turn::Waits && !socket.may_be_readable() {
                ready!(socket.poll_readable(cx))?;
            }
            ready!(self.context.worker.turnstile.poll_enter(cx, &mut self.turn));
            return self.conn.poll_begun_now(cx);
        }
        self.conn.poll_begun(cx)
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<RequestHead>, Ending>> {
        let limits = &self.context.plan().listener.limits;
        let limits = HeadLimits { bytes: limits.header_bytes, fields: limits.headers };
        self.conn.poll_request(cx, limits).map_err(|error| reading::request_failed(&error))
    }
}

/// Serves the request whose head has come; whether another may follow.
async fn one(session: &mut Session) -> bool {
    let Some(_held) = session.conn.account().charge(EXCHANGE_BYTES) else {
        (session.head, session.refused) = (None, Some(Ending::Overloaded));
        return false;
    };
    let Session { context, conn, peer, own_lines, timer, head, .. } = session;
    let Some(served) = head else { return false };
    let account = context.pool().account();
    let (worker, listener) = (&context.worker, context.plan());
    let entrance = Entrance { worker, listener, peer, own_lines, timer, account };
    let (keep, version) = (served.keeps_alive(), served.version());
    let framing = conn.framing();
    let mut client = H1 { context, conn, version, keep, has_begun: false };
    serve::run(entrance, &mut client, served, framing).await;
    *head = None;
    client.keep && client.has_begun && client.conn.is_received() && client.conn.is_sent()
}

/// Answers what was no request.
async fn refuse(session: &mut Session, ending: Ending) {
    let Session { context, conn, peer, timer, .. } = session;
    let mut client = H1 { context, conn, version: Version::Http11, keep: false, has_begun: false };
    let refusal = Refusal {
        worker: &context.worker,
        listener: context.plan(),
        peer,
        ending,
        protocol: Version::Http11.as_str(),
        method: b"",
        host: b"",
        path: b"",
        dialect: None,
    };
    refusal.tell(&mut client, timer).await;
}

/// Closes so that the client sees what was sent: reads on for a while if it is still sending.
async fn close(session: &mut Session) {
    let is_quiet = session.is_quiet();
    let Session { context, conn, timer, .. } = session;
    match is_quiet {
        // The end of ours is all that is to be said.
        true => drop(timer.within(SHUTDOWN_WITHIN, |cx| conn.poll_shutdown(cx)).await),
        false => linger::close(&context.worker, conn, timer).await,
    }
}

/// The client's side of one exchange.
struct H1<'a> {
    context: &'a ConnectionContext,
    conn: &'a mut Conn,
    version: Version,
    keep: bool,
    has_begun: bool,
}

impl H1<'_> {
    fn write_line(out: &mut Vec<u8>, line: StatusLine<'_>) {
        if line.status == 200 && matches!(line.reason, b"" | b"OK") {
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            return;
        }
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(itoa::Buffer::new().format(line.status).as_bytes());
        out.push(b' ');
        match line.reason {
            b"" => out.extend_from_slice(respond::phrase(line.status).as_bytes()),
            reason => out.extend_from_slice(reason),
        }
        out.extend_from_slice(b"\r\n");
    }

    /// How the body is framed for this client.
    fn reframed(&self, framing: Framing) -> Framing {
        match framing {
            Framing::Chunked | Framing::Close if self.version == Version::Http11 => {
                Framing::Chunked
            }
            Framing::Chunked => Framing::Close,
            framing => framing,
        }
    }
}

impl Source for H1<'_> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        self.conn.poll_fill(cx)
    }

    fn expect_room(&mut self, bytes: usize) {
        self.conn.expect_room(bytes);
    }

    fn data(&self) -> &[u8] {
        self.conn.data()
    }

    fn consume(&mut self, n: usize) {
        self.conn.consume(n);
    }

    fn take_trailers(&mut self) -> Result<Option<Fields>, Error> {
        self.conn.take_trailers()
    }

    fn remaining(&self) -> Option<u64> {
        self.conn.remaining()
    }

    fn is_over(&self) -> bool {
        self.conn.is_over()
    }

    fn source_conn(&mut self) -> Option<&mut Conn> {
        Some(self.conn)
    }
}

impl Sink for H1<'_> {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        self.conn.poll_send(cx, data)
    }

    fn room(&self) -> usize {
        self.conn.room()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.conn.poll_flush(cx)
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), Error>> {
        self.conn.poll_finish(cx, trailers)
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        Some(self.conn)
    }
}

impl Client for H1<'_> {
    type Fields = Vec<u8>;

    fn carries_trailers(&self, framing: Framing) -> bool {
        self.version == Version::Http11 && framing == Framing::Chunked
    }

    fn inform(
        &mut self,
        line: StatusLine<'_>,
        fields: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        // HTTP/1.0 knows no 1xx (RFC 9110 §15.2).
        if self.version == Version::Http11 {
            let out = self.conn.begin(Framing::None);
            Self::write_line(out, line);
            fields(out);
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn begin(
        &mut self,
        line: StatusLine<'_>,
        framing: Framing,
        fields: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let framing = self.reframed(framing);
        self.keep &= framing != Framing::Close && !self.context.is_closing();
        self.has_begun = true;
        let (keep, version) = (self.keep, self.version);
        let out = self.conn.begin(framing);
        Self::write_line(out, line);
        fields(out);
        match framing {
            Framing::Length(length) => {
                out.put(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
            }
            Framing::Chunked => out.put(b"Transfer-Encoding", b"chunked"),
            Framing::None | Framing::Close => {}
        }
        match (keep, version) {
            (false, _) => out.put(b"Connection", b"close"),
            (true, Version::Http10) => out.put(b"Connection", b"keep-alive"),
            (true, _) => {}
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn switch(
        &mut self,
        line: StatusLine<'_>,
        protocol: &[u8],
        fields: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        self.keep = false;
        self.has_begun = true;
        let out = self.conn.begin(Framing::Close);
        Self::write_line(out, line);
        fields(out);
        out.put(b"Connection", b"upgrade");
        out.put(b"Upgrade", protocol);
        out.extend_from_slice(b"\r\n");
        self.conn.become_tunnel();
        Ok(())
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        match self.conn.is_received() {
            true => self.conn.poll_ended(cx),
            false => Poll::Pending,
        }
    }

    fn poll_close_half(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.conn.poll_shutdown(cx)
    }

    fn end_after_response(&mut self) {
        self.keep = false;
    }

    fn poll_break_off(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.keep = false;
        self.conn.poll_break_off(cx)
    }

    fn abort(&mut self) {
        self.keep = false;
        self.conn.cut();
    }

    fn take_traffic(&mut self) -> Traffic {
        self.conn.take_traffic()
    }
}
