//! What the judge promises, counted over many simulated deploys.
//!
//! `JUDGE_SEEDS=2000 cargo test --release -p rollout --test judge -- --nocapture --test-threads 1` prints the tables of docs/reliability.md.
//! `JUDGE_KIND=bursty JUDGE_FIRST=2000` goes on with one kind of traffic where another run has ended; `JUDGE_RELEASE=404` counts the bad releases of
//! that name alone.

mod chance;
mod deploy;
mod ejection;
mod field;
mod release;
mod scene;
mod traffic;

use std::fmt;

use chance::upper_bound;
use deploy::{Before, End, Names, Trial, Way};
use field::Tool;
use release::Release;
use rollout::Verdict;
use traffic::Kind;

fn seeds(few: u64) -> u64 {
    std::env::var("JUDGE_SEEDS").map_or(few, |seeds| seeds.parse().expect("a number"))
}

/// The first seed of equal releases: so that many of them can be counted in several runs.
fn first_seed() -> u64 {
    std::env::var("JUDGE_FIRST").map_or(0, |first| first.parse().expect("a number"))
}

fn trial(seed: u64, kind: Kind, release: Release, way: Way, rate: f64) -> Trial {
    Trial { seed, kind, release, way, rate, attackers: 8 }
}

/// Of a sound release one in a hundred may be rolled back, whatever the traffic: here the upper end of the interval that has the real share
/// with 95 % is below that wherever there are enough seeds to show it.
#[test]
fn equal_releases_are_seldom_rolled_back() {
    let seeds = seeds(12);
    let (names, rule) = (Names::new(), model::Judge::default());
    println!("| traffic | way | rolled back | at most (95 %) | held | instances replaced |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for kind in kinds() {
        let mut all = Way::ALL.map(|_| Equal::default());
        for seed in (first_seed()..).take(seeds as usize) {
            let before = trial(seed, kind, Release::Equal, Way::Canary, 40.0).before(&names);
            for (counted, way) in all.iter_mut().zip(Way::ALL) {
                let trial = trial(seed, kind, Release::Equal, way, 40.0);
                counted.add(&trial, &trial.run_after(&before, &names, &rule));
            }
        }
        for (Equal { worse, held, replaced, shown }, way) in all.into_iter().zip(Way::ALL) {
            shown.iter().for_each(|fault| eprintln!("{fault}"));
            let most = upper_bound(worse, seeds) * 100.0;
            let (kind, way) = (kind.name(), way.name());
            println!("| {kind} | {way} | {worse} of {seeds} | {most:.2} % | {held} | {replaced} |");
            let excused = seeds as f64 * 0.01 + 3.1 * (seeds as f64 * 0.01).sqrt();
            assert!(worse as f64 <= excused, "{worse} of {seeds} rolled back: {kind}, {way}");
        }
    }
}

/// What came of equal releases.
#[derive(Default)]
struct Equal {
    worse: u64,
    held: u64,
    replaced: u64,
    /// Why the first of them were rolled back.
    shown: Vec<String>,
}

impl Equal {
    fn add(&mut self, trial: &Trial, end: &End) {
        match &end.verdict {
            Some(Verdict::Worse(fault)) => {
                self.worse += 1;
                if self.worse < 4 {
                    let Trial { seed, kind, way, .. } = trial;
                    let (kind, way) = (kind.name(), way.name());
                    self.shown
                        .push(format!("{kind} {way} seed {seed} after {}: {fault}", end.after));
                }
            }
            Some(Verdict::Changed(_)) => self.held += 1,
            Some(Verdict::BadInstance(_)) => self.replaced += 1,
            _ => {}
        }
    }
}

