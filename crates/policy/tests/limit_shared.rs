//! Edges that share buckets by an account, simulated with a seed: calls that are slow or lost, an account that is down or emptied.
//! An oracle has one bucket over all edges, and takes of it whatever any of them lets pass. `PLIMSOLL_SEED` replays one.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::time::Duration;

use model::{Per, Rate};
use policy::limit::{
    Bucket, BucketId, Clock, Fingerprint, Grains, KeyHasher, Known, Ledger, Outbox, Reach, Secret,
    Statement, Table, Taking, Unit, gone_by,
};

const SEEDS: u64 = 60;
const TICK: Duration = Duration::from_millis(1);
const ROUND: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_millis(250);
/// In rounding, over a whole run: a ten-thousandth of a request.
const TOLERANCE: f64 = 8.0;

/// Numbers by chance (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31) % end
    }

    fn is(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// One bucket over all edges, in grains: what is gone of it, and when that was so.
#[derive(Default)]
struct Oracle(HashMap<Fingerprint, (f64, Duration)>);

impl Oracle {
    fn gone(&self, key: Fingerprint, now: Duration, flow: f64) -> f64 {
        let (gone, then) = self.0.get(&key).copied().unwrap_or_default();
        (gone - micros(now - then) * flow).max(0.0)
    }
}

/// What the store keeps of a bucket.
#[derive(Clone, Copy)]
struct Kept {
    gone: f64,
    at: f64,
    /// What is gone of it was taken since then, and nothing flowed over meanwhile.
    base: f64,
}

/// The store, which does as its script says (`store::settle`).
#[derive(Default)]
struct Store(HashMap<Fingerprint, Kept>);

impl Store {
    fn hear(&mut self, key: Fingerprint, said: Statement, now: Duration, flow: f64) -> Grains {
        let (now, age, spent) = (micros(now), micros(said.age), said.spent.0 as f64);
        let earliest = now - age;
        let (mut gone, mut base) = (spent - flow * age, earliest);
        if let Some(kept) = self.0.get(&key) {
            let before = kept.gone - flow * (now - kept.at);
            let with = before + spent - flow * (kept.base - earliest).max(0.0);
            if with.max(before) > gone {
                (gone, base) = (before, kept.base);
                if with > before {
                    (gone, base) = (with, kept.base.min(earliest));
                }
            }
        }
        if said.at_least.0 > 0 && said.at_least.0 as f64 > gone {
            (gone, base) = (said.at_least.0 as f64, now);
        }
        self.0.insert(key, Kept { gone, at: now, base });
        Grains(gone.max(0.0) as u64)
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1_000.0
}

/// A call that is on its way.
struct Call {
    said: Vec<(BucketId, Statement)>,
    asked: Duration,
    /// When it is heard, and when its response comes; neither where it is lost.
    heard_at: Option<Duration>,
    back_at: Option<Duration>,
    heard: Vec<Grains>,
}

struct Edge {
    table: Table,
    outbox: Outbox,
    ledger: Ledger,
    call: Option<Call>,
    next_round: Duration,
}

/// What may go wrong.
#[derive(Clone, Copy, PartialEq)]
enum World {
    Sound,
    Faulty,
}

struct Run {
    chance: Chance,
    world: World,
    clock: Clock,
    capacity: Grains,
    edges: Vec<Edge>,
    store: Store,
    oracle: Oracle,
    now: Duration,
    is_down: bool,
    passed: HashMap<Fingerprint, u64>,
    most_gone: f64,
    /// How often an edge heard of less than it knew.
    again: u64,
}

fn key(number: u64) -> Fingerprint {
    let mut hasher = KeyHasher::new(Secret([3; 16]), b"limit");
    hasher.part(Some(&number.to_le_bytes()));
    hasher.finish()
}

impl Run {
    fn new(seed: u64, world: World) -> Self {
        let mut chance = Chance(seed);
        let units = [1, 5, 7, 50, 1_000, 20_000][chance.below(6) as usize];
        let per = [Per::Second, Per::Second, Per::Minute][chance.below(3) as usize];
        let rate = Rate { units: NonZeroU64::new(units).expect("no rate is 0"), per };
        let burst = [1, 2, 14, 300][chance.below(4) as usize];
        let count = 1 + chance.below(5);
        let edges = (0..count).map(|number| Edge {
            table: Table::new(16),
            outbox: Outbox::new(4096),
            ledger: Ledger::default(),
            call: None,
            next_round: ROUND * number as u32 / count as u32,
        });
        Self {
            edges: edges.collect(),
            clock: Clock::new(Unit::Requests, rate),
            capacity: Unit::Requests.grains(burst),
            chance,
            world,
            store: Store::default(),
            oracle: Oracle::default(),
            now: Duration::ZERO,
            is_down: false,
            passed: HashMap::default(),
            most_gone: 0.0,
            again: 0,
        }
    }

    fn bucket(&self) -> Bucket {
        Bucket { now: self.clock.show(self.now), capacity: self.capacity }
    }

    fn flow(&self) -> f64 {
        self.clock.per_microsecond()
    }

    fn ask(&mut self, edge: usize, key: Fingerprint, cost: u64) {
        let cost = Unit::Requests.grains(cost);
        let (bucket, now, flow) = (self.bucket(), self.now, self.flow());
        let edge = &self.edges[edge];
        let gone = self.oracle.gone(key, now, flow);
        if edge.table.take(key, bucket, cost).is_enough {
            let id = BucketId { limit: 1, key };
            Taking { bucket: id, spent: cost }.leave_in(&edge.outbox);
            let after = gone + cost.0 as f64;
            self.oracle.0.insert(key, (after, now));
            self.most_gone = self.most_gone.max(after);
            *self.passed.entry(key).or_default() += cost.0;
        } else {
            let wanted = gone + cost.0 as f64;
            assert!(
                wanted > self.capacity.0 as f64 - TOLERANCE,
                "at {now:?} {wanted} of {:?} is refused",
                self.capacity
            );
        }
    }

    /// An edge begins a round.
    fn say(&mut self, at: usize) {
        let (bucket, now, clock) = (self.bucket(), self.now, self.clock);
        let reach = if self.is_down { Reach::Down } else { Reach::Reachable };
        let edge = &mut self.edges[at];
        edge.ledger.gather([&edge.outbox], now, reach);
        if self.is_down {
            return;
        }
        let due = edge.ledger.due(100);
        let said = due.iter().filter_map(|it| {
            let gone = edge.table.look(it.bucket.key, bucket, Grains(0)).spent;
            let known = Known { clock, gone, now, deadline: DEADLINE };
            Some((it.bucket, it.statement(known, edge.ledger.unsaid(it.bucket))?))
        });
        let said: Vec<_> = said.collect();
        if said.is_empty() {
            return;
        }
        let slow = if self.chance.is(10) { 125 } else { 4 };
        let mut way = || Duration::from_millis(self.chance.below(slow));
        let (heard_at, back) = (now + way(), way());
        let lost = self.world == World::Faulty && self.chance.is(20);
        let unheard = lost && self.chance.is(50);
        edge.call = Some(Call {
            said,
            asked: now,
            heard_at: (!unheard).then_some(heard_at),
            back_at: (!lost).then_some(heard_at + back),
            heard: Vec::new(),
        });
    }

    fn carry(&mut self, at: usize) {
        let (bucket, now, clock, flow) = (self.bucket(), self.now, self.clock, self.flow());
        let edge = &mut self.edges[at];
        let Some(mut call) = edge.call.take() else { return };
        if call.heard_at.is_some_and(|at| at <= now) && call.heard.is_empty() {
            let hear =
                |(id, said): &(BucketId, Statement)| self.store.hear(id.key, *said, now, flow);
            call.heard = call.said.iter().map(hear).collect();
        }
        if call.back_at.is_some_and(|at| at <= now) {
            edge.ledger.gather([&edge.outbox], now, Reach::Reachable);
            for ((id, said), heard) in call.said.iter().zip(&call.heard) {
                let unsaid = edge.ledger.unsaid(*id);
                if said.is_lacking(clock, *heard) {
                    self.again += 1;
                    edge.ledger.say_again(*id);
                }
                let gone = gone_by(clock, *heard, call.asked, now, unsaid);
                edge.table.raise(id.key, bucket, gone);
            }
        } else if now >= call.asked + DEADLINE {
            call.said.iter().for_each(|(id, _)| edge.ledger.say_again(*id));
        } else {
            edge.call = Some(call);
        }
    }

    fn tick(&mut self) {
        self.now += TICK;
        if self.world == World::Faulty && self.chance.below(2_000) == 0 {
            self.is_down = !self.is_down;
        }
        if self.world == World::Faulty && self.chance.below(2_000) == 0 {
            self.store.0.clear();
        }
        for at in 0..self.edges.len() {
            self.carry(at);
            if self.now >= self.edges[at].next_round && self.edges[at].call.is_none() {
                self.edges[at].next_round = self.now + ROUND;
                self.say(at);
            }
        }
    }

    /// No more is ever gone than that.
    fn bound(&self) -> f64 {
        // Time goes on by ticks here.
        let lag = self.clock.gained_in(2 * ROUND + 4 * DEADLINE + 6 * TICK).0;
        self.edges.len() as f64 * (self.capacity.0 + lag) as f64
    }
}

fn seeds() -> impl Iterator<Item = u64> {
    let one =
        std::env::var("PLIMSOLL_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
    let all = if one.is_some() { 0..0 } else { 0..SEEDS };
    all.chain(one)
}

/// Requests as clients send them: now and then, all at once, by one edge or by all.
fn by_chance(seed: u64, world: World) {
    let mut run = Run::new(seed, world);
    let (mut crowd, mut favourite) = (0, 0);
    for _ in 0..4_000 {
        run.tick();
        if run.chance.below(100) == 0 {
            crowd = [0, 1, 1, 20][run.chance.below(4) as usize];
            favourite = run.chance.below(2 * run.edges.len() as u64);
        }
        for _ in 0..crowd {
            let count = run.edges.len() as u64;
            let edge = if favourite < count { favourite } else { run.chance.below(count) };
            let (key, cost) = (key(run.chance.below(2)), 1 + run.chance.below(2));
            run.ask(edge as usize, key, cost);
        }
    }
    if world == World::Sound {
        let (most, bound) = (run.most_gone, run.bound());
        assert!(most <= bound, "{most} are gone, and {bound} may be");
        assert_eq!(run.again, 0, "the store lacks nothing");
    }
}

#[test]
fn no_edge_refuses_what_one_bucket_would_let_pass_and_what_passes_beyond_it_is_bounded() {
    for seed in seeds() {
        println!("seed {seed}");
        by_chance(seed, World::Sound);
    }
}

#[test]
fn no_edge_refuses_it_either_while_calls_are_lost_and_the_account_is_down_or_emptied() {
    for seed in seeds() {
        println!("seed {seed}");
        by_chance(seed, World::Faulty);
    }
}

#[test]
fn where_more_is_asked_than_may_pass_exactly_the_rate_passes_over_all_edges_or_by_one() {
    for seed in seeds().take(8) {
        println!("seed {seed}");
        for by_one in [false, true] {
            let mut run = Run::new(seed, World::Sound);
            // Room for what flows in between two ticks, in which nobody asks.
            let tick = run.clock.gained_in(2 * TICK).0;
            run.capacity = Grains(run.capacity.0.max(tick));
            // A time in which each of them could let pass what all of them may.
            for _ in 0..6_000 {
                run.tick();
                for _ in 0..25 {
                    let count = run.edges.len() as u64;
                    let edge = if by_one { 0 } else { run.chance.below(count) };
                    run.ask(edge as usize, key(0), 1);
                }
            }
            let passed = run.passed[&key(0)] as f64;
            let flowed = run.clock.gained_in(run.now).0 as f64;
            let one = Unit::Requests.grains(1).0 as f64;
            let lost = if run.capacity.0 as f64 <= one { 0.1 * flowed } else { 0.0 };
            // Of a burst of one what flows in between two requests is lost, however few there are.
            assert!(passed >= flowed - lost - one, "{passed} of {flowed}");
            assert!(passed <= flowed + run.bound(), "{passed} of {flowed} and {}", run.bound());
            if by_one {
                assert!(passed <= flowed + run.capacity.0 as f64 + TOLERANCE, "it is alone");
            }
        }
    }
}
