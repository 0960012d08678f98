//! What limits take of buckets that edges share, on its way to the store, and what other edges took of them. Workers leave what they take
//! in an outbox of their own and wait for nothing; somebody else carries rounds of it to the store ([`Settlements::round`]) and says what
//! became of each. What is said and how it is to be taken is `policy::limit`'s.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use policy::limit::{
    Bucket, BucketId, Clock, Due, Grains, Known, Ledger, Outbox, Reach, Secret, Statement, gone_by,
};
use store::{Down, SETTLED_AT_ONCE, Settlement, Shared};

use crate::live::limit::{Buckets, LimitLive};

/// What a worker may take between two rounds: of 300,000 a second those of 50 ms. 512 KiB for each worker, where anything is shared.
const OUTBOX: usize = 1 << 14;

/// The key by which all edges know the keys of limits alike is agreed on under this name.
const KEY_PURPOSE: &str = "limits";

/// Limits' buckets that edges share, as this edge has them.
#[derive(Debug)]
pub struct Settlements {
    began: Instant,
    workers: usize,
    /// One for each worker; made with the first limit that is shared.
    outboxes: OnceLock<Arc<[Outbox]>>,
    /// Those who carry rounds ask for it, no worker does.
    ledger: Mutex<Ledger>,
    limits: Mutex<BTreeMap<u64, Weak<LimitLive>>>,
    /// Whether any limit is to be shared.
    are_wanted: AtomicBool,
    settled: AtomicU64,
}

/// Whether edges know keys by the same as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreed {
    /// They do.
    AsBefore,
    /// By another: what is served has to be published anew.
    Anew,
}

/// What is said to the store at once.
#[derive(Debug)]
pub struct Round {
    asked: Duration,
    said: Vec<(BucketId, Clock, Statement)>,
    /// The same, as the store takes it.
    pub settlements: Vec<Settlement>,
}

impl Round {
    /// Whether there may be more to be said at once.
    pub fn is_full(&self) -> bool {
        self.settlements.len() == SETTLED_AT_ONCE
    }
}

/// A limit's buckets that are shared, for those who take of them.
#[derive(Clone, Debug)]
pub(crate) struct SharedBuckets {
    pub(crate) number: u64,
    /// By worker, each of which writes to its own.
    pub(crate) outboxes: Arc<[Outbox]>,
}

impl Settlements {
    /// Of an edge with so many workers that began then.
    pub(crate) fn new(workers: usize, began: Instant) -> Self {
        Self {
            began,
            workers,
            outboxes: OnceLock::new(),
            ledger: Mutex::default(),
            limits: Mutex::default(),
            are_wanted: AtomicBool::new(false),
            settled: AtomicU64::new(0),
        }
    }

    /// The buckets of `live` are shared from now on.
    pub(crate) fn share(&self, live: &Arc<LimitLive>) -> Option<SharedBuckets> {
        let LimitLive::Buckets(Buckets { number, .. }) = &**live else { return None };
        let outboxes = self.outboxes.get_or_init(|| {
            (0..self.workers).map(|_| Outbox::new(OUTBOX)).collect::<Vec<_>>().into()
        });
        let mut limits = self.limits();
        // Those of limits that are gone.
        limits.retain(|_, live| live.strong_count() > 0);
        limits.insert(*number, Arc::downgrade(live));
        Some(SharedBuckets { number: *number, outboxes: outboxes.clone() })
    }

