//! Limits as they are published: what each route goes by, on what is kept of each limit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Generation, LimitName, LimitUse, OnFailure, Route, RouteId};
use policy::limit::Secret;
use store::Store;

use crate::live::limit::{LimitId, LimitLive, LimitUseLive};
use crate::live::settlements::{Settlements, agreed};
use crate::policy::limit::{LimitPlan, Limits, Secrets, Sharing, Switched, UsePlan, Without};
use crate::snapshot::shelf::Shelf;

/// What is kept of limits, and of routes' uses of them.
pub(crate) struct LimitShelf {
    /// By what keys are known, of what is served.
    secrets: Secrets,
    /// The same of what was compiled last, which may not be served.
    meant: Secrets,
    /// Whether anything is served.
    is_served: bool,
    live: Shelf<LimitId, LimitLive>,
    uses: Shelf<(RouteId, LimitName), LimitUseLive>,
    /// How many limits there were.
    count: u64,
    settlements: Arc<Settlements>,
}

impl LimitShelf {
    /// Nothing yet; what edges share of it goes by `settlements`.
    pub(crate) fn new(settlements: Arc<Settlements>) -> Self {
        let mut secret = [0; 16];
        aws_lc_rs::rand::fill(&mut secret).expect("the system has random bytes");
        let secrets = Secrets::own(Secret(secret));
        Self {
            secrets,
            meant: secrets,
            is_served: false,
            live: Shelf::default(),
            uses: Shelf::default(),
            count: 0,
            settlements,
        }
    }

    /// Begins to compile what `generation` is to serve, of which edges share what `store` can.
    pub(crate) fn compile(
        &mut self,
        generation: Generation,
        workers: usize,
        now: Duration,
        store: &Store,
    ) -> LimitCompilation<'_> {
        let key = store.shared().and_then(agreed);
        self.meant = match key {
            Some(key) if key != self.secrets.shared => {
                let before = Switched { from: self.secrets.shared, at: now };
                let before = self.is_served.then_some(before);
                Secrets { shared: key, before, ..self.secrets }
            }
            _ => self.secrets,
        };
        let sharing = match (store.shared(), key, store.on_failure()) {
            (None, _, _) => SharingOfAll::Nothing,
            (Some(shared), Some(_), OnFailure::Refuse) => {
                SharingOfAll::Buckets(Without::Refuse(shared.clone()))
            }
            (Some(_), Some(_), OnFailure::Local) => SharingOfAll::Buckets(Without::Local),
            (Some(_), None, OnFailure::Refuse) => SharingOfAll::NotYet(Without::RefuseAll),
            (Some(_), None, OnFailure::Local) => SharingOfAll::NotYet(Without::Local),
        };
        LimitCompilation { shelf: self, generation, workers, now, sharing, plans: BTreeMap::new() }
    }

    /// Forgets what `generation`, which is served now, does not go by. What is open of it ends all the same.
    pub(super) fn forget(&mut self, generation: Generation) {
        (self.secrets, self.is_served) = (self.meant, true);
        self.live.forget(generation, |_| false);
        self.uses.forget(generation, |_| false);
    }
}

/// What of a file's limits edges share.
enum SharingOfAll {
    Nothing,
    /// What can be shared.
    Buckets(Without),
    /// The same, once edges know keys by the same.
    NotYet(Without),
}

impl SharingOfAll {
    fn of(&self, live: &Arc<LimitLive>, settlements: &Settlements) -> Sharing {
        let LimitLive::Buckets(_) = &**live else { return Sharing::default() };
        match self {
            Self::Nothing => Sharing::default(),
            Self::Buckets(without) => {
                settlements.want();
                Sharing { buckets: settlements.share(live), without: without.clone() }
            }
            Self::NotYet(without) => {
                settlements.want();
                Sharing { buckets: None, without: without.clone() }
            }
        }
    }
}

/// Limits that are being compiled: those of one publication, each once.
pub(crate) struct LimitCompilation<'a> {
    shelf: &'a mut LimitShelf,
    generation: Generation,
    workers: usize,
    now: Duration,
    sharing: SharingOfAll,
    plans: BTreeMap<LimitName, Arc<LimitPlan>>,
}

impl LimitCompilation<'_> {
    /// What `route` goes by, if it goes by any.
    pub(crate) fn of_route(&mut self, route: &Route) -> Option<Limits> {
        let uses = &route.policies.limits;
        (!uses.is_empty())
            .then(|| Limits::new(uses.iter().map(|it| self.of_use(route, it)).collect()))
    }

    fn of_use(&mut self, route: &Route, LimitUse { limit, cost }: &LimitUse) -> UsePlan {
        let Self { shelf, generation, workers, now, sharing, plans } = self;
        let LimitShelf { meant, live, uses, count, settlements, .. } = &mut **shelf;
        let plan = plans.entry(limit.name.clone()).or_insert_with(|| {
            let id = LimitId::of(limit);
            let live = live.take(id.clone(), *generation, || {
                *count += 1;
                LimitLive::new(&id, *count)
            });
            let sharing = sharing.of(&live, settlements);
            Arc::new(LimitPlan::compile(limit, live, *meant, sharing, *now))
        });
        let id = (route.id(), limit.name.clone());
        let live = uses.take(id, *generation, || LimitUseLive::new(limit.name.clone(), *workers));
        UsePlan::new(plan.clone(), *cost, live)
    }

    /// Every limit that some route goes by.
    pub(crate) fn finish(self) -> Vec<Arc<LimitPlan>> {
        self.plans.into_values().collect()
    }
}
