//! How the policies without a key spread requests.

use balance::{Key, Picker};
use model::Balance;
use proptest::prelude::*;

use crate::dice::Dice;
use crate::fleet::{Fleet, Instance, share};

/// Whether a tally is within seven standard deviations of what these weights make likely: a test run
/// asks this thousands of times.
fn is_likely(tally: &[u64], weights: &[f64]) -> bool {
    let all = weights.iter().sum::<f64>();
    let picks = tally.iter().sum::<u64>() as f64;
    tally.iter().zip(weights).all(|(count, weight)| {
        let part = weight / all;
        let deviation = (picks * part * (1.0 - part)).sqrt();
        (*count as f64 - picks * part).abs() <= 7.0 * deviation + 3.0
    })
}

/// Weights times shares, of the instances that serve.
fn effective(fleet: &Fleet) -> Vec<f64> {
    let weight =
        |instance: &Instance| f64::from(instance.weight) * f64::from(instance.share.parts());
    fleet.0.iter().map(weight).collect()
}

fn next(picker: &mut Picker, fleet: &Fleet) -> usize {
    picker.pick(fleet, None, &[], &mut || panic!("needs no chance")).expect("someone serves")
}

proptest! {
    #[test]
    fn round_robin_is_exact_over_a_round_and_never_ahead_by_one(
        weights in prop::collection::vec(1u32..10, 1..8),
    ) {
        let fleet = Fleet::of_weights(&weights);
        let mut picker = fleet.picker(&Balance::RoundRobin);
        let all = u64::from(weights.iter().sum::<u32>());
        let mut tally = vec![0; weights.len()];
        for pick in 1..=2 * all {
            tally[next(&mut picker, &fleet)] += 1;
            for (count, weight) in tally.iter().zip(&weights) {
                let ahead = count * all;
                prop_assert!(ahead < pick * u64::from(*weight) + all, "{tally:?} of {weights:?}");
            }
            if pick % all == 0 {
                let rounds = pick / all;
                prop_assert!(
                    tally.iter().zip(&weights).all(|(count, weight)| *count == rounds * u64::from(*weight))
                );
            }
        }
    }

    #[test]
    fn an_idle_service_shares_by_weight_under_least_conn(
        weights in prop::collection::vec(1u32..10, 1..8),
    ) {
        let fleet = Fleet::of_weights(&weights);
        let all = u64::from(weights.iter().sum::<u32>());
        let tally = fleet.tally(&mut fleet.picker(&Balance::LeastConn), 3 * all);
        let expected: Vec<u64> = weights.iter().map(|weight| 3 * u64::from(*weight)).collect();
        prop_assert_eq!(tally, expected);
    }

    #[test]
    fn a_busy_service_is_loaded_by_weight_under_least_conn(
        weights in prop::collection::vec(1u32..10, 2..8),
        seed: u64,
    ) {
        let mut fleet = Fleet::of_weights(&weights);
        let mut picker = fleet.picker(&Balance::LeastConn);
        let all = weights.iter().sum::<u32>();
        let (mut dice, mut open) = (Dice::new(seed), Vec::new());
        for _ in 0..20 * all {
            let picked = next(&mut picker, &fleet);
            fleet.0[picked].in_flight += 1;
            open.push(picked);
            // Nobody was given a request while another had less for its weight.
            let given = &fleet.0[picked];
            for other in &fleet.0 {
                prop_assert!(
                    (given.in_flight - 1) * other.weight <= other.in_flight * given.weight
                );
            }
            if open.len() > 10 * all as usize {
                let ended = dice.within(0..open.len() as u64) as usize;
                fleet.0[open.swap_remove(ended)].in_flight -= 1;
            }
        }
    }

    #[test]
    fn chance_honours_weights_and_shares(
        instances in prop::collection::vec((0u32..10, prop_oneof![Just(1.0), 0.1..1.0]), 2..20),
        out in 0usize..20,
    ) {
        let mut fleet = Fleet::of_weights(&[1]);
        for (weight, part) in instances {
            fleet.0.push(Instance { share: share(part), ..Instance::of_weight(weight) });
        }
        if let Some(instance) = fleet.0[1..].get_mut(out) {
            instance.eligibility = balance::Eligibility::Ejected;
        }
        let mut expected = effective(&fleet);
        for (weight, instance) in expected.iter_mut().zip(&fleet.0) {
            if instance.eligibility != balance::Eligibility::Healthy {
                *weight = 0.0;
            }
        }
        for balance in [Balance::Random, Balance::P2c] {
            let tally = fleet.tally(&mut fleet.picker(&balance), 20_000);
            prop_assert!(is_likely(&tally, &expected), "{balance:?}: {tally:?} {expected:?}");
        }
    }

    #[test]
    fn p2c_never_picks_the_most_loaded(
        loads in prop::collection::hash_set(0u32..1_000, 2..10),
        seed: u64,
    ) {
        let loads: Vec<u32> = loads.into_iter().collect();
        let mut fleet = Fleet::of_weights(&vec![1; loads.len()]);
        for (instance, load) in fleet.0.iter_mut().zip(&loads) {
            instance.in_flight = *load;
        }
        let mut dice = Dice::new(seed);
        let mut picker = fleet.picker(&Balance::P2c);
        for _ in 0..100 {
            let picked = picker.pick(&fleet, None, &[], &mut || dice.roll()).unwrap();
            prop_assert!(loads[picked] < *loads.iter().max().unwrap());
        }
    }
}

