//! Where connections come in: sockets that are bound once for each worker, and the tasks that
//! accept from them.
//!
//! A socket is closed in three steps, so that no connection that the kernel has taken for us is
//! reset: no new handshake is begun; those under way get the time of a round trip and are accepted;
//! then, with the door shut to every packet, what is left in the queue is accepted.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::ListenerName;
use rustc_hash::FxHashMap;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockFilter, SockRef, Type};
use telemetry::event;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use wire::socket::Socket as Connected;

use crate::connection;
use crate::worker::context::{ConnectionContext, InForce};
use crate::worker::{Shared, Worker};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// How long accepting rests when descriptors have run out, or the limit is reached.
const REST: Duration = Duration::from_millis(20);

/// How long handshakes that are under way have to end when a socket is to be closed: a long round
/// trip.
const LINGER: Duration = Duration::from_millis(250);

/// An address as it was configured, which is what a socket is kept by: port 0 is another one for
/// each listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) listener: ListenerName,
    pub(crate) address: SocketAddr,
}

/// One worker's socket at a place. Without one the worker keeps that which it has there.
pub(crate) struct Socket {
    pub(crate) place: Place,
    pub(crate) socket: Option<Bound>,
}

/// A socket that listens. Counted from here on, until it is closed.
pub(crate) struct Bound {
    socket: std::net::TcpListener,
    counted: Counted,
}

/// One in the count of sockets that listen.
struct Counted {
    shared: Arc<Shared>,
    port: u16,
}

impl Counted {
    fn new(shared: &Arc<Shared>, port: u16) -> Self {
        shared.acceptors.fetch_add(1, Ordering::SeqCst);
        shared.ports.add(port);
        Self { shared: shared.clone(), port }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.ports.remove(self.port);
        self.shared.acceptors.fetch_sub(1, Ordering::SeqCst);
        self.shared.closed.notify_one();
    }
}

impl Bound {
    /// Where it really is.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Binds a socket for each worker to `address`, between which the kernel spreads connections.
///
/// The first is bound alone: sockets that share a port are let in by the system for whoever has the same
/// user, and a second Plimsoll would get half of the clients without a word. Only where we have the
/// port ourselves, as when a listener is renamed, is it shared from the beginning.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn bind(
    address: SocketAddr,
    workers: usize,
    shared: &Arc<Shared>,
) -> io::Result<Vec<Bound>> {
    let first = match bind_one(address, Share::Nobody) {
        Err(error)
            if error.kind() == io::ErrorKind::AddrInUse && shared.ports.has(address.port()) =>
        {
            bind_one(address, Share::Ourselves)?
        }
        bound => bound?,
    };
    let bound = first.local_addr()?;
    let counted = |socket| Bound { socket, counted: Counted::new(shared, bound.port()) };
    let others = (1..workers).map(|_| bind_one(bound, Share::Ourselves).map(counted));
    std::iter::once(Ok(counted(first))).chain(others).collect()
}

/// With whom a port may be shared when it is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Nobody,
    Ourselves,
}

fn bind_one(address: SocketAddr, share: Share) -> io::Result<std::net::TcpListener> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share == Share::Ourselves)?;
    if address.is_ipv6() {
        // `[::]` beside `0.0.0.0` are two addresses, as people expect.
        socket.set_only_v6(true)?;
    }
    // Accepted connections inherit it: one system call less for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Those of the other workers join it.
    socket.set_reuse_port(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The places at which one worker accepts. Each ends when its sender is dropped.
#[derive(Default)]
pub(crate) struct Acceptors {
    open: FxHashMap<Place, oneshot::Sender<Infallible>>,
}

impl Acceptors {
    /// Accepts at these places and at no others.
    pub(crate) fn open(&mut self, worker: &Rc<Worker>, sockets: Vec<Socket>) {
        let mut kept = FxHashMap::default();
        for Socket { place, socket } in sockets {
            let door = match socket {
                None => self.open.remove(&place),
                Some(socket) => start(worker, &place.listener, socket),
            };
            kept.extend(door.map(|door| (place, door)));
        }
        self.open = kept;
    }

    /// Accepts nothing more but what has come already.
    pub(crate) fn close(&mut self) {
        self.open.clear();
    }
}

fn start(
    worker: &Rc<Worker>,
    name: &ListenerName,
    socket: Bound,
) -> Option<oneshot::Sender<Infallible>> {
    let Bound { socket, counted } = socket;
    let plan = worker.current().plan.listeners.get(name)?.clone();
    match TcpListener::from_std(socket) {
        Ok(listener) => {
            let (door, closed) = oneshot::channel();
            let in_force = InForce::of(worker, plan);
            let worker = worker.clone();
            let acceptor = Acceptor { worker, in_force, listener, is_silent: false };
            tokio::task::spawn_local(attend(acceptor, closed, counted));
            Some(door)
        }
        Err(error) => {
            let (listener, why) = (name.clone(), error.to_string());
            worker.shared.events.emit(event::ListenerNotOpened { listener, why });
            None
        }
    }
}

async fn attend(mut acceptor: Acceptor, closed: oneshot::Receiver<Infallible>, counted: Counted) {
    tokio::select! {
        biased;
        _ = closed => {}
        never = acceptor.accept() => match never {},
    }
    acceptor.close().await;
    drop(counted);
}

/// What a connection more would be too much for.
enum Shortage {
    /// The listener's limit.
    Limit,
    /// Those descriptors that are not left to something else.
    Descriptors,
    /// The system says no.
    Refused(io::Error),
}

impl Shortage {
    fn word(&self) -> &'static str {
        match self {
            Self::Limit => "connections",
            Self::Descriptors | Self::Refused(_) => "descriptors",
        }
    }
}

