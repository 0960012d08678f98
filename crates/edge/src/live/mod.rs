//! What is observed of instances, services, listeners and routes: in flight, health, outcomes. Keyed by identity, so
//! that it survives every swap of the snapshot.
//!
//! Counters are sharded by worker and written by one each; whoever reads adds them up.

pub(crate) mod abuse;
pub mod by_route;
pub(crate) mod claim;
pub mod fate;
pub(crate) mod handshakes;
pub(crate) mod inquiry;
pub mod judged;
pub(crate) mod limit;
pub(crate) mod listener;
pub(crate) mod queue;
pub(crate) mod route;
pub(crate) mod served_clock;
pub mod settlements;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use model::{Host, InstanceName, ServiceName};
use telemetry::{Counter, GrpcCounters, Histogram};

use crate::live::by_route::{RouteCounters, RouteSlot, RouteSlots, SlottedRoute};
use crate::live::claim::InFlight;
use crate::live::fate::{Assignment, Fate, Fates};
use crate::live::handshakes::Handshakes;
use crate::live::judged::Judged;
use crate::live::queue::Queue;

/// Why an instance gets no traffic. Several may hold at once; none means that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bar {
    /// Its active checks fail.
    Unhealthy = 1,
    /// It failed too many requests, and is out for a while.
    Ejected = 2,
    /// A person, or a rollout, takes it out: even when all others fail it gets nothing new.
    Drained = 4,
}

/// What is observed of one instance.
#[derive(Debug)]
pub struct Live {
    /// Its service.
    pub service: ServiceName,
    /// Its name within the service.
    pub name: InstanceName,
    /// Where it is.
    pub address: SocketAddr,
    /// What it is called there: the name of its target, or its address.
    pub host: Host,
    /// The release that it runs, if that is known.
    pub release: Option<String>,
    bars: AtomicU8,
    /// When slow start began, in milliseconds of the edge's time; 0 for not at all.
    ramp_from: AtomicU64,
    /// Failures since the last success, over all workers.
    failures_in_a_row: AtomicU32,
    /// Whether word of its failures is on its way to whoever judges them.
    is_suspected: AtomicBool,
    /// Whether somebody waits until nothing is in flight on it.
    is_awaited: AtomicBool,
    /// Claims against `max_connections`, counted only where that is set.
    slots: AtomicU32,
    pub(crate) handshakes: Handshakes,
    pub(crate) in_flight: InFlight,
    shards: Box<[CachePadded<Shard>]>,
}

/// What an instance is, whatever is observed of it.
pub(crate) struct Identity {
    pub(crate) service: ServiceName,
    pub(crate) name: InstanceName,
    pub(crate) address: SocketAddr,
    pub(crate) host: Host,
    pub(crate) release: Option<String>,
}

/// One worker's observations of one instance.
#[derive(Debug, Default)]
pub struct Shard {
    /// What became of attempts, by their routes.
    pub(crate) attempts: RouteCounters,
    /// Connections that were opened.
    pub connects: Counter,
    /// Body and head bytes sent to it.
    pub bytes_to: Counter,
    /// Body and head bytes received from it.
    pub bytes_from: Counter,
    /// From an attempt's start to the response's head, or to where the client lost patience.
    pub latency: Histogram,
}

/// An instance's outcomes over all workers and routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Attempts that ended with 1xx or 2xx.
    pub ok: u64,
    /// Attempts that the instance answered with 3xx.
    pub redirects: u64,
    /// Attempts that it answered with 4xx, or with a gRPC status that is the client's doing.
    pub client_errors: u64,
    /// Attempts that it answered with 5xx, or with a gRPC status that is a failure of the server.
    pub server_errors: u64,
    /// Attempts that failed without a whole response.
    pub failures: u64,
    /// Attempts whose clients gave up before there was a response: they count as nothing else.
    pub abandoned: u64,
}

impl Outcomes {
    /// What came since `earlier`, which was counted by the same counters.
    #[must_use]
    pub fn since(self, earlier: &Self) -> Self {
        Self {
            ok: self.ok.saturating_sub(earlier.ok),
            redirects: self.redirects.saturating_sub(earlier.redirects),
            client_errors: self.client_errors.saturating_sub(earlier.client_errors),
            server_errors: self.server_errors.saturating_sub(earlier.server_errors),
            failures: self.failures.saturating_sub(earlier.failures),
            abandoned: self.abandoned.saturating_sub(earlier.abandoned),
        }
    }

