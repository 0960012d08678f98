//! Where connections wait that have been idle for a while: a socket, whose it is and a deadline,
//! instead of a task with all that an exchange may need. A parked connection costs an eighth of one
//! that is not, and nobody but the kernel looks at it until something comes.
//!
//! Only connections on clear text between two requests of HTTP/1 are parked: there is nothing else
//! to be kept of them. (What TLS keeps is larger than a task anyway.) One lot belongs to one worker.

use std::cell::RefCell;
use std::io;
use std::net::TcpStream as Socket;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::peer::Peer;
use crate::worker::context::ConnectionContext;
use crate::worker::idlers::{Idler, Idlers};

/// How long a connection is idle before it is parked: parking and coming back cost six system calls,
/// which one who asks more often than that should not pay.
pub(crate) const PARK_AFTER: Duration = Duration::from_secs(1);
/// Connections that come back between two looks at everything else.
const EVENTS_AT_ONCE: usize = 64;

/// A connection between two requests.
pub(crate) struct Parked {
    pub(crate) socket: Socket,
    pub(crate) context: ConnectionContext,
    pub(crate) peer: Peer,
    /// When it has been idle for too long, in the time of the worker's wheel.
    pub(crate) deadline: Duration,
}

/// The parked connections of one worker.
pub(crate) struct IdlePool {
    /// Tells which of them have something to read, or were closed.
    epoll: AsyncFd<OwnedFd>,
    parked: RefCell<slab::Slab<Place>>,
    idlers: Rc<Idlers>,
}

struct Place {
    parked: Parked,
    /// Among all that are idle.
    idler: usize,
}

impl IdlePool {
    /// An empty one.
    ///
    /// # Errors
    /// When the system has no descriptor for it.
    pub(crate) fn new(idlers: Rc<Idlers>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll: watched(epoll)?, parked: RefCell::default(), idlers })
    }

    /// Keeps a connection until something comes on it.
    ///
    /// # Errors
    /// Gives it back when the kernel does not watch any more of them.
    pub(crate) fn park(&self, parked: Parked) -> Result<(), Box<Parked>> {
        let mut lot = self.parked.borrow_mut();
        let entry = lot.vacant_entry();
        let data = EventData::new_u64(entry.key() as u64);
        let flags = EventFlags::IN | EventFlags::RDHUP;
        // What came before is told as well: nothing is missed in between.
        match epoll::add(&self.epoll, &parked.socket, data, flags) {
            Ok(()) => {
                let idler = Idler::Parked(entry.key());
                let idler = self.idlers.enter(&parked.context.plan().live, idler);
                entry.insert(Place { parked, idler });
                Ok(())
            }
            Err(_) => Err(Box::new(parked)),
        }
    }

    /// Brings connections back on which something came, to whom they are given by `resume`, for ever.
    pub(crate) async fn attend(&self, resume: fn(Parked)) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let mut ready = self.epoll.readable().await?;
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&NOW))?;
            if events.is_empty() {
                ready.clear_ready();
                continue;
            }
            events.drain(..).filter_map(|event: Event| self.take(event)).for_each(resume);
            // Others have their turn before the next.
            tokio::task::yield_now().await;
        }
    }

    fn take(&self, event: Event) -> Option<Parked> {
        let key = event.data.u64() as usize;
        let place = self.parked.borrow_mut().try_remove(key)?;
        let Place { parked, idler } = place;
        self.idlers.leave(idler);
        // Its socket is about to be watched elsewhere. One that is closed is watched by nobody.
        if let Err(error) = epoll::delete(&self.epoll, &parked.socket) {
            tracing::debug!(%error, "cannot watch an idle connection");
        }
        Some(parked)
    }

    /// How many are parked.
    pub(crate) fn len(&self) -> usize {
        self.parked.borrow().len()
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self, now: Duration) {
        self.keep(|parked| now < parked.deadline);
    }

    /// Closes one that was idle for longest, and is among the idlers no more.
    pub(crate) fn close(&self, key: usize) {
        // Outside the borrow: closing it tells others.
        let place = self.parked.borrow_mut().try_remove(key);
        drop(place);
    }

    /// Closes all.
    pub(crate) fn clear(&self) {
        self.keep(|_| false);
    }

    fn keep(&self, keep: impl Fn(&Parked) -> bool) {
        let mut gone = Vec::new();
        let mut lot = self.parked.borrow_mut();
        let over: Vec<usize> =
            lot.iter().filter(|(_, place)| !keep(&place.parked)).map(|(key, _)| key).collect();
        gone.extend(over.into_iter().map(|key| lot.remove(key)));
        gone.iter().for_each(|place| self.idlers.leave(place.idler));
        if lot.is_empty() {
            lot.shrink_to_fit();
        }
        drop(lot);
        // Outside the borrow: closing one tells others.
        drop(gone);
    }
}

#[expect(deprecated, reason = "sound for a descriptor that is owned; its successor is unsafe")]
fn watched(epoll: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(epoll, Interest::READABLE)
}

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
