//! One limit, compiled, and a route's use of it: what a request takes, and what is taken after it.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use model::{Bound, KeyPart, Limit, LimitMode, Rate};
use policy::limit::{Bucket, Clock, Entered, Fingerprint, Grains, KeyHasher, Level, Unit};
use telemetry::LimitOutcome;

use super::key::fingerprint;
use super::sharing::{Before, Secrets, Sharing};
use super::taken::{One, Standing};
use super::{Asking, Effect};
use crate::live::limit::{Buckets, LimitLive, LimitUseLive, OpenRequest};

/// One limit, compiled: shared by all routes that go by it.
#[derive(Debug)]
pub(crate) struct LimitPlan {
    limit: Arc<Limit>,
    live: Arc<LimitLive>,
    /// Has begun with what all of its keys have in common.
    hasher: KeyHasher,
    /// Whether a key depends on nothing but who asks.
    is_of_caller: bool,
    /// What it was before, where that matters.
    before: Option<Box<Before>>,
    meter: Meter,
    sharing: Sharing,
}

/// What is measured, and how much of it there may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meter {
    Rate { unit: Unit, clock: Clock, capacity: Grains },
    Open { most: u64 },
}

/// A route's use of a limit.
#[derive(Debug)]
pub(crate) struct UsePlan {
    pub(super) plan: Arc<LimitPlan>,
    /// What a request takes beforehand.
    pub(super) cost: u32,
    pub(super) live: Arc<LimitUseLive>,
}

impl LimitPlan {
    /// `limit`, of which `live` is kept, as of `now`; its keys are known by `secrets`.
    pub(crate) fn compile(
        limit: &Arc<Limit>,
        live: Arc<LimitLive>,
        secrets: Secrets,
        sharing: Sharing,
        now: Duration,
    ) -> Self {
        let of_rate = |unit: Unit, rate: Rate, burst: u64| {
            let clock = match &*live {
                LimitLive::Buckets(buckets) => buckets.clock.at_rate(unit, rate, now),
                LimitLive::Open(_) => Clock::new(unit, rate),
            };
            Meter::Rate { unit, clock, capacity: unit.grains(burst) }
        };
        let meter = match limit.bound {
            Bound::Requests { rate, burst, .. } => of_rate(Unit::Requests, rate, burst.get()),
            Bound::Bytes { rate, burst } => of_rate(Unit::Bytes, rate, burst.get()),
            Bound::Concurrent(most) => Meter::Open { most: most.get().into() },
        };
        let common = common(limit);
        let (hasher, before) = match meter {
            Meter::Rate { clock, capacity, .. } => {
                let before = Before::of(secrets, &common, clock, capacity, now);
                (secrets.of_buckets(&common), before)
            }
            Meter::Open { .. } => (secrets.of_counts(&common), None),
        };
        let is_of_caller = limit.key.iter().all(KeyPart::needs_authentication);
        Self { limit: limit.clone(), live, hasher, is_of_caller, before, meter, sharing }
    }

    /// It is served from now on, and no other publication's.
    pub(crate) fn commit(&self) {
        if let (LimitLive::Buckets(buckets), Meter::Rate { clock, .. }) = (&*self.live, self.meter)
        {
            buckets.clock.serves(clock);
        }
    }

    /// What the file says of it.
    pub(crate) fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Memory that its table has taken by now, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.live.bytes()
    }

    /// What the request is known by.
    #[inline]
    fn key(&self, asking: Asking<'_>) -> Fingerprint {
        let of_request = || fingerprint(&self.limit.key, self.hasher, asking);
        match asking.caller {
            Some(caller) if self.is_of_caller => caller.known_as(self.hasher, of_request),
            _ => of_request(),
        }
    }

    pub(super) fn meter(&self) -> Meter {
        self.meter
    }

    /// The header by which instances tell what a request has cost.
    pub(super) fn cost_header(&self) -> Option<&str> {
        match &self.limit.bound {
            Bound::Requests { cost_header, .. } => cost_header.as_deref(),
            Bound::Bytes { .. } | Bound::Concurrent(_) => None,
        }
    }

    pub(super) fn counts_bytes(&self) -> bool {
        matches!(self.meter, Meter::Rate { unit: Unit::Bytes, .. })
    }

    /// Whether nothing can be decided at the moment.
    #[inline]
    pub(super) fn is_undecided(&self) -> bool {
        self.sharing.is_undecided()
    }

    /// What is gone of the bucket that the key had before is gone of the one that it has now.
    #[cold]
    fn carry_over(
        &self,
        before: &Before,
        buckets: &Buckets,
        key: Fingerprint,
        bucket: Bucket,
        asking: Asking<'_>,
    ) {
        if asking.context.at.time() < before.until {
            let old = fingerprint(&self.limit.key, before.hasher, asking);
            let Level { spent, .. } = buckets.table.look(old, bucket, Grains(0));
            if spent.0 > 0 {
                buckets.table.raise(key, bucket, spent);
            }
        }
    }

    /// Takes `cost` afterwards, whether or not it is there.
    fn charge(&self, one: &One, cost: Grains, now: Duration) {
        let (LimitLive::Buckets(buckets), Meter::Rate { clock, capacity, .. }) =
            (&*self.live, self.meter)
        else {
            return;
        };
        let bucket = Bucket { now: clock.show(now), capacity };
        let Level { spent, .. } = buckets.table.charge(one.key, bucket, cost);
        self.sharing.took(one.worker, one.key, cost);
        one.standing.set(Standing::Spent(spent));
    }
}

