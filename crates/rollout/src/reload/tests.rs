//! Reloads of many kinds of traffic: the good ones stay.

use model::{Matcher, RouteId, ServiceName};

use super::*;

const LENGTH: Duration = Duration::from_secs(60);

/// What share of a route's requests fails, or takes longer than nearly all did, and how many there are a second.
#[derive(Clone, Copy)]
struct Traffic {
    rate: f64,
    fails: f64,
    client_errors: f64,
    slow: f64,
}

const QUIET: Traffic = Traffic { rate: 40.0, fails: 0.002, client_errors: 0.03, slow: 0.02 };

fn route(name: &str) -> Place {
    let path = model::PathMatch::Exact(name.to_owned());
    Place::Route(RouteId::of(&Matcher { path, ..Matcher::default() }))
}

/// How long the service takes that is behind such a route, and no other.
fn times(name: &str) -> Place {
    Place::Times(ServiceName::from(name))
}

fn draw(rng: &mut fastrand::Rng, traffic: Traffic, span: Duration) -> Requests {
    let expected = traffic.rate * span.as_secs_f64();
    // As many as come by chance in the time of one each, a hundredth of a second at a time.
    let steps = (expected * 4.0).ceil().max(1.0);
    let mut requests = Requests::default();
    for _ in 0..steps as u64 {
        if rng.f64() < expected / steps {
            requests.all += 1;
            let at = rng.f64();
            requests.failed += u64::from(at < traffic.fails);
            requests.client_errors +=
                u64::from((traffic.fails..traffic.fails + traffic.client_errors).contains(&at));
            requests.slow += u64::from(rng.f64() < traffic.slow);
        }
    }
    requests
}

fn past(rng: &mut fastrand::Rng, place: Place, touched: Touched, traffic: Traffic) -> Before {
    let spans = (0..60).map(|_| draw(rng, traffic, Duration::from_secs(10))).collect();
    Before { place, touched, spans }
}

/// A watch over a changed route `/a` and one `/b` that is left, whose traffic is what `of` says of each block.
struct World {
    rng: fastrand::Rng,
    watch: Watch,
    now: Duration,
}

impl World {
    fn begin(seed: u64, traffic: Traffic) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let before = [
            past(&mut rng, route("/a"), Touched::Changed, traffic),
            past(&mut rng, route("/b"), Touched::Left, traffic),
            past(&mut rng, times("a"), Touched::Changed, traffic),
            past(&mut rng, times("b"), Touched::Left, traffic),
        ];
        let now = Duration::from_secs(1000);
        Self { watch: Watch::begin(now, LENGTH, &before), rng, now }
    }

    /// Runs until it has found that what was changed is worse, or is over. After how many seconds it was found.
    fn run(&mut self, of: impl Fn(f64) -> (Traffic, Traffic)) -> Option<f64> {
        let began = self.now;
        while self.now < began + LENGTH {
            let (a, b) = of((self.now - began).as_secs_f64());
            self.now += BLOCK;
            let block = [
                (route("/a"), draw(&mut self.rng, a, BLOCK)),
                (route("/b"), draw(&mut self.rng, b, BLOCK)),
                (times("a"), draw(&mut self.rng, a, BLOCK)),
                (times("b"), draw(&mut self.rng, b, BLOCK)),
            ];
            self.watch.observe(self.now, &block);
            if matches!(self.watch.risen(), Risen::Changed(_)) {
                return Some((self.now - began).as_secs_f64());
            }
        }
        None
    }
}

