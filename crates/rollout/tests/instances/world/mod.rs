//! The world: what the control loop does with the machines, and what chance does to what runs.

mod holds;
mod troubles;

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use model::{Deploy, Drain, InstanceName, Step, Strategy, Surge};
use rollout::instance::restart::{Pace, RestartState};
use rollout::instance::{
    Demand, Effect, End, Event, Exposure, Force, Lifecycle, News, OnEnd, Origin, Phase, Port,
    Scale, Start, Then, Wait, scale,
};
use rollout::{Block, Direction, Past, Plan, Rollout, Side, Tally, Traffic};

use crate::outside::{Id, Outside, Pid};

const PACE: Pace = Pace {
    backoff: Duration::from_millis(100),
    backoff_max: Duration::from_secs(2),
    stable: Duration::from_secs(10),
};
/// So long the world is troubled; then it calms down.
const TROUBLES: Duration = Duration::from_secs(60);
/// So long at most until all is as it is wanted.
const CALM: Duration = Duration::from_secs(600);

/// What came to pass, so that it is seen whether enough did.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) restarts: u64,
    pub(crate) crash_loops: u64,
    pub(crate) stops: u64,
    pub(crate) adopted: u64,
    pub(crate) rejected: u64,
    pub(crate) cancelled: u64,
    pub(crate) deploys: u64,
    pub(crate) forced: u64,
    pub(crate) late: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.restarts += other.restarts;
        self.crash_loops += other.crash_loops;
        self.stops += other.stops;
        self.adopted += other.adopted;
        self.rejected += other.rejected;
        self.cancelled += other.cancelled;
        self.deploys += other.deploys;
        self.forced += other.forced;
        self.late += other.late;
    }
}

/// One instance, as the control loop holds it.
struct Held {
    number: u64,
    release: u32,
    lifecycle: Lifecycle<Pid>,
}

/// A deploy that is on.
struct Active {
    rollout: Rollout,
    canary: u32,
}

/// What is going to happen.
enum Coming {
    Launched(Id, Start, u32),
    Happens(Id, Event<Pid>),
    Ends(Id, Start),
    Proved(Id, Wait),
    /// A first process ends.
    Exits(Pid),
    /// Nothing is left of a process.
    Left(Pid),
}

/// How troubled a run is, as chances.
struct Temper {
    launch_fails: f64,
    never_ready: f64,
    dies: f64,
    port_taken: f64,
    forced: f64,
    commit_fails: f64,
    meddles: f64,
    killed: f64,
}

