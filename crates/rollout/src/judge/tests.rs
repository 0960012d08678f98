mod shown;

use std::time::Duration;

use model::{InstanceName, Matcher, PathMatch, RouteId};

use super::*;
use crate::block::{
    Assignment, Client, Count, Fates, Observed, PastRoute, PastSpan, Place, Timed, Why,
};
use crate::tally::Latencies;

const HALF: Serving = Serving { canary: 2, stable: 2, coming: 0, old: Old::There };
const ALL: Serving = Serving { canary: 2, stable: 0, coming: 0, old: Old::There };
const GONE: Serving = Serving { old: Old::Gone, ..ALL };

/// Tells a judge what it sees, a block every quarter of a second.
struct Told {
    judge: Judge,
    now: Duration,
}

/// What one release had in a block.
#[derive(Clone, Copy, Default)]
struct Had {
    requests: u64,
    failed: u64,
}

fn had(requests: u64, failed: u64) -> Had {
    Had { requests, failed }
}

fn route(path: &str) -> RouteId {
    let path = PathMatch::Exact(path.to_owned());
    RouteId::of(&Matcher { path, ..Matcher::default() })
}

fn place(side: Side, path: Option<&str>) -> Place {
    let instance = if side == Side::Canary { "api-2" } else { "api-1" };
    Place {
        route: path.map(route),
        instance: InstanceName::from(instance),
        side,
        assignment: Assignment::Drawn,
    }
}

fn count(side: Side, path: Option<&str>, had: Had) -> Count {
    let ok = had.requests - had.failed;
    Count { place: place(side, path), fates: Fates { ok, failed: had.failed, ..Fates::default() } }
}

impl Told {
    fn new() -> Self {
        Self::by(model::Judge::default())
    }

    fn by(rule: model::Judge) -> Self {
        Self { judge: Judge::new(&rule), now: Duration::from_secs(100) }
    }

    fn block(mut self, block: Block, serving: Serving) -> Self {
        self.now += Duration::from_millis(250);
        self.judge.observe(self.now, &block, serving);
        self
    }

    /// So many blocks in which both had the same each time.
    fn blocks(self, count_of: u64, canary: Had, stable: Had) -> Self {
        self.blocks_in(HALF, count_of, canary, stable)
    }

    fn blocks_in(self, serving: Serving, count_of: u64, canary: Had, stable: Had) -> Self {
        (0..count_of).fold(self, |told, _| {
            let counts = vec![count(Side::Canary, None, canary), count(Side::Stable, None, stable)];
            let share = (serving.stable > 0).then_some(0.5);
            told.block(Block { share, counts, ..Block::default() }, serving)
        })
    }

    fn says(&self) -> String {
        self.judge.verdict().to_string()
    }
}

#[test]
fn few_requests_are_too_few_for_praise_but_not_for_blame() {
    let told = Told::new().blocks(4, had(10, 0), had(12, 0));
    assert_eq!(told.says(), "not enough data: 40 requests of 50");
    let told = told.blocks(1, had(10, 0), had(12, 0));
    assert_eq!(
        told.says(),
        "errors better or equal; latency not compared: the old release answered no request meanwhile"
    );
    let told = Told::new().blocks(12, had(1, 1), had(1, 0));
    assert!(told.says().starts_with("worse: it failed "), "{}", told.says());
}

#[test]
fn what_was_said_against_a_release_stays_said() {
    let told = Told::new().blocks(8, had(20, 20), had(20, 0));
    let said = told.says();
    assert!(said.starts_with("worse"), "{said}");
    assert_eq!(told.blocks(1000, had(100, 0), had(100, 0)).says(), said);
}

#[test]
fn one_moment_condemns_nobody() {
    let told = Told::new().blocks(3, had(1000, 1000), had(1000, 0));
    assert!(!told.says().starts_with("worse"), "{}", told.says());
}

/// D2 and D3: the limit does not overrule the comparison.
#[test]
fn a_steady_rate_of_both_and_a_fix_are_never_called_worse() {
    let both = Told::new().blocks(2000, had(20, 1), had(20, 1));
    assert!(both.says().starts_with("errors better or equal"), "{}", both.says());
    let fix = Told::new().blocks(2000, had(20, 2), had(20, 10));
    assert!(fix.says().starts_with("errors better or equal"), "{}", fix.says());
}

