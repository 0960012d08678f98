//! What edges say to each other of a bucket that they share: one account for each, which adds up what all of them took.
//!
//! Each edge lets requests pass by its own bucket and asks nobody first. What it took it says afterwards, in rounds; what it is
//! told then is gone of its own bucket, too. Two things hold whatever is delayed, lost or forgotten meanwhile, as
//! `tests/limit_shared.rs` tries:
//!
//! - *No edge refuses what one bucket over all edges would let pass.* So all that is said is said too low rather than too high: what
//!   was taken counts as if the first of it had come at the earliest time that is possible, what is known here is told less what
//!   flows in until it arrives, and what is heard is taken less what has flowed in since it was asked for.
//! - *What passes over all edges is bounded.* Of `edges` edges that learn of each other within `lag`, no more is ever gone than
//!   `edges * (burst + rate * lag)`, and so no more passes in any `time` than that and `rate * time`.
//!
//! What could not be said (the account is down, or a call was lost) is never said later as if it were taken then. Instead the
//! edge says what is gone of the bucket *at least*, as it knows; and also where it hears of less than it knows, as of an account
//! that was emptied. Said twice that is as good as once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::clock::{Clock, Grains};
use super::fingerprint::Fingerprint;
use super::ring::{Ring, Words};

/// Buckets of which something is unsaid, at most: 16 MiB. Those beyond it are not told to the other edges.
const UNSAID_MAX: usize = 1 << 17;

/// A bucket of one of an edge's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BucketId {
    /// A number that its edge gave to the limit.
    pub limit: u64,
    /// Its key.
    pub key: Fingerprint,
}

/// Something was taken of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taking {
    /// Of which.
    pub bucket: BucketId,
    /// How much.
    pub spent: Grains,
}

impl Taking {
    /// Leaves it in `outbox`, whose only writer this thread is.
    #[inline]
    pub fn leave_in(self, outbox: &Outbox) {
        let Self { bucket: BucketId { limit, key }, spent } = self;
        outbox.0.push([limit, (key.0 >> 64) as u64, key.0 as u64, spent.0]);
    }

    fn read([limit, high, low, spent]: Words) -> Self {
        let key = Fingerprint(u128::from(high) << 64 | u128::from(low));
        Self { bucket: BucketId { limit, key }, spent: Grains(spent) }
    }
}

/// Where one thread leaves what it takes, for another that settles it; a ring that waits for nobody. Exactly one thread may write.
#[derive(Debug)]
pub struct Outbox(Ring);

impl Outbox {
    /// With room for `entries`, at 32 bytes each; rounded up to a power of two.
    pub fn new(entries: usize) -> Self {
        Self(Ring::new(entries))
    }
}

/// Whether the account can be told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As far as is known.
    Reachable,
    /// What is taken meanwhile is each edge's own.
    Down,
}

/// What an edge took and has not said yet. Bounded.
#[derive(Debug, Default)]
pub struct Ledger {
    unsaid: HashMap<BucketId, Unsaid>,
    /// The buckets of `unsaid`, each once, the one that waits the longest before the others.
    order: VecDeque<BucketId>,
    /// Until when everything was gathered.
    gathered: Duration,
    /// Whether anything of `unsaid` counts.
    counts: bool,
    lost: u64,
}

#[derive(Clone, Copy, Debug)]
struct Unsaid {
    spent: Grains,
    /// Nothing of it was taken before.
    since: Duration,
    account: Account,
}

/// What an account knows of what this edge took, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    /// All that was said.
    Sound,
    /// It may lack some of it.
    Lacking,
}

/// What is to be said of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Of which.
    pub bucket: BucketId,
    /// What was taken of it, and never said.
    spent: Grains,
    since: Duration,
    account: Account,
}

/// What an edge says of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// So much it took.
    pub spent: Grains,
    /// Nothing of it longer ago, when this is heard.
    pub age: Duration,
    /// So much at least is gone of it over all edges, when this is heard; nothing where that need not be said.
    pub at_least: Grains,
    /// The same, whether or not it is said.
    known: Grains,
}

/// What an edge knows of a bucket as it says something of it.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// By which it counts.
    pub clock: Clock,
    /// What is gone of the edge's own bucket.
    pub gone: Grains,
    /// The time.
    pub now: Duration,
    /// How long it may take until it is heard; otherwise it is not.
    pub deadline: Duration,
}

