//! What comes before HTTP: the PROXY protocol, TLS, and the choice of the version.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use model::{Protocol, ProxyProtocol};
use tokio::io::AsyncWrite;
use tokio_rustls::TlsAcceptor;
use wire::h1::Conn;
use wire::h1::conn::Opening;
use wire::proxy_protocol;
use wire::socket::Socket;
use wire::stream::{SEALED_BYTES_MAX, Stream};
use wire::tls::{Alpn, ClientTrust, Session as TlsSession};

use super::h1::Session;
use super::idleness::Idleness;
use super::{FIRST_REQUEST, h1, h2, linger};
use crate::peer::certificate::PeerCertificate;
use crate::peer::{Peer, Transport, is_within};
use crate::wheel::Timer;
use crate::worker::context::ConnectionContext;
use crate::worker::parking::Parked;

/// How long it may take to tell a CA that nothing follows its handshake.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Serves a connection to its end.
pub(crate) fn serve(
    context: ConnectionContext,
    socket: Socket,
    address: SocketAddr,
) -> impl Future<Output = ()> {
    // On the heap, and only while it lasts: of an idle connection there should be no more than its
    // session, which is on the heap as well, so that it need not be moved from one to the next. For the same
    // reasons this is no `async fn`, which would keep room for its arguments.
    let opening = Box::pin(open(context, socket, address));
    async move {
        let Some(session) = opening.await else { return };
        serve_h1(session).await;
    }
}

/// Serves what was parked, now that something has come.
pub(crate) fn resume(parked: Parked) {
    match Session::resume(parked) {
        Ok(session) => drop(tokio::task::spawn_local(serve_h1(Box::new(session)))),
        Err(error) => tracing::debug!(%error, "idle connection lost"),
    }
}

/// Serves until the connection ends, or is parked.
async fn serve_h1(mut session: Box<Session>) {
    loop {
        h1::serve(&mut session).await;
        let Some(parked) = session.into_parked() else { return };
        let worker = parked.context.worker.clone();
        // Where it cannot be parked, it goes on as it was.
        let Err(parked) = worker.lot.park(parked) else { return };
        match Session::resume(*parked) {
            Ok(resumed) => *session = resumed,
            Err(error) => return tracing::debug!(%error, "idle connection lost"),
        }
    }
}

/// Opens a connection: what is left to be served over HTTP/1, if anything is.
async fn open(
    mut context: ConnectionContext,
    mut socket: Socket,
    address: SocketAddr,
) -> Option<Box<Session>> {
    let timer = context.worker.wheel.timer();
    let named = match is_introduced(&context.plan().listener.proxy_protocol, address) {
        false => None,
        true => proxied(&context, &timer, &mut socket).await?,
    };
    if !context.admit(address, named) {
        return None;
    }
    let (tls, trust) = (context.plan().tls.clone(), context.plan().clients.clone());
    let stream = match tls {
        None => Stream::Plain(socket),
        Some(config) => Box::pin(handshake(&context, &timer, config, socket)).await?,
    };
    let transport = match &stream {
        Stream::Tls(_) | Stream::TlsToServer(_) => Transport::Tls,
        Stream::Plain(_) => Transport::Clear,
    };
    let chosen = match &stream {
        Stream::Tls(tls) => match tls.get_ref().1.alpn_protocol() {
            Some(b"h2") => Some(Opening::H2),
            Some(proof) if proof == Alpn::Proof.id() => return take_leave(&timer, stream).await,
            _ => Some(Opening::H1),
        },
        Stream::Plain(_) | Stream::TlsToServer(_) => None,
    };
    let peer = Peer::new(address, named, transport).showing(shown(&stream, trust.as_ref()));
    let mut conn = Conn::new(stream, context.pool().clone());
    let opening = match chosen {
        Some(chosen) => chosen,
        None => opens_as(&mut conn, &context, &timer).await?,
    };
    match opening {
        Opening::H2 => {
            drop(timer);
            Box::pin(h2::serve(context, conn.into_rewound(), peer)).await;
            None
        }
        Opening::H1 if context.plan().listener.speaks(Protocol::H1) => {
            Some(Box::new(Session::new(context, conn, peer, timer)))
        }
        // What is not the preface of HTTP/2 can be told nothing that it would understand.
        Opening::H1 | Opening::Closed => None,
    }
}