/// Where the old release is gone its past decides, and what the world does to both looks like the release: here is how often. Kinds
/// that are the same before the deploy and after it are judged as seldom wrongly as they are where both serve.
#[test]
fn where_the_old_release_is_gone_a_change_of_the_world_looks_like_the_release() {
    let seeds = seeds(12);
    let (names, rule) = (Names::new(), model::Judge::default());
    println!("| traffic | replace: rolled back | at most (95 %) |");
    println!("| --- | --- | --- |");
    for kind in kinds() {
        let mut counted = Equal::default();
        for seed in (first_seed()..).take(seeds as usize) {
            let trial = trial(seed, kind, Release::Equal, Way::Replace, 40.0);
            counted.add(&trial, &trial.run(&names, &rule));
        }
        counted.shown.iter().for_each(|fault| eprintln!("{fault}"));
        let most = upper_bound(counted.worse, seeds) * 100.0;
        println!("| {} | {} of {seeds} | {most:.2} % |", kind.name(), counted.worse);
        assert!(kind == Kind::Outage || counted.worse <= 1 + seeds / 20, "{}", kind.name());
    }
    println!(
        "| release, 40 requests a second | traffic | found | after (median) | users hurt (median) | passed |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for release in [Release::Fails(0.05), Release::Fails(0.5), Release::Hangs] {
        for kind in [Kind::Calm, Kind::Bursty] {
            let ends = (0..seeds.min(50))
                .map(|seed| trial(seed, kind, release, Way::Replace, 40.0).run(&names, &rule));
            let found = Found::of(&ends.collect::<Vec<End>>());
            println!("| {} | {} | {found} |", release.name(), kind.name());
            let is_glaring = release != Release::Fails(0.05) && kind == Kind::Calm;
            assert!(!is_glaring || found.missed == 0, "{} passed", release.name());
        }
    }
}

/// All, or those whose names have `JUDGE_KIND` in them.
fn kinds() -> impl Iterator<Item = Kind> {
    let wanted = std::env::var("JUDGE_KIND").unwrap_or_default();
    Kind::ALL.into_iter().filter(move |kind| kind.name().contains(&wanted))
}

/// What bad releases cost, and which pass.
#[test]
fn bad_releases_are_found() {
    let (names, rule) = (Names::new(), model::Judge::default());
    let seeds = seeds(3).min(50);
    println!("| release | req/s | way | found | after (median) | users hurt (median) | passed |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for rate in rates().iter().copied() {
        // Few are enough where a block has hundreds of requests.
        let seeds = if rate < 1000.0 { seeds } else { seeds.div_ceil(5) };
        let trial = |seed, release, way| trial(seed, Kind::Calm, release, way, rate);
        let before = |seed| trial(seed, Release::Equal, Way::Canary).before(&names);
        let befores: Vec<Before> = (0..seeds).map(before).collect();
        for release in bad() {
            for way in Way::ALL.into_iter().chain([Way::Replace]) {
                let runs: Vec<End> = (0..seeds)
                    .zip(&befores)
                    .map(|(seed, before)| {
                        trial(seed, release, way).run_after(before, &names, &rule)
                    })
                    .collect();
                let found = Found::of(&runs);
                println!("| {} | {rate} | {} | {found} |", release.name(), way.name());
                if matches!(release, Release::OneFails(_)) {
                    let is_condemned = |it: &&End| matches!(it.verdict, Some(Verdict::Worse(_)));
                    let condemned = runs.iter().filter(is_condemned).count();
                    eprintln!("{rate}, {}: {condemned} for one instance rolled back", way.name());
                    // The first of them is alone, and is replaced all the same.
                    assert!(way != Way::Rolling || rate < 100.0 || condemned == 0, "rolling");
                }
                let is_glaring = matches!(release, Release::Fails(part) if part >= 0.5);
                assert!(
                    !is_glaring || rate < 10.0 || found.missed == 0,
                    "{} passed",
                    release.name()
                );
            }
        }
    }
}

/// All, or those whose names have `JUDGE_RELEASE` in them.
fn bad() -> impl Iterator<Item = Release> {
    let wanted = std::env::var("JUDGE_RELEASE").unwrap_or_default();
    BAD.into_iter().filter(move |release| release.name().contains(&wanted))
}

/// The greatest takes its time.
fn rates() -> &'static [f64] {
    match std::env::var("JUDGE_SEEDS") {
        Ok(_) => &[1.0, 10.0, 100.0, 1000.0],
        Err(_) => &[1.0, 10.0, 100.0],
    }
}

const BAD: [Release; 16] = [
    Release::Fails(0.003),
    Release::Fails(0.01),
    Release::Fails(0.05),
    Release::Fails(0.5),
    Release::FailsOn(3, 0.5),
    Release::OneFails(0.5),
    Release::Slower(1.1),
    Release::Slower(1.5),
    Release::Slower(2.0),
    Release::Slower(4.0),
    Release::SlowerOn(3, 4.0),
    Release::SlowTail(0.03),
    Release::Hangs,
    Release::NotFound,
    Release::Truncates(0.05),
    Release::Leaks,
];

/// What came of several runs.
struct Found {
    after: f64,
    hurt: u64,
    seeds: usize,
    missed: usize,
}