/// Of all seeds no more are rolled back than the stated one in a hundred; `RELOAD_SEEDS` says how many there are.
fn stays(kind: &str, traffic: Traffic, of: impl Fn(f64) -> (Traffic, Traffic) + Copy) {
    let seeds = std::env::var("RELOAD_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds = seeds.unwrap_or(60);
    let count = (0..seeds).filter(|seed| World::begin(*seed, traffic).run(of).is_some()).count();
    println!("{kind}, {} requests a second: {count} of {seeds} rolled back", traffic.rate);
    assert!(count as f64 <= seeds as f64 * MISTAKE, "{kind}: {count} of {seeds}");
}

#[test]
fn a_reload_after_which_nothing_is_worse_stays() {
    for rate in [1.0, 40.0] {
        let traffic = Traffic { rate, ..QUIET };
        stays("nothing is worse", traffic, |_| (traffic, traffic));
    }
    let noisy = Traffic { fails: 0.08, client_errors: 0.3, ..QUIET };
    stays("8 % fail, 30 % get 4xx, as before", noisy, |_| (noisy, noisy));
}

#[test]
fn a_stall_of_half_a_second_and_a_shared_outage_roll_nothing_back() {
    let dead = Traffic { fails: 1.0, client_errors: 0.0, ..QUIET };
    let stall = |at: f64| if (20.0..20.5).contains(&at) { (dead, QUIET) } else { (QUIET, QUIET) };
    stays("a stall of half a second", QUIET, stall);
    let outage = |at: f64| if at >= 10.0 { (dead, dead) } else { (QUIET, QUIET) };
    stays("an outage that all share", QUIET, outage);
    let slow = Traffic { slow: 0.9, ..QUIET };
    let jam = |at: f64| if at >= 10.0 { (slow, slow) } else { (QUIET, QUIET) };
    stays("all become slow", QUIET, jam);
    let cold = |at: f64| if at < 20.0 { (slow, QUIET) } else { (QUIET, QUIET) };
    stays("slow while it is cold", QUIET, cold);
    let mut world = World::begin(1, QUIET);
    world.run(outage);
    assert!(matches!(world.watch.compared(), Compared::Shared(_)), "and it is said");
}

#[test]
fn what_fails_by_the_changed_route_alone_is_found_within_seconds() {
    let dead = Traffic { fails: 1.0, client_errors: 0.0, ..QUIET };
    let missing = Traffic { client_errors: 1.0, fails: 0.0, ..QUIET };
    let third = Traffic { fails: 0.3, ..QUIET };
    for (kind, worse, within) in
        [("all fail", dead, 3.0), ("all get 404", missing, 3.0), ("30 % fail", third, 8.0)]
    {
        let found = (0..20).map(|seed| World::begin(seed, QUIET).run(|_| (worse, QUIET)));
        let mut found: Vec<f64> = found.map(|after| after.unwrap_or(f64::INFINITY)).collect();
        found.sort_by(f64::total_cmp);
        println!(
            "{kind}, {} requests a second: found after {} s, at most {} s",
            QUIET.rate, found[10], found[19]
        );
        assert!(found[19] <= within, "{kind}: {found:?}");
    }
    let mut world = World::begin(3, QUIET);
    world.run(|_| (dead, QUIET));
    let Risen::Changed(rise) = world.watch.risen() else { panic!("found") };
    assert_eq!((rise.place.clone(), rise.of), (route("/a"), RiseOf::Errors));
    assert!(rise.hits as f64 > 0.9 * rise.requests as f64, "{rise:?}");
}

#[test]
fn a_service_that_becomes_slow_is_found_once_it_is_warm() {
    for (part, within) in [(0.9, 23.0), (0.3, 32.0)] {
        let slow = Traffic { slow: part, ..QUIET };
        let found = (0..20).map(|seed| World::begin(seed, QUIET).run(|_| (slow, QUIET)));
        let mut found: Vec<f64> = found.map(|after| after.unwrap_or(f64::INFINITY)).collect();
        found.sort_by(f64::total_cmp);
        println!(
            "{part} are slow, {} requests a second: found after {} s, at most {} s",
            QUIET.rate, found[10], found[19]
        );
        assert!(found[0] > COLD.as_secs_f64() && found[19] <= within, "{part}: {found:?}");
    }
    let mut world = World::begin(3, QUIET);
    world.run(|_| (Traffic { slow: 0.9, ..QUIET }, QUIET));
    let Risen::Changed(rise) = world.watch.risen() else { panic!("found") };
    assert_eq!((rise.place.clone(), rise.of), (times("a"), RiseOf::Slow));
}

#[test]
fn too_little_traffic_and_an_unknown_past_are_said() {
    let rare = Traffic { rate: 0.2, ..QUIET };
    let mut world = World::begin(1, rare);
    assert_eq!(world.run(|_| (rare, rare)), None);
    assert_eq!(world.watch.compared(), Compared::TooLittle);

    let before = Before { place: route("/a"), touched: Touched::Changed, spans: Vec::new() };
    let now = Duration::ZERO;
    let mut unknown = World {
        rng: fastrand::Rng::with_seed(1),
        watch: Watch::begin(now, LENGTH, &[before]),
        now,
    };
    assert_eq!(unknown.run(|_| (QUIET, QUIET)), None);
    assert_eq!(unknown.watch.compared(), Compared::NoPast);
}

#[test]
fn a_new_route_is_expected_to_do_what_all_did() {
    let mut rng = fastrand::Rng::with_seed(1);
    let before = [
        Before { place: route("/a"), touched: Touched::Changed, spans: Vec::new() },
        past(&mut rng, route("/b"), Touched::Left, QUIET),
    ];
    let now = Duration::from_secs(10);
    let mut world = World { rng, watch: Watch::begin(now, LENGTH, &before), now };
    let dead = Traffic { fails: 1.0, client_errors: 0.0, ..QUIET };
    assert!(world.run(|_| (dead, QUIET)).is_some());
}
