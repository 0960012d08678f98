//! What the judge promises, counted over many simulated releases.
//!
//! `JUDGE_SEEDS=5000 cargo test -p rollout --test judge -- --nocapture` prints the tables of
//! docs/reliability.md.

use std::time::Duration;

use fastrand::Rng;
use rollout::{Fault, Judge, Tally, Verdict};

/// From one sample to the next.
const SAMPLE: Duration = Duration::from_millis(250);

/// How a release answers.
#[derive(Clone, Copy)]
struct Behaviour {
    error_rate: f64,
    /// Its latencies over the usual ones.
    slowdown: f64,
}

const SOUND: Behaviour = Behaviour { error_rate: 0.0, slowdown: 1.0 };

fn seeds() -> u64 {
    std::env::var("JUDGE_SEEDS").map_or(1000, |seeds| seeds.parse().expect("a number"))
}

/// How many come in one sample when `rate` a second come independently (Poisson, by Knuth).
fn arrivals(chance: &mut Rng, rate: f64) -> u64 {
    let mean = rate * SAMPLE.as_secs_f64();
    if mean > 50.0 {
        return (mean + deviate(chance) * mean.sqrt()).round().max(0.0) as u64;
    }
    let limit = (-mean).exp();
    let mut product = chance.f64();
    let mut count = 0;
    while product > limit {
        product *= chance.f64();
        count += 1;
    }
    count
}

