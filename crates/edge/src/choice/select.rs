//! Which instance of a service a request gets: one decision, for requests and for `plimsoll explain`.
//!
//! It reads what is observed of instances and claims nothing. What it uses up is handed to it (the
//! rotation, random numbers) or said by [`Turns`], so that explaining a request changes nothing for the
//! next one.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use balance::{AttemptKind, Eligibility, Field, Key, Picker, Refusal, SlowStart, WeightShare};
use model::{Balance, Service};
use wire::head::RequestHead;

use crate::choice::sticky;
use crate::instance::WorkerInstance;
use crate::live::fate::Assignment;
use crate::live::{Bar, Live, ServiceLive};
use crate::snapshot::split::{Group, ReleaseBy, SplitPlan};
use crate::snapshot::{ServicePlan, WorkerService};
use crate::sticky_key::StickyKey;

/// An instance that may be chosen, as a snapshot or as a worker has it.
pub(crate) trait Candidate {
    /// What is observed of it.
    fn live(&self) -> &Live;

    /// Its smoothed latency in seconds; 0 where that is not known.
    fn latency(&self, now: Duration) -> f64;
}

impl Candidate for Rc<WorkerInstance> {
    #[inline]
    fn live(&self) -> &Live {
        &self.live
    }

    fn latency(&self, now: Duration) -> f64 {
        self.smoothed.get().value(now)
    }
}

/// Each worker observes latencies for itself: the snapshot has none.
impl Candidate for Arc<Live> {
    fn live(&self) -> &Live {
        self
    }

    fn latency(&self, _now: Duration) -> f64 {
        0.0
    }
}

/// What becomes of a turn that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turns {
    /// A request takes it.
    Taken,
    /// It is only looked at.
    Kept,
}

/// A service whose instances are to be chosen from.
pub(crate) struct View<'a, I> {
    pub(crate) service: &'a Service,
    pub(crate) live: &'a ServiceLive,
    pub(crate) instances: &'a [I],
    pub(crate) split: Option<&'a SplitPlan>,
    pub(crate) slow_start: Option<&'a SlowStart>,
    pub(crate) sticky_key: &'a StickyKey,
    pub(crate) turns: Turns,
    /// The edge's time.
    pub(crate) now: Duration,
}

impl<'a> View<'a, Rc<WorkerInstance>> {
    /// A worker's, for a request.
    #[inline]
    pub(crate) fn of_worker(
        service: &'a WorkerService,
        sticky_key: &'a StickyKey,
        now: Duration,
    ) -> Self {
        Self {
            service: &service.service,
            live: &service.live,
            instances: &service.members,
            split: service.split.as_ref(),
            slow_start: service.slow_start.as_ref(),
            sticky_key,
            turns: Turns::Taken,
            now,
        }
    }
}

impl<'a> View<'a, Arc<Live>> {
    /// The snapshot's, for a question.
    pub(crate) fn of_snapshot(
        plan: &'a ServicePlan,
        slow_start: Option<&'a SlowStart>,
        sticky_key: &'a StickyKey,
        now: Duration,
    ) -> Self {
        Self {
            service: &plan.service,
            live: &plan.live,
            instances: &plan.instances,
            split: plan.split.as_ref(),
            slow_start,
            sticky_key,
            turns: Turns::Kept,
            now,
        }
    }
}

/// What of a request decides on the instance.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Its cookies say with whom the client is to stay.
    pub(crate) head: &'a RequestHead,
    /// The hash by which the service balances, if it does.
    pub(crate) key: Option<Key>,
    /// The number that was drawn for the client, once one was.
    pub(crate) drawn: &'a Cell<Option<u64>>,
    /// The places of the instances where the request failed.
    pub(crate) tried: &'a [usize],
}

/// An instance that was chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection {
    /// Its place in the service.
    pub(crate) place: usize,
    /// What decided for it.
    pub(crate) by: ChosenBy,
    /// What decided for its release, where two share the requests. `None` also where the release that
    /// was to answer has no instance that can.
    pub(crate) release: Option<ReleaseBy>,
    /// The number that was drawn for the client, which it is to keep.
    pub(crate) drawn: Option<u64>,
    /// The client's sticky cookie names this instance.
    pub(crate) is_known: bool,
}

impl Selection {
    /// What decided for its release, where two share the requests by `split`, or else for the instance.
    #[inline]
    pub(crate) fn assignment(&self, split: Option<&SplitPlan>) -> Assignment {
        let is_drawn = match (split, self.release) {
            (Some(_), Some(ReleaseBy::Preview)) => return Assignment::Asked,
            (Some(_), release) => release == Some(ReleaseBy::Chance),
            (None, _) => !matches!(self.by, ChosenBy::Cookie | ChosenBy::Key),
        };
        if is_drawn { Assignment::Drawn } else { Assignment::Pinned }
    }
}

/// What decides for an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// The client's sticky cookie.
    Cookie,
    /// The hash of a part of the request.
    Key,
    /// Rotation: the next request may get another.
    Turn,
    /// Load: it has the least, and the workers take turns where several have equally little.
    Load,
    /// Chance: this is one that may be drawn.
    Chance,
}

