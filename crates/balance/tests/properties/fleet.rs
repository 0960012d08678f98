//! Instances as a picker sees them, each of their properties set at will.

use std::cell::Cell;
use std::time::Duration;

use balance::{
    AttemptKind, Eligibility, Field, Key, Member, Picker, Refusal, Role, SlowStart, WeightShare,
};
use model::{Balance, Hash, HashAlgorithm, HashKey};
use proptest::prelude::*;

use crate::dice::Dice;

#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) weight: u32,
    pub(crate) role: Role,
    pub(crate) eligibility: Eligibility,
    pub(crate) is_full: bool,
    pub(crate) share: WeightShare,
    pub(crate) in_flight: u32,
    pub(crate) latency: f64,
}

impl Default for Instance {
    fn default() -> Self {
        Self::of_weight(1)
    }
}

impl Instance {
    pub(crate) fn of_weight(weight: u32) -> Self {
        Self {
            weight,
            role: Role::Primary,
            eligibility: Eligibility::Healthy,
            is_full: false,
            share: WeightShare::FULL,
            in_flight: 0,
            latency: 0.0,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Fleet(pub(crate) Vec<Instance>, pub(crate) Cell<u64>);

impl Fleet {
    /// Healthy idle primaries of these weights.
    pub(crate) fn of_weights(weights: &[u32]) -> Self {
        Self::of(weights.iter().copied().map(Instance::of_weight).collect())
    }

    pub(crate) fn of(instances: Vec<Instance>) -> Self {
        Self(instances, Cell::new(0))
    }

    pub(crate) fn members(&self) -> Vec<Member> {
        let member = |(index, instance): (usize, &Instance)| {
            Member::named(&format!("api-{index}").as_str().into(), instance.weight, instance.role)
        };
        self.0.iter().enumerate().map(member).collect()
    }

    pub(crate) fn picker(&self, balance: &Balance) -> Picker {
        Picker::new(balance, &self.members())
    }

    /// How many of `picks` each instance gets, none of them ever in flight at the next.
    pub(crate) fn tally(&self, picker: &mut Picker, picks: u64) -> Vec<u64> {
        let mut dice = Dice::new(picks);
        let mut tally = vec![0; self.0.len()];
        for _ in 0..picks {
            let key = Key::from_hash(dice.roll());
            let picked = picker.pick(self, Some(key), &[], &mut || dice.roll());
            tally[picked.expect("someone serves")] += 1;
        }
        tally
    }

    /// Where `key` belongs.
    pub(crate) fn home(&self, picker: &mut Picker, key: Key) -> Result<usize, Refusal> {
        picker.pick(self, Some(key), &[], &mut || panic!("hashing needs no chance"))
    }
}

impl Field for Fleet {
    fn eligibility(&self, instance: usize) -> Eligibility {
        self.0[instance].eligibility
    }

    fn is_full(&self, instance: usize) -> bool {
        self.0[instance].is_full
    }

    fn share(&self, instance: usize) -> WeightShare {
        self.0[instance].share
    }

    fn in_flight(&self, instance: usize) -> u32 {
        self.0[instance].in_flight
    }

    fn turn(&self, attempt: AttemptKind) -> u64 {
        let turn = self.1.get();
        self.1.set(turn + u64::from(attempt == AttemptKind::First));
        turn
    }

    fn latency(&self, instance: usize) -> f64 {
        self.0[instance].latency
    }
}

/// The share that slow start gives after this part of its duration.
pub(crate) fn share(part: f64) -> WeightShare {
    SlowStart::new(Duration::from_secs(1)).share(Duration::from_secs_f64(part))
}

pub(crate) fn hash(algorithm: HashAlgorithm, load_bound: Option<f64>) -> Balance {
    Balance::Hash(Hash { key: HashKey::Path, algorithm, load_bound })
}

pub(crate) fn hashes() -> [Balance; 2] {
    [hash(HashAlgorithm::Rendezvous, None), hash(HashAlgorithm::Ring, None)]
}

/// Every policy, with and without what it can be tuned by.
pub(crate) fn policies() -> Vec<Balance> {
    use Balance::{IpHash, LeastConn, P2c, PeakEwma, Random, RoundRobin};
    let mut policies = vec![LeastConn, RoundRobin, Random, P2c, IpHash, PeakEwma];
    policies.extend(hashes());
    policies.push(hash(HashAlgorithm::Rendezvous, Some(1.25)));
    policies.push(hash(HashAlgorithm::Ring, Some(1.0)));
    policies
}

/// Any instance.
fn instance() -> impl Strategy<Value = Instance> {
    let eligibility = prop_oneof![
        4 => Just(Eligibility::Healthy),
        1 => Just(Eligibility::Ejected),
        1 => Just(Eligibility::Unhealthy),
        1 => Just(Eligibility::Starting),
        1 => Just(Eligibility::Drained),
    ];
    let role = prop_oneof![3 => Just(Role::Primary), 1 => Just(Role::Backup)];
    let share = prop_oneof![3 => Just(WeightShare::FULL), 1 => (0.0..1.0).prop_map(share)];
    let weight = prop_oneof![1 => Just(0), 6 => 1u32..9, 1 => Just(u32::MAX)];
    let latency = prop_oneof![Just(0.0), 0.0..2.0];
    (weight, role, eligibility, prop::bool::weighted(0.2), share, 0u32..20, latency).prop_map(
        |(weight, role, eligibility, is_full, share, in_flight, latency)| Instance {
            weight,
            role,
            eligibility,
            is_full,
            share,
            in_flight,
            latency,
        },
    )
}

/// Any fleet, from none to a dozen.
pub(crate) fn fleets() -> impl Strategy<Value = Fleet> {
    prop::collection::vec(instance(), 0..12).prop_map(Fleet::of)
}