#[test]
fn a_first_release_is_held_to_the_limit() {
    let first = Serving { stable: 0, old: Old::Never, ..ALL };
    let told = Told::new().blocks_in(first, 20, had(5, 0), had(0, 0));
    assert!(told.says().contains("there is no old release"), "{}", told.says());
    let told = told.blocks_in(first, 20, had(5, 1), had(0, 0));
    assert!(told.says().contains("and 1 % may fail"), "{}", told.says());
}

#[test]
fn a_fault_of_one_route_is_found_and_named() {
    let names = [("/", "shop"), ("/orders", "orders")];
    let mut told = Told::new();
    for _ in 0..40 {
        let counts = vec![
            count(Side::Canary, Some("/"), had(200, 2)),
            count(Side::Stable, Some("/"), had(200, 2)),
            count(Side::Canary, Some("/orders"), had(2, 2)),
            count(Side::Stable, Some("/orders"), had(2, 0)),
        ];
        let routes = names.iter().map(|(path, name)| (route(path), (*name).into())).collect();
        told = told.block(Block { share: Some(0.5), counts, routes, ..Block::default() }, HALF);
    }
    assert!(told.says().contains(" on orders, the old release 0 of "), "{}", told.says());
}

/// Simpson: the new release gets the route that fails, and is no worse on it.
#[test]
fn a_mix_of_routes_that_differs_fools_nobody() {
    let mut told = Told::new();
    for _ in 0..4000 {
        let counts = vec![
            count(Side::Canary, Some("/slow"), had(18, 4)),
            count(Side::Stable, Some("/slow"), had(2, 0)),
            count(Side::Canary, Some("/"), had(2, 0)),
            count(Side::Stable, Some("/"), had(18, 0)),
        ];
        // One in four fails on the route, of the old release in every other block.
        let mut counts = counts;
        if told.now.as_millis().is_multiple_of(500) {
            counts[1] = count(Side::Stable, Some("/slow"), had(2, 1));
        }
        told = told.block(Block { counts, ..Block::default() }, HALF);
    }
    assert!(told.says().starts_with("errors better or equal"), "{}", told.says());
}

fn past(failed: u64) -> OldPast {
    let mut latencies = Latencies::default();
    latencies.record(Duration::from_millis(20), 1000);
    let fates = Fates { ok: 1000 - failed, failed, ..Fates::default() };
    let routes = vec![PastRoute { route: None, fates, latencies }];
    OldPast { spans: vec![PastSpan { until: Duration::from_secs(100), routes }] }
}

#[test]
fn beside_the_past_it_is_suspected_and_condemned_only_where_the_old_one_is_gone() {
    let told = |serving| {
        let judge = Judge::with_past(&model::Judge::default(), &past(1));
        let told = Told { judge, now: Duration::from_secs(100) };
        told.blocks_in(serving, 20, had(10, 3), had(0, 0))
    };
    let there = told(ALL);
    let suspicion = there.judge.suspicion().expect("it is much worse").to_string();
    assert!(suspicion.contains("compared with its past"), "{suspicion}");
    assert!(!there.says().starts_with("worse"), "{}", there.says());
    let gone = told(GONE);
    assert!(gone.says().contains("compared with its past"), "{}", gone.says());
}

/// One of a thousand requests of the past failed, so that the limit holds; the new release breaks it, by one instance of four.
#[test]
fn a_limit_that_one_instance_alone_breaks_condemns_that_instance_and_not_the_release() {
    let judge = Judge::with_past(&model::Judge::default(), &past(1));
    let mut told = Told { judge, now: Duration::from_secs(100) };
    let four = Serving { canary: 4, stable: 4, coming: 0, old: Old::There };
    let of = |instance: &str, had: Had| {
        let mut count = count(Side::Canary, None, had);
        count.place.instance = InstanceName::from(instance);
        count
    };
    while !told.judge.has_found() {
        let counts = vec![
            of("api-5", had(4, 1)),
            of("api-6", had(3, 0)),
            of("api-7", had(3, 0)),
            of("api-8", had(2, 0)),
            count(Side::Stable, None, had(12, 0)),
        ];
        told = told.block(Block { share: Some(0.5), counts, ..Block::default() }, four);
        assert!(told.now < Duration::from_secs(110), "{}", told.says());
    }
    let Verdict::BadInstance(fault) = told.judge.verdict() else { panic!("{}", told.says()) };
    assert_eq!(fault.instance, Some(InstanceName::from("api-5")));
    told.judge.forgive();
    let told = told.block(Block { share: Some(0.5), ..Block::default() }, four);
    assert!(!told.judge.has_found(), "{}", told.says());
}