/// The certificate that the client has shown, if it has.
fn shown(stream: &Stream, trust: Option<&ClientTrust>) -> Option<Rc<PeerCertificate>> {
    let (Stream::Tls(tls), Some(trust)) = (stream, trust) else { return None };
    PeerCertificate::new(TlsSession::new(tls.get_ref().1).client_chain()?, trust)
}

/// Ends the connection of a CA, which has seen in its handshake what it looks for.
async fn take_leave<T>(timer: &Timer, mut stream: Stream) -> Option<T> {
    let _ = timer.within(LEAVE_WITHIN, |cx| Pin::new(&mut stream).poll_shutdown(cx)).await;
    None
}

/// Whether the peer at `address` begins with a header of the PROXY protocol. Anybody else speaks for
/// himself from the first byte, so that a header of his is no request.
fn is_introduced(protocol: &ProxyProtocol, address: SocketAddr) -> bool {
    match protocol {
        ProxyProtocol::Off => false,
        ProxyProtocol::FromAnyone => true,
        ProxyProtocol::From(networks) => is_within(address.ip().to_canonical(), networks),
    }
}

/// The client's address as the PROXY protocol names it; `None` where there is no valid header.
async fn proxied(
    context: &ConnectionContext,
    timer: &Timer,
    socket: &mut Socket,
) -> Option<Option<SocketAddr>> {
    let limit = context.plan().listener.timeouts.header;
    let mut reading = std::pin::pin!(proxy_protocol::read(socket));
    match timer.within(limit, |cx| reading.as_mut().poll(cx)).await? {
        Ok(named) => Some(named.source),
        Err(error) => {
            tracing::debug!(%error, "no PROXY protocol header");
            None
        }
    }
}

async fn handshake(
    context: &ConnectionContext,
    timer: &Timer,
    config: Arc<rustls::ServerConfig>,
    socket: Socket,
) -> Option<Stream> {
    let limit = context.plan().listener.timeouts.header;
    let mut accepting = TlsAcceptor::from(config).accept(socket).into_fallible();
    let accepted = timer.within(limit, |cx| Pin::new(&mut accepting).poll(cx)).await;
    match accepted {
        Some(Ok(mut stream)) => {
            stream.get_mut().1.set_buffer_limit(Some(SEALED_BYTES_MAX));
            Some(Stream::Tls(Box::new(stream)))
        }
        failed => {
            context.plan().live.handshakes_failed.fetch_add(1, Ordering::Relaxed);
            if let Some(Err((error, mut socket))) = failed {
                tracing::debug!(%error, "TLS handshake failed");
                linger::turn_away(&mut socket, timer).await;
            }
            None
        }
    }
}

/// How a connection on clear text begins, where both versions may be spoken. `None` where nothing came
/// for so long that it has to go.
async fn opens_as(conn: &mut Conn, context: &ConnectionContext, timer: &Timer) -> Option<Opening> {
    let listener = &context.plan().listener;
    if !listener.speaks(Protocol::H2) {
        return Some(Opening::H1);
    }
    let mut idleness = Idleness::begin(timer, listener.timeouts.idle);
    let opening = poll_fn(|cx| {
        if let Poll::Ready(opening) = conn.poll_opening(cx) {
            return Poll::Ready(opening.ok());
        }
        if context.is_closing() {
            timer.advance(FIRST_REQUEST);
            return timer.poll(cx).map(|()| None);
        }
        idleness.poll(cx, context, timer).map(|()| None)
    });
    let opening = opening.await;
    timer.clear();
    opening
}
