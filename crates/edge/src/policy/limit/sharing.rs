//! What of a limit edges share: by what its keys are known on all of them, where what is taken is left, and what happens where
//! they cannot be asked.

use std::time::Duration;

use policy::limit::{BucketId, Clock, Fingerprint, Grains, KeyHasher, Secret, Taking};
use store::Shared;

use crate::live::settlements::SharedBuckets;

/// By what keys are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secrets {
    /// For what is each edge's own.
    pub(crate) own: Secret,
    /// For what edges share, as far as they do.
    pub(crate) shared: Secret,
    /// It was another before.
    pub(crate) before: Option<Switched>,
}

/// Keys are known by something else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switched {
    pub(crate) from: Secret,
    /// Time since the edge began.
    pub(crate) at: Duration,
}

impl Secrets {
    /// Before edges agree on another.
    pub(crate) fn own(secret: Secret) -> Self {
        Self { own: secret, shared: secret, before: None }
    }

    /// For counts of open requests, which are each edge's own.
    pub(super) fn of_counts(self, common: &[u8]) -> KeyHasher {
        KeyHasher::new(self.own, common)
    }

    /// For buckets.
    pub(super) fn of_buckets(self, common: &[u8]) -> KeyHasher {
        KeyHasher::new(self.shared, common)
    }
}

/// By what the keys of a limit were known before, for as long as something may be gone of their buckets.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) hasher: KeyHasher,
    pub(super) until: Duration,
}

impl Before {
    /// Of a limit whose keys have `common` in common, and whose buckets hold `capacity`; `None` where that is over.
    pub(super) fn of(
        secrets: Secrets,
        common: &[u8],
        clock: Clock,
        capacity: Grains,
        now: Duration,
    ) -> Option<Box<Self>> {
        let Switched { from, at } = secrets.before?;
        // A bucket in debt is forgiven what it owes beyond as much again as it holds.
        let filled = clock.time_to_gain(Grains(capacity.0.saturating_mul(2)));
        let until = at.saturating_add(filled);
        (now < until).then(|| Box::new(Self { hasher: KeyHasher::new(from, common), until }))
    }
}

/// What of a limit edges share.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// Where what is taken is left.
    pub(crate) buckets: Option<SharedBuckets>,
    pub(crate) without: Without,
}

/// What becomes of requests where edges cannot ask each other.
#[derive(Clone, Debug, Default)]
pub(crate) enum Without {
    /// Each edge's own bucket decides.
    #[default]
    Local,
    /// They are refused while this is down.
    Refuse(Shared),
    /// They are refused, as edges do not know keys by the same yet.
    RefuseAll,
}

impl Sharing {
    /// `spent` was taken of `key`'s bucket, on `worker`.
    #[inline]
    pub(super) fn took(&self, worker: u32, key: Fingerprint, spent: Grains) {
        if let Some(SharedBuckets { number, outboxes }) = &self.buckets
            && spent.0 > 0
        {
            let bucket = BucketId { limit: *number, key };
            Taking { bucket, spent }.leave_in(&outboxes[worker as usize]);
        }
    }

    /// Whether nothing can be decided at the moment.
    #[inline]
    pub(super) fn is_undecided(&self) -> bool {
        match &self.without {
            Without::Local => false,
            Without::Refuse(shared) => !shared.is_up(),
            Without::RefuseAll => true,
        }
    }
}
