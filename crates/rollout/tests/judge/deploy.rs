//! A deploy under the judge, as the machine carries one out: its stages, and half of the requests back to the old release where
//! the new one is suspected.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use model::{InstanceName, Matcher, PathMatch, RouteId};
use rollout::{
    Assignment, Block, Client, Count, Fate, Fates, Judge, Latencies, Observed, Past, PastRoute,
    PastSpan, Place, Serving, Side, Verdict, Why,
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
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Canary, Self::Rolling, Self::BlueGreen];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Rolling => "rolling",
            Self::BlueGreen => "blue-green",
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
                .map(|canary| Stage { seconds: 2.0, share: None, canary, stable: all - canary })
                .collect(),
            Self::BlueGreen => Vec::new(),
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
    canary: [InstanceName; REPLICAS],
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

    fn place(&self, request: &Request) -> Place {
        let (side, of) = match request.is_canary {
            true => (Side::Canary, &self.canary),
            false => (Side::Stable, &self.stable),
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
        let mut counted = [[[[Fates::default(); 2]; REPLICAS]; 2]; 4];
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

/// What the old release did in the minute before.
fn past(names: &Names, scene: &mut Scene) -> Past {
    let alone = Stage { seconds: 60.0, share: None, canary: 0, stable: REPLICAS };
    let span = |number: u32| {
        let began = -60.0 + 10.0 * f64::from(number);
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
                // In classes a sixteenth of an octave wide, as histograms have them.
                let class = ((request.millis.log2() * 16.0).floor() / 16.0).exp2() / 1000.0;
                of.latencies.record(Duration::from_secs_f64(class), 1);
            }
        }
        PastSpan { until: seconds(began + 10.0), routes }
    };
    Past { spans: (0..6).map(span).collect() }
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

impl Trial {
    pub(crate) fn run(self, names: &Names, rule: &model::Judge) -> End {
        let mut chance = Rng::with_seed(self.seed);
        let stages = self.way.stages();
        let length = stages.iter().map(|stage| stage.seconds).sum();
        let world =
            World::new(self.kind, self.rate, length, &mut chance).attacked_by(self.attackers);
        let mut scene = Scene::new(world, self.release, chance.fork());
        let past = past(names, &mut scene);
        let mut deploy = Deploy {
            names,
            judge: Judge::with_past(rule, &past),
            scene,
            chance,
            now: 0.0,
            end: End { verdict: None, after: 0.0, hurt: 0 },
        };
        deploy.carry_out(&stages);
        deploy.end.after = deploy.now;
        deploy.end
    }
}

struct Deploy<'a> {
    names: &'a Names,
    judge: Judge,
    scene: Scene,
    chance: Rng,
    now: f64,
    end: End,
}

impl Deploy<'_> {
    fn carry_out(&mut self, stages: &[Stage]) {
        let mut compared = 0;
        for stage in stages {
            let mut left = stage.seconds;
            while left > 0.0 {
                if self.turn(*stage) {
                    return;
                }
                left -= SPAN;
                let is_suspected = stage.stable == 0 && self.judge.suspicion().is_some();
                if is_suspected && compared < COMPARISONS {
                    compared += 1;
                    if self.compare() {
                        return;
                    }
                }
            }
        }
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
        let (canary, stable) = (stage.canary as u32, stage.stable as u32);
        let serving = Serving { canary, stable, old: rollout::Old::There };
        self.judge.observe(seconds(self.now), &block, serving);
        let has_found = self.judge.has_found();
        self.end.verdict = has_found.then(|| self.judge.verdict());
        has_found
    }
}