impl ChosenBy {
    #[inline]
    fn of(balance: &Balance) -> Self {
        match balance {
            Balance::RoundRobin => Self::Turn,
            Balance::LeastConn | Balance::PeakEwma => Self::Load,
            Balance::Random | Balance::P2c => Self::Chance,
            Balance::IpHash | Balance::Hash(_) => Self::Key,
        }
    }
}

/// Chooses the instance. `entropy` gives uniformly random numbers, where chance decides.
///
/// # Errors
/// When none can serve now.
#[inline]
pub(crate) fn select<I: Candidate>(
    view: &View<'_, I>,
    wanted: Wanted<'_>,
    picker: &mut Picker,
    entropy: &mut impl FnMut() -> u64,
) -> Result<Selection, Refusal> {
    let Wanted { key, tried, .. } = wanted;
    let named = sticky::named(view.sticky_key, view.service, wanted.head);
    let preferred = named
        .and_then(|id| view.instances.iter().position(|it| sticky::is_named(id, &it.live().name)));
    let group = view.split.map(|split| {
        if let Some(asked) = split.asked(wanted.head) {
            return asked;
        }
        let number = sticky::number(view.sticky_key, view.service, wanted.head, split.cookie());
        split.side_of(key, number, wanted.drawn, entropy)
    });
    let drawn = group.and_then(Group::drawn);
    let mut group = group.and_then(|group| able_group(view, group, tried));
    // A client that stays with an instance still follows the share: else none of them would try a canary.
    let stays = preferred.filter(|place| {
        let may_be = group.is_none_or(|group| group.has(*place)) && !tried.contains(place);
        may_be && view.instances[*place].live().is_eligible()
    });
    let (place, by) = match stays {
        Some(place) if view.is_full(place) => return Err(Refusal::Full),
        Some(place) => (place, ChosenBy::Cookie),
        None => {
            let place = match picker.pick(&Released { view, group }, key, tried, entropy) {
                // Better by the other release than by none, unless the request asks for this one.
                Err(Refusal::Down | Refusal::Tried) if group.is_some_and(|it| !it.is_asked()) => {
                    group = None;
                    picker.pick(&Released { view, group }, key, tried, entropy)
                }
                picked => picked,
            };
            (place?, ChosenBy::of(&view.service.balance))
        }
    };
    let is_known = preferred == Some(place);
    Ok(Selection { place, by, release: group.map(Group::by), drawn, is_known })
}

/// The release that answers, of two. A client stays with its own, but what failed on the new one is
/// asked of the old one, so that nobody feels it; neither is asked if none of its instances can
/// serve. A request that asks for the new one never gets the old one in its place.
fn able_group<'s, I: Candidate>(
    view: &View<'_, I>,
    group: Group<'s>,
    tried: &[usize],
) -> Option<Group<'s>> {
    if group.is_asked() {
        return Some(group);
    }
    let wanted = match tried.is_empty() || !group.is_canary() {
        true => group,
        false => group.other(),
    };
    let mut instances = view.instances.iter().enumerate();
    let can = instances
        .any(|(place, it)| wanted.has(place) && it.live().is_eligible() && !tried.contains(&place));
    can.then_some(wanted)
}

impl<I: Candidate> View<'_, I> {
    #[inline]
    fn is_full(&self, place: usize) -> bool {
        self.instances[place].live().is_full(self.service.max_connections)
    }
}

/// The instances as the balancing sees them: those of one release, where two share the requests.
struct Released<'a, I> {
    view: &'a View<'a, I>,
    /// Whose instances alone may serve.
    group: Option<Group<'a>>,
}

impl<I: Candidate> Field for Released<'_, I> {
    #[inline]
    fn eligibility(&self, instance: usize) -> Eligibility {
        match self.group.is_none_or(|group| group.has(instance)) {
            true => eligibility(self.view.instances[instance].live()),
            false => Eligibility::Drained,
        }
    }

    #[inline]
    fn is_full(&self, instance: usize) -> bool {
        self.view.is_full(instance)
    }

    #[inline]
    fn share(&self, instance: usize) -> WeightShare {
        let Some(slow_start) = self.view.slow_start else { return WeightShare::FULL };
        let ramped_for = self.view.instances[instance].live().ramped_for(self.view.now);
        ramped_for.map_or(WeightShare::FULL, |elapsed| slow_start.share(elapsed))
    }

    #[inline]
    fn in_flight(&self, instance: usize) -> u32 {
        self.view.instances[instance].live().in_flight()
    }

    #[inline]
    fn turn(&self, attempt: AttemptKind) -> u64 {
        match (self.view.turns, attempt) {
            (Turns::Taken, AttemptKind::First) => self.view.live.take_turn(),
            (Turns::Kept, _) | (_, AttemptKind::Retry) => self.view.live.next_turn(),
        }
    }

    fn latency(&self, instance: usize) -> f64 {
        self.view.instances[instance].latency(self.view.now)
    }
}

/// How an instance stands.
pub(crate) fn eligibility(live: &Live) -> Eligibility {
    if live.is_eligible() {
        Eligibility::Healthy
    } else if live.has(Bar::Drained) {
        Eligibility::Drained
    } else if live.has(Bar::Unhealthy) {
        Eligibility::Unhealthy
    } else {
        Eligibility::Ejected
    }
}
