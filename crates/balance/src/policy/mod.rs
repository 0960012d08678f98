//! The balancing policies: each chooses one of the candidates of a [`Round`].
//!
//! A policy decides only by what it is about. Who may be chosen at all (eligibility, fullness, what
//! the request tried, weight 0, backups) is [`Round`]'s and [`Picker`](crate::Picker)'s business,
//! once for all of them. None allocates while choosing.

mod alias;
mod bound;
mod chance;
mod least;
mod load;
mod rendezvous;
mod ring;
mod rotation;
mod round;
mod turns;

use std::sync::Arc;

use model::{Balance, HashAlgorithm};

use crate::eligibility::Role;
use crate::field::{AttemptKind, Field};
use crate::key::Key;
use crate::member::Member;

use alias::AliasTable;
use bound::LoadBound;
use least::Least;
use load::Connections;
use ring::Ring;
use rotation::Rotation;
use round::{Candidate, Slot};
use turns::Turns;

pub(crate) use round::{Door, Round};

/// Below this many members `peak_ewma` looks at all of them; from it on at two.
///
/// To compare all is better as long as it is cheap, and safe: what is in flight is known at once
/// here, so the workers do not all run to the same instance on old news, which is the reason for
/// two choices in Finagle.
const FEW: usize = 5;

/// The members of one role, and the policy that chooses among them.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    slots: Arc<[Slot]>,
    policy: Policy,
}

/// What each policy knows and remembers. Tables that never change are shared by all clones.
#[derive(Clone, Debug)]
enum Policy {
    LeastConn(Least),
    RoundRobin(Rotation),
    Random(AliasTable),
    P2c(AliasTable),
    PeakEwmaOfAll(Least),
    PeakEwmaOfTwo(AliasTable),
    Rendezvous(Option<LoadBound>),
    Ring(Ring, Option<LoadBound>),
}

impl Pool {
    pub(crate) fn new(balance: &Balance, members: &[Member], role: Role) -> Self {
        let served = |(index, member): (usize, &Member)| {
            let Member { id, weight, role: own } = *member;
            (own == role && weight > 0).then_some(Slot { index, id, weight })
        };
        let slots: Arc<[Slot]> = members.iter().enumerate().filter_map(served).collect();
        let policy = Policy::new(balance, &slots);
        Self { slots, policy }
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether the policy chooses by the request's key.
    #[inline]
    pub(crate) fn is_by_key(&self) -> bool {
        matches!(self.policy, Policy::Rendezvous(_) | Policy::Ring(..))
    }

    /// Goes on where `before` is in its rotation.
    pub(crate) fn adopt(&mut self, before: &Self) {
        if let (Policy::RoundRobin(own), Policy::RoundRobin(other)) =
            (&mut self.policy, &before.policy)
        {
            own.adopt(&self.slots, other, &before.slots);
        } else if let (Some(turns), Some(taken)) = (self.policy.turns_mut(), before.policy.turns())
        {
            turns.adopt(&self.slots, taken, &before.slots);
        }
    }

    /// The place in the field of the one that is chosen.
    #[inline]
    pub(crate) fn pick<F: Field>(
        &mut self,
        round: &Round<'_, F>,
        key: Key,
        entropy: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        let slots = &*self.slots;
        let connections = |candidate: &Candidate<'_>| Connections::of(round.field, candidate);
        let latency = |candidate: &Candidate<'_>| load::expected_latency(round.field, candidate);
        let place = match &mut self.policy {
            Policy::LeastConn(least) => {
                least.take(round.candidates(slots), Connections::MOST, connections)
            }
            Policy::RoundRobin(rotation) => {
                let attempt =
                    if round.tried.is_empty() { AttemptKind::First } else { AttemptKind::Retry };
                let weight = |candidate: Candidate<'_>| (candidate.place, candidate.weight);
                let slots = slots.iter().enumerate();
                let candidates = slots.filter_map(|(place, slot)| round.candidate(place, slot));
                rotation.take(candidates.map(weight), || round.field.turn(attempt))
            }
            Policy::Random(table) => chance::one(round, slots, table, entropy),
            Policy::P2c(table) => chance::lighter_of_two(round, slots, table, entropy, connections),
            Policy::PeakEwmaOfAll(least) => {
                least.take(round.candidates(slots), f64::INFINITY, latency)
            }
            Policy::PeakEwmaOfTwo(table) => {
                chance::lighter_of_two(round, slots, table, entropy, latency)
            }
            Policy::Rendezvous(bound) => rendezvous::pick(round, slots, key, *bound),
            Policy::Ring(ring, bound) => ring.pick(round, slots, key, *bound),
        };
        Some(slots[place?].index)
    }
}

impl Policy {
    fn new(balance: &Balance, slots: &[Slot]) -> Self {
        match balance {
            Balance::LeastConn => Self::LeastConn(Least::new(slots.len())),
            Balance::RoundRobin => Self::RoundRobin(Rotation::new(slots.len())),
            Balance::Random => Self::Random(AliasTable::new(slots)),
            // Two choices of two are all.
            Balance::P2c if slots.len() <= 2 => Self::LeastConn(Least::new(slots.len())),
            Balance::P2c => Self::P2c(AliasTable::new(slots)),
            Balance::PeakEwma if slots.len() < FEW => Self::PeakEwmaOfAll(Least::new(slots.len())),
            Balance::PeakEwma => Self::PeakEwmaOfTwo(AliasTable::new(slots)),
            Balance::IpHash => Self::Rendezvous(None),
            Balance::Hash(hash) => {
                let bound = hash.load_bound.map(LoadBound::new);
                match hash.algorithm {
                    HashAlgorithm::Rendezvous => Self::Rendezvous(bound),
                    HashAlgorithm::Ring => Self::Ring(Ring::new(slots), bound),
                }
            }
        }
    }

    fn turns(&self) -> Option<&Turns> {
        match self {
            Self::LeastConn(least) | Self::PeakEwmaOfAll(least) => Some(least.turns()),
            _ => None,
        }
    }

    fn turns_mut(&mut self) -> Option<&mut Turns> {
        match self {
            Self::LeastConn(least) | Self::PeakEwmaOfAll(least) => Some(least.turns_mut()),
            _ => None,
        }
    }
}
