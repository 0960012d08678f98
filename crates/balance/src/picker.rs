//! Chooses the instance for a request.

use std::error::Error;
use std::fmt;

use model::Balance;

use crate::eligibility::Role;
use crate::field::Field;
use crate::key::Key;
use crate::member::Member;
use crate::policy::{Door, Pool, Round};

/// The balancing of one service: its members, its policy, and what the policy remembers.
///
/// Each worker has its own. The tables that do not change are shared by clones, so that one picker
/// is made when a snapshot is compiled, and each worker clones it and [adopts](Picker::adopt) the
/// rotation that it had. Picking allocates nothing. Whoever only wants to know what would be picked
/// asks a clone.
#[derive(Clone, Debug)]
pub struct Picker {
    primaries: Pool,
    backups: Pool,
}

/// Why no instance was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Whoever may serve is full: the request can wait.
    Full,
    /// The request was sent to everyone who may serve: its last failure is its answer.
    Tried,
    /// Nobody may serve.
    Down,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "all instances are full",
            Self::Tried => "all instances were tried",
            Self::Down => "all instances are down",
        })
    }
}

impl Error for Refusal {}

impl Picker {
    /// A picker for `members`, which [`Field`] and [`pick`](Picker::pick) name by their place in
    /// this list.
    pub fn new(balance: &Balance, members: &[Member]) -> Self {
        Self {
            primaries: Pool::new(balance, members, Role::Primary),
            backups: Pool::new(balance, members, Role::Backup),
        }
    }

    /// Goes on where `before` is in its rotation, for the members and the kind of policy that both
    /// have.
    pub fn adopt(&mut self, before: &Self) {
        self.primaries.adopt(&before.primaries);
        self.backups.adopt(&before.backups);
    }

    /// Whether the policy chooses by the request's key (`ip_hash`, `hash`).
    #[inline]
    pub fn is_by_key(&self) -> bool {
        self.primaries.is_by_key()
    }

    /// The place of the instance that gets the request.
    ///
    /// `tried` are the places where the request failed before; it goes to none of them again, and
    /// to a backup when that is all that is left. Without a `key`, a policy that needs one takes a
    /// random one. `entropy` gives uniformly random numbers; policies that need none call it not.
    ///
    /// # Errors
    /// When there is nobody to send it to; see [`eligibility`](crate::eligibility) for who may serve.
    #[inline]
    pub fn pick<F: Field>(
        &mut self,
        field: &F,
        key: Option<Key>,
        tried: &[usize],
        entropy: &mut impl FnMut() -> u64,
    ) -> Result<usize, Refusal> {
        let key = match key {
            Some(key) => key,
            None if self.is_by_key() => Key::from_hash(entropy()),
            None => Key::from_hash(0),
        };
        let round = Round { field, tried, door: Door::Healthy };
        match self.primaries.pick(&round, key, entropy) {
            Some(picked) => Ok(picked),
            None => self.pick_in_need(field, key, tried, entropy),
        }
    }

    /// No primary can take it: backups, then panic.
    #[inline(never)]
    fn pick_in_need<F: Field>(
        &mut self,
        field: &F,
        key: Key,
        tried: &[usize],
        entropy: &mut impl FnMut() -> u64,
    ) -> Result<usize, Refusal> {
        for door in [Door::Healthy, Door::Panic] {
            let round = Round { field, tried, door };
            let mut any_tried = false;
            for pool in [&mut self.primaries, &mut self.backups] {
                if let Some(picked) = pool.pick(&round, key, entropy) {
                    return Ok(picked);
                }
                let mut admitted = pool.slots().iter().filter(|slot| round.admits(slot)).peekable();
                any_tried |= admitted.peek().is_some();
                if admitted.any(|slot| !round.has_tried(slot)) {
                    return Err(Refusal::Full);
                }
            }
            if any_tried {
                return Err(Refusal::Tried);
            }
        }
        Err(Refusal::Down)
    }
}