/// Nothing else is there to compare with; whether it is meant is for a person to say.
#[test]
fn where_the_old_release_is_gone_another_class_of_responses_is_found_beside_its_past() {
    let judge = Judge::with_past(&model::Judge::default(), &past(1));
    let mut told = Told { judge, now: Duration::from_secs(100) };
    for _ in 0..20 {
        let fates = Fates { client_errors: 10, ..Fates::default() };
        let counts = vec![Count { place: place(Side::Canary, None), fates }];
        told = told.block(Block { counts, ..Block::default() }, GONE);
    }
    assert!(told.says().starts_with("changed: it responded 4xx to "), "{}", told.says());
    assert!(told.says().contains("compared with its past"), "{}", told.says());
    told.judge.excuse_change();
    assert!(!told.says().starts_with("changed"), "{}", told.says());
}

/// Of every third ten seconds before a fifth failed, in bursts: one more of them is no fault of the release, and what fails ever after is.
#[test]
fn where_the_old_release_is_gone_a_burst_as_there_were_before_decides_nothing() {
    let spans = (1..=30).map(|number| {
        let failed = if number % 3 == 0 { 80 } else { 0 };
        let fates = Fates { ok: 400 - failed, failed, ..Fates::default() };
        let routes = vec![PastRoute { route: None, fates, latencies: Latencies::default() }];
        PastSpan { until: Duration::from_secs(10 * number), routes }
    });
    let judge = Judge::with_past(&model::Judge::default(), &OldPast { spans: spans.collect() });
    let told = Told { judge, now: Duration::from_secs(300) };
    let told = told.blocks_in(GONE, 20, had(10, 0), had(0, 0));
    let told = told.blocks_in(GONE, 8, had(10, 10), had(0, 0));
    assert!(!told.says().starts_with("worse"), "{}", told.says());
    let told = told.blocks_in(GONE, 20, had(10, 10), had(0, 0));
    assert!(told.says().contains("compared with its past"), "{}", told.says());
}

#[test]
fn what_was_compared_and_is_shared_is_suspected_no_longer() {
    let judge = Judge::with_past(&model::Judge::default(), &past(1));
    let told = Told { judge, now: Duration::from_secs(100) };
    let mut told = told.blocks_in(ALL, 20, had(10, 3), had(0, 0));
    assert!(told.judge.suspicion().is_some());
    told = told.blocks(60, had(5, 2), had(5, 2));
    told.judge.acquit();
    told = told.blocks_in(ALL, 20, had(10, 4), had(0, 0));
    assert_eq!((told.judge.suspicion(), told.says().starts_with("worse")), (None, false));
}

fn timed(side: Side, millis: &[u64]) -> Timed {
    let mut latencies = Latencies::default();
    millis.iter().for_each(|millis| latencies.record(Duration::from_millis(*millis), 1));
    Timed { instance: place(side, None).instance, side, latencies }
}

fn latencies(canary: &[u64], stable: &[u64]) -> Block {
    let requests = |of: &[u64]| had(of.len() as u64, 0);
    Block {
        share: Some(0.5),
        counts: vec![
            count(Side::Canary, None, requests(canary)),
            count(Side::Stable, None, requests(stable)),
        ],
        latencies: vec![timed(Side::Canary, canary), timed(Side::Stable, stable)],
        ..Block::default()
    }
}

/// D5: a floor, and a warm-up.
#[test]
fn slower_is_said_of_grown_instances_and_above_the_floor() {
    let look = |rule: model::Judge, canary: [u64; 4], stable: [u64; 4]| {
        let told =
            (0..400).fold(Told::by(rule), |told, _| told.block(latencies(&canary, &stable), HALF));
        told.says()
    };
    let rule = model::Judge::default;
    let (usual, twice) = ([10, 11, 12, 40], [20, 22, 24, 80]);
    let said = look(rule(), twice, usual);
    assert!(said.starts_with("worse: it was slow for "), "{said}");
    assert!(
        said.contains("more than 60.0 ms, where the old release's 95th percentile is 40.0 ms"),
        "{said}"
    );
    assert_eq!(look(rule(), usual, usual), "better or equal");
    assert_eq!(look(rule(), [1, 1, 1, 5], [1, 1, 1, 1]), "better or equal", "within 5 ms");
    let long = model::Judge { warm_up: Duration::from_secs(3600), ..rule() };
    let said = look(long, twice, usual);
    assert_eq!(
        said,
        "errors better or equal; latency not compared: the new instances are still warming up"
    );
}

