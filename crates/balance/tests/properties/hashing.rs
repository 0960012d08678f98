//! What consistent hashing promises: exact weights, little disruption, bounded loads.

use balance::{Eligibility, Key, Member, Picker};
use model::{Balance, HashAlgorithm};
use proptest::prelude::*;

use crate::dice::Dice;
use crate::fleet::{Fleet, hash, hashes, share};

const KEYS: u64 = 2_000;

fn keys() -> impl Iterator<Item = Key> {
    (0..KEYS).map(|number| Key::of_bytes(&number.to_le_bytes()))
}

fn homes(fleet: &Fleet, balance: &Balance) -> Vec<usize> {
    let mut picker = fleet.picker(balance);
    keys().map(|key| fleet.home(&mut picker, key).expect("someone serves")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn only_the_keys_of_the_one_that_left_move(
        weights in prop::collection::vec(1u32..6, 2..10),
        leaver in 0usize..10,
    ) {
        let leaver = leaver % weights.len();
        for balance in hashes() {
            let mut fleet = Fleet::of_weights(&weights);
            let before = homes(&fleet, &balance);
            fleet.0[leaver].eligibility = Eligibility::Unhealthy;
            let unhealthy = homes(&fleet, &balance);
            fleet.0[leaver].weight = 0;
            let gone = homes(&fleet, &balance);
            prop_assert_eq!(&unhealthy, &gone, "out or gone is the same to a key");
            for (before, after) in before.iter().zip(&gone) {
                prop_assert!(after != &leaver && (before == after || before == &leaver));
            }
        }
    }

    #[test]
    fn a_retry_goes_where_the_key_would_live_without_the_tried(
        weights in prop::collection::vec(1u32..6, 2..10),
    ) {
        for balance in hashes() {
            let mut fleet = Fleet::of_weights(&weights);
            let mut picker = fleet.picker(&balance);
            for key in keys().take(50) {
                let home = fleet.home(&mut picker, key).unwrap();
                let retry = picker.pick(&fleet, Some(key), &[home], &mut || 0);
                fleet.0[home].eligibility = Eligibility::Ejected;
                prop_assert_eq!(retry, fleet.home(&mut picker, key));
                fleet.0[home].eligibility = Eligibility::Healthy;
            }
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter(
        weights in prop::collection::vec(1u32..6, 1..10),
        seed: u64,
    ) {
        let fleet = Fleet::of_weights(&weights);
        let members = fleet.members();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        let mut dice = Dice::new(seed);
        order.sort_by_key(|_| dice.roll());
        let shuffled: Vec<Member> = order.iter().map(|index| members[*index]).collect();
        for balance in hashes() {
            let mut other = Picker::new(&balance, &shuffled);
            for (key, home) in keys().zip(homes(&fleet, &balance)) {
                prop_assert_eq!(order[fleet.home(&mut other, key).unwrap()], home);
            }
        }
    }

    #[test]
    fn a_key_comes_home_once_while_its_instance_warms_up(
        weights in prop::collection::vec(1u32..6, 2..8),
        starter in 0usize..8,
    ) {
        let starter = starter % weights.len();
        for balance in hashes() {
            let mut fleet = Fleet::of_weights(&weights);
            let at_last = homes(&fleet, &balance);
            fleet.0[starter].eligibility = Eligibility::Starting;
            let mut before = homes(&fleet, &balance);
            fleet.0[starter].eligibility = Eligibility::Healthy;
            for part in [0.1, 0.3, 0.6, 0.9, 1.0] {
                fleet.0[starter].share = share(part);
                let now = homes(&fleet, &balance);
                for (before, now) in before.iter().zip(&now) {
                    prop_assert!(before == now || now == &starter);
                }
                before = now;
            }
            prop_assert_eq!(before, at_last);
        }
    }

    #[test]
    fn nobody_exceeds_the_bound_however_popular_a_key(
        weights in prop::collection::vec(1u32..4, 2..10),
        bound in prop_oneof![Just(1.0), Just(1.25), Just(2.0)],
        popular in 0u64..100,
        seed: u64,
    ) {
        for algorithm in [HashAlgorithm::Rendezvous, HashAlgorithm::Ring] {
            let mut fleet = Fleet::of_weights(&weights);
            let mut picker = fleet.picker(&hash(algorithm, Some(bound)));
            let all = f64::from(weights.iter().sum::<u32>());
            let mut dice = Dice::new(seed);
            for total in 1..200u32 {
                let number = if dice.within(0..100) < popular { 0 } else { dice.roll() };
                let key = Key::of_bytes(&number.to_le_bytes());
                let picked = fleet.home(&mut picker, key).unwrap();
                fleet.0[picked].in_flight += 1;
                let instance = &fleet.0[picked];
                let limit = bound * f64::from(total) * f64::from(instance.weight) / all;
                prop_assert!(f64::from(instance.in_flight) <= limit.ceil());
            }
        }
    }

    #[test]
    fn below_the_bound_keys_stay_at_home(weights in prop::collection::vec(1u32..4, 2..10)) {
        for algorithm in [HashAlgorithm::Rendezvous, HashAlgorithm::Ring] {
            let fleet = Fleet::of_weights(&weights);
            let bounded = homes(&fleet, &hash(algorithm, Some(1.25)));
            prop_assert_eq!(bounded, homes(&fleet, &hash(algorithm, None)));
        }
    }
}

#[test]
fn keys_are_spread_by_weight() {
    let weights = [1, 2, 3, 4, 10];
    let fleet = Fleet::of_weights(&weights);
    // Rendezvous is exact, what remains is chance; a ring's points fall unevenly.
    for (balance, tolerance) in hashes().iter().zip([0.03, 0.25]) {
        let tally = fleet.tally(&mut fleet.picker(balance), 200_000);
        for (count, weight) in tally.iter().zip(weights) {
            let expected = 200_000.0 * f64::from(weight) / 20.0;
            let off = (*count as f64 - expected).abs() / expected;
            assert!(off < tolerance, "{balance:?}: {tally:?}");
        }
    }
}

#[test]
fn a_greater_weight_draws_keys_only_to_its_instance() {
    for balance in hashes() {
        let mut fleet = Fleet::of_weights(&[2, 2, 2]);
        let before = homes(&fleet, &balance);
        fleet.0[1].weight = 3;
        let after = homes(&fleet, &balance);
        let moved: Vec<_> = before.iter().zip(&after).filter(|(from, to)| from != to).collect();
        assert!(!moved.is_empty());
        assert!(moved.iter().all(|(_, to)| **to == 1));
    }
}

#[test]
fn homes_never_change() {
    let fleet = Fleet::of_weights(&[1, 1, 2]);
    let expected = ["211100021212222010220211", "200021102012102210120002"];
    for (balance, expected) in hashes().iter().zip(expected) {
        let first: String = homes(&fleet, balance)[..24].iter().map(usize::to_string).collect();
        assert_eq!(first, expected, "{balance:?}");
    }
}
