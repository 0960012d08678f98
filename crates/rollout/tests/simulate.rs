//! The machine in a simulated world: instances that start, fail, hang, drain and stop as chance
//! has it, persons who change their minds, time that jumps. After every step what must always hold
//! is looked at. `ROLLOUT_SEED=17` replays one run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use model::{
    Asks, Command, Condition, Deploy, Hook, HookMoment, Host, InstanceName, LittleData, Preview,
    Scheme, Step, Strategy, Surge, Unknown, Url, Work,
};
use rollout::{
    Block, DeployAction, Direction, Effect, Event, HookEnd, Measurement, Outcome, Past, Phase,
    Plan, Rollout, Side, Tally, Traffic,
};

const SEEDS: u64 = 10_000;

/// One run.
struct World {
    seed: u64,
    chance: Rng,
    now: Duration,
    plan: Plan,
    rollout: Rollout,
    /// What is going to happen, by when and in which order it was planned.
    coming: BTreeMap<(Duration, u64), Event>,
    planned: u64,
    running: BTreeMap<InstanceName, Side>,
    traffic: Traffic,
    /// Had traffic since they were last known to be out of reach.
    reachable: BTreeSet<InstanceName>,
    committed: bool,
    /// What runs beside the instances.
    hook: Option<HookMoment>,
    outcome: Option<Outcome>,
    temper: Temper,
}