/// D4.
#[test]
fn latency_that_was_not_compared_is_not_called_better() {
    let told = Told::new().blocks_in(ALL, 100, had(10, 0), had(0, 0));
    let said = told.says();
    assert!(said.contains("latency not compared: the old release answered no request"), "{said}");
}

/// D6.
#[test]
fn another_class_of_responses_is_a_change() {
    let told = (0..40).fold(Told::new(), |told, _| {
        let mut counts =
            vec![count(Side::Canary, None, had(0, 0)), count(Side::Stable, None, had(5, 0))];
        counts[0].fates.client_errors = 5;
        told.block(Block { share: Some(0.5), counts, ..Block::default() }, HALF)
    });
    assert!(told.says().starts_with("changed: it responded 4xx to "), "{}", told.says());
    let mut told = told;
    told.judge.excuse_change();
    assert!(told.says().starts_with("errors better or equal"), "{}", told.says());
}

fn failure(now: Duration, client: u64, assignment: Assignment, latency: u64) -> Observed {
    Observed {
        at: now,
        place: Place { assignment, ..place(Side::Canary, None) },
        client: Client(client),
        fate: Fate::Failed,
        status: Some(500),
        latency: Duration::from_millis(latency),
        request_id: format!("{client:x}").into(),
        why: Why::Failed,
    }
}

fn with_failures(observed: Vec<Observed>) -> Block {
    let failed = observed.len() as u64;
    let mut canary = count(Side::Canary, None, had(failed, failed));
    if let Some(first) = observed.first() {
        canary.place = first.place.clone();
    }
    let counts = vec![canary, count(Side::Stable, None, had(20, 0))];
    Block { share: Some(0.5), counts, observed, ..Block::default() }
}

#[test]
fn one_client_that_stays_with_the_new_release_condemns_it_never_and_many_do() {
    let from = |addresses: u64| {
        (0..400).fold(Told::new(), |mut told, n| {
            // Everybody is seen: that there are many addresses is known.
            let seen = Observed {
                fate: Fate::Ok,
                why: Why::Sampled,
                ..failure(told.now, 1000 + n % 20, Assignment::Drawn, 1)
            };
            let mut block =
                with_failures(vec![failure(told.now, n % addresses, Assignment::Pinned, 1)]);
            block.observed.push(seen);
            block.counts[0].fates.ok += 1;
            told = told.block(block, HALF);
            told
        })
    };
    for few in [1, 8] {
        assert!(!from(few).says().starts_with("worse"), "{}", from(few).says());
    }
    let said = from(60).judge.verdict();
    let Verdict::Worse(fault) = said else { panic!("{said}") };
    assert!(!fault.examples.is_empty() && fault.addresses.is_none());
}

#[test]
fn a_request_that_began_while_the_new_release_had_all_tells_nothing_of_it() {
    let told = Told::new().blocks_in(ALL, 20, had(20, 0), had(0, 0));
    // Half goes back; what hung before ends now, and all of it was the new release's.
    let told = (0..40).fold(told, |told, n| {
        let hung = (0..10).map(|k| failure(told.now, n * 10 + k, Assignment::Drawn, 20_000));
        let block = with_failures(hung.collect());
        told.block(block, HALF)
    });
    assert!(!told.says().starts_with("worse"), "{}", told.says());
    let told = (0..40).fold(told, |told, n| {
        let hung = (0..10).map(|k| failure(told.now, n * 10 + k, Assignment::Drawn, 10));
        let block = with_failures(hung.collect());
        told.block(block, HALF)
    });
    assert!(told.says().starts_with("worse"), "{}", told.says());
}

/// What is ejected fails no more.
#[test]
fn little_is_enough_where_the_new_release_is_ejected() {
    let told = Told::new().blocks(2, had(20, 20), had(20, 0));
    assert!(!told.says().starts_with("worse"), "{}", told.says());
    let told = told.blocks(40, had(0, 0), had(40, 0));
    assert!(told.says().contains("and its instances were ejected"), "{}", told.says());
    let sound = Told::new().blocks(2, had(20, 0), had(20, 0)).blocks(40, had(0, 0), had(40, 0));
    assert!(!sound.says().starts_with("worse"), "{}", sound.says());
}
