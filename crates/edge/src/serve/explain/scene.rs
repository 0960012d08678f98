//! The services and instances that a request would get, of those that are served now.

use std::cell::Cell;
use std::time::Duration;

use balance::{Refusal, SlowStart};

use super::{Choice, Forward, ShareBy, Unserved};
use crate::choice;
use crate::choice::select::{View, Wanted, eligibility, select};
use crate::choice::share::{self, Chosen};
use crate::routing::{Request, RouteIndex};
use crate::snapshot::{ServicePlan, ShareOf, Snapshot};
use crate::sticky_key::StickyKey;

/// What is served, as a question is put to it.
pub(super) struct Scene<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) key: &'a StickyKey,
    pub(super) now: Duration,
}

impl Scene<'_> {
    /// The services that share the route's requests.
    pub(super) fn forwards(&self, index: RouteIndex, request: &Request<'_>) -> Vec<Forward> {
        let shares = &self.snapshot.shares[index.0 as usize];
        if shares.of.is_empty() {
            return Vec::new();
        }
        let keeps = |place: usize| {
            let ServicePlan { service, instances, .. } = &self.snapshot.services[place];
            share::keeps(self.key, service, instances, request.head)
        };
        let Chosen { share: chosen, by } = share::choose(shares, keeps, |_| 0);
        let forward = |(share, of): (usize, &ShareOf)| {
            let plan = &self.snapshot.services[of.place];
            let gets = match by {
                ShareBy::Chance => of.weight > 0,
                ShareBy::Alone | ShareBy::Cookie => share == chosen,
            };
            Forward {
                service: plan.service.clone(),
                weight: of.weight,
                by: gets.then_some(by),
                choice: Some(self.choose(plan, request).map_err(Unserved::from)),
            }
        };
        shares.of.iter().enumerate().map(forward).collect()
    }

    /// The instance that would be chosen, by a copy of the policy. Where load decides among several that
    /// are alike, or instances weigh differently, each worker has its own rotation.
    fn choose(&self, plan: &ServicePlan, request: &Request<'_>) -> Result<Choice, Refusal> {
        let slow_start = plan.service.slow_start.map(SlowStart::new);
        let view = View::of_snapshot(plan, slow_start.as_ref(), self.key, self.now);
        let key = choice::key_of(&plan.service.balance, request);
        let drawn = Cell::new(None);
        let wanted = Wanted { head: request.head, key, drawn: &drawn, tried: &[] };
        let chosen = select(&view, wanted, &mut plan.picker.clone(), &mut || fastrand::u64(..))?;
        let live = plan.instances[chosen.place].clone();
        let eligibility = eligibility(&live);
        Ok(Choice { live, by: chosen.by, release: chosen.release, eligibility })
    }
}