    /// All attempts that say something of the instance.
    pub fn total(self) -> u64 {
        self.served() + self.failed()
    }

    /// Those that are none of its failures.
    pub fn served(self) -> u64 {
        self.ok + self.redirects + self.client_errors
    }

    /// Those that it answered with 5xx or failed to answer.
    pub fn failed(self) -> u64 {
        self.server_errors + self.failures
    }
}

impl From<Fates> for Outcomes {
    fn from(fates: Fates) -> Self {
        Self {
            ok: fates.of(Fate::Ok),
            redirects: fates.of(Fate::Redirect),
            client_errors: fates.of(Fate::ClientError),
            server_errors: fates.of(Fate::ServerError) + fates.of(Fate::Refused),
            failures: fates.of(Fate::Failure),
            abandoned: fates.of(Fate::Abandoned) + fates.of(Fate::Overdue),
        }
    }
}

impl Live {
    pub(crate) fn new(identity: Identity, workers: usize) -> Self {
        let Identity { service, name, address, host, release } = identity;
        Self {
            service,
            name,
            address,
            host,
            release,
            bars: AtomicU8::new(0),
            ramp_from: AtomicU64::new(0),
            failures_in_a_row: AtomicU32::new(0),
            is_suspected: AtomicBool::new(false),
            is_awaited: AtomicBool::new(false),
            slots: AtomicU32::new(0),
            handshakes: Handshakes::default(),
            in_flight: InFlight::new(workers),
            shards: (0..workers).map(|_| CachePadded::new(Shard::default())).collect(),
        }
    }

    /// Whether nothing bars it from traffic.
    #[inline]
    pub fn is_eligible(&self) -> bool {
        self.bars.load(Ordering::Relaxed) == 0
    }

    /// Whether `bar` holds.
    #[inline]
    pub fn has(&self, bar: Bar) -> bool {
        self.bars.load(Ordering::Relaxed) & bar as u8 != 0
    }

    /// Puts `bar` up.
    pub fn put(&self, bar: Bar) {
        self.bars.fetch_or(bar as u8, Ordering::Relaxed);
    }

    /// Takes `bar` away.
    pub fn lift(&self, bar: Bar) {
        self.bars.fetch_and(!(bar as u8), Ordering::Relaxed);
    }

    /// From now on the end of each claim is told.
    pub(crate) fn await_idle(&self) {
        self.is_awaited.store(true, Ordering::Relaxed);
    }