pub(crate) struct World {
    seed: u64,
    chance: Rng,
    now: Duration,
    temper: Temper,
    is_wanted: bool,
    replicas: u32,
    release: Option<u32>,
    releases: u32,
    numbers: u64,
    next_name: u64,
    held: BTreeMap<InstanceName, Held>,
    active: Option<Active>,
    outside: Outside,
    coming: BTreeMap<(Duration, u64), Coming>,
    planned: u64,
    counts: Counts,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let mut maybe = |most: f64| if chance.u32(0..3) == 0 { 0.0 } else { chance.f64() * most };
        let temper = Temper {
            launch_fails: maybe(0.5),
            never_ready: maybe(0.3),
            dies: maybe(0.5),
            port_taken: maybe(0.5),
            forced: maybe(0.8),
            commit_fails: maybe(0.3),
            meddles: maybe(0.5),
            killed: maybe(0.05),
        };
        let replicas = chance.u32(1..4);
        Self {
            seed,
            chance,
            now: Duration::from_secs(1000),
            temper,
            is_wanted: true,
            replicas,
            release: None,
            releases: 0,
            numbers: 0,
            next_name: 1,
            held: BTreeMap::new(),
            active: None,
            outside: Outside::default(),
            coming: BTreeMap::new(),
            planned: 0,
            counts: Counts::default(),
        }
    }

    pub(crate) fn run(mut self) -> Counts {
        let calm_at = self.now + TROUBLES;
        self.begin_deploy();
        while self.now < calm_at {
            self.next();
        }
        let Temper { forced, .. } = self.temper;
        self.temper = Temper {
            launch_fails: 0.0,
            never_ready: 0.0,
            dies: 0.0,
            port_taken: 0.0,
            forced,
            commit_fails: 0.0,
            meddles: 0.0,
            killed: 0.0,
        };
        while !self.is_quiet() {
            assert!(self.now < calm_at + CALM, "seed {}: no end: {:?}", self.seed, self.phases());
            self.next();
        }
        self.end()
    }

    fn is_quiet(&self) -> bool {
        let deadlines = self.held.values().filter_map(|held| held.lifecycle.next_deadline());
        self.active.is_none() && self.coming.is_empty() && deadlines.count() == 0
    }

    fn phases(&self) -> Vec<String> {
        self.held.iter().map(|(name, it)| format!("{name} {:?}", it.lifecycle)).collect()
    }

    /// What is wanted runs, serves, and nothing else is there.
    fn end(self) -> Counts {
        let Self { seed, outside, held, .. } = self;
        let wanted = match (self.is_wanted, self.release) {
            (true, Some(_)) => self.replicas as usize,
            _ => 0,
        };
        let serving = outside.snapshot.values().filter(|it| it.1 == Exposure::Serving).count();
        let there = (held.len(), outside.processes.len(), outside.snapshot.len(), serving);
        // What never got ready while all was troubled may hang still.
        let hanging = held.values().filter(|it| it.lifecycle.phase() != Phase::Live).count();
        let up = wanted - hanging.min(wanted);
        assert_eq!(there, (wanted, wanted, up, up), "seed {seed}");
        assert!(held.values().all(|it| Some(it.release) == self.release), "seed {seed}: a mix");
        self.counts
    }

    fn soon(&mut self, most: u64, coming: Coming) -> Duration {
        let at = self.now + Duration::from_millis(self.chance.u64(0..most));
        self.at(at, coming);
        at
    }

    fn at(&mut self, at: Duration, coming: Coming) {
        self.planned += 1;
        self.coming.insert((at, self.planned), coming);
    }

    fn next(&mut self) {
        let coming = self.coming.first_key_value().map(|((at, _), _)| *at);
        let rollout = self.active.as_ref().and_then(|active| active.rollout.next_deadline());
        let instances = self.held.values().filter_map(|held| held.lifecycle.next_deadline()).min();
        let sample = self.now + Duration::from_millis(250);
        let at = [coming, rollout, instances, Some(sample)].into_iter().flatten().min();
        let at = at.expect("there is a sample");
        self.now = at.max(self.now);
        if coming == Some(at) {
            let (_, coming) = self.coming.pop_first().expect("it was looked at");
            self.happens(coming);
        } else if instances == Some(at) {
            let is_due = |held: &Held| held.lifecycle.next_deadline() == Some(at);
            let due = self.held.iter().find(|(_, held)| is_due(held));
            let instance = due.expect("it was looked at").0.clone();
            self.step(&instance, Event::Tick);
            let deadline = self.held[&instance].lifecycle.next_deadline();
            assert_eq!(deadline, None, "seed {}: it was told", self.seed);
        } else if rollout == Some(at) {
            self.tell_rollout(rollout::Event::Tick);
        } else {
            let tally = Tally { requests: 40, ..Tally::default() };
            let mut block = Block::default();
            block.add_tally(&"api-2".into(), Side::Canary, &tally);
            block.add_tally(&"api-1".into(), Side::Stable, &tally);
            self.tell_rollout(rollout::Event::Sample(block));
            self.meddle();
        }
        self.look();
    }

    fn happens(&mut self, coming: Coming) {
        match coming {
            Coming::Launched(id, start, release) => {
                if self.chance.f64() < self.temper.launch_fails {
                    self.outside.launching.remove(&(id.clone(), start));
                    return self.ends(&id, start);
                }
                let pid = self.outside.runs(&id, start, release);
                if self.chance.f64() < self.temper.dies {
                    self.soon(5_000, Coming::Exits(pid));
                }
                self.tell(&id, Event::Launched(start, pid));
            }
            Coming::Happens(id, event) => {
                if let Event::Ready(start) = event {
                    self.outside.passes(&id, start);
                }
                self.tell(&id, event);
            }
            Coming::Ends(id, start) => self.ends(&id, start),
            Coming::Proved(id, wait) => {
                self.outside.proved(&id, wait);
                self.tell(&id, Event::Unreachable(wait));
            }
            Coming::Exits(pid) => self.exits(pid),
            Coming::Left(pid) => {
                // Its end came before, or Plimsoll was killed meanwhile.
                let Some(process) = self.outside.processes.remove(&pid) else { return };
                let forces = [Force::Killed, Force::Stuck, Force::Unreached];
                let force = match self.chance.f64() < self.temper.forced {
                    true => self.chance.choice(forces).expect("there are some"),
                    false => Force::Unneeded,
                };
                self.tell(&process.of, Event::Gone(process.start, force));
            }
        }
    }

    fn exits(&mut self, pid: Pid) {
        let Some(process) = self.outside.processes.get_mut(&pid).filter(|it| it.runs) else {
            return;
        };
        process.runs = false;
        let (id, start) = (process.of.clone(), process.start);
        // The loop is told a little later, and what it left is cleared away after that.
        let told = self.soon(50, Coming::Ends(id, start));
        let left = told + Duration::from_millis(self.chance.u64(0..1_000));
        self.at(left, Coming::Left(pid));
    }

    fn ends(&mut self, id: &Id, start: Start) {
        let keeps = |active: &Active| active.rollout.keeps(&id.instance);
        let then = match self.active.as_ref().is_none_or(keeps) {
            true => OnEnd::Restart,
            false => OnEnd::GiveUp,
        };
        let port = match self.chance.f64() < self.temper.port_taken {
            true => Port::Taken,
            false => Port::Own,
        };
        let chance = self.chance.f64();
        let end = End { why: "ended".into(), words: vec!["bye".into()], port, then, chance };
        self.tell(id, Event::Ended(start, end));
    }

    /// Tells an instance what happened to it, if it is still that one.
    fn tell(&mut self, id: &Id, event: Event<Pid>) {
        match self.held.get(&id.instance).is_some_and(|held| held.number == id.number) {
            true => self.step(&id.instance, event),
            false => {
                assert!(!matches!(event, Event::Launched(..)), "seed {}: orphan", self.seed);
                self.counts.late += 1;
            }
        }
    }

    fn step(&mut self, instance: &InstanceName, event: Event<Pid>) {
        let held = self.held.get_mut(instance).expect("it was looked at");
        let is_launched = matches!(event, Event::Launched(..));
        self.counts.cancelled += u64::from(is_launched && !held.lifecycle.stays());
        let effects = held.lifecycle.step(self.now, event);
        self.carry_out(instance, effects);
    }

    fn demand(&mut self, instance: &InstanceName, demand: Demand) {
        if self.held.contains_key(instance) {
            self.step(instance, Event::Demand(demand));
        }
    }

    fn carry_out(&mut self, instance: &InstanceName, effects: Vec<Effect<Pid>>) {
        let seed = self.seed;
        let is_news = |effect: &Effect<Pid>| matches!(effect, Effect::Tell(_));
        let told = effects.iter().rposition(|effect| !is_news(effect));
        let first = effects.iter().position(is_news);
        assert!(told < first || first.is_none(), "seed {seed}: {effects:?}: news come last");
        let held = &self.held[instance];
        let (id, release) = (Id { instance: instance.clone(), number: held.number }, held.release);
        if held.lifecycle.is_gone() {
            self.held.remove(instance);
        }
        for effect in effects {
            match effect {
                Effect::Publish => self.publish(),
                Effect::Launch(start) => {
                    self.outside.launch(&id, start, release);
                    self.soon(300, Coming::Launched(id.clone(), start, release));
                }
                Effect::Probe(start, pid, origin) => self.probe(&id, start, pid, origin),
                Effect::Drain(wait, _) => {
                    self.outside.drain(&id, wait);
                    self.soon(3_000, Coming::Proved(id.clone(), wait));
                }
                Effect::Stop(pid) => {
                    self.outside.stop(&id, pid);
                    self.counts.stops += 1;
                    self.soon(1_000, Coming::Exits(pid));
                }
                Effect::Tell(news) => self.take_news(&id, news),
            }
        }
    }

    fn probe(&mut self, id: &Id, start: Start, pid: Pid, origin: Origin) {
        let process = &self.outside.processes[&pid];
        assert_eq!((&process.of, process.start), (id, start), "seed {}", self.seed);
        let was_adopted = origin == Origin::Adopted;
        let failures = if was_adopted { 0 } else { self.chance.u64(0..3) };
        let mut at = self.now;
        for failure in 0..failures {
            at += Duration::from_millis(self.chance.u64(0..300));
            let event = Event::CheckFailed(start, format!("failed {failure}"));
            self.at(at, Coming::Happens(id.clone(), event));
        }
        if self.chance.f64() >= self.temper.never_ready {
            at += Duration::from_millis(self.chance.u64(0..1_000));
            self.at(at, Coming::Happens(id.clone(), Event::Ready(start)));
        }
    }

    fn take_news(&mut self, id: &Id, news: News) {
        match &news {
            News::Ended { then: Then::Restarts(next), .. } => {
                self.counts.restarts += 1;
                assert!(next.pause <= PACE.backoff_max, "seed {}", self.seed);
                let is_loop = matches!(next.state, RestartState::CrashLoop { .. });
                self.counts.crash_loops += u64::from(is_loop);
            }
            News::Forced(_) => self.counts.forced += 1,
            _ => {}
        }
        let is_gone = news == News::Gone;
        if let Some(event) = news.event(&id.instance)
            && (self.is_wanted || !is_gone)
        {
            self.tell_rollout(event);
        }
        if is_gone {
            self.reconcile();
        }
    }

    fn publish(&mut self) {
        self.outside.publish(self.exposed());
    }

    fn exposed(&self) -> BTreeMap<InstanceName, (Pid, Exposure)> {
        let exposed = self.held.iter().filter_map(|(name, held)| {
            let exposure = held.lifecycle.exposure();
            let pid = held.lifecycle.process().filter(|_| exposure != Exposure::Hidden)?;
            Some((name.clone(), (*pid, exposure)))
        });
        exposed.collect()
    }

    fn start(&mut self, instance: &InstanceName, release: u32) {
        let (lifecycle, effects) = Lifecycle::start(self.now, PACE);
        self.keep(instance, release, lifecycle);
        self.carry_out(instance, effects);
    }

    fn keep(&mut self, instance: &InstanceName, release: u32, lifecycle: Lifecycle<Pid>) {
        self.numbers += 1;
        let held = Held { number: self.numbers, release, lifecycle };
        let before = self.held.insert(instance.clone(), held);
        assert!(before.is_none(), "seed {}: {instance} is there twice", self.seed);
    }

    fn reconcile(&mut self) {
        let Some(release) = self.release.filter(|_| self.is_wanted && self.active.is_none()) else {
            return;
        };
        let lives = self.held.iter().map(|(name, held)| (name, &held.lifecycle));
        match scale(lives, self.replicas as usize) {
            Scale::Even => {}
            Scale::Up(missing) => {
                for _ in 0..missing {
                    let instance = InstanceName::from(format!("api-{}", self.next_name));
                    self.next_name += 1;
                    self.start(&instance, release);
                    self.demand(&instance, Demand::Serve);
                }
            }
            Scale::Down(surplus) => {
                let dismiss = Demand::Dismiss(Drain::all(Duration::ZERO));
                surplus.iter().for_each(|instance| self.demand(instance, dismiss));
            }
        }
    }
}

