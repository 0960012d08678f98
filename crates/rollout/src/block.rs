//! What became of the requests of one span of time, as the judge is told: exact counts by what it compares, and a
//! bounded record of single attempts beside them.
//!
//! Every attempt stands in the counts once, when it has come to an end. What Plimsoll itself caused (a full
//! queue, a cut at its own end, a check of its own) stands nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{InstanceName, RouteId};

use crate::event::Side;
use crate::tally::{Latencies, Tally};

/// What became of the requests of one span of time, of both releases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// The split's share of the new release that drawn requests had at the end of the span; `None` where the
    /// balancing over all instances decides.
    pub share: Option<f64>,
    /// Instances that serve, and that ejection or their checks kept from requests at the beginning or the end of the span.
    pub barred: Barred,
    /// Exact counts. A place may stand in it more than once.
    pub counts: Vec<Count>,
    /// How long attempts took, by instance, counted in classes: what is known where nothing is recorded. Those
    /// that are in `observed` are in here too.
    pub latencies: Vec<Timed>,
    /// Attempts that were recorded, in the order of their ends: all that failed, as far as there was room, and of
    /// the others a uniform sample.
    pub observed: Vec<Observed>,
    /// Attempts that failed and for which there was no room in `observed`.
    pub lost: u64,
    /// What routes are called, of those that were not named before.
    pub routes: BTreeMap<RouteId, Arc<str>>,
}

/// How many instances of each release got no requests, though they serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Barred {
    /// Of the new release.
    pub canary: u32,
    /// Of the old one.
    pub stable: u32,
}

/// How many requests of one place ended in which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Where they went, and what led them there.
    pub place: Place,
    /// What became of them.
    pub fates: Fates,
}

/// Where a request went, and what led it there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// By which route it came; `None` for what counts by none, as the rest of a table that is full.
    pub route: Option<RouteId>,
    /// The instance that was asked.
    pub instance: InstanceName,
    /// The release that it is of.
    pub side: Side,
    /// What decided for that release.
    pub assignment: Assignment,
}

/// What decided for the release that a request went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assignment {
    /// Chance, for this request alone: the split's draw, or the balancing. A bet of its own.
    Drawn,
    /// Something that its client keeps or chooses: a cookie, a key that is hashed, a header; or what became of an
    /// attempt before it, as for one that is tried again.
    Pinned,
}

/// In which way a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// 1xx or 2xx, and whole.
    Ok,
    /// 3xx.
    Redirect,
    /// 4xx.
    ClientError,
    /// 5xx, a gRPC status that is the server's failure, no whole response, or a client that gave up after more
    /// than any patience is owed.
    Failed,
}

/// How many ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// [`Fate::Ok`].
    pub ok: u64,
    /// [`Fate::Redirect`].
    pub redirects: u64,
    /// [`Fate::ClientError`].
    pub client_errors: u64,
    /// [`Fate::Failed`].
    pub failed: u64,
}

/// How long the attempts on one instance took, from the request to the head of its response, or to where its client
/// lost patience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Which.
    pub instance: InstanceName,
    /// The release that it is of.
    pub side: Side,
    /// Counted in classes.
    pub latencies: Latencies,
}

/// One attempt that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// When it ended, in the machine's time.
    pub at: Duration,
    /// Where it went, and what led it there.
    pub place: Place,
    /// Whose it was.
    pub client: Client,
    /// In which way it ended.
    pub fate: Fate,
    /// The status of its response, if there was one.
    pub status: Option<u16>,
    /// From the request to the head of the response, or to where it failed.
    pub latency: Duration,
    /// The id that the access log has of it.
    pub request_id: Arc<str>,
    /// Why it is here.
    pub why: Why,
}

/// A client's address as one number: a keyed hash of the IPv4 address or of the first 64 bits of the IPv6 address, with a key
/// of this deploy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(pub u64);

/// Why an attempt was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is of the uniform sample of all that did not fail.
    Sampled,
    /// It failed.
    Failed,
}

/// What the old release did before the deploy began, the latest span last: some spans of seconds each, over at most the last hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// The spans.
    pub spans: Vec<PastSpan>,
}