#[test]
fn an_idle_pair_alternates() {
    for balance in [Balance::LeastConn, Balance::RoundRobin, Balance::PeakEwma] {
        let fleet = Fleet::of_weights(&[1, 1]);
        let mut picker = fleet.picker(&balance);
        let picks: Vec<usize> = (0..6).map(|_| next(&mut picker, &fleet)).collect();
        assert_eq!(picks, [0, 1, 0, 1, 0, 1], "{balance:?}");
    }
}

#[test]
fn a_retry_takes_no_turn_of_the_next_request() {
    let fleet = Fleet::of_weights(&[1, 1]);
    let mut picker = fleet.picker(&Balance::RoundRobin);
    // The first instance fails each time it is asked: half of the requests, not all.
    let mut first = Vec::new();
    for _ in 0..6 {
        let picked = next(&mut picker, &fleet);
        first.push(picked);
        if picked == 0 {
            let again = picker.pick(&fleet, None, &[0], &mut || panic!("needs no chance"));
            assert_eq!(again, Ok(1));
        }
    }
    assert_eq!(first, [0, 1, 0, 1, 0, 1]);
}

#[test]
fn workers_take_turns_together() {
    let fleet = Fleet::of_weights(&[1, 1, 1]);
    let mut workers = [fleet.picker(&Balance::RoundRobin), fleet.picker(&Balance::RoundRobin)];
    let picks = [0, 1, 1, 0, 0, 1].map(|worker: usize| next(&mut workers[worker], &fleet));
    assert_eq!(picks, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn least_conn_rotates_among_those_that_are_idle() {
    let mut fleet = Fleet::of_weights(&[1, 1, 1, 1]);
    fleet.0[1].in_flight = 1;
    let mut picker = fleet.picker(&Balance::LeastConn);
    let picks: Vec<usize> = (0..6).map(|_| next(&mut picker, &fleet)).collect();
    assert_eq!(picks, [0, 2, 3, 0, 2, 3]);
}

#[test]
fn slow_start_scales_the_weight() {
    let mut fleet = Fleet::of_weights(&[1, 1, 1]);
    fleet.0[2].share = share(0.5);
    for balance in [Balance::RoundRobin, Balance::LeastConn] {
        assert_eq!(fleet.tally(&mut fleet.picker(&balance), 500), [200, 200, 100]);
    }
}

#[test]
fn slow_start_has_no_effect_on_those_that_began_together() {
    let mut fleet = Fleet::of_weights(&[1, 2]);
    fleet.0.iter_mut().for_each(|instance| instance.share = share(0.0));
    for balance in [Balance::RoundRobin, Balance::LeastConn] {
        assert_eq!(fleet.tally(&mut fleet.picker(&balance), 300), [100, 200]);
    }
    for balance in [Balance::Random, Balance::P2c] {
        let tally = fleet.tally(&mut fleet.picker(&balance), 10_000);
        assert!(is_likely(&tally, &[1.0, 2.0]), "{balance:?}: {tally:?}");
    }
}

#[test]
fn peak_ewma_takes_the_least_expected_latency() {
    for count in [2, 3, 4] {
        let mut fleet = Fleet::of_weights(&vec![1; count]);
        fleet.0.iter_mut().for_each(|instance| instance.latency = 0.100);
        fleet.0[1].latency = 0.030;
        let mut picker = fleet.picker(&Balance::PeakEwma);
        for _ in 0..3 {
            assert_eq!(next(&mut picker, &fleet), 1, "three of 30 ms take less than one of 100");
            fleet.0[1].in_flight += 1;
        }
        assert_ne!(next(&mut picker, &fleet), 1);
    }
}

#[test]
fn peak_ewma_of_many_avoids_the_slow_one() {
    let mut fleet = Fleet::of_weights(&[1; 20]);
    fleet.0.iter_mut().for_each(|instance| instance.latency = 0.010);
    fleet.0[7].latency = 0.500;
    let tally = fleet.tally(&mut fleet.picker(&Balance::PeakEwma), 10_000);
    assert_eq!(tally[7], 0);
    assert!(tally.iter().enumerate().all(|(place, count)| place == 7 || *count > 300));
}

#[test]
fn peak_ewma_gives_a_new_instance_one_request_until_it_answered() {
    let mut fleet = Fleet::of_weights(&[1, 1]);
    fleet.0[0].latency = 0.020;
    let mut picker = fleet.picker(&Balance::PeakEwma);
    assert_eq!(next(&mut picker, &fleet), 1);
    fleet.0[1].in_flight = 1;
    fleet.0[0].in_flight = 500;
    assert_eq!(next(&mut picker, &fleet), 0);
}

#[test]
fn an_adopted_rotation_goes_on_where_it_was() {
    for balance in [Balance::LeastConn, Balance::RoundRobin] {
        let fleet = Fleet::of_weights(&[1, 1, 1]);
        let mut before = fleet.picker(&balance);
        assert_eq!(next(&mut before, &fleet), 0);
        let mut picker = fleet.picker(&balance);
        picker.adopt(&before);
        let picks: Vec<usize> = (0..4).map(|_| next(&mut picker, &fleet)).collect();
        assert_eq!(picks, [1, 2, 0, 1], "{balance:?}");
    }
}

#[test]
fn only_hashing_needs_a_key_and_takes_a_random_one_without() {
    let fleet = Fleet::of_weights(&[1, 1, 1]);
    for balance in crate::fleet::policies() {
        let mut picker = fleet.picker(&balance);
        let by_key = matches!(balance, Balance::IpHash | Balance::Hash(_));
        assert_eq!(picker.is_by_key(), by_key);
        let mut dice = Dice::new(7);
        let mut seen = [false; 3];
        for _ in 0..100 {
            seen[picker.pick(&fleet, None, &[], &mut || dice.roll()).unwrap()] = true;
        }
        assert_eq!(seen, [true; 3], "{balance:?}");
        let key = Some(Key::of_bytes(b"/cart"));
        let first = picker.clone().pick(&fleet, key, &[], &mut || dice.roll());
        assert!(first.is_ok());
    }
}
