//! A deploy under the judge, as the machine carries one out: its stages, and half of the requests back to the old release where
//! the new one is suspected.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use model::{InstanceName, Matcher, PathMatch, RouteId};
use rollout::{
    Assignment, Basis, Block, Client, Count, Fate, Fates, Fault, Judge, Latencies, Observed, Old,
    Past, PastRoute, PastSpan, Place, Serving, Side, Verdict, Why,
};

use crate::release::Release;
use crate::scene::{REPLICAS, Request, SPAN, Scene, Stage};
use crate::traffic::{Kind, ROUTES, World};

/// The ways of a deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Canary,
    Rolling,
    BlueGreen,
    /// The old release is gone before the new one begins: nothing but its past is left to compare with.
    Replace,
}

impl Way {
    /// Those in which both can be compared.
    pub(crate) const ALL: [Self; 3] = [Self::Canary, Self::Rolling, Self::BlueGreen];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Rolling => "rolling",
            Self::BlueGreen => "blue-green",
            Self::Replace => "replace",
        }
    }

    /// By default: a canary's three steps, two seconds for each instance, half a minute's bake.
    fn stages(self) -> Vec<Stage> {
        let all = REPLICAS;
        let bake = Stage { seconds: 30.0, share: None, canary: all, stable: 0 };
        let split =
            |(share, seconds)| Stage { seconds, share: Some(share), canary: all, stable: all };
        let mut stages: Vec<Stage> = match self {
            Self::Canary => [(0.05, 30.0), (0.25, 60.0), (0.5, 60.0)].map(split).to_vec(),
            Self::Rolling => (1..all)
                .map(|canary| Stage { seconds: START, share: None, canary, stable: all - canary })
                .collect(),
            Self::BlueGreen | Self::Replace => Vec::new(),
        };
        stages.push(bake);
        stages
    }
}

/// What came of a deploy.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// What the judge said, if it did not let the release stay.
    pub(crate) verdict: Option<Verdict>,
    /// Seconds from the new release's first share until then, or until its end.
    pub(crate) after: f64,
    /// Requests that met its fault.
    pub(crate) hurt: u64,
}

/// Suspicions that are looked into, and for how many seconds each at least and at most.
const COMPARISONS: u32 = 3;
const COMPARED: f64 = 15.0;
const COMPARED_MAX: f64 = 60.0;

/// Names that are the same in all deploys.
pub(crate) struct Names {
    routes: [RouteId; 4],
    stable: [InstanceName; REPLICAS],
    /// The last comes in the place of the first, where that is replaced.
    canary: [InstanceName; REPLICAS + 1],
    id: Arc<str>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let route = |(path, _): (&str, f64)| {
            RouteId::of(&Matcher { path: PathMatch::Exact(path.to_owned()), ..Matcher::default() })
        };
        let instance = |number: usize| InstanceName::from(format!("api-{number}"));
        Self {
            routes: ROUTES.map(route),
            stable: std::array::from_fn(|place| instance(place + 1)),
            canary: std::array::from_fn(|place| instance(place + 11)),
            id: "01-a1".into(),
        }
    }

    /// What the routes are called.
    fn of_routes(&self) -> BTreeMap<RouteId, Arc<str>> {
        let names = ROUTES.map(|(path, _)| Arc::from(path));
        self.routes.iter().cloned().zip(names).collect()
    }

    fn place(&self, request: &Request) -> Place {
        let (side, of) = match request.is_canary {
            true => (Side::Canary, &self.canary[..]),
            false => (Side::Stable, &self.stable[..]),
        };
        Place {
            route: Some(self.routes[request.route].clone()),
            instance: of[request.instance].clone(),
            side,
            assignment: match request.is_pinned {
                true => Assignment::Pinned,
                false => Assignment::Drawn,
            },
        }
    }

    /// What the recorders would tell of these requests.
    fn block(&self, now: f64, share: Option<f64>, requests: &[Request], chance: &mut Rng) -> Block {
        let mut block = Block { share, ..Block::default() };
        let mut counted = [[[[Fates::default(); 2]; REPLICAS + 1]; 2]; 4];
        let mut sampled: Vec<usize> = Vec::with_capacity(SAMPLES);
        let mut seen = 0;
        for (at, request) in requests.iter().enumerate() {
            let (side, pin) = (usize::from(request.is_canary), usize::from(request.is_pinned));
            counted[request.route][side][request.instance][pin].add(&Fates::one(fate(request)));
            if request.has_failed {
                match block.observed.len() < FAILURES {
                    true => block.observed.push(self.observed(now, request, Why::Failed)),
                    false => block.lost += 1,
                }
                continue;
            }
            seen += 1;
            match sampled.len() < SAMPLES {
                true => sampled.push(at),
                false => {
                    let place = chance.usize(0..seen);
                    if place < SAMPLES {
                        sampled[place] = at;
                    }
                }
            }
        }
        let sampled = sampled.into_iter().map(|at| &requests[at]);
        block.observed.extend(sampled.map(|it| self.observed(now, it, Why::Sampled)));
        for (route, sides) in counted.iter().enumerate() {
            for (side, instances) in sides.iter().enumerate() {
                for (instance, pins) in instances.iter().enumerate() {
                    for (pin, fates) in pins.iter().enumerate().filter(|(_, it)| it.requests() > 0)
                    {
                        let of = Request {
                            route,
                            instance,
                            is_canary: side == 1,
                            is_pinned: pin == 1,
                            ..NOBODY
                        };
                        block.counts.push(Count { place: self.place(&of), fates: *fates });
                    }
                }
            }
        }
        block
    }

    fn observed(&self, now: f64, request: &Request, why: Why) -> Observed {
        Observed {
            at: seconds(now),
            place: self.place(request),
            client: Client(request.client),
            fate: fate(request),
            status: None,
            latency: Duration::from_secs_f64(request.millis / 1000.0),
            request_id: self.id.clone(),
            why,
        }
    }
}

