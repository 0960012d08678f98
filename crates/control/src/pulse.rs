//! What became of requests since the last look, by instance and route, by service, and all in all: what the workers counted, told once.
//!
//! Reads counters and nothing else. Each that looks has a pulse of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use edge::live::ServiceShard;
use edge::live::by_route::RouteSlot;
use edge::live::fate::{Assignment, Fate, Fates};
use edge::{Edge, Live, ServiceLive};
use model::{InstanceName, RouteId, ServiceName};
use rollout::outlier::{Part, Second, Stratum};
use rollout::reload::{Place, Requests};
use telemetry::{Ending, EndingTotals};

/// What was told already.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    instances: BTreeMap<(ServiceName, InstanceName), Told>,
    services: BTreeMap<ServiceName, (Arc<ServiceLive>, Requests)>,
    exchanges: EndingTotals,
}

#[derive(Debug)]
struct Told {
    live: Arc<Live>,
    counts: BTreeMap<(RouteSlot, Assignment), Fates>,
}

/// Attempts on one instance by one route.
#[derive(Debug)]
pub(crate) struct Attempts {
    pub(crate) live: Arc<Live>,
    /// `None` of what counts by none.
    pub(crate) route: Option<RouteId>,
    pub(crate) by: Assignment,
    pub(crate) requests: Requests,
}

/// What became of requests since the last look.
#[derive(Debug, Default)]
pub(crate) struct Beat {
    pub(crate) attempts: Vec<Attempts>,
    services: Vec<(ServiceName, Requests)>,
    unrouted: Requests,
}

impl Pulse {
    /// What comes from now on.
    pub(crate) fn begin(edge: &Edge) -> Self {
        let mut pulse = Self::default();
        pulse.take(edge);
        pulse
    }

    /// What came since the last time.
    pub(crate) fn take(&mut self, edge: &Edge) -> Beat {
        let mut beat = Beat::default();
        let (mut instances, mut services) = (BTreeMap::new(), BTreeMap::new());
        for view in edge.services() {
            let name = &view.service.name;
            let routes: BTreeMap<RouteSlot, RouteId> =
                view.live.routes().into_iter().map(|route| (route.slot, route.id)).collect();
            for live in view.instances {
                let key = (name.clone(), live.name.clone());
                let before = self.instances.remove(&key);
                let before = before.filter(|told| Arc::ptr_eq(&told.live, live));
                let before = before.map(|told| told.counts).unwrap_or_default();
                let counts = counts_of(live);
                for ((slot, by), fates) in &counts {
                    let since = match before.get(&(*slot, *by)) {
                        Some(before) => fates.since(before),
                        None => *fates,
                    };
                    let requests = requests_of(&since);
                    if requests.all > 0 {
                        let (live, route) = (live.clone(), routes.get(slot).cloned());
                        beat.attempts.push(Attempts { live, route, by: *by, requests });
                    }
                }
                instances.insert(key, Told { live: live.clone(), counts });
            }
            let total = clients_of(view.live);
            let before = self.services.remove(name);
            let before = before.filter(|(live, _)| Arc::ptr_eq(live, view.live));
            let before = before.map(|(_, total)| total).unwrap_or_default();
            beat.services.push((name.clone(), since(&total, &before)));
            services.insert(name.clone(), (view.live.clone(), total));
        }
        (self.instances, self.services) = (instances, services);
        beat.unrouted = self.unrouted(edge);
        beat
    }

    fn unrouted(&mut self, edge: &Edge) -> Requests {
        let mut totals = EndingTotals::default();
        edge.counters().for_each(|counters| totals.merge(&counters.exchanges.totals()));
        let requests = |totals: &EndingTotals| Requests {
            all: totals.total(),
            failed: totals.of(Ending::NoRoute),
            ..Requests::default()
        };
        let unrouted = since(&requests(&totals), &requests(&self.exchanges));
        self.exchanges = totals;
        unrouted
    }
}

impl Beat {
    /// Of each service the attempts whose instance was chosen for each by itself, by route.
    pub(crate) fn seconds(&self) -> BTreeMap<ServiceName, Second> {
        let mut routes = BTreeMap::<_, Vec<Part>>::new();
        for attempts in self.attempts.iter().filter(|it| it.by == Assignment::Drawn) {
            let Requests { all, failed, .. } = attempts.requests;
            let part = Part { instance: attempts.live.name.clone(), requests: all, failed };
            routes.entry((&attempts.live.service, &attempts.route)).or_default().push(part);
        }
        let mut seconds = BTreeMap::<ServiceName, Second>::new();
        for ((service, _), parts) in routes {
            seconds.entry(service.clone()).or_default().strata.push(Stratum(parts));
        }
        seconds
    }

    /// What became of requests by place, without those of services that are not `meant`.
    pub(crate) fn places(
        &self,
        is_meant: impl Fn(&ServiceName) -> bool,
    ) -> BTreeMap<Place, Requests> {
        let mut places = BTreeMap::<Place, Requests>::new();
        for attempts in self.attempts.iter().filter(|it| is_meant(&it.live.service)) {
            if let Some(route) = &attempts.route {
                places.entry(Place::Route(route.clone())).or_default().add(&attempts.requests);
            }
        }
        for (service, requests) in self.services.iter().filter(|(name, _)| is_meant(name)) {
            if requests.all > 0 {
                places.entry(Place::Service(service.clone())).or_default().add(requests);
            }
        }
        if self.unrouted.all > 0 {
            places.insert(Place::Unrouted, self.unrouted);
        }
        places
    }
}

fn counts_of(live: &Live) -> BTreeMap<(RouteSlot, Assignment), Fates> {
    let mut counts = BTreeMap::<_, Fates>::new();
    for (slot, by, fates) in live.attempts() {
        counts.entry((slot, by)).or_default().add(&fates);
    }
    counts
}

/// A client that gave up before there was a response tells nothing.
fn requests_of(fates: &Fates) -> Requests {
    let mut requests = Requests::default();
    for fate in Fate::ALL.into_iter().filter(|fate| *fate != Fate::Abandoned) {
        let count = fates.of(fate);
        requests.all += count;
        requests.failed += if fate.is_failed() { count } else { 0 };
        requests.client_errors += if fate == Fate::ClientError { count } else { 0 };
    }
    requests
}

/// What clients of a service got.
fn clients_of(live: &ServiceLive) -> Requests {
    let of_shard = |shard: &ServiceShard| Requests {
        all: shard.by_class.iter().map(|class| class.get()).sum(),
        failed: shard.failed.get(),
        client_errors: shard.by_class[4].get(),
        ..Requests::default()
    };
    let mut requests = Requests::default();
    live.shards().for_each(|shard| requests.add(&of_shard(shard)));
    requests
}

fn since(now: &Requests, before: &Requests) -> Requests {
    Requests {
        all: now.all.saturating_sub(before.all),
        failed: now.failed.saturating_sub(before.failed),
        client_errors: now.client_errors.saturating_sub(before.client_errors),
        ..Requests::default()
    }
}
