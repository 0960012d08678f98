//! The retry budget against a list of everything that happened.

use std::time::Duration;

use balance::budget::{RESERVE, RetryBudget};

use crate::dice::{Dice, for_each_seed};

#[test]
fn retries_keep_to_the_share_of_the_last_ten_seconds() {
    for_each_seed(300, |mut dice: Dice| {
        let share = dice.choose([0.0, 0.1, 0.25, 1.0]);
        let mut budget = RetryBudget::new(share);
        let (mut requests, mut retries) = (Vec::new(), Vec::new());
        let mut now = Duration::from_millis(dice.within(0..100_000));
        for _ in 0..2_000 {
            let step = dice.choose([0, 1, 20, 20, 400, 400, 15_000]);
            now += Duration::from_millis(dice.within(0..step + 1) / (1 + dice.within(0..20)));
            if dice.happens(600) {
                budget.deposit(now);
                requests.push(now.as_secs());
                continue;
            }
            let recent = |all: &[u64]| {
                all.iter().filter(|second| **second + 10 > now.as_secs()).count() as u64
            };
            let allowed = match share {
                0.0 => 0,
                share => RESERVE.max((share * recent(&requests) as f64) as u64),
            };
            let expected = recent(&retries) < allowed;
            assert_eq!(budget.withdraw(now), expected, "at {now:?}");
            if expected {
                retries.push(now.as_secs());
            }
        }
    });
}
