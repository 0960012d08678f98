//! Chooses an instance for a request and claims it, waiting in the queue where all are full.

pub(crate) mod claim;
pub mod explain;
pub(crate) mod queue;
pub(crate) mod split;
pub(crate) mod sticky;

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use balance::{Attempt, Field, Key, Refusal, Share, Standing};
use model::{Balance, HashKey};
use smallvec::SmallVec;
use telemetry::Ending;
use wire::head::RequestHead;

use crate::choice::split::Side;
use crate::routing::{Request, query_values};
use crate::snapshot::LocalService;
use crate::snapshot::live::{Bar, Live, ServiceLive};
use crate::upstream::member::Member;
use crate::worker::Worker;

/// The instances that a request has tried.
pub(crate) type Tried = SmallVec<[Rc<Member>; 2]>;

/// Their places in a service.
type Places = SmallVec<[usize; 4]>;

/// A request in flight on an instance. Ends with it.
pub(crate) struct Claim {
    pub(crate) member: Rc<Member>,
    /// Its service, as it was when it was chosen.
    pub(crate) service: Rc<LocalService>,
    worker: Rc<Worker>,
    key: u32,
    /// It is of a new release that is being tried on a share of the requests.
    pub(crate) is_canary: bool,
    /// It is the one that the client's cookie names.
    pub(crate) is_known: bool,
    /// The number that was drawn for the client, by which it stays with a release.
    pub(crate) drawn: Option<u64>,
    /// It had to wait for it.
    pub(crate) has_waited: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let live = &self.member.live;
        live.in_flight.leave(self.worker.index);
        self.member.left(self.key);
        if self.service.service.max_connections.is_some() {
            live.free_slot();
            self.service.live.queue.wake_first();
        }
        if live.is_awaited() {
            self.worker.shared.tell_drained();
        }
    }
}

/// The instances of a service as the balancing sees them.
struct View<'a> {
    members: &'a [Rc<Member>],
    live: &'a ServiceLive,
    slots: Option<NonZeroU32>,
    slow_start: Option<&'a balance::SlowStart>,
    now: Duration,
    /// Whose instances alone may serve.
    side: Option<Side<'a>>,
}

impl Field for View<'_> {
    #[inline]
    fn standing(&self, instance: usize) -> Standing {
        match self.side.is_none_or(|side| side.has(instance)) {
            true => standing(&self.members[instance].live),
            false => Standing::Drained,
        }
    }

    #[inline]
    fn is_full(&self, instance: usize) -> bool {
        self.members[instance].live.is_full(self.slots)
    }

    #[inline]
    fn share(&self, instance: usize) -> Share {
        let Some(slow_start) = self.slow_start else { return Share::FULL };
        let ramped_for = self.members[instance].live.ramped_for(self.now);
        ramped_for.map_or(Share::FULL, |elapsed| slow_start.share(elapsed))
    }

    #[inline]
    fn in_flight(&self, instance: usize) -> u32 {
        self.members[instance].live.in_flight()
    }

    #[inline]
    fn turn(&self, attempt: Attempt) -> u64 {
        match attempt {
            Attempt::First => self.live.take_turn(),
            Attempt::Retry => self.live.next_turn(),
        }
    }

    fn latency(&self, instance: usize) -> f64 {
        self.members[instance].smoothed.get().value(self.now)
    }
}

/// How an instance stands.
pub(crate) fn standing(live: &Live) -> Standing {
    if live.is_eligible() {
        Standing::Healthy
    } else if live.has(Bar::Drained) {
        Standing::Drained
    } else if live.has(Bar::Unhealthy) {
        Standing::Unhealthy
    } else {
        Standing::Ejected
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

/// The release that answers, of two. A client stays with its own, but what failed on the new one is
/// asked of the old one, so that nobody feels it; neither is asked if none of its instances can
/// serve.
fn able_side<'a>(service: &LocalService, side: Side<'a>, tried: &Places) -> Option<Side<'a>> {
    let wanted = match tried.is_empty() || !side.is_fresh() {
        true => side,
        false => side.other(),
    };
    let mut members = service.members.iter().enumerate();
    let can = members.any(|(place, member)| {
        wanted.has(place) && member.live.is_eligible() && !tried.contains(&place)
    });
    can.then_some(wanted)
}

