//! What became of the attempts on instances, as the judge of a deploy is told: what the workers counted and handed over,
//! with the routes' names in the place of their slots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use edge::live::by_route::{RouteSlot, SlottedRoute};
use edge::live::fate;
use edge::live::judged::Sample;
use edge::{Live, ServiceLive};
use model::RouteId;
use rollout::{Assignment, Client, Fate, Fates, Latencies, Observed, Place, Side, Tally, Why};

use crate::times::latencies_of;

/// What became of the attempts on one instance in some span of time.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Account {
    /// By route and by what decided for the instance, where there were any.
    pub(crate) counts: Vec<(Option<RouteId>, Assignment, Fates)>,
    /// Of requests that asked for a release: nothing that the judge could compare.
    pub(crate) asked: Fates,
    pub(crate) latencies: Latencies,
}

/// What was told of an instance already.
#[derive(Debug, Default)]
pub(crate) struct Told {
    counts: BTreeMap<(RouteSlot, fate::Assignment), fate::Fates>,
    latencies: Tally,
}

/// Which routes have which slots.
#[derive(Debug, Default)]
pub(crate) struct Routes(BTreeMap<RouteSlot, SlottedRoute>);

impl Routes {
    /// The routes by which the service's attempts are counted; none where it is not served yet.
    pub(crate) fn of(live: Option<&Arc<ServiceLive>>) -> Self {
        let routes = live.map(|live| live.routes()).unwrap_or_default();
        Self(routes.into_iter().map(|route| (route.slot, route)).collect())
    }

    /// The route that counts as `slot`, if one of its own does.
    fn id(&self, slot: RouteSlot) -> Option<RouteId> {
        self.0.get(&slot).map(|route| route.id.clone())
    }

    /// What each is called.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&RouteId, &Arc<str>)> {
        self.0.values().map(|route| (&route.id, &route.name))
    }
}

impl Told {
    /// What became of the attempts on the instance that is observed by `lives`, since the last time.
    pub(crate) fn take(&mut self, lives: &[Arc<Live>], routes: &Routes) -> Account {
        let mut counts = BTreeMap::<_, fate::Fates>::new();
        let mut latencies = Tally::default();
        for live in lives {
            for (slot, by, fates) in live.attempts() {
                counts.entry((slot, by)).or_default().add(&fates);
            }
            latencies.latencies.add(&latencies_of(live));
        }
        let mut account =
            Account { latencies: latencies.since(&self.latencies).latencies, ..Account::default() };
        for ((slot, by), fates) in &counts {
            let before = self.counts.get(&(*slot, *by)).copied().unwrap_or_default();
            let since = fates_of(&fates.since(&before));
            match assignment(*by) {
                Some(by) if since.requests() > 0 => {
                    account.counts.push((routes.id(*slot), by, since));
                }
                Some(_) => {}
                None => account.asked.add(&since),
            }
        }
        (self.counts, self.latencies) = (counts, latencies);
        account
    }
}

/// What was handed over of one attempt, on an instance of `side`. `None` of what the judge does not compare.
pub(crate) fn observed(
    sample: Sample,
    at: Duration,
    side: Side,
    routes: &Routes,
) -> Option<Observed> {
    let fate = fate_of(sample.fate)?;
    let place = Place {
        route: routes.id(sample.route),
        instance: sample.instance.name.clone(),
        side,
        assignment: assignment(sample.assignment)?,
    };
    Some(Observed {
        at,
        place,
        client: Client(sample.client),
        fate,
        status: sample.status,
        latency: sample.latency,
        request_id: sample.request_id.into(),
        why: if fate == Fate::Failed { Why::Failed } else { Why::Sampled },
    })
}

/// As what the judge compares it, which it does not where the request itself asked for the release.
fn assignment(by: fate::Assignment) -> Option<Assignment> {
    match by {
        fate::Assignment::Drawn => Some(Assignment::Drawn),
        fate::Assignment::Pinned => Some(Assignment::Pinned),
        fate::Assignment::Asked => None,
    }
}

/// As what the judge counts it.
fn fate_of(fate: fate::Fate) -> Option<Fate> {
    match fate {
        fate::Fate::Ok => Some(Fate::Ok),
        fate::Fate::Redirect => Some(Fate::Redirect),
        fate::Fate::ClientError => Some(Fate::ClientError),
        fate::Fate::Refused
        | fate::Fate::ServerError
        | fate::Fate::Failure
        | fate::Fate::Overdue => Some(Fate::Failed),
        fate::Fate::Abandoned => None,
    }
}

fn fates_of(fates: &fate::Fates) -> Fates {
    let mut all = Fates::default();
    for fate in fate::Fate::ALL {
        if let Some(counts_as) = fate_of(fate) {
            *all.of_mut(counts_as) += fates.of(fate);
        }
    }
    all
}
