//! How a release is replaced by the next: `[services.NAME.deploy]`.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::condition::Condition;
use crate::health::{ProbeMethod, StatusRange};
use crate::hook::{Hook, HookMoment};

/// How a release is replaced by the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Deploy {
    /// In which way traffic goes from the old release to the new one.
    pub strategy: Strategy,
    /// With a rolling strategy: how many more instances than wanted may start at a time.
    pub surge: Surge,
    /// With a canary: its steps, at least one, with rising shares; none begins with two holds in a row.
    pub steps: Vec<Step>,
    /// From an instance's start to its first passed check.
    pub ready_timeout: Duration,
    /// How long every check of a new instance has to pass before it counts as ready; for none it does with the
    /// first that passes.
    pub min_healthy: Duration,
    /// What a new instance is asked after its first passed check and before it gets traffic, in this
    /// order.
    pub warm_up: Vec<WarmUp>,
    /// What an instance of a new release is asked after that, in this order. Where it responds otherwise than it
    /// should, the release does not come.
    pub smoke: Vec<Smoke>,
    /// What open exchanges get before an old instance is told to stop.
    pub drain: Drain,
    /// After the full shift the old release stays warm for so long, and the new one is watched.
    pub bake: Duration,
    /// By what a request reaches the new release whatever its share, if it may; never with a strategy that has no time
    /// at which the old one has everything.
    pub preview: Option<Preview>,
    /// What has to hold outside while the new release is watched, each with a name of its own.
    pub conditions: Vec<Condition>,
    /// What decides whether the new release stays.
    pub judge: Judge,
    /// What is run before anything starts. Where it fails, nothing does.
    pub before: Option<Hook>,
    /// What is run when the new release has come to stay. That it fails is told.
    pub after: Option<Hook>,
}

impl Deploy {
    /// What is run at `moment`, if anything is.
    pub fn hook(&self, moment: HookMoment) -> Option<&Hook> {
        match moment {
            HookMoment::Before => self.before.as_ref(),
            HookMoment::After => self.after.as_ref(),
        }
    }
}

/// What an exchange is to an instance that is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExchangeKind {
    /// A request and its answer.
    Request,
    /// A request whose body is long, or of no stated length.
    Upload,
    /// An answer of server-sent events.
    Stream,
    /// An upgraded connection, as of a WebSocket.
    Tunnel,
}

impl ExchangeKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Request, Self::Upload, Self::Stream, Self::Tunnel];
}

/// What exchanges that are open on an instance get before it is told to stop, each kind for itself.
/// Requests and uploads are left to end by themselves; streams and tunnels, which need not ever
/// end, are closed within their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// A request and its answer.
    pub requests: Duration,
    /// A request whose body is long, or of no stated length.
    pub uploads: Duration,
    /// An answer of server-sent events.
    pub streams: Duration,
    /// An upgraded connection, as of a WebSocket.
    pub tunnels: Duration,
}

impl Drain {
    /// The same time for every kind.
    pub const fn all(time: Duration) -> Self {
        Self { requests: time, uploads: time, streams: time, tunnels: time }
    }

    /// The longest time of any kind.
    pub fn longest(&self) -> Duration {
        ExchangeKind::ALL.into_iter().map(|kind| self.of(kind)).max().unwrap_or_default()
    }

    /// The time that `kind` gets.
    pub fn of(&self, kind: ExchangeKind) -> Duration {
        match kind {
            ExchangeKind::Request => self.requests,
            ExchangeKind::Upload => self.uploads,
            ExchangeKind::Stream => self.streams,
            ExchangeKind::Tunnel => self.tunnels,
        }
    }
}

/// In which way traffic goes from the old release to the new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Instance by instance, as many at a time as the surge says.
    #[default]
    Rolling,
    /// All new ones beside all old ones, switched at once.
    BlueGreen,
    /// The same, with the traffic shifted in steps.
    Canary,
    /// The old ones stop first; requests wait in the queue meanwhile.
    Replace,
}

/// How many more instances than wanted may start at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Surge {
    /// So many.
    Count(NonZeroU32),
    /// This share of the wanted ones, above 0, at most 1, rounded up.
    Share(f64),
}

impl Surge {
    /// How many that are of `replicas`; at least one.
    pub fn of(self, replicas: u32) -> u32 {
        match self {
            Self::Count(count) => count.get(),
            Self::Share(share) => ((f64::from(replicas) * share).ceil() as u32).max(1),
        }
    }
}

/// One step of a canary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// The new release gets a share of the traffic.
    Shift {
        /// The share, from 0, below 1. With 0 it runs, and is reached by those alone who ask for it.
        share: f64,
        /// How long it is watched.
        watch: Duration,
    },
    /// The share stays as it is until a person resumes, promotes or aborts the deploy.
    Hold,
}