    /// Whether the end of a claim is to be told.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed)
    }

    /// Begins slow start at `now`, in the edge's time.
    pub fn ramp_from(&self, now: Duration) {
        self.ramp_from.store((now.as_millis() as u64).max(1), Ordering::Relaxed);
    }

    /// How long ago slow start began; `None` when it did not.
    pub(crate) fn ramped_for(&self, now: Duration) -> Option<Duration> {
        match self.ramp_from.load(Ordering::Relaxed) {
            0 => None,
            from => Some(now.saturating_sub(Duration::from_millis(from))),
        }
    }

    /// Why there is no TLS with it, where the last handshake failed.
    pub fn handshake_failure(&self) -> Option<String> {
        self.handshakes.failure()
    }

    /// How many requests are in flight on it.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.total()
    }

    /// What came of its requests so far.
    pub fn outcomes(&self) -> Outcomes {
        let mut all = Fates::default();
        self.attempts().for_each(|(_, _, fates)| all.add(&fates));
        all.into()
    }

    /// The same by route and by what decided for it, where there is anything. One place may come several times.
    pub fn attempts(&self) -> impl Iterator<Item = (RouteSlot, Assignment, Fates)> {
        self.shards().flat_map(|shard| shard.attempts.all())
    }

    /// Each worker's observations.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().map(|shard| &**shard)
    }

    pub(crate) fn shard(&self, worker: usize) -> &Shard {
        &self.shards[worker]
    }

    /// Notes a success. Reads, and writes only where there was a failure before.
    #[inline]
    pub(crate) fn succeeded(&self) {
        if self.failures_in_a_row.load(Ordering::Relaxed) != 0 {
            self.failures_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Notes a failure and tells how many there have been in a row.
    pub(crate) fn failed(&self) -> u32 {
        self.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many requests it has failed since the last that it did not.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row.load(Ordering::Relaxed)
    }

    /// Whether word of its failures is to be sent now.
    pub(crate) fn becomes_suspect(&self) -> bool {
        !self.is_suspected.swap(true, Ordering::Relaxed)
    }

    /// How many requests it has failed in a row; from now on further failures are told anew.
    pub fn take_suspicion(&self) -> u32 {
        self.is_suspected.store(false, Ordering::Relaxed);
        self.failures_in_a_row.load(Ordering::Relaxed)
    }

    /// Takes one of `max` slots, if one is free.
    #[inline]
    pub(crate) fn take_slot(&self, max: u32) -> bool {
        let take = |taken: u32| (taken < max).then_some(taken + 1);
        self.slots.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    #[inline]
    pub(crate) fn free_slot(&self) {
        self.slots.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether all of `max` slots are taken.
    #[inline]
    pub(crate) fn is_full(&self, max: Option<std::num::NonZeroU32>) -> bool {
        max.is_some_and(|max| self.slots.load(Ordering::SeqCst) >= max.get())
    }
}

/// What is observed of one service.
#[derive(Debug)]
pub struct ServiceLive {
    /// Its name.
    pub name: ServiceName,
    /// Where requests wait while all instances are full.
    pub(crate) queue: Queue,
    /// Where they wait while there is no instance. Apart, for room is not what they wait for.
    pub(crate) absence: Queue,
    /// Turns that were taken of it, over all workers.
    turns: CachePadded<AtomicU64>,
    /// What is handed over while a release of it is judged.
    pub judged: Judged,
    pub(crate) slots: RouteSlots,
    shards: Box<[CachePadded<ServiceShard>]>,
}

/// One worker's observations of one service.
#[derive(Debug, Default)]
pub struct ServiceShard {
    /// Exchanges by the first digit of their status; those without one under 0.
    pub by_class: [Counter; 6],
    /// gRPC calls by their status.
    pub grpc: GrpcCounters,
    /// Exchanges that the client must call failed: 5xx, a gRPC status that is a failure of the server, or no
    /// whole response by no fault of its own.
    pub failed: Counter,
    /// From a request's head to the end of its response.
    pub duration: Histogram,
    /// Second and further attempts.
    pub retries: Counter,
    /// Retries that the budget did not allow.
    pub budget_exhausted: Counter,
    /// Requests that found the queue full.
    pub queue_full: Counter,
    /// Requests that waited too long in the queue.
    pub queue_timeouts: Counter,
    /// Bytes received from clients.
    pub bytes_in: Counter,
    /// Bytes sent to clients.
    pub bytes_out: Counter,
}

impl ServiceLive {
    pub(crate) fn new(name: ServiceName, workers: usize) -> Self {
        let shards = (0..workers).map(|_| CachePadded::new(ServiceShard::default())).collect();
        let turns = CachePadded::new(AtomicU64::new(0));
        let (queue, absence) = (Queue::default(), Queue::default());
        let (judged, slots) = (Judged::default(), RouteSlots::default());
        Self { name, queue, absence, turns, judged, slots, shards }
    }

    /// The routes by which its instances' attempts are counted. What has no slot counts as [`RouteSlot::REST`].
    pub fn routes(&self) -> Vec<SlottedRoute> {
        self.slots.all()
    }

    /// The number of the next turn, which is taken with it. Nothing is published by it, so it needs no
    /// order of memory.
    #[inline]
    pub(crate) fn take_turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// The number of the next turn, which is nobody's yet.
    #[inline]
    pub(crate) fn next_turn(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// How many requests wait for an instance.
    pub fn queued(&self) -> usize {
        self.queue.len() + self.absence.len()
    }

    /// Each worker's observations.
    pub fn shards(&self) -> impl Iterator<Item = &ServiceShard> {
        self.shards.iter().map(|shard| &**shard)
    }

    pub(crate) fn shard(&self, worker: usize) -> &ServiceShard {
        &self.shards[worker]
    }
}