/// Chooses and claims at once, or says why not.
pub(crate) fn claim_now(
    worker: &Rc<Worker>,
    service: &Rc<LocalService>,
    choice: Choice<'_>,
) -> Result<Claim, Refusal> {
    let Choice { head, key, drawn, tried } = choice;
    let tried: Places = places(service, tried);
    let preferred = sticky::preferred(&worker.shared.sticky_key, service, head);
    let side = split::side_of(worker, service, head, key, drawn);
    let drawn = side.and_then(|side| side.drawn);
    let side = side.and_then(|side| able_side(service, side, &tried));
    let slots = service.service.max_connections;
    let mut view = View {
        members: &service.members,
        live: &service.live,
        slots,
        slow_start: service.slow_start.as_ref(),
        now: worker.wheel.now(),
        side,
    };
    // Who stays with an instance still follows the share: else no such client would try a canary.
    let stays = preferred.filter(|place| {
        let may_be = side.is_none_or(|side| side.has(*place)) && !tried.contains(place);
        may_be && service.members[*place].live.is_eligible()
    });
    loop {
        let place = match stays {
            Some(place) if view.is_full(place) => return Err(Refusal::Full),
            Some(place) => place,
            None => {
                let mut rng = worker.rng.borrow_mut();
                let mut entropy = || rng.u64(..);
                match service.picker.borrow_mut().pick(&view, key, &tried, &mut entropy) {
                    // Better by the other release than by none.
                    Err(Refusal::Down | Refusal::Tried) if view.side.is_some() => {
                        view.side = None;
                        continue;
                    }
                    picked => picked?,
                }
            }
        };
        let member = &service.members[place];
        // Another worker may have taken the last slot since.
        if slots.is_none_or(|max| member.live.take_slot(max.get())) {
            member.live.in_flight.enter(worker.index);
            return Ok(Claim {
                member: member.clone(),
                service: service.clone(),
                worker: worker.clone(),
                key: member.entered(view.now),
                is_canary: service.split.as_ref().is_some_and(|split| split.is_fresh(place)),
                is_known: preferred == Some(place),
                drawn,
                has_waited: false,
            });
        }
    }
}

/// Where in `service` those are that were `tried`.
fn places(service: &LocalService, tried: &Tried) -> Places {
    let place = |it: &Rc<Member>| service.members.iter().position(|other| Rc::ptr_eq(other, it));
    tried.iter().filter_map(place).collect()
}

/// Claims an instance, or waits for one in the queue where all are full; `gone` is ready when the
/// client left.
pub(crate) async fn claim(
    worker: &Rc<Worker>,
    service: &Rc<LocalService>,
    choice: Choice<'_>,
    gone: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Result<Claim, Ending> {
    if service.live.queue.len() == 0 {
        match claim_now(worker, service, choice) {
            Ok(claim) => return Ok(claim),
            Err(Refusal::Full) => {}
            Err(Refusal::Tried | Refusal::Down) => return Err(Ending::NoInstance),
        }
    }
    // On the heap, for it is rare and large.
    Box::pin(wait(worker, service, choice, gone)).await
}

async fn wait(
    worker: &Rc<Worker>,
    service: &Rc<LocalService>,
    choice: Choice<'_>,
    mut gone: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Result<Claim, Ending> {
    let wanted = &service.service.queue;
    let shard = service.live.shard(worker.index);
    let Some(ticket) = service.live.queue.join(wanted.length) else {
        shard.queue_full.add(1);
        return Err(Ending::QueueFull);
    };
    let alarm = worker.wheel.alarm();
    let waited = alarm.within(wanted.timeout, |cx| {
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
