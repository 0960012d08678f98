//! Connections of HTTP/2 to one instance, which requests share: as many as their streams need, and
//! no more than a few. One worker's own.
//!
//! How many streams a connection carries is the instance's to say (RFC 9113 §5.1.2). What is beyond
//! goes over another connection, or waits here until a stream has ended; that the instance is asked
//! for more than it takes is never its fault.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;

use h2::client::SendRequest;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use wire::h2::Payload;

/// Connections to one instance at the most: at the usual hundred streams each, more than an instance
/// answers at once, from one of several workers.
const TRUNKS_MAX: usize = 8;

/// Streams that one of them carries at the most, whatever the instance allows.
pub(crate) const LANES_MAX: usize = 128;

/// The connections to one instance.
#[derive(Default)]
pub(crate) struct Trunks {
    open: RefCell<Vec<Trunk>>,
    is_opening: Cell<bool>,
    waiting: Cell<usize>,
    /// Told of each lane that is free, and when a connection was opened or could not be.
    changed: Notify,
}

struct Trunk {
    sender: SendRequest<Payload>,
    lanes: Rc<Cell<usize>>,
}

/// What there is for one more request.
pub(crate) enum Passage {
    /// A stream may be opened here.
    Free(SendRequest<Payload>, Lane),
    /// A connection may be opened: all that there are, are full.
    Open(Opening),
    /// It has to wait until another is opened, or a stream has ended.
    Wait,
}

impl Trunks {
    /// A connection that takes one more stream now.
    pub(crate) async fn free(self: &Rc<Self>) -> Option<(SendRequest<Payload>, Lane)> {
        loop {
            let (mut sender, lane) = self.enter()?;
            // Ready at once, unless the connection has ended.
            match poll_fn(|cx| sender.poll_ready(cx)).await {
                Ok(()) => return Some((sender, lane)),
                Err(_) => self.forget(&lane.lanes),
            }
        }
    }

    /// What there is for a request that needs a stream.
    pub(crate) async fn find(self: &Rc<Self>) -> Passage {
        match self.free().await {
            Some((sender, lane)) => Passage::Free(sender, lane),
            None if self.is_opening.get() => Passage::Wait,
            None if self.open.borrow().len() >= TRUNKS_MAX => Passage::Wait,
            None => Passage::Open(Opening::new(self)),
        }
    }

    fn enter(self: &Rc<Self>) -> Option<(SendRequest<Payload>, Lane)> {
        let open = self.open.borrow();
        let has_room = |trunk: &&Trunk| {
            trunk.lanes.get() < trunk.sender.current_max_send_streams().min(LANES_MAX)
        };
        let trunk = open.iter().find(has_room)?;
        Some((trunk.sender.clone(), Lane::enter(self, &trunk.lanes)))
    }

    fn forget(&self, lanes: &Rc<Cell<usize>>) {
        self.open.borrow_mut().retain(|trunk| !Rc::ptr_eq(&trunk.lanes, lanes));
    }

    /// Whether what is waited for is the first connection: for the instance, that is.
    pub(crate) fn is_opening_first(&self) -> bool {
        self.is_opening.get() && self.open.borrow().is_empty()
    }

    /// Waits in line, if fewer than `length` do.
    pub(crate) fn wait(&self, length: usize) -> Option<Waiting<'_>> {
        (self.waiting.get() < length).then(|| {
            self.waiting.set(self.waiting.get() + 1);
            Waiting { trunks: self }
        })
    }

    /// Shares none of those that there are any more: each is closed with its last stream.
    pub(crate) fn let_go(&self) {
        let open = std::mem::take(&mut *self.open.borrow_mut());
        drop(open);
    }

    /// Closes all connections but one that carry nothing.
    pub(crate) fn sweep(&self) {
        let mut open = self.open.borrow_mut();
        let mut kept = 0;
        open.retain(|trunk| {
            kept += 1;
            kept == 1 || trunk.lanes.get() > 0
        });
    }
}

/// A connection that is being opened: nobody opens another meanwhile.
pub(crate) struct Opening(Rc<Trunks>);

impl Opening {
    fn new(trunks: &Rc<Trunks>) -> Self {
        trunks.is_opening.set(true);
        Self(trunks.clone())
    }

    /// It was opened: the stream of the request that opened it is its first.
    pub(crate) fn opened(self, sender: SendRequest<Payload>) -> (SendRequest<Payload>, Lane) {
        let (lane, lanes) = self.first();
        self.0.open.borrow_mut().push(Trunk { sender: sender.clone(), lanes });
        (sender, lane)
    }

    /// It was opened for the request that opened it, and for no other.
    pub(crate) fn opened_for_one(
        self,
        sender: SendRequest<Payload>,
    ) -> (SendRequest<Payload>, Lane) {
        (sender, self.first().0)
    }

    fn first(&self) -> (Lane, Rc<Cell<usize>>) {
        let lanes = Rc::default();
        (Lane::enter(&self.0, &lanes), lanes)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.is_opening.set(false);
        self.0.changed.notify_waiters();
    }
}

/// A stream's place on a connection, free again when it is dropped.
pub(crate) struct Lane {
    trunks: Rc<Trunks>,
    lanes: Rc<Cell<usize>>,
}

impl Lane {
    fn enter(trunks: &Rc<Trunks>, lanes: &Rc<Cell<usize>>) -> Self {
        lanes.set(lanes.get() + 1);
        Self { trunks: trunks.clone(), lanes: lanes.clone() }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.lanes.set(self.lanes.get() - 1);
        if self.trunks.waiting.get() > 0 {
            self.trunks.changed.notify_one();
        }
    }
}

/// A request's place among those that wait.
pub(crate) struct Waiting<'a> {
    trunks: &'a Trunks,
}

impl Waiting<'_> {
    /// Ready when it may look again.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.trunks.changed.notified()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.trunks.waiting.set(self.trunks.waiting.get() - 1);
    }
}