/// What the recorders keep of a block.
const FAILURES: usize = 128;
const SAMPLES: usize = 32;

const NOBODY: Request = Request {
    route: 0,
    instance: 0,
    is_canary: false,
    is_pinned: false,
    client: 0,
    has_failed: false,
    not_found: false,
    millis: 0.0,
    is_hurt: false,
    is_given_up: false,
};

fn fate(request: &Request) -> Fate {
    match (request.has_failed, request.not_found) {
        (true, _) => Fate::Failed,
        (false, true) => Fate::ClientError,
        (false, false) => Fate::Ok,
    }
}

/// The machine's time: the past is before 1,000 seconds.
fn seconds(now: f64) -> Duration {
    Duration::from_secs_f64(1000.0 + now)
}

/// Spans of 10 s whose latencies are kept: five minutes.
const SPANS: u32 = 30;
/// Attempts that are handed over in each, at most, of as many as come.
const HANDED_OVER: usize = 256;

/// What the old release did in the five minutes before. Until the last of them as many are asked as are handed over: what is left
/// out would be thrown away.
fn past(names: &Names, scene: &mut Scene, chance: &mut Rng) -> Past {
    let alone = Stage { seconds: 300.0, share: None, canary: 0, stable: REPLICAS };
    let rate = scene.world.paced();
    let span = |number: u32| {
        let began = 10.0 * (f64::from(number) - f64::from(SPANS));
        let is_last_minute = number + 6 >= SPANS;
        scene.world.pace(if is_last_minute { rate } else { rate.min(HANDED_OVER as f64 / 10.0) });
        let mut handed_over: Vec<(usize, f64)> = Vec::new();
        let mut ended = 0;
        let mut routes: Vec<PastRoute> = (0..4)
            .map(|route| PastRoute {
                route: Some(names.routes[route].clone()),
                fates: Fates::default(),
                latencies: Latencies::default(),
            })
            .collect();
        for block in 1..=40 {
            for request in scene.block(began + SPAN * f64::from(block), alone) {
                let of = &mut routes[request.route];
                of.fates.add(&Fates::one(fate(&request)));
                if request.has_failed {
                    continue;
                }
                ended += 1;
                let one = (request.route, request.millis);
                match handed_over.len() < HANDED_OVER {
                    true => handed_over.push(one),
                    false => {
                        let place = chance.usize(0..ended);
                        if place < HANDED_OVER {
                            handed_over[place] = one;
                        }
                    }
                }
            }
        }
        for (route, millis) in handed_over {
            // In classes a sixteenth of an octave wide, as they are kept.
            let class = ((millis.log2() * 16.0).floor() / 16.0).exp2() / 1000.0;
            routes[route].latencies.record(Duration::from_secs_f64(class), 1);
        }
        PastSpan { until: seconds(began + 10.0), routes }
    };
    Past { spans: (0..SPANS).map(span).collect() }
}

/// One deploy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) release: Release,
    pub(crate) way: Way,
    pub(crate) rate: f64,
    pub(crate) attackers: u64,
}

/// What was before a deploy, whatever is deployed in which way: the same for all of them.
#[derive(Clone)]
pub(crate) struct Before {
    scene: Scene,
    chance: Rng,
    past: Past,
}

impl Trial {
    pub(crate) fn run(self, names: &Names, rule: &model::Judge) -> End {
        self.run_after(&self.before(names), names, rule)
    }

