//! Chooses an instance for a request and claims it, waiting in the queue where all are full.

pub(crate) mod select;
pub(crate) mod share;
pub(crate) mod sticky;

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use balance::{Key, Refusal};
use model::{Balance, HashKey};
use smallvec::SmallVec;
use telemetry::Ending;
use wire::head::RequestHead;

use crate::choice::select::{View, Wanted, select};
use crate::instance::WorkerInstance;
use crate::live::fate::Assignment;
use crate::routing::{Request, query_values};
use crate::snapshot::WorkerService;
use crate::worker::Worker;

/// The instances that a request has tried.
pub(crate) type Tried = SmallVec<[Rc<WorkerInstance>; 2]>;

/// Their places in a service.
type Places = SmallVec<[usize; 4]>;

/// A request in flight on an instance. Ends with it.
pub(crate) struct Claim {
    pub(crate) member: Rc<WorkerInstance>,
    /// Its service, as it was when it was chosen.
    pub(crate) service: Rc<WorkerService>,
    worker: Rc<Worker>,
    key: u32,
    /// It is of a new release that is being tried on a share of the requests.
    pub(crate) is_canary: bool,
    /// It is the one that the client's cookie names.
    pub(crate) is_known: bool,
    /// The number that was drawn for the client, by which it stays with a release.
    pub(crate) drawn: Option<u64>,
    /// What decided for its release, or for itself where no two share the requests.
    pub(crate) assignment: Assignment,
    /// It had to wait for it.
    pub(crate) has_waited: bool,
    /// It takes one of the connections that the instance may have at once.
    has_slot: bool,
}

impl Claim {
    /// Lets others have its connection's place, though it is not over.
    pub(crate) fn free_slot(&mut self) {
        if std::mem::take(&mut self.has_slot) {
            self.member.live.free_slot();
            self.service.live.queue.wake_first();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.member.live.in_flight.leave(self.worker.index);
        self.member.left(self.key);
        self.free_slot();
        let live = &self.member.live;
        if live.is_awaited() {
            self.worker.shared.tell_drained();
        }
    }
}

/// What of a request decides on the instance.
#[derive(Clone, Copy)]
pub(crate) struct Choice<'a> {
    /// Its cookies say with whom the client is to stay.
    pub(crate) head: &'a RequestHead,
    /// The hash by which the service balances, if it does.
    pub(crate) key: Option<Key>,
    /// The number that was drawn for the client, once one was.
    pub(crate) drawn: &'a Cell<Option<u64>>,
    /// Where the request failed.
    pub(crate) tried: &'a Tried,
}

/// Chooses and claims at once, or says why not.
pub(crate) fn claim_now(
    worker: &Rc<Worker>,
    service: &Rc<WorkerService>,
    choice: Choice<'_>,
) -> Result<Claim, Refusal> {
    let Choice { head, key, drawn, tried } = choice;
    let tried = if tried.is_empty() { Places::new() } else { places(service, tried) };
    let view = View::of_worker(service, &worker.shared.sticky_key, worker.wheel.now());
    let wanted = Wanted { head, key, drawn, tried: &tried };
    let mut entropy = || worker.rng.borrow_mut().u64(..);
    let slots = service.service.max_connections;
    loop {
        let chosen = select(&view, wanted, &mut service.picker.borrow_mut(), &mut entropy)?;
        let member = &service.members[chosen.place];
        // Another worker may have taken the last slot since.
        if slots.is_none_or(|max| member.live.take_slot(max.get())) {
            member.live.in_flight.enter(worker.index);
            return Ok(Claim {
                member: member.clone(),
                service: service.clone(),
                worker: worker.clone(),
                key: member.entered(view.now),
                is_canary: service
                    .split
                    .as_ref()
                    .is_some_and(|split| split.is_canary(chosen.place)),
                is_known: chosen.is_known,
                drawn: chosen.drawn,
                assignment: match chosen.assignment(service.split.as_ref()) {
                    Assignment::Drawn if !tried.is_empty() => Assignment::Pinned,
                    assignment => assignment,
                },
                has_waited: false,
                has_slot: slots.is_some(),
            });
        }
    }
}

/// Where in `service` those are that were `tried`.
fn places(service: &WorkerService, tried: &Tried) -> Places {
    let place =
        |it: &Rc<WorkerInstance>| service.members.iter().position(|other| Rc::ptr_eq(other, it));
    tried.iter().filter_map(place).collect()
}

/// Claims an instance. `None` where all are full, and it is to be [waited](wait) for.
#[inline]
pub(crate) fn claim(
    worker: &Rc<Worker>,
    service: &Rc<WorkerService>,
    choice: Choice<'_>,
) -> Option<Result<Claim, Ending>> {
    if service.live.queue.len() > 0 {
        return None;
    }
    match claim_now(worker, service, choice) {
        Ok(claim) => Some(Ok(claim)),
        Err(Refusal::Full) => None,
        Err(Refusal::Tried | Refusal::Down) => Some(Err(Ending::NoInstance)),
    }
}

/// Waits for an instance in the queue; `gone` is ready when the client left.
pub(crate) async fn wait(
    worker: &Rc<Worker>,
    service: &Rc<WorkerService>,
    choice: Choice<'_>,
    mut gone: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Result<Claim, Ending> {
    let wanted = &service.service.queue;
    let shard = service.live.shard(worker.index);
    let Some(ticket) = service.live.queue.join(wanted.length) else {
        shard.queue_full.add(1);
        return Err(Ending::QueueFull);
    };
    let timer = worker.wheel.timer();
    let waited = timer.within(wanted.timeout, |cx| {
        if gone(cx).is_ready() {
            return Poll::Ready(Err(Ending::ClientClosed));
        }
        // Instances may have come since.
        ticket.poll_turn(cx, || match claim_now(worker, &worker.newest(service), choice) {
            Ok(mut claim) => {
                claim.has_waited = true;
                Some(Ok(claim))
            }
            Err(Refusal::Full) => None,
            Err(Refusal::Tried | Refusal::Down) => Some(Err(Ending::NoInstance)),
        })
    });
    waited.await.unwrap_or_else(|| {
        shard.queue_timeouts.add(1);
        Err(Ending::QueueTimeout)
    })
}

/// The hash of the part of the request by which the service balances.
pub(crate) fn key_of(balance: &Balance, request: &Request<'_>) -> Option<Key> {
    let by_address = || Key::of_address(request.client);
    match balance {
        Balance::IpHash => Some(by_address()),
        Balance::Hash(hash) => {
            Some(key_of_part(&hash.key, request.head, request).unwrap_or_else(by_address))
        }
        _ => None,
    }
}

fn key_of_part(key: &HashKey, head: &RequestHead, request: &Request<'_>) -> Option<Key> {
    match key {
        HashKey::Ip => None,
        HashKey::Path => Some(Key::of_bytes(&request.path)),
        HashKey::Header(name) => head.fields.named(name.as_bytes()).next().map(Key::of_bytes),
        HashKey::Cookie(name) => head.cookie(name.as_bytes()).map(Key::of_bytes),
        HashKey::Query(name) => {
            let query = head.query()?;
            query_values(query, name).next().map(|value| Key::of_bytes(&value))
        }
    }
}