/// How troubled a run is, as chances.
struct Temper {
    start_fails: f64,
    start_hangs: f64,
    refuses: f64,
    hook_fails: f64,
    dies: f64,
    commit_fails: f64,
    word: f64,
    canary_errors: f64,
    /// One that fails half of its requests, while the rest does not.
    bad_instance: &'static str,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let mut maybe = |most: f64| if chance.bool() { 0.0 } else { chance.f64() * most };
        let temper = Temper {
            start_fails: maybe(0.5),
            start_hangs: maybe(0.3),
            refuses: maybe(0.1),
            hook_fails: maybe(0.5),
            dies: maybe(0.1),
            commit_fails: maybe(0.5),
            word: maybe(0.1),
            canary_errors: maybe(0.6),
            bad_instance: if chance.bool() { "api-11" } else { "" },
        };
        let plan = plan(&mut chance);
        let now = Duration::from_secs(1000);
        let (rollout, effects) = Rollout::begin(plan.clone(), now);
        let serving: BTreeSet<_> = plan.stable.iter().cloned().collect();
        let mut world = Self {
            seed,
            chance,
            now,
            rollout,
            coming: BTreeMap::new(),
            planned: 0,
            running: plan.stable.iter().map(|name| (name.clone(), Side::Stable)).collect(),
            reachable: serving.clone(),
            traffic: Traffic { serving, share: None },
            committed: false,
            hook: None,
            outcome: None,
            plan,
            temper,
        };
        world.carry_out(effects);
        world
    }

    fn soon(&mut self, most: u64, event: Event) {
        let at = self.now + Duration::from_millis(self.chance.u64(0..most));
        self.planned += 1;
        self.coming.insert((at, self.planned), event);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert!(self.outcome.is_none(), "seed {}: {effect:?} after the end", self.seed);
            match effect {
                Effect::Start(name, side) => self.start(name, side),
                Effect::Traffic(traffic) => self.direct(traffic),
                Effect::Stop(name) => self.stop(name),
                Effect::Commit => {
                    assert!(!self.committed, "seed {}: committed twice", self.seed);
                    let is_full = self.chance.f64() < self.temper.commit_fails;
                    let word = match is_full {
                        true => Event::NotCommitted("disk full".into()),
                        false => Event::Committed,
                    };
                    self.soon(50, word);
                }
                Effect::Measure { condition, number } => self.ask(condition, number),
                Effect::Hook(moment, _) => self.begin_hook(moment),
                Effect::EndHook => assert!(self.hook.is_some(), "seed {}: no hook", self.seed),
                Effect::Tell(_) => {}
                Effect::End(outcome) => self.outcome = Some(outcome),
            }
        }
        self.look();
    }

    /// Mostly there is a response, and mostly a good one.
    fn ask(&mut self, condition: usize, number: u64) {
        let measurement = match self.chance.u32(0..10) {
            0 => return,
            1 if self.temper.refuses > 0.0 => Measurement::Breached("1 > 0".into()),
            2 | 3 => Measurement::Unknown("no sample".into()),
            _ => Measurement::Met("0 <= 0".into()),
        };
        self.soon(2_000, Event::Measured { condition, number, measurement });
    }

    fn begin_hook(&mut self, moment: HookMoment) {
        let seed = self.seed;
        assert_eq!(self.hook.replace(moment), None, "seed {seed}: two hooks at once");
        let side = match moment {
            HookMoment::Before => Side::Stable,
            HookMoment::After => Side::Canary,
        };
        assert!(self.running.values().all(|of| *of == side), "seed {seed}: {moment} amid");
        let end = match self.chance.f64() < self.temper.hook_fails {
            true => HookEnd::Failed("exit code 3".into()),
            false => HookEnd::Done,
        };
        self.soon(4_000, Event::HookEnded(end));
    }

    fn start(&mut self, name: InstanceName, side: Side) {
        assert_eq!(self.hook, None, "seed {}: {name} starts beside a hook", self.seed);
        let before = self.running.insert(name.clone(), side);
        assert_eq!(before, None, "seed {}: {name} started twice", self.seed);
        // What ran once runs again, mostly.
        let calm = if side == Side::Stable { 0.3 } else { 1.0 };
        if side == Side::Canary && self.chance.f64() < self.temper.refuses {
            return self.soon(2_000, Event::Refused(name, "failed a smoke request".into()));
        }
        let fate = self.chance.f64();
        if fate < self.temper.start_fails * calm {
            self.soon(2_000, Event::Failed(name, "exited with code 1".into()));
        } else if fate > (self.temper.start_fails + self.temper.start_hangs) * calm {
            self.soon(3_000, Event::Ready(name));
        }
    }

    fn direct(&mut self, traffic: Traffic) {
        let seed = self.seed;
        assert_ne!(traffic, self.traffic, "seed {seed}: said without need");
        for name in &traffic.serving {
            assert!(self.running.contains_key(name), "seed {seed}: {name} serves and is gone");
        }
        let left = self.traffic.serving.difference(&traffic.serving).cloned();
        for name in left.collect::<Vec<_>>() {
            self.soon(5_000, Event::Unreachable(name));
        }
        // Whoever gets traffic again is waited for no longer.
        let serving = traffic.serving.clone();
        self.coming.retain(|_, event| match event {
            Event::Unreachable(name) => !serving.contains(name),
            _ => true,
        });
        self.reachable.extend(traffic.serving.iter().cloned());
        self.traffic = traffic;
    }

    fn stop(&mut self, name: InstanceName) {
        let seed = self.seed;
        assert!(!self.reachable.contains(&name), "seed {seed}: {name} is stopped within reach");
        assert!(self.running.contains_key(&name), "seed {seed}: {name} is stopped and gone");
        assert_eq!(self.hook, None, "seed {seed}: {name} is stopped beside a hook");
        let is_old = self.running[&name] == Side::Stable;
        let may_go = self.committed
            || self.plan.deploy.bake.is_zero()
            || self.plan.deploy.strategy == Strategy::Replace
            || !self.plan.stable.contains(&name);
        assert!(!is_old || may_go, "seed {seed}: {name} is stopped before that is written down");
        self.soon(3_000, Event::Gone(name));
    }

    /// What must hold after every step.
    fn look(&self) {
        let Self { seed, plan, .. } = self;
        let had_one = !plan.stable.is_empty();
        let instances = self.rollout.overview().instances;
        let could_serve = instances.iter().any(|(_, _, phase)| {
            matches!(phase, Phase::Ready | Phase::Serving | Phase::Retiring | Phase::Warm)
        });
        if had_one && could_serve && plan.deploy.strategy != Strategy::Replace {
            assert!(!self.traffic.serving.is_empty(), "seed {seed}: nobody serves");
        }
        if let Some(share) = self.traffic.share {
            assert!((0.0..1.0).contains(&share), "seed {seed}");
            let sides: BTreeSet<_> =
                self.traffic.serving.iter().map(|name| self.running[name]).collect();
            assert_eq!(sides.len(), 2, "seed {seed}: a share of one release's traffic");
        }
        if plan.deploy.strategy == Strategy::Replace {
            let sides: BTreeSet<_> = self.running.values().collect();
            assert!(sides.len() < 2, "seed {seed}: two releases at once");
        }
    }

    fn step(&mut self, event: Event) {
        match &event {
            Event::Unreachable(name) => drop(self.reachable.remove(name)),
            Event::Gone(name) => drop(self.running.remove(name)),
            Event::Failed(name, _) => self.fail(&name.clone()),
            Event::Committed => self.committed = true,
            Event::HookEnded(_) => self.hook = None,
            _ => {}
        }
        let effects = self.rollout.step(self.now, event);
        self.carry_out(effects);
    }

    /// One that ended is gone, unless it is kept: then it is there again under the same name.
    fn fail(&mut self, name: &InstanceName) {
        let is_kept = self.rollout.keeps(name);
        if !is_kept {
            self.running.remove(name);
            self.reachable.remove(name);
            let is_of = |event: &Event| match event {
                Event::Ready(it) | Event::Unreachable(it) | Event::Gone(it) => it == name,
                _ => false,
            };
            self.coming.retain(|_, event| !is_of(event));
        }
    }

    fn next(&mut self) {
        let coming = self.coming.first_key_value().map(|((at, _), _)| *at);
        let sample = self.now + Duration::from_millis(500);
        let deadline = self.rollout.next_deadline();
        let at = coming.into_iter().chain(deadline).chain([sample]).min().unwrap_or(sample);
        self.now = at.max(self.now);
        if coming == Some(at) {
            let (_, event) = self.coming.pop_first().expect("it was looked at");
            return self.step(event);
        }
        if deadline == Some(at) {
            return self.step(Event::Tick);
        }
        let sample = self.sample();
        self.step(sample);
        self.meddle();
    }

    fn sample(&mut self) -> Event {
        let mut block = Block { share: self.traffic.share, ..Block::default() };
        for name in &self.traffic.serving {
            let side = self.running[name];
            let rate = match side {
                Side::Canary if self.temper.bad_instance == name.as_str() => 0.5,
                Side::Canary => self.temper.canary_errors,
                Side::Stable => 0.0,
            };
            let requests = self.chance.u64(0..20);
            let errors = (0..requests).filter(|_| self.chance.f64() < rate).count() as u64;
            block.add_tally(name, side, &Tally { requests, errors, ..Tally::default() });
        }
        Event::Sample(block)
    }

    /// An instance dies, or fails its checks, or a person says something.
    fn meddle(&mut self) {
        if self.outcome.is_none() && self.chance.f64() < self.temper.dies {
            let names: Vec<_> = self.running.keys().cloned().collect();
            if let Some(name) = self.chance.choice(names) {
                self.step(Event::Failed(name, "ended by SIGKILL".into()));
            }
        }
        if self.outcome.is_none() && self.chance.f64() < self.temper.dies {
            let names: Vec<_> = self.running.keys().cloned().collect();
            if let Some(name) = self.chance.choice(names) {
                self.step(Event::Unhealthy(name, "status 503".into()));
            }
        }
        if self.outcome.is_none() && self.chance.f64() < self.temper.word {
            let words = [
                DeployAction::Promote,
                DeployAction::Abort,
                DeployAction::Pause,
                DeployAction::Resume,
            ];
            let word = self.chance.choice(words).expect("there are some");
            self.step(Event::Action(word));
        }
        if self.outcome.is_none() && self.rollout.overview().paused.is_some() {
            // Nobody pauses for ever.
            self.temper.word = self.temper.word.max(0.1);
        }
    }

    fn run(mut self) -> Outcome {
        for _ in 0..20_000 {
            if self.outcome.is_some() {
                return self.end();
            }
            self.next();
        }
        panic!("seed {}: it never ends: {:?}", self.seed, self.rollout.overview());
    }

    fn end(self) -> Outcome {
        let Self { seed, running, traffic, plan, .. } = self;
        let outcome = self.outcome.expect("it ended");
        assert_eq!(self.hook, None, "seed {seed}: a hook outlives its deploy");
        let all = |side| running.values().filter(|of| **of == side).count() as u32;
        let serving = traffic.serving.len() as u32;
        assert_eq!(self.committed, outcome == Outcome::Promoted, "seed {seed}");
        assert_eq!(traffic.share, None, "seed {seed}");
        match &outcome {
            Outcome::Promoted => {
                let there = (all(Side::Canary), all(Side::Stable), serving);
                assert_eq!(there, (plan.replicas, 0, plan.replicas), "seed {seed}");
            }
            Outcome::RolledBack(_) => {
                let wanted = plan.stable.len() as u32;
                let there = (all(Side::Canary), all(Side::Stable), serving);
                assert_eq!(there, (0, wanted, wanted), "seed {seed}");
            }
            Outcome::Broken(_) => {
                assert_eq!(serving as usize, running.len(), "seed {seed}: something idles");
                assert!(all(Side::Canary) == 0 || all(Side::Stable) == 0, "seed {seed}: a mix");
            }
        }
        outcome
    }
}