    /// What was before it, and before each other deploy of its seed, traffic, rate and attackers.
    pub(crate) fn before(&self, names: &Names) -> Before {
        let mut chance = Rng::with_seed(self.seed);
        let world = World::new(self.kind, self.rate, &mut chance).attacked_by(self.attackers);
        let mut scene = Scene::new(world, Release::Equal, chance.fork()).ejecting();
        let past = past(names, &mut scene, &mut chance);
        Before { scene, chance, past }
    }

    pub(crate) fn run_after(self, before: &Before, names: &Names, rule: &model::Judge) -> End {
        let stages = self.way.stages();
        let length = stages.iter().map(|stage| stage.seconds).sum();
        let Before { scene, chance, past } = before.clone();
        let mut deploy = Deploy {
            names,
            way: self.way,
            judge: Judge::with_past(rule, &past),
            scene: scene.deploying(self.release, length),
            chance,
            replaced: None,
            now: 0.0,
            end: End { verdict: None, after: 0.0, hurt: 0 },
        };
        deploy.carry_out(&stages);
        deploy.end.after = deploy.now;
        match (deploy.end.verdict.is_none(), deploy.replaced) {
            (true, Some(replaced)) => End { hurt: deploy.end.hurt, ..replaced },
            _ => deploy.end,
        }
    }
}

struct Deploy<'a> {
    names: &'a Names,
    way: Way,
    judge: Judge,
    scene: Scene,
    chance: Rng,
    /// What was found of the first instance while it was alone.
    replaced: Option<End>,
    now: f64,
    end: End,
}

/// What an instance takes to start, and in a rolling deploy to the next.
const START: f64 = 2.0;

impl Deploy<'_> {
    fn carry_out(&mut self, stages: &[Stage]) {
        let mut compared = 0;
        for stage in stages {
            let mut left = stage.seconds;
            while left > 0.0 {
                if self.turn(*stage) {
                    if !self.replace_first(*stage) {
                        return;
                    }
                    left = stage.seconds;
                    continue;
                }
                left -= SPAN;
                let is_suspected = stage.stable == 0 && self.judge.suspicion().is_some();
                let can_compare = self.way != Way::Replace;
                if is_suspected && can_compare && compared < COMPARISONS {
                    compared += 1;
                    if self.compare() {
                        return;
                    }
                }
            }
        }
    }

    /// The first of a rolling deploy, found bad while it was alone, gives its place back, and the next one starts. Whether that is
    /// so: otherwise the deploy is over.
    fn replace_first(&mut self, stage: Stage) -> bool {
        let is_alone = |fault: &Fault| fault.basis != Basis::Siblings;
        let Some(Verdict::BadInstance(fault)) = &self.end.verdict else { return false };
        if !is_alone(fault) {
            return false;
        }
        let after = self.now;
        self.replaced = Some(End { verdict: self.end.verdict.take(), after, hurt: 0 });
        self.judge.forgive();
        self.scene.replace_first();
        let none = Stage { seconds: START, canary: 0, stable: REPLICAS, ..stage };
        for _ in 0..(START / SPAN) as u32 {
            if self.turn(none) {
                return false;
            }
        }
        true
    }

    /// Half of the requests go back to the old release. Whether the deploy is over by that.
    fn compare(&mut self) -> bool {
        let half =
            Stage { seconds: COMPARED, share: Some(0.5), canary: REPLICAS, stable: REPLICAS };
        let mut took = 0.0;
        while took < COMPARED || took < COMPARED_MAX && self.judge.is_open() {
            if self.turn(half) {
                return true;
            }
            took += SPAN;
        }
        self.judge.acquit();
        false
    }

    /// One block. Whether the judge has said its word.
    fn turn(&mut self, stage: Stage) -> bool {
        self.now += SPAN;
        let requests = self.scene.block(self.now, stage);
        self.end.hurt += requests.iter().filter(|it| it.is_canary && it.is_hurt).count() as u64;
        let block = self.names.block(self.now, stage.share, &requests, &mut self.chance);
        let is_first = self.now <= SPAN;
        let routes = if is_first { self.names.of_routes() } else { BTreeMap::new() };
        let block = Block { barred: self.scene.barred(stage), routes, ..block };
        let (canary, stable) = (stage.canary as u32, stage.stable as u32);
        let old = match self.way {
            Way::Replace => Old::Gone,
            Way::Canary | Way::Rolling | Way::BlueGreen => Old::There,
        };
        let coming = match self.way {
            Way::Rolling if stage.stable > 0 && stage.share.is_none() => REPLICAS as u32 - canary,
            _ => 0,
        };
        let serving = Serving { canary, stable, coming, old };
        self.judge.observe(seconds(self.now), &block, serving);
        let has_found = self.judge.has_found();
        self.end.verdict = has_found.then(|| self.judge.verdict());
        has_found
    }
}