/// A normal deviate (Box and Muller).
fn deviate(chance: &mut Rng) -> f64 {
    let (one, other) = (1.0 - chance.f64(), chance.f64());
    (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

/// A latency with a long tail, in a class a sixteenth of an octave wide.
fn latency(chance: &mut Rng, slowdown: f64) -> Duration {
    let millis = 20.0 * slowdown * (0.6 * deviate(chance)).exp();
    Duration::from_secs_f64(((millis.log2() * 16.0).floor() / 16.0).exp2() / 1000.0)
}

fn sample(chance: &mut Rng, rate: f64, behaviour: Behaviour) -> Tally {
    let mut tally = Tally { requests: arrivals(chance, rate), ..Tally::default() };
    for _ in 0..tally.requests {
        if chance.f64() < behaviour.error_rate {
            tally.errors += 1;
        }
        tally.latencies.record(latency(chance, behaviour.slowdown), 1);
    }
    tally
}

/// What came of a release.
struct End {
    fault: Option<Fault>,
    /// Requests that it failed.
    failed: u64,
    after: Duration,
}

/// Watches a release that gets `share` of `rate` requests a second, for `watch` at the most. The
/// old one is watched alone for five seconds before, as while new instances start.
fn watch(
    seed: u64,
    rule: &model::Judge,
    (stable, canary): (Behaviour, Behaviour),
    (rate, share): (f64, f64),
    watch: Duration,
) -> End {
    let mut chance = Rng::with_seed(seed);
    let mut judge = Judge::new(rule);
    for _ in 0..20 {
        judge.observe(&Tally::default(), &sample(&mut chance, rate, stable));
    }
    let mut after = Duration::ZERO;
    let mut fault = None;
    while after < watch && fault.is_none() {
        after += SAMPLE;
        let of_canary = sample(&mut chance, rate * share, canary);
        let of_stable = sample(&mut chance, rate * (1.0 - share), stable);
        judge.observe(&of_canary, &of_stable);
        if let Verdict::Worse(found) = judge.verdict() {
            fault = Some(found);
        }
    }
    End { fault, failed: judge.canary().errors, after }
}

#[test]
fn equal_releases_are_seldom_taken_back() {
    let rule = model::Judge { max_error_rate: None, ..model::Judge::default() };
    println!("| both fail | requests/s | share of the new | rolled back by mistake |");
    println!("| --- | --- | --- | --- |");
    let seeds = seeds();
    for (error_rate, rate, share) in [
        (0.0, 20.0, 0.5),
        (0.001, 200.0, 0.05),
        (0.01, 20.0, 0.5),
        (0.01, 200.0, 0.25),
        (0.2, 20.0, 0.5),
        (0.2, 100.0, 0.9),
        // After the full shift, beside what the old release had answered before.
        (0.0, 100.0, 1.0),
        (0.01, 100.0, 1.0),
        (0.2, 20.0, 1.0),
    ] {
        let both = Behaviour { error_rate, ..SOUND };
        let minute = Duration::from_secs(60);
        let mistakes = (0..seeds)
            .filter(|seed| watch(*seed, &rule, (both, both), (rate, share), minute).fault.is_some())
            .count() as f64;
        let (percent, seeds) = (error_rate * 100.0, seeds as f64);
        println!("| {percent} % | {rate} | {share} | {mistakes} of {seeds} |");
        // A chance of one in a hundred, and what chance adds to that once in a thousand runs.
        let most = seeds * 0.01 + 3.1 * (seeds * 0.01).sqrt();
        assert!(mistakes <= most, "{mistakes} mistakes of {seeds} at {error_rate}");
    }
}

#[test]
fn a_release_within_the_limit_is_seldom_taken_back_for_it() {
    let at_limit = Behaviour { error_rate: 0.01, ..SOUND };
    let seeds = seeds();
    let minute = Duration::from_secs(60);
    let mistakes = (0..seeds)
        .filter(|seed| {
            let rule = model::Judge::default();
            watch(*seed, &rule, (at_limit, at_limit), (40.0, 0.5), minute).fault.is_some()
        })
        .count() as f64;
    let seeds = seeds as f64;
    println!("both fail 1 %, which is the limit: {mistakes} of {seeds} rolled back");
    assert!(mistakes <= seeds * 0.01 + 3.1 * (seeds * 0.01).sqrt());
}

/// Failed requests until a bad release is rolled back: the median and the 95th percentile.
#[test]
fn what_a_bad_release_costs() {
    println!(
        "| it fails | requests/s | median | 95th percentile | rolled back after | not found |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (error_rate, rate, share, bound) in [
        (0.01, 1.0, 0.5, 40),
        (0.01, 10.0, 0.5, 40),
        (0.01, 1000.0, 0.5, 60),
        (0.05, 1.0, 0.5, 20),
        (0.05, 10.0, 0.5, 20),
        (0.05, 1000.0, 0.5, 40),
        (0.5, 1.0, 0.5, 10),
        (0.5, 10.0, 0.5, 15),
        (0.5, 1000.0, 0.5, 100),
    ] {
        let bad = Behaviour { error_rate, ..SOUND };
        let runs = (0..seeds() / 5).map(|seed| {
            let rule = model::Judge::default();
            watch(seed, &rule, (SOUND, bad), (rate, share), Duration::from_secs(3600))
        });
        let mut failed: Vec<u64> = Vec::new();
        let (mut after, mut missed) = (Vec::new(), 0);
        for run in runs {
            missed += u64::from(run.fault.is_none());
            failed.push(run.failed);
            after.push(run.after);
        }
        failed.sort_unstable();
        after.sort_unstable();
        let (median, high) = (failed[failed.len() / 2], failed[failed.len() * 95 / 100]);
        let seconds = after[after.len() / 2].as_secs_f64();
        println!(
            "| {} % | {rate} | {median} | {high} | {seconds} s | {missed} |",
            error_rate * 100.0
        );
        assert!(high <= bound, "{high} failed at {error_rate} of {rate}/s");
    }
}

#[test]
fn a_slow_release_is_found_and_a_slightly_slower_one_stays() {
    let rule = model::Judge::default();
    let look = |slowdown| {
        (0..100)
            .filter(|seed| {
                let slow = Behaviour { slowdown, ..SOUND };
                let minutes = Duration::from_secs(180);
                let end = watch(*seed, &rule, (SOUND, slow), (40.0, 0.25), minutes);
                matches!(end.fault, Some(Fault::Slower { .. }))
            })
            .count()
    };
    let (twice, slightly) = (look(2.0), look(1.2));
    println!("found slower: {twice} of 100 twice as slow, {slightly} of 100 a fifth slower");
    assert!(twice >= 99 && slightly <= 1);
}