fn conditions(chance: &mut Rng) -> Vec<Condition> {
    let url = Url {
        scheme: Scheme::Http,
        host: Host::Name("ci".to_owned()),
        port: 80,
        target: "/".to_owned(),
    };
    let unknown = if chance.bool() { Unknown::Hold } else { Unknown::Rollback };
    let condition = |number: u64| Condition {
        name: number.to_string(),
        asks: Asks::Webhook { url: url.clone() },
        ca: None,
        every: Duration::from_secs(number * 5),
        timeout: Duration::from_secs(1),
        failures: 1.try_into().expect("not 0"),
        token_env: None,
        unknown,
    };
    (1..=chance.u64(0..3)).map(condition).collect()
}

fn hook(chance: &mut Rng) -> Option<Hook> {
    let command = Command::Line("./migrate".into());
    (chance.f64() < 0.3).then(|| Hook { command, timeout: Duration::from_secs(4) })
}

fn plan(chance: &mut Rng) -> Plan {
    let seconds = |chance: &mut Rng, most| Duration::from_secs(chance.u64(0..most));
    let strategies = [Strategy::Rolling, Strategy::BlueGreen, Strategy::Canary, Strategy::Replace];
    let strategy = chance.choice(strategies).expect("there are some");
    let surge = match chance.bool() {
        true => Surge::Count(1.try_into().expect("not 0")),
        false => Surge::Share(chance.f64().max(0.01)),
    };
    let step = |share| Step::Shift { share, watch: seconds(chance, 30) };
    let mut steps = [0.0, 0.05, 0.25, 0.5].map(step).to_vec();
    if chance.bool() {
        steps.insert(chance.usize(0..=steps.len()), Step::Hold);
    }
    let direction = match chance.f64() < 0.3 {
        true => Direction::Back,
        false => Direction::Forward,
    };
    let little = [LittleData::GoOn, LittleData::Wait, LittleData::Hold];
    let judge = model::Judge {
        little_data: chance.choice(little).expect("there are some"),
        ..model::Judge::default()
    };
    let deploy = Deploy {
        strategy,
        surge,
        steps,
        bake: seconds(chance, 30),
        ready_timeout: Duration::from_secs(chance.u64(1..5)),
        min_healthy: Duration::from_secs(chance.u64(0..2)),
        preview: chance.bool().then(|| Preview::Cookie("preview".to_owned())),
        judge,
        conditions: conditions(chance),
        before: hook(chance),
        after: hook(chance),
        ..Deploy::default()
    };
    let stable = chance.u32(0..5);
    let stable = (1..=stable).map(|number| format!("api-{number}").into()).collect();
    let replicas = chance.u32(1..5);
    let past = Past::default();
    let work = Work::Requests;
    Plan { service: "api".into(), work, deploy, direction, replicas, stable, past, next_number: 10 }
}

#[test]
fn whatever_happens_it_ends_in_the_old_release_or_the_new_one() {
    if let Ok(seed) = std::env::var("ROLLOUT_SEED") {
        World::new(seed.parse().expect("a number")).run();
        return;
    }
    let mut ends = [0; 3];
    for seed in 0..SEEDS {
        ends[match World::new(seed).run() {
            Outcome::Promoted => 0,
            Outcome::RolledBack(_) => 1,
            Outcome::Broken(_) => 2,
        }] += 1;
    }
    println!("promoted, rolled back, broken: {ends:?} of {SEEDS}");
    // Otherwise the runs would be too calm, or too troubled, to show anything.
    assert!(ends[0] > SEEDS / 10 && ends[1] > SEEDS / 4 && ends[2] > 0, "{ends:?}");
}
