//! Four instances behind one balancer, second by second.

use super::*;

/// What share of an instance's requests fails in a second.
type Fails<'a> = &'a dyn Fn(u64, usize) -> f64;

struct World {
    rng: fastrand::Rng,
    watch: Outliers,
    /// Requests a second by each of two routes.
    rates: [f64; 2],
    by: By,
    turns: usize,
}

/// How an instance is chosen.
#[derive(Clone, Copy, Debug)]
enum By {
    Rotation,
    Chance,
}

fn name(instance: usize) -> InstanceName {
    format!("api-{instance}").into()
}

impl World {
    fn new(seed: u64, rates: [f64; 2]) -> Self {
        let (rng, watch) = (fastrand::Rng::with_seed(seed), Outliers::default());
        Self { rng, watch, rates, by: By::Chance, turns: 0 }
    }

    fn second(&mut self, at: u64, fails: Fails<'_>) -> Vec<News> {
        let strata = self.rates.into_iter().map(|rate| {
            let mut parts: Vec<Part> =
                (0..4).map(|it| Part { instance: name(it), requests: 0, failed: 0 }).collect();
            let count = rate as u64 + u64::from(self.rng.f64() < rate.fract());
            for _ in 0..count {
                self.turns += 1;
                let instance = match self.by {
                    By::Rotation => self.turns % 4,
                    By::Chance => self.rng.usize(0..4),
                };
                parts[instance].requests += 1;
                parts[instance].failed += u64::from(self.rng.f64() < fails(at, instance));
            }
            Stratum(parts)
        });
        let second = Second { strata: strata.collect() };
        self.watch.take(Duration::from_secs(at), &second)
    }

    /// The first that is named from one second to another, and when.
    fn first_named(
        &mut self,
        seconds: std::ops::Range<u64>,
        fails: Fails<'_>,
    ) -> Option<(u64, Outlier)> {
        seconds.into_iter().find_map(|at| {
            let news = self.second(at, fails);
            let named = news.into_iter().find_map(|it| match it {
                News::Named(outlier) => Some(outlier),
                News::Recovered(_) => None,
            });
            Some((at, named?))
        })
    }
}

#[test]
fn one_dead_instance_of_four_is_named_after_two_minutes_with_the_time_it_began() {
    for (by, within) in [(By::Rotation, 140), (By::Chance, 200)] {
        dead(by, within);
    }
}

fn dead(by: By, within: u64) {
    let mut took = Vec::new();
    for seed in 0..100 {
        let mut world = World { by, ..World::new(seed, [6.0, 4.0]) };
        assert_eq!(world.first_named(3000..3600, &|_, _| 0.0), None);
        let dead = |at: u64, it: usize| if at >= 3600 && it == 2 { 1.0 } else { 0.0 };
        let (at, outlier) = world.first_named(3600..4200, &dead).unwrap();
        assert_eq!(outlier.instance, name(2));
        let since = outlier.since.as_secs();
        assert!((3580..=3610).contains(&since), "{since}");
        assert_eq!(outlier.failed, outlier.failed_all);
        took.push(at - 3600);
    }
    took.sort_unstable();
    println!(
        "one dead of four, 10 requests a second by {by:?}: named after {} s, at most {} s",
        took[50], took[99]
    );
    assert!(took[99] <= within, "{by:?}: {took:?}");
}

#[test]
fn one_that_fails_some_of_its_requests_is_named_and_no_other() {
    for (share, background) in [(0.05, 0.0), (0.3, 0.01), (0.1, 0.002)] {
        let mut took = Vec::new();
        for seed in 0..20 {
            let mut world = World::new(seed, [60.0, 40.0]);
            let fails = |at: u64, it: usize| if at >= 600 && it == 1 { share } else { background };
            let (at, outlier) = world.first_named(0..20_000, &fails).unwrap();
            assert_eq!(outlier.instance, name(1));
            took.push(at.saturating_sub(600));
        }
        took.sort_unstable();
        println!(
            "one of four fails {share}, the others {background}, 100 requests a second: named after {} s",
            took[10]
        );
    }
}

/// Kinds of traffic in which all instances are alike: what fails, and when.
#[test]
fn where_all_instances_are_alike_none_is_named() {
    let days = std::env::var("OUTLIER_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(1);
    let kinds: [(&str, Fails<'_>); 4] = [
        ("2 % fail", &|_, _| 0.02),
        ("all fail", &|_, _| 1.0),
        ("a minute of every ten fails", &|at, _| if at % 600 < 60 { 0.9 } else { 0.001 }),
        ("a day's wave", &|at, _| 0.05 + 0.05 * (at as f64 / 13_750.0).sin()),
    ];
    for (seed, (kind, fails)) in kinds.into_iter().enumerate() {
        let mut named = 0;
        for day in 0..days {
            let mut world = World::new(day * 10 + seed as u64, [12.0, 3.0]);
            named += usize::from(world.first_named(0..86_400, fails).is_some());
        }
        println!("{kind}: {named} named in {days} days");
        assert_eq!(named, 0, "{kind}");
    }
}

#[test]
fn all_bad_names_nobody_though_one_route_is_asked_of_one_instance_more() {
    // A route that all fail is asked more often of one: its part is known.
    let mut watch = Outliers::default();
    for at in 0..7200 {
        let part = |it: usize, requests| Part { instance: name(it), requests, failed: requests };
        let second = Second { strata: vec![Stratum(vec![part(0, 9), part(1, 1), part(2, 1)])] };
        assert_eq!(watch.take(Duration::from_secs(at), &second), []);
    }
}

#[test]
fn one_stall_names_nobody_and_an_outlier_that_is_well_again_recovers() {
    let mut world = World::new(7, [60.0, 40.0]);
    let stalls = |at: u64, it: usize| if (100..140).contains(&at) && it == 0 { 1.0 } else { 0.001 };
    assert_eq!(world.first_named(0..3600, &stalls), None, "40 s are at most five blocks");

    let fails = |at: u64, it: usize| if at < 4600 && it == 0 { 0.5 } else { 0.02 };
    let (at, outlier) = world.first_named(3600..4600, &fails).unwrap();
    assert_eq!((outlier.instance, world.watch.named().count()), (name(0), 1));
    let recovered =
        (at + 1..40_000).find(|at| world.second(*at, &fails).contains(&News::Recovered(name(0))));
    assert!(recovered.is_some_and(|at| at > 4600 + 200), "{recovered:?}");
    assert_eq!(world.watch.named().count(), 0);
}

#[test]
fn one_that_is_gone_is_forgotten() {
    let mut world = World::new(1, [60.0, 40.0]);
    world.first_named(0..600, &|_, it| if it == 3 { 1.0 } else { 0.0 }).unwrap();
    world.watch.keep(|it| *it != name(3));
    assert_eq!(world.watch.named().count(), 0);
}