impl UsePlan {
    /// A use of `plan` by a route, each of whose requests takes `cost`.
    pub(crate) fn new(plan: Arc<LimitPlan>, cost: NonZeroU32, live: Arc<LimitUseLive>) -> Self {
        Self { plan, cost: cost.get(), live }
    }

    /// What a request takes before it passes; of a limit of bytes nothing: anything must be left.
    pub(super) fn cost(&self) -> Grains {
        match self.plan.meter {
            Meter::Rate { unit: Unit::Requests, .. } => Unit::Requests.grains(self.cost.into()),
            Meter::Rate { unit: Unit::Bytes, .. } | Meter::Open { .. } => Grains(0),
        }
    }

    /// Takes what a request takes.
    #[inline]
    pub(super) fn take(&self, asking: Asking<'_>) -> One {
        let plan = &*self.plan;
        let key = plan.key(asking);
        let (effect, worker) = (asking.context.effect, asking.context.worker as u32);
        let (is_enough, standing, open) = match (&*plan.live, plan.meter) {
            (LimitLive::Buckets(buckets), Meter::Rate { clock, capacity, .. }) => {
                let now = clock.show(asking.context.at.time());
                let bucket = Bucket { now, capacity };
                if let Some(before) = &plan.before {
                    plan.carry_over(before, buckets, key, bucket, asking);
                }
                let cost = self.cost();
                let Level { spent, is_enough } = match effect {
                    Effect::Take => buckets.table.take(key, bucket, cost),
                    Effect::Look => buckets.table.look(key, bucket, cost),
                };
                if is_enough && effect == Effect::Take {
                    plan.sharing.took(worker, key, cost);
                }
                (is_enough, Standing::Spent(spent), None)
            }
            (LimitLive::Open(open), Meter::Open { most }) if effect == Effect::Take => {
                match open.enter(key, most) {
                    Entered::In { place, count } => {
                        let held = OpenRequest::new(&plan.live, place);
                        (true, Standing::Open(count), Some(held))
                    }
                    Entered::Full => (false, Standing::Open(most), None),
                }
            }
            (LimitLive::Open(open), Meter::Open { most }) => {
                let count = open.count(key);
                (count < most, Standing::Open(count), None)
            }
            // A limit of another kind has another identity.
            _ => (true, Standing::Open(0), None),
        };
        let outcome = match (is_enough, plan.limit.mode) {
            (true, _) => LimitOutcome::Passed,
            (false, LimitMode::Observe) => LimitOutcome::Observed,
            (false, LimitMode::Enforce) => LimitOutcome::Limited,
        };
        if effect == Effect::Take {
            self.live.count(asking.context.worker, outcome);
        }
        One { key, outcome, worker, standing: Cell::new(standing), _open: open }
    }

    /// Takes what the request has cost beyond what it took, as its instance says.
    pub(super) fn charge_told(&self, one: &One, cost: u64, now: Duration) {
        let beyond = match one.outcome {
            LimitOutcome::Passed => cost.saturating_sub(self.cost.into()),
            // It took nothing.
            LimitOutcome::Observed | LimitOutcome::Limited => cost,
        };
        self.plan.charge(one, Unit::Requests.grains(beyond), now);
    }

    /// Takes the bytes that have passed, where it counts them.
    pub(super) fn charge_bytes(&self, one: &One, bytes: u64, now: Duration) {
        if self.plan.counts_bytes() && one.outcome != LimitOutcome::Limited {
            self.plan.charge(one, Unit::Bytes.grains(bytes), now);
        }
    }
}

/// What all keys of a limit have in common, on every edge: what makes two limits of different files the same one.
fn common(limit: &Limit) -> Vec<u8> {
    let kind = match limit.bound {
        Bound::Requests { .. } => "requests",
        Bound::Bytes { .. } => "bytes",
        Bound::Concurrent(_) => "concurrent",
    };
    let parts = limit.key.iter().map(|part| format!("\0{part}"));
    format!("{}\0{kind}{}", limit.name, parts.collect::<String>()).into_bytes()
}