/// Deploys.
impl World {
    fn begin_deploy(&mut self) {
        if self.active.is_some() || !self.is_wanted {
            return;
        }
        self.counts.deploys += 1;
        self.releases += 1;
        let serving = self.held.iter().filter(|(_, held)| held.lifecycle.serves());
        let plan = Plan {
            service: "api".into(),
            work: model::Work::Requests,
            deploy: deploy(&mut self.chance),
            direction: Direction::Forward,
            replicas: self.replicas,
            stable: serving.map(|(name, _)| name.clone()).collect(),
            past: Past::default(),
            next_number: self.next_name,
        };
        let (rollout, effects) = Rollout::begin(plan, self.now);
        self.active = Some(Active { rollout, canary: self.releases });
        self.follow(effects);
    }

    fn tell_rollout(&mut self, event: rollout::Event) {
        let Some(active) = &mut self.active else { return };
        let effects = active.rollout.step(self.now, event);
        self.follow(effects);
    }

    fn follow(&mut self, effects: Vec<rollout::Effect>) {
        for effect in effects {
            let Some(active) = &self.active else { return };
            match effect {
                rollout::Effect::Start(instance, side) => {
                    let release = match (side, self.release) {
                        (Side::Stable, Some(release)) => release,
                        _ => active.canary,
                    };
                    self.next_name = active.rollout.next_number();
                    self.start(&instance, release);
                }
                rollout::Effect::Traffic(traffic) => self.direct(&traffic),
                rollout::Effect::Stop(instance) => self.demand(&instance, Demand::Stop),
                rollout::Effect::Commit => {
                    let written = match self.chance.f64() < self.temper.commit_fails {
                        true => rollout::Event::NotCommitted("disk full".into()),
                        false => {
                            self.release = Some(active.canary);
                            rollout::Event::Committed
                        }
                    };
                    self.tell_rollout(written);
                }
                rollout::Effect::Hook(..) | rollout::Effect::EndHook => {
                    unreachable!("these deploys have no hooks")
                }
                rollout::Effect::Tell(_) | rollout::Effect::Measure { .. } => {}
                rollout::Effect::End(_) => {
                    self.active = None;
                    self.reconcile();
                }
            }
        }
    }

