//! The health machine against a definition that looks at the whole history.

use std::time::Duration;

use balance::health::{Check, Health, Origin, State, Thresholds};

use crate::dice::{Dice, for_each_seed};

/// The last run of results that was long enough decides; the first pass always is.
fn by_definition(origin: Origin, thresholds: Thresholds, history: &[Check]) -> State {
    let Some(first_pass) = history.iter().position(|check| *check == Check::Passed) else {
        return match (origin, history) {
            (Origin::Started, _) => State::Starting,
            (Origin::Target, []) => State::Unchecked,
            (Origin::Target, _) => State::Unhealthy,
        };
    };
    let ends_with = |end: usize, check: Check, count: u32| {
        let run = history[..=end].iter().rev().take_while(|result| **result == check);
        run.count() >= count as usize
    };
    let decision = (first_pass..history.len()).rev().find_map(|end| {
        if ends_with(end, Check::Failed, thresholds.unhealthy) {
            return Some(State::Unhealthy);
        }
        let is_healthy = end == first_pass || ends_with(end, Check::Passed, thresholds.healthy);
        is_healthy.then_some(State::Healthy)
    });
    decision.expect("the first pass decides at the latest")
}

#[test]
fn state_is_what_the_last_decisive_run_of_results_says() {
    for_each_seed(500, |mut dice: Dice| {
        let origin = dice.choose([Origin::Target, Origin::Started]);
        let thresholds =
            Thresholds { healthy: dice.within(1..5) as u32, unhealthy: dice.within(1..5) as u32 };
        let mut health = Health::new(Duration::ZERO, thresholds, origin);
        let mut history = Vec::new();
        let mut passes_per_mille = 500;
        for second in 1..200 {
            if dice.happens(100) {
                passes_per_mille = dice.within(0..1_001);
            }
            let check = match dice.happens(passes_per_mille) {
                true => Check::Passed,
                false => Check::Failed,
            };
            history.push(check);
            let before = health.state();
            let transition = health.observe(Duration::from_secs(second), check);
            let expected = by_definition(origin, thresholds, &history);
            assert_eq!(health.state(), expected, "after {history:?}");
            match transition {
                Some(transition) => {
                    assert_eq!((transition.from, transition.to), (before, expected));
                    assert_eq!(health.since(), Duration::from_secs(second));
                }
                None => assert_eq!(before, expected),
            }
            let (against, needed) = health.against();
            assert!(against < needed);
        }
    });
}
