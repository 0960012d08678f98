//! Nonces: each may be used once within its time, on this edge and on all that share a store.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::call::{Shared, millis};
use crate::health::Down;

/// Nonces that are remembered at once: 40 MiB of memory when all are.
const NONCES_MAX: usize = 1 << 20;
/// So many locks, so that threads rarely meet at one.
const SHARDS: usize = 64;

/// A nonce, as it is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Nonce<'a> {
    /// Whose it is: those of another scope are others.
    pub scope: &'a str,
    /// The nonce. How long it may be is the caller's to bound.
    pub nonce: &'a [u8],
    /// How long it must not be used again.
    pub lifetime: Duration,
}

/// What became of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceUse {
    /// It is used for the first time, and from now on is known.
    First,
    /// It was used before.
    Again,
}

/// Why nothing can be said of a nonce: a request with it must not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// What edges share cannot be asked.
    #[error(transparent)]
    Down(#[from] Down),
    /// There are more than can be remembered, and none may be forgotten.
    #[error("more than {NONCES_MAX} nonces are in use")]
    Full,
}

impl Shared {
    /// Uses a nonce, over all edges: one call. What this edge remembers by itself is not asked.
    ///
    /// # Errors
    /// [`Down`]: it may have been used all the same.
    pub async fn use_nonce(&self, nonce: Nonce<'_>) -> Result<NonceUse, Down> {
        let mut key = self.key(format_args!("nonce:{}:", nonce.scope)).into_bytes();
        key.extend_from_slice(nonce.nonce);
        let millis = u64::try_from(nonce.lifetime.as_millis()).unwrap_or(u64::MAX).max(1);
        self.call(async move |mut link| {
            let mut set = redis::cmd("SET");
            set.arg(&key[..]).arg("1").arg("NX").arg("PX").arg(millis);
            let made: Option<String> = set.query_async(&mut link).await?;
            Ok(if made.is_some() { NonceUse::First } else { NonceUse::Again })
        })
        .await
    }
}

/// The nonces that one edge remembers. Only requests that carry one meet its locks, each held for one look into a map.
pub(crate) struct Nonces {
    began: Instant,
    /// Nonces are kept as numbers that a client cannot aim at.
    hashers: [RandomState; 2],
    shards: Box<[Mutex<Shard>]>,
}

/// Some of them, each with the millisecond at which it may be forgotten.
#[derive(Default)]
struct Shard {
    known: HashMap<u128, u64>,
    /// In the order in which they came.
    queue: VecDeque<(u128, u64)>,
}

impl Default for Nonces {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            hashers: [RandomState::new(), RandomState::new()],
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Nonces {
    /// Uses a nonce on this edge.
    ///
    /// # Errors
    /// [`NonceError::Full`]: then it is not remembered.
    pub(crate) fn use_nonce(&self, nonce: Nonce<'_>) -> Result<NonceUse, NonceError> {
        let [high, low] =
            [0, 1].map(|it: usize| self.hashers[it].hash_one((nonce.scope, nonce.nonce)));
        let number = (u128::from(high) << 64) | u128::from(low);
        let now = millis(self.began.elapsed());
        let shard = &self.shards[high as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.use_nonce(number, now, now.saturating_add(millis(nonce.lifetime).max(1)))
    }
}

impl Shard {
    const MAX: usize = NONCES_MAX / SHARDS;

    fn use_nonce(&mut self, number: u128, now: u64, until: u64) -> Result<NonceUse, NonceError> {
        // Those behind one that lives longer wait for it: lifetimes differ by scope only, and little.
        while let Some((old, _)) = self.queue.pop_front_if(|(_, until)| *until <= now) {
            if self.known.get(&old).is_some_and(|until| *until <= now) {
                self.known.remove(&old);
            }
        }
        match self.known.get(&number) {
            Some(until) if *until > now => return Ok(NonceUse::Again),
            _ => {}
        }
        if self.queue.len() >= Self::MAX {
            return Err(NonceError::Full);
        }
        self.known.insert(number, until);
        self.queue.push_back((number, until));
        Ok(NonceUse::First)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_known_until_its_time_is_over_and_no_longer() {
        let mut shard = Shard::default();
        assert_eq!(shard.use_nonce(1, 0, 100), Ok(NonceUse::First));
        assert_eq!(shard.use_nonce(1, 99, 199), Ok(NonceUse::Again));
        assert_eq!(shard.use_nonce(1, 100, 200), Ok(NonceUse::First));
        assert_eq!(shard.use_nonce(1, 150, 250), Ok(NonceUse::Again));
        assert_eq!(shard.use_nonce(2, 200, 300), Ok(NonceUse::First));
        assert_eq!((shard.known.len(), shard.queue.len()), (1, 1), "what is over is forgotten");
    }

    #[test]
    fn a_full_memory_forgets_nothing_and_lets_nothing_new_pass() {
        let mut shard = Shard::default();
        for number in 0..Shard::MAX as u128 {
            assert_eq!(shard.use_nonce(number, 0, 100), Ok(NonceUse::First));
        }
        assert_eq!(shard.use_nonce(1 << 64, 50, 150), Err(NonceError::Full));
        assert_eq!(shard.use_nonce(0, 50, 150), Ok(NonceUse::Again));
        assert_eq!(shard.use_nonce(1 << 64, 100, 200), Ok(NonceUse::First));
    }

    #[test]
    fn of_many_threads_with_one_nonce_one_is_first() {
        let nonces = Nonces::default();
        let lifetime = Duration::from_secs(600);
        for round in 0..200u32 {
            let nonce = round.to_le_bytes();
            let used = |_| {
                let nonce = Nonce { scope: "app", nonce: &nonce, lifetime };
                nonces.use_nonce(nonce).unwrap()
            };
            let first = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|it| scope.spawn(move || used(it))).collect();
                let uses = threads.into_iter().map(|it| it.join().unwrap());
                uses.filter(|it| *it == NonceUse::First).count()
            });
            assert_eq!(first, 1, "round {round}");
        }
    }
}