impl Step {
    /// The share that it gives, if it gives one.
    pub fn share(self) -> Option<f64> {
        match self {
            Self::Shift { share, .. } => Some(share),
            Self::Hold => None,
        }
    }

    /// How long it is watched; no time where a person ends it.
    pub fn watch(self) -> Duration {
        match self {
            Self::Shift { watch, .. } => watch,
            Self::Hold => Duration::ZERO,
        }
    }
}

/// A request that warms a new instance up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// Its method.
    pub method: ProbeMethod,
    /// Its target: a path, with a query if there is one.
    pub target: String,
}

impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.target)
    }
}

/// A request that an instance of a new release has to respond to as it should before it gets traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smoke {
    /// Its method.
    pub method: ProbeMethod,
    /// Its target: a path, with a query if there is one.
    pub target: String,
    /// The statuses that are as they should be; from 200 to 399 where there are none.
    pub status: Vec<StatusRange>,
}

impl Smoke {
    /// Whether a response with this status is as it should be.
    pub fn accepts(&self, status: u16) -> bool {
        match &*self.status {
            [] => (200..400).contains(&status),
            ranges => ranges.iter().any(|range| range.contains(status)),
        }
    }
}

impl fmt::Display for Smoke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.target)?;
        for (place, range) in self.status.iter().enumerate() {
            write!(f, "{}{range}", if place == 0 { " " } else { "," })?;
        }
        Ok(())
    }
}

/// What a request says to reach a new release that is not for everybody yet: this part of it is the release's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preview {
    /// A header field of this name.
    Header(String),
    /// A cookie of this name.
    Cookie(String),
}

/// What decides whether a new release stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Judge {
    /// More of the new release's requests than this share may not fail; `None` for no such limit.
    pub max_error_rate: Option<f64>,
    /// How sure it must be that the new release is worse before it is rolled back; a release that
    /// is no worse is rolled back with a chance of at most 1 less this. Above 0.5, below 1.
    pub confidence: f64,
    /// The new release's 95th percentile over the old one's may be at most this, above 1; `None`
    /// for no such limit.
    pub max_slowdown: Option<f64>,
    /// Nothing is slower than the old release by less than this.
    pub slowdown_floor: Duration,
    /// Latencies of an instance whose first request is less than this ago are not judged.
    pub warm_up: Duration,
    /// What follows when 4xx or 3xx jump.
    pub client_errors: ClientErrors,
    /// With fewer requests of the new release than this nothing good is said of it.
    pub min_requests: u64,
    /// What follows when there were too few.
    pub little_data: LittleData,
}

/// What follows when a period of watching is over and there were too few requests to judge by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LittleData {
    /// The rollout goes on.
    #[default]
    GoOn,
    /// The period lasts until there are enough.
    Wait,
    /// A person has to say: the rollout is paused.
    Hold,
}

/// What follows when the new release's share of 4xx or 3xx jumps, which may be meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientErrors {
    /// A person has to say: the rollout is paused.
    #[default]
    Hold,
    /// The new release is rolled back.
    Rollback,
    /// It is told, and the rollout goes on.
    Tell,
}

impl Default for Deploy {
    fn default() -> Self {
        let step = |(share, seconds)| Step::Shift { share, watch: Duration::from_secs(seconds) };
        Self {
            strategy: Strategy::default(),
            surge: Surge::Count(NonZeroU32::MIN),
            steps: [(0.05, 30), (0.25, 60), (0.5, 60)].map(step).to_vec(),
            ready_timeout: Duration::from_secs(60),
            min_healthy: Duration::ZERO,
            warm_up: Vec::new(),
            smoke: Vec::new(),
            drain: Drain::all(Duration::from_secs(30)),
            bake: Duration::from_secs(30),
            preview: None,
            conditions: Vec::new(),
            judge: Judge::default(),
            before: None,
            after: None,
        }
    }
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            max_error_rate: Some(0.01),
            confidence: 0.99,
            max_slowdown: Some(1.5),
            slowdown_floor: Duration::from_millis(5),
            warm_up: Duration::from_secs(20),
            client_errors: ClientErrors::default(),
            min_requests: 50,
            little_data: LittleData::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_replicas_is_rounded_up_and_never_none() {
        let count = Surge::Count(NonZeroU32::new(3).unwrap());
        assert_eq!([1, 2, 5, 10].map(|n| Surge::Share(0.25).of(n)), [1, 1, 2, 3]);
        assert_eq!([1, 10].map(|n| count.of(n)), [3, 3]);
        assert_eq!(Surge::Share(0.5).of(0), 1);
    }
}