    /// Some limit is to be shared, once edges know its keys by the same.
    pub(crate) fn want(&self) {
        self.are_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether any limit is to be shared.
    pub fn are_wanted(&self) -> bool {
        self.are_wanted.load(Ordering::Relaxed)
    }

    /// Takes up what workers took by now.
    pub fn gather(&self, reach: Reach) {
        self.gather_into(&mut self.ledger(), reach);
    }

    /// What is to be said next, if anything is. What a call takes at most is `deadline`: what is heard later is wrong.
    pub fn round(&self, deadline: Duration) -> Option<Round> {
        let asked = self.now();
        let mut ledger = self.ledger();
        self.gather_into(&mut ledger, Reach::Reachable);
        let due = ledger.due(SETTLED_AT_ONCE);
        let looked: Vec<(Due, Clock, Grains)> =
            due.into_iter().filter_map(|due| self.look(due)).collect();
        // What was taken after it was due and before it was looked at is told apart.
        self.gather_into(&mut ledger, Reach::Reachable);
        let mut round = Round { asked, said: Vec::new(), settlements: Vec::new() };
        for (due, clock, gone) in looked {
            let known = Known { clock, gone, now: asked, deadline };
            let Some(said) = due.statement(known, ledger.unsaid(due.bucket)) else { continue };
            round.said.push((due.bucket, clock, said));
            round.settlements.push(Settlement {
                bucket: due.bucket.key.0,
                spent: said.spent.0,
                age: said.age,
                at_least: said.at_least.0,
                flow: clock.per_microsecond(),
            });
        }
        (!round.said.is_empty()).then_some(round)
    }

    /// What is gone of the bucket of `due`, where its limit is still served.
    fn look(&self, due: Due) -> Option<(Due, Clock, Grains)> {
        let live = self.live(due.bucket)?;
        let LimitLive::Buckets(buckets) = &*live else { return None };
        let (clock, now) = (buckets.clock.get()?, self.now());
        let bucket = Bucket { now: clock.show(now), capacity: Grains(0) };
        let gone = buckets.table.look(due.bucket.key, bucket, Grains(0)).spent;
        Some((due, clock, gone))
    }

    /// `round` was heard, and of its buckets so much is gone over all edges.
    pub fn heard(&self, round: &Round, gone: &[u64]) {
        let mut ledger = self.ledger();
        self.gather_into(&mut ledger, Reach::Reachable);
        for ((id, clock, said), heard) in round.said.iter().zip(gone) {
            let heard = Grains(*heard);
            if said.is_lacking(*clock, heard) {
                ledger.say_again(*id);
            }
            let now = self.now();
            let gone = gone_by(*clock, heard, round.asked, now, ledger.unsaid(*id));
            if let (true, Some(live)) = (gone.0 > 0, self.live(*id))
                && let LimitLive::Buckets(buckets) = &*live
                && let Some(clock) = buckets.clock.get()
            {
                let bucket = Bucket { now: clock.show(now), capacity: Grains(0) };
                buckets.table.raise(id.key, bucket, gone);
            }
        }
        self.settled.fetch_add(gone.len() as u64, Ordering::Relaxed);
    }

    /// Nobody knows whether `round` was heard.
    pub fn unheard(&self, round: &Round) {
        let mut ledger = self.ledger();
        round.said.iter().for_each(|(id, _, _)| ledger.say_again(*id));
    }

    /// How many buckets were settled, each time counted.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// How many takings other edges were not told of, as there was no room for them.
    pub fn lost(&self) -> u64 {
        self.ledger().lost(self.outboxes())
    }

    fn gather_into(&self, ledger: &mut Ledger, reach: Reach) {
        let now = self.now();
        ledger.gather(self.outboxes(), now, reach);
    }

    fn outboxes(&self) -> &[Outbox] {
        self.outboxes.get().map_or(&[], |it| it)
    }

    fn live(&self, bucket: BucketId) -> Option<Arc<LimitLive>> {
        self.limits().get(&bucket.limit)?.upgrade()
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<LimitLive>>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Agrees with the other edges of `shared` on what keys of limits are known by: nobody can make that of a client's address without the
/// key.
///
/// # Errors
/// [`Down`]; what was agreed on before is kept.
pub async fn agree(shared: &Shared) -> Result<Agreed, Down> {
    let before = shared.known_key(KEY_PURPOSE);
    let mut fresh = [0; 32];
    aws_lc_rs::rand::fill(&mut fresh).expect("the system has random bytes");
    let now = shared.agree_on_key(KEY_PURPOSE, fresh).await?;
    Ok(if before == Some(now) { Agreed::AsBefore } else { Agreed::Anew })
}

/// What was agreed on last.
pub(crate) fn agreed(shared: &Shared) -> Option<Secret> {
    let key = shared.known_key(KEY_PURPOSE)?;
    key.first_chunk::<16>().copied().map(Secret)
}
