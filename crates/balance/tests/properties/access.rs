//! Who may be picked, whatever the policy.

use balance::{Eligibility, Field, Key, Mode, Refusal, Role};
use proptest::prelude::*;

use crate::dice::Dice;
use crate::fleet::{Fleet, Instance, fleets, policies};

/// What the rule says in so many words: whom one may pick, or why nobody.
fn rule(fleet: &Fleet, tried: &[usize]) -> Result<Vec<usize>, Refusal> {
    let healthy =
        |instance: &Instance| instance.weight > 0 && instance.eligibility == Eligibility::Healthy;
    let worst = match fleet.0.iter().any(healthy) {
        true => Eligibility::Healthy,
        false => Eligibility::Unhealthy,
    };
    let mut is_down = true;
    for role in [Role::Primary, Role::Backup] {
        let admitted: Vec<usize> = (0..fleet.0.len())
            .filter(|index| {
                let instance = &fleet.0[*index];
                instance.weight > 0 && instance.role == role && instance.eligibility <= worst
            })
            .collect();
        is_down &= admitted.is_empty();
        let mut left = admitted;
        left.retain(|index| !tried.contains(index));
        if left.is_empty() {
            continue;
        }
        left.retain(|index| !fleet.is_full(*index));
        return if left.is_empty() { Err(Refusal::Full) } else { Ok(left) };
    }
    Err(if is_down { Refusal::Down } else { Refusal::Tried })
}

proptest! {
    #[test]
    fn every_policy_keeps_to_who_may_serve(
        fleet in fleets(),
        tried in prop::collection::vec(0usize..12, 0..4),
        seed: u64,
    ) {
        for balance in policies() {
            let mut dice = Dice::new(seed);
            let mut picker = fleet.picker(&balance);
            for _ in 0..20 {
                let key = Key::from_hash(dice.roll());
                let picked = picker.pick(&fleet, Some(key), &tried, &mut || dice.roll());
                match (picked, rule(&fleet, &tried)) {
                    (Ok(picked), Ok(allowed)) => prop_assert!(
                        allowed.contains(&picked),
                        "{balance:?} picked {picked} of {allowed:?}"
                    ),
                    (picked, expected) => {
                        prop_assert_eq!(picked.err(), expected.err(), "{:?}", &balance);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_picked_is_what_status_calls_open(mut fleet in fleets(), seed: u64) {
        fleet.0.iter_mut().for_each(|instance| instance.is_full = false);
        let serving = fleet.0.iter().filter(|instance| instance.weight > 0);
        let mode = Mode::of(serving.map(|instance| (instance.eligibility, instance.role)));
        for balance in policies() {
            let mut dice = Dice::new(seed);
            let picked = fleet.picker(&balance).pick(&fleet, None, &[], &mut || dice.roll());
            match picked {
                Ok(picked) => {
                    let Instance { eligibility, role, .. } = fleet.0[picked];
                    prop_assert!(mode.access(eligibility, role).is_open());
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal, Refusal::Down);
                    prop_assert_eq!(mode, Mode::Nobody);
                }
            }
        }
    }

    #[test]
    fn retries_visit_everyone_once(count in 1usize..10, seed: u64) {
        for balance in policies() {
            let mut fleet = Fleet::of_weights(&vec![1; count]);
            fleet.0[count - 1].role = Role::Backup;
            let mut dice = Dice::new(seed);
            let mut picker = fleet.picker(&balance);
            let mut tried = Vec::new();
            let end = loop {
                match picker.pick(&fleet, Some(Key::from_hash(seed)), &tried, &mut || dice.roll()) {
                    Ok(picked) => tried.push(picked),
                    Err(refusal) => break refusal,
                }
            };
            prop_assert_eq!(end, Refusal::Tried);
            prop_assert_eq!(tried.last(), Some(&(count - 1)), "the backup comes last");
            tried.sort_unstable();
            prop_assert!(tried.into_iter().eq(0..count));
        }
    }
}

#[test]
fn a_full_primary_is_waited_for_rather_than_left_for_a_backup() {
    let mut fleet = Fleet::of_weights(&[1, 1]);
    fleet.0[0].is_full = true;
    fleet.0[1].role = Role::Backup;
    for balance in policies() {
        let picked = fleet.picker(&balance).pick(&fleet, None, &[], &mut || 0);
        assert_eq!(picked, Err(Refusal::Full));
    }
}

#[test]
fn nobody_to_pick_from_is_down() {
    for balance in policies() {
        for fleet in [Fleet::of(Vec::new()), Fleet::of_weights(&[0, 0])] {
            let picked = fleet.picker(&balance).pick(&fleet, None, &[], &mut || 0);
            assert_eq!(picked, Err(Refusal::Down));
        }
    }
}
