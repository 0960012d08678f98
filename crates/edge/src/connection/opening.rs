//! What comes before HTTP: the PROXY protocol, TLS, and the choice of the version.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use model::{Protocol, ProxyProtocol};
use tokio_rustls::TlsAcceptor;
use wire::h1::Conn;
use wire::h1::conn::Opening;
use wire::proxy_protocol;
use wire::socket::Socket;
use wire::stream::Stream;

use super::h1::Session;
use super::idleness::Idleness;
use super::{Door, FIRST_REQUEST, h1, h2, linger};
use crate::connection::parking::Parked;
use crate::exchange::identity::{Peer, Transport, is_within};
use crate::wheel::Alarm;

/// What TLS may hold sealed of a client's response that does not leave: four of its records.
const SEALED_BYTES_MAX: usize = 64 * 1024;

/// Serves a connection to its end.
pub(crate) fn serve(door: Door, socket: Socket, address: SocketAddr) -> impl Future<Output = ()> {
    // On the heap, and only while it lasts: of an idle connection there should be no more than its
    // session. For the same reason this is no `async fn`, which would keep room for its arguments.
    let opening = Box::pin(open(door, socket, address));
    async move {
        let Some(session) = opening.await else { return };
        serve_h1(session).await;
    }
}

/// Serves what was parked, now that something has come.
pub(crate) fn resume(parked: Parked) {
    match Session::resume(parked) {
        Ok(session) => drop(tokio::task::spawn_local(serve_h1(session))),
        Err(error) => tracing::debug!(%error, "idle connection lost"),
    }
}

/// Serves until the connection ends, or is parked.
async fn serve_h1(mut session: Session) {
    loop {
        h1::serve(&mut session).await;
        let Some(parked) = session.into_parked() else { return };
        let worker = parked.door.worker.clone();
        // Where it cannot be parked, it goes on as it was.
        let Err(parked) = worker.lot.park(parked) else { return };
        match Session::resume(parked) {
            Ok(resumed) => session = resumed,
            Err(error) => return tracing::debug!(%error, "idle connection lost"),
        }
    }
}

/// Opens a connection: what is left to be served over HTTP/1, if anything is.
async fn open(mut door: Door, mut socket: Socket, address: SocketAddr) -> Option<Session> {
    let alarm = door.worker.wheel.alarm();
    let named = match is_introduced(&door.plan.listener.proxy_protocol, address) {
        false => None,
        true => proxied(&door, &alarm, &mut socket).await?,
    };
    if !door.admit(address, named) {
        return None;
    }
    let tls = door.plan.tls.clone();
    let stream = match tls {
        None => Stream::Plain(socket),
        Some(config) => Box::pin(handshake(&door, &alarm, config, socket)).await?,
    };
    let transport = match &stream {
        Stream::Tls(_) => Transport::Tls,
        Stream::Plain(_) => Transport::Clear,
    };
    let chosen = match &stream {
        Stream::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2") => Some(Opening::H2),
        Stream::Tls(_) => Some(Opening::H1),
        Stream::Plain(_) => None,
    };
    let peer = Peer::new(address, named, transport);
    let mut conn = Conn::new(stream, door.pool().clone());
    let opening = match chosen {
        Some(chosen) => chosen,
        None => opens_as(&mut conn, &door, &alarm).await?,
    };
    match opening {
        Opening::H2 => {
            drop(alarm);
            Box::pin(h2::serve(door, conn.into_rewound(), peer)).await;
            None
        }
        Opening::H1 if door.plan.listener.speaks(Protocol::H1) => {
            Some(Session::new(door, conn, peer, alarm))
        }
        // What is not the preface of HTTP/2 can be told nothing that it would understand.
        Opening::H1 | Opening::Closed => None,
    }
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
async fn proxied(door: &Door, alarm: &Alarm, socket: &mut Socket) -> Option<Option<SocketAddr>> {
    let limit = door.plan.listener.timeouts.header;
    let mut reading = std::pin::pin!(proxy_protocol::read(socket));
    match alarm.within(limit, |cx| reading.as_mut().poll(cx)).await? {
        Ok(named) => Some(named.source),
        Err(error) => {
            tracing::debug!(%error, "no PROXY protocol header");
            None
        }
    }
}

async fn handshake(
    door: &Door,
    alarm: &Alarm,
    config: Arc<rustls::ServerConfig>,
    socket: Socket,
) -> Option<Stream> {
    let limit = door.plan.listener.timeouts.header;
    let mut accepting = TlsAcceptor::from(config).accept(socket).into_fallible();
    let accepted = alarm.within(limit, |cx| std::pin::Pin::new(&mut accepting).poll(cx)).await;
    match accepted {
        Some(Ok(mut stream)) => {
            stream.get_mut().1.set_buffer_limit(Some(SEALED_BYTES_MAX));
            Some(Stream::Tls(Box::new(stream)))
        }
        failed => {
            door.plan.live.handshakes_failed.fetch_add(1, Ordering::Relaxed);
            if let Some(Err((error, mut socket))) = failed {
                tracing::debug!(%error, "TLS handshake failed");
                linger::turn_away(&mut socket, alarm).await;
            }
            None
        }
    }
}

/// How a connection on clear text begins, where both versions may be spoken. `None` where nothing came
/// for so long that it has to go.
async fn opens_as(conn: &mut Conn, door: &Door, alarm: &Alarm) -> Option<Opening> {
    let listener = &door.plan.listener;
    if !listener.speaks(Protocol::H2) {
        return Some(Opening::H1);
    }
    let mut idleness = Idleness::begin(alarm, listener.timeouts.idle);
    let opening = poll_fn(|cx| {
        if let Poll::Ready(opening) = conn.poll_opening(cx) {
            return Poll::Ready(opening.ok());
        }
        if door.is_closing() {
            alarm.advance(FIRST_REQUEST);
            return alarm.poll(cx).map(|()| None);
        }
        idleness.poll(cx, door, alarm).map(|()| None)
    });
    let opening = opening.await;
    alarm.clear();
    opening
}