impl Ledger {
    /// Takes up what was left in `outboxes`; `now` is a time before that is begun.
    pub fn gather<'a>(
        &mut self,
        outboxes: impl IntoIterator<Item = &'a Outbox>,
        now: Duration,
        reach: Reach,
    ) {
        match reach {
            Reach::Reachable => self.counts = true,
            Reach::Down => self.count_nothing(),
        }
        for outbox in outboxes {
            outbox.0.drain(|words| self.take_up(Taking::read(words), reach));
        }
        self.gathered = now;
    }

    /// What was taken and not said will be old when it can be said again.
    fn count_nothing(&mut self) {
        if std::mem::take(&mut self.counts) {
            for unsaid in self.unsaid.values_mut() {
                (unsaid.spent, unsaid.account) = (Grains(0), Account::Lacking);
            }
        }
    }

    fn take_up(&mut self, Taking { bucket, spent }: Taking, reach: Reach) {
        let (spent, account) = match reach {
            Reach::Reachable => (spent, Account::Sound),
            Reach::Down => (Grains(0), Account::Lacking),
        };
        let unsaid = Unsaid { spent, since: self.gathered, account };
        if !self.add(bucket, unsaid) {
            self.lost += 1;
        }
    }

    /// Adds to what is unsaid, unless there is no room.
    fn add(&mut self, bucket: BucketId, more: Unsaid) -> bool {
        match self.unsaid.entry(bucket) {
            Entry::Occupied(mut entry) => {
                let unsaid = entry.get_mut();
                unsaid.spent = Grains(unsaid.spent.0.saturating_add(more.spent.0));
                if more.account == Account::Lacking {
                    unsaid.account = Account::Lacking;
                }
            }
            Entry::Vacant(entry) if self.order.len() < UNSAID_MAX => {
                entry.insert(more);
                self.order.push_back(bucket);
            }
            Entry::Vacant(_) => return false,
        }
        true
    }

    /// What is to be said next, of `most` buckets at most.
    pub fn due(&mut self, most: usize) -> Vec<Due> {
        let next = self.order.drain(..most.min(self.order.len()));
        let due = next.filter_map(|bucket| {
            let Unsaid { spent, since, account } = self.unsaid.remove(&bucket)?;
            Some(Due { bucket, spent, since, account })
        });
        due.collect()
    }

    /// What was taken of `bucket` and is neither said nor due.
    pub fn unsaid(&self, bucket: BucketId) -> Grains {
        self.unsaid.get(&bucket).map_or(Grains(0), |it| it.spent)
    }

    /// The account may lack something of `bucket`: what is known of it is to be said again. What was taken is not, as it may have
    /// been heard.
    pub fn say_again(&mut self, bucket: BucketId) {
        let since = self.gathered;
        // Without room it is what it would be had nobody noticed.
        let _ = self.add(bucket, Unsaid { spent: Grains(0), since, account: Account::Lacking });
    }

    /// Of how many takings other edges will not learn, as there was no room for them.
    pub fn lost(&self, outboxes: &[Outbox]) -> u64 {
        self.lost + outboxes.iter().map(|outbox| outbox.0.lost()).sum::<u64>()
    }
}

impl Due {
    /// What is said; `unsaid` was taken meanwhile, and is known but not due. `None` where there is nothing to say.
    pub fn statement(&self, known: Known, unsaid: Grains) -> Option<Statement> {
        let Known { clock, gone, now, deadline } = known;
        let flows_in = clock.gained_in(deadline);
        let known = Grains(gone.0.saturating_sub(unsaid.0).saturating_sub(flows_in.0));
        let at_least = if self.account == Account::Lacking { known } else { Grains(0) };
        let age = now.saturating_sub(self.since).saturating_add(deadline);
        let says_something = self.spent.0 > 0 || at_least.0 > 0;
        says_something.then_some(Statement { spent: self.spent, age, at_least, known })
    }
}

impl Statement {
    /// Whether an account of which `heard` is said to be gone lacks what this edge knew.
    pub fn is_lacking(&self, clock: Clock, heard: Grains) -> bool {
        // So much it may say too little, as what was taken may have been so long ago.
        heard.0.saturating_add(clock.gained_in(self.age).0) < self.known.0
    }
}

/// What is gone at least of a bucket of which `heard` was said over all edges, at some time since `asked`, and of which this edge
/// took `unsaid` since then.
pub fn gone_by(
    clock: Clock,
    heard: Grains,
    asked: Duration,
    now: Duration,
    unsaid: Grains,
) -> Grains {
    let flowed_in = clock.gained_in(now.saturating_sub(asked));
    match heard.0.saturating_sub(flowed_in.0) {
        // Then it says nothing that the bucket does not know.
        0 => Grains(0),
        gone => Grains(gone.saturating_add(unsaid.0)),
    }
}