impl Found {
    fn of(runs: &[End]) -> Self {
        let mut after: Vec<f64> =
            runs.iter().filter(|it| it.verdict.is_some()).map(|it| it.after).collect();
        let mut hurt: Vec<u64> = runs.iter().map(|it| it.hurt).collect();
        after.sort_unstable_by(f64::total_cmp);
        hurt.sort_unstable();
        Self {
            after: after.get(after.len() / 2).copied().unwrap_or(f64::NAN),
            hurt: hurt[hurt.len() / 2],
            seeds: runs.len(),
            missed: runs.len() - after.len(),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, hurt, seeds, missed } = self;
        let found = seeds - missed;
        match found {
            0 => write!(f, "0 of {seeds} | | {hurt} | {missed}"),
            _ => write!(f, "{found} of {seeds} | {after:.1} s | {hurt} | {missed}"),
        }
    }
}

/// A route with one in fifty requests, of which the past knows some hundred: what is slow there is less than what one expects on the others, and
/// is found and named all the same where the old release does not serve.
#[test]
fn a_rare_route_that_is_slower_is_found_beside_the_past() {
    let (names, rule) = (Names::new(), model::Judge::default());
    let seeds = seeds(4).min(50);
    for way in [Way::BlueGreen, Way::Rolling] {
        let deploys = (0..seeds).map(|seed| {
            trial(seed, Kind::Calm, Release::SlowerOn(3, 4.0), way, 200.0).run(&names, &rule)
        });
        let ends: Vec<End> = deploys.collect();
        for end in &ends {
            match &end.verdict {
                Some(Verdict::Worse(fault)) => {
                    assert_eq!(fault.route.as_deref(), Some("/export"), "{fault}");
                }
                None => {}
                other => panic!("{}: {other:?}", way.name()),
            }
        }
        let found = Found::of(&ends);
        assert!(found.missed as u64 <= seeds / 10, "{}: passed: {found}", way.name());
        println!("4 times as slow on /export, 200 requests a second, {}: {found}", way.name());
    }
}

/// An attacker with more addresses than are left out: what each more can do.
#[test]
fn what_an_attacker_can_do_is_bounded() {
    let (names, rule) = (Names::new(), model::Judge::default());
    let seeds = seeds(5).min(200);
    println!("| addresses | rolled back | a release that fails 5 % found |");
    println!("| --- | --- | --- |");
    for attackers in [1, 8, 16, 32, 64] {
        let count = |release| {
            let runs = (0..seeds).map(|seed| Trial {
                attackers,
                ..trial(seed, Kind::Attacker, release, Way::Canary, 40.0)
            });
            let ends = runs.map(|it| it.run(&names, &rule));
            ends.filter(|end| matches!(end.verdict, Some(Verdict::Worse(_)))).count()
        };
        let (sound, bad) = (count(Release::Equal), count(Release::Fails(0.05)));
        println!("| {attackers} | {sound} of {seeds} | {bad} of {seeds} |");
        assert!(attackers > 8 || sound as u64 <= 1 + seeds / 50, "{sound} of {seeds}");
    }
}

/// The same traffic under the rules of others.
#[test]
fn the_field_beside_it() {
    let seeds = seeds(1).min(50);
    println!("| traffic or release | {} |", Tool::ALL.map(Tool::name).join(" | "));
    println!("| --- | --- | --- | --- |");
    for kind in Kind::ALL {
        let of = |tool: Tool| {
            let backs =
                (0..seeds).filter(|seed| tool.run(*seed, kind, Release::Equal, 40.0).is_back);
            format!("{} of {seeds}", backs.count())
        };
        println!("| equal, {} | {} |", kind.name(), Tool::ALL.map(of).join(" | "));
    }
    for release in BAD {
        let of = |tool: Tool| {
            let ends: Vec<field::End> =
                (0..seeds).map(|seed| tool.run(seed, Kind::Calm, release, 40.0)).collect();
            let back = ends.iter().filter(|end| end.is_back).count();
            let mut after: Vec<f64> =
                ends.iter().filter(|it| it.is_back).map(|it| it.after).collect();
            let mut hurt: Vec<u64> = ends.iter().map(|end| end.hurt).collect();
            after.sort_unstable_by(f64::total_cmp);
            hurt.sort_unstable();
            let after =
                after.get(after.len() / 2).map_or(String::new(), |it| format!(", {it:.0} s"));
            format!("{back} of {seeds}{after}, {} hurt", hurt[hurt.len() / 2])
        };
        println!("| {} | {} |", release.name(), Tool::ALL.map(of).join(" | "));
    }
}
