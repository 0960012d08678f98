//! Where connections come in: sockets that are bound once for each worker, and the tasks that
//! accept from them.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::ListenerName;
use rustc_hash::FxHashMap;
use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use wire::socket::Socket as Connected;

use crate::connection;
use crate::worker::Worker;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// How long accepting rests when descriptors have run out, or the limit is reached.
const REST: Duration = Duration::from_millis(20);

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
    pub(crate) socket: Option<std::net::TcpListener>,
}

/// Binds `workers` sockets to `address`, between which the kernel spreads connections.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let first = bind_one(address)?;
    let bound = first.local_addr()?;
    let others = (1..workers).map(|_| bind_one(bound));
    std::iter::once(Ok(first)).chain(others).collect()
}

fn bind_one(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        // `[::]` beside `0.0.0.0` are two addresses, as people expect.
        socket.set_only_v6(true)?;
    }
    // Accepted connections inherit it: one system call less for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The places at which one worker accepts.
#[derive(Default)]
pub(crate) struct Doors {
    open: FxHashMap<Place, JoinHandle<()>>,
}

impl Doors {
    /// Accepts at these places and at no others.
    pub(crate) fn open(&mut self, worker: &Rc<Worker>, sockets: Vec<Socket>) {
        let mut kept = FxHashMap::default();
        for Socket { place, socket } in sockets {
            let task = match socket {
                None => self.open.remove(&place),
                Some(socket) => start(worker, place.listener.clone(), socket),
            };
            kept.extend(task.map(|task| (place, task)));
        }
        self.close();
        self.open = kept;
    }

    /// Accepts nothing more.
    pub(crate) fn close(&mut self) {
        self.open.drain().for_each(|(_, task)| task.abort());
    }
}

fn start(
    worker: &Rc<Worker>,
    listener: ListenerName,
    socket: std::net::TcpListener,
) -> Option<JoinHandle<()>> {
    match TcpListener::from_std(socket) {
        Ok(socket) => Some(tokio::task::spawn_local(accept(worker.clone(), listener, socket))),
        Err(error) => {
            tracing::error!(%listener, %error, "cannot listen");
            None
        }
    }
}

async fn accept(worker: Rc<Worker>, name: ListenerName, listener: TcpListener) {
    let mut complains = true;
    loop {
        let Some(plan) = worker.current().plan.listeners.get(&name).cloned() else { return };
        if plan.live.open.load(Ordering::Relaxed) >= plan.listener.limits.connections {
            plan.live.waits.fetch_add(1, Ordering::Relaxed);
            if std::mem::take(&mut complains) {
                tracing::warn!(listener = %name, "the limit of connections is reached: new ones wait");
            }
            tokio::time::sleep(REST).await;
            continue;
        }
        match listener.accept().await {
            Ok((socket, address)) => {
                complains = true;
                admit(&worker, &name, socket, address);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                plan.live.waits.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut complains) {
                    tracing::error!(listener = %name, %error, "cannot accept: new connections wait");
                }
                tokio::time::sleep(REST).await;
            }
        }
    }
}

fn admit(worker: &Rc<Worker>, name: &ListenerName, socket: TcpStream, address: SocketAddr) {
    // What is in force now, not when the wait for the connection began.
    if let Some(plan) = worker.current().plan.listeners.get(name).cloned() {
        worker.opened_one();
        tokio::task::spawn_local(connection::serve(
            worker.clone(),
            plan,
            Connected::new(socket),
            address,
        ));
    }
}

/// Whether the error is that of a connection that was gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
