//! Rules of abuse as they are published: which of them count the refusals of each route, on what is kept of each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Abuse, AbuseName, Generation, Intent, Unrouted};
use policy::limit::Secret;

use crate::live::abuse::{AbuseId, AbuseLive};
use crate::policy::abuse::AbusePlan;
use crate::routing::RouteIndex;
use crate::snapshot::shelf::Shelf;

/// Every rule that counts anything.
#[derive(Debug, Default)]
pub(crate) struct AbuseTable {
    /// For each route those that count its refusals; empty where no route has any.
    routes: Box<[Rules]>,
    /// Those that count what no route takes.
    unrouted: Rules,
    all: Vec<Arc<AbusePlan>>,
}

type Rules = Box<[Arc<AbusePlan>]>;

impl AbuseTable {
    /// Those that count refusals of this route, or of requests that none takes.
    #[inline]
    pub(crate) fn of(&self, route: Option<RouteIndex>) -> &[Arc<AbusePlan>] {
        match route {
            Some(index) => self.routes.get(index.0 as usize).map_or(&[], |rules| rules),
            None => &self.unrouted,
        }
    }

    /// Every rule.
    pub(crate) fn all(&self) -> impl Iterator<Item = &AbusePlan> {
        self.all.iter().map(|plan| &**plan)
    }
}

/// What is kept of rules.
pub(crate) struct AbuseShelf {
    /// By it keys are known.
    secret: Secret,
    live: Shelf<AbuseId, AbuseLive>,
}

impl Default for AbuseShelf {
    fn default() -> Self {
        let mut secret = [0; 16];
        aws_lc_rs::rand::fill(&mut secret).expect("the system has random bytes");
        Self { secret: Secret(secret), live: Shelf::default() }
    }
}

impl AbuseShelf {
    /// Compiles what `intent` says for `generation`.
    pub(crate) fn compile(
        &mut self,
        intent: &Intent,
        generation: Generation,
        workers: usize,
        now: Duration,
    ) -> AbuseTable {
        let Self { secret, live } = self;
        let mut plans: BTreeMap<AbuseName, Arc<AbusePlan>> = BTreeMap::new();
        let mut plan = |abuse: &Arc<Abuse>| {
            let new = || {
                let id = AbuseId::of(abuse);
                let live = live.take(id.clone(), generation, || AbuseLive::new(&id, workers));
                Arc::new(AbusePlan::compile(abuse, live, *secret, now))
            };
            plans.entry(abuse.name.clone()).or_insert_with(new).clone()
        };
        let is_counted = |it: &&Arc<Abuse>| it.unrouted == Unrouted::Counted;
        let unrouted = intent.abuse.values().filter(is_counted).map(&mut plan).collect();
        let rules =
            intent.routes.iter().map(|it| it.policies.abuse.iter().map(&mut plan).collect());
        let mut routes: Vec<Rules> = rules.collect();
        if routes.iter().all(|rules| rules.is_empty()) {
            routes.clear();
        }
        AbuseTable { routes: routes.into(), unrouted, all: plans.into_values().collect() }
    }

    /// Forgets what `generation`, which is served now, does not go by.
    pub(super) fn forget(&mut self, generation: Generation) {
        self.live.forget(generation, |_| false);
    }
}