/// What the old release did in one span of time.
#[derive(Clone, Debug, PartialEq)]
pub struct PastSpan {
    /// When it ended, in the machine's time.
    pub until: Duration,
    /// What became of the requests, by route.
    pub routes: Vec<PastRoute>,
}

/// What the old release did on one route in one span of time.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRoute {
    /// Which; `None` for what counts by none.
    pub route: Option<RouteId>,
    /// What became of them.
    pub fates: Fates,
    /// How long they took; none where that is not known by route.
    pub latencies: Latencies,
}

impl Fates {
    /// One of `fate`.
    pub fn one(fate: Fate) -> Self {
        let mut fates = Self::default();
        *fates.of_mut(fate) = 1;
        fates
    }

    /// How many ended in the way `fate`.
    pub fn of(&self, fate: Fate) -> u64 {
        match fate {
            Fate::Ok => self.ok,
            Fate::Redirect => self.redirects,
            Fate::ClientError => self.client_errors,
            Fate::Failed => self.failed,
        }
    }

    /// The same, to be counted on.
    pub fn of_mut(&mut self, fate: Fate) -> &mut u64 {
        match fate {
            Fate::Ok => &mut self.ok,
            Fate::Redirect => &mut self.redirects,
            Fate::ClientError => &mut self.client_errors,
            Fate::Failed => &mut self.failed,
        }
    }

    /// All of them.
    pub fn requests(&self) -> u64 {
        self.ok + self.redirects + self.client_errors + self.failed
    }

    /// Counts `other` as well.
    pub fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        self.redirects += other.redirects;
        self.client_errors += other.client_errors;
        self.failed += other.failed;
    }

    /// What came since `earlier`, which was counted by the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            ok: self.ok.saturating_sub(earlier.ok),
            redirects: self.redirects.saturating_sub(earlier.redirects),
            client_errors: self.client_errors.saturating_sub(earlier.client_errors),
            failed: self.failed.saturating_sub(earlier.failed),
        }
    }
}

impl Block {
    /// What became of the requests of one release, all in all.
    pub fn tally(&self, side: Side) -> Tally {
        let mut tally = Tally::default();
        for count in self.counts.iter().filter(|count| count.place.side == side) {
            tally.requests += count.fates.requests();
            tally.errors += count.fates.failed;
        }
        for timed in self.latencies.iter().filter(|timed| timed.side == side) {
            tally.latencies.add(&timed.latencies);
        }
        tally
    }

    /// Takes up what became of the requests of the span that follows, which becomes one with this one.
    pub fn append(&mut self, next: Self) {
        self.share = next.share;
        self.barred.canary = self.barred.canary.max(next.barred.canary);
        self.barred.stable = self.barred.stable.max(next.barred.stable);
        self.counts.extend(next.counts);
        self.latencies.extend(next.latencies);
        self.observed.extend(next.observed);
        self.lost += next.lost;
        self.routes.extend(next.routes);
    }

    /// Takes up what became of the requests of one instance, all drawn and by no route, as far as a tally tells.
    pub fn add_tally(&mut self, instance: &InstanceName, side: Side, tally: &Tally) {
        let place =
            Place { route: None, instance: instance.clone(), side, assignment: Assignment::Drawn };
        let ok = tally.requests.saturating_sub(tally.errors);
        let fates = Fates { ok, failed: tally.errors, ..Fates::default() };
        if fates.requests() > 0 {
            self.counts.push(Count { place, fates });
        }
        if tally.latencies.count() > 0 {
            let latencies = tally.latencies.clone();
            self.latencies.push(Timed { instance: instance.clone(), side, latencies });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_comes_out_as_it_went_in_for_each_release() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_millis(3), 7);
        let canary = Tally { requests: 7, errors: 2, latencies };
        let stable = Tally { requests: 5, errors: 0, latencies: Latencies::default() };
        let mut block = Block::default();
        block.add_tally(&"api-2".into(), Side::Canary, &canary);
        block.add_tally(&"api-1".into(), Side::Stable, &stable);
        assert_eq!((block.tally(Side::Canary), block.tally(Side::Stable)), (canary, stable));
    }
}