    fn direct(&mut self, traffic: &Traffic) {
        let retire = Demand::Retire(Drain::all(Duration::ZERO));
        let mut effects = Vec::new();
        for (name, held) in &mut self.held {
            let demand = if traffic.serving.contains(name) { Demand::Serve } else { retire };
            let of_one = held.lifecycle.step(self.now, Event::Demand(demand));
            effects.push((name.clone(), of_one));
        }
        self.publish();
        for (name, mut of_one) in effects {
            of_one.retain(|effect| *effect != Effect::Publish);
            self.carry_out(&name, of_one);
        }
    }
}

fn deploy(chance: &mut Rng) -> Deploy {
    let strategies = [Strategy::Rolling, Strategy::BlueGreen, Strategy::Canary, Strategy::Replace];
    let step = |share| Step::Shift { share, watch: Duration::from_secs(1) };
    Deploy {
        strategy: chance.choice(strategies).expect("there are some"),
        surge: Surge::Count(1.try_into().expect("not 0")),
        steps: [0.1, 0.5].map(step).to_vec(),
        bake: Duration::from_secs(chance.u64(0..5)),
        ready_timeout: Duration::from_secs(chance.u64(1..5)),
        min_healthy: Duration::from_millis(chance.u64(0..500)),
        ..Deploy::default()
    }
}