/// Whether a connection waits to be accepted.
fn is_wanted(listener: &TcpListener) -> bool {
    let mut watched = [PollFd::new(listener, PollFlags::IN)];
    poll(&mut watched, Some(&NOW)).is_ok_and(|ready| ready > 0)
}

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Who accepts from one socket.
struct Acceptor {
    worker: Rc<Worker>,
    in_force: InForce,
    listener: TcpListener,
    /// Whether it was said that accepting has to wait.
    is_silent: bool,
}

impl Acceptor {
    async fn accept(&mut self) -> Infallible {
        loop {
            self.in_force.refresh(&self.worker);
            if let Some(shortage) = self.shortage() {
                if !is_wanted(&self.listener) {
                    tokio::time::sleep(REST).await;
                    continue;
                }
                if !self.makes_room(&shortage) {
                    self.rest(shortage).await;
                    continue;
                }
            }
            let accepted = self.listener.accept().await;
            // Whatever room was wished for has been found.
            self.in_force.plan.live.takes_wish();
            self.take(accepted).await;
        }
    }

    async fn take(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((socket, address)) => {
                self.is_silent = false;
                self.admit(socket, address);
                // Each worker may have waited for one when there was room for one alone.
                if let Some(shortage) = self.shortage()
                    && self.in_force.plan.live.open.load(Ordering::Relaxed)
                        > self.in_force.plan.listener.limits.connections
                {
                    self.makes_room(&shortage);
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => self.rest(Shortage::Refused(error)).await,
        }
    }

    /// What one more connection would be too much for.
    fn shortage(&self) -> Option<Shortage> {
        let limit = self.in_force.plan.listener.limits.connections;
        if self.in_force.plan.live.open.load(Ordering::Relaxed) >= limit {
            return Some(Shortage::Limit);
        }
        let has_room = self.worker.shared.descriptors.has_room_for_client();
        (!has_room).then_some(Shortage::Descriptors)
    }

    /// Somebody waits, and the connection that has been idle for longest is closed for it; where this
    /// worker has none, another one is asked.
    fn makes_room(&self, shortage: &Shortage) -> bool {
        let Self { worker, in_force: InForce { plan, .. }, .. } = self;
        if !worker.make_room(&plan.live) {
            plan.live.wishes_room();
            return false;
        }
        if let Some(before) = worker.seldom.made_room.happens(worker.wheel.now()) {
            let (listener, of) = (plan.listener.name.clone(), shortage.word().into());
            worker.shared.events.emit(event::IdleConnectionsClosed { listener, of, before });
        }
        true
    }

    /// New connections wait, since one more cannot be had: said once, until one can.
    async fn rest(&mut self, shortage: Shortage) {
        let (listener, events) =
            (self.in_force.plan.listener.name.clone(), &self.worker.shared.events);
        self.in_force.plan.live.waits.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.is_silent, true) {
            match shortage {
                Shortage::Refused(error) => {
                    events.emit(event::AcceptFailed { listener, why: error.to_string() });
                }
                Shortage::Limit => events.emit(event::ConnectionLimit { listener }),
                Shortage::Descriptors => events.emit(event::ClientDescriptorsOut { listener }),
            }
        }
        tokio::time::sleep(REST).await;
    }

    fn admit(&mut self, socket: TcpStream, address: SocketAddr) {
        // What is in force now, not when the wait for a connection began.
        self.in_force.refresh(&self.worker);
        // Counted at once: there may be no turn for its task before the next is accepted.
        let context = ConnectionContext::new(self.worker.clone(), self.in_force.clone());
        tokio::task::spawn_local(connection::serve(context, Connected::accepted(socket), address));
    }

    /// Closes the socket without losing a connection that the kernel has taken.
    async fn close(mut self) {
        self.filter(&NO_NEW);
        let deadline = Instant::now() + LINGER;
        while let Ok(accepted) = timeout_at(deadline, self.listener.accept()).await {
            // Beyond the limit too: they are no more than the queue holds.
            self.take(accepted).await;
        }
        self.filter(&NOTHING);
        while let Some(accepted) = self.accept_now() {
            match accepted {
                Ok((socket, address)) => self.admit(socket, address),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    let (listener, why) =
                        (self.in_force.plan.listener.name.clone(), error.to_string());
                    self.worker.shared.events.emit(event::AcceptedLost { listener, why });
                    return;
                }
            }
        }
    }

    /// What has come already, whether the runtime has heard of it or not.
    fn accept_now(&self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        let accept = || -> io::Result<_> {
            let (socket, address) = SockRef::from(&self.listener).accept()?;
            socket.set_nonblocking(true)?;
            let address = address.as_socket().ok_or(io::ErrorKind::ConnectionAborted)?;
            Ok((TcpStream::from_std(socket.into())?, address))
        };
        match accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            accepted => Some(accepted),
        }
    }

    fn filter(&self, program: &[SockFilter]) {
        if let Err(error) = SockRef::from(&self.listener).attach_filter(program) {
            // What comes in the last moment may be reset then.
            tracing::debug!(%error, "cannot shut down a socket before closing it");
        }
    }
}

/// Classic BPF over a TCP header: drops what begins a handshake, so that the client tries again a
/// second later, and meets whoever listens then.
const NO_NEW: [SockFilter; 4] = [
    // Load the byte with the flags; where SYN is set take none of the packet, else all of it.
    SockFilter::new(0x30, 0, 0, 13),
    SockFilter::new(0x45, 0, 1, 0x02),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// Drops every packet.
const NOTHING: [SockFilter; 1] = [SockFilter::new(0x06, 0, 0, 0)];

/// Whether the error is that of a connection that was gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
