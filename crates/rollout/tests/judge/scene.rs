//! One deploy's requests, block by block: who asks, where it goes, what comes of it.

use fastrand::Rng;

use crate::chance::poisson;
use crate::release::Release;
use crate::traffic::{Asking, Kind, World};

/// Seconds from one block to the next.
pub(crate) const SPAN: f64 = 0.25;

/// Instances of either release.
pub(crate) const REPLICAS: usize = 4;

/// The patience of a client, in milliseconds.
const PATIENCE: f64 = 5_000.0;

/// How the releases serve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    pub(crate) seconds: f64,
    /// The split's share of the new one; `None` for the balancing over all.
    pub(crate) share: Option<f64>,
    pub(crate) canary: usize,
    pub(crate) stable: usize,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) route: usize,
    /// From 0 among the instances of its release.
    pub(crate) instance: usize,
    pub(crate) is_canary: bool,
    pub(crate) is_pinned: bool,
    pub(crate) client: u64,
    pub(crate) has_failed: bool,
    pub(crate) not_found: bool,
    pub(crate) millis: f64,
    /// Whether it is the release's fault.
    pub(crate) is_hurt: bool,
}

/// What is going on.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) world: World,
    release: Release,
    chance: Rng,
    /// What is still open, by the blocks in which it ends.
    open: Vec<Vec<Request>>,
    block: usize,
    /// Until when each instance stalls, the new ones last.
    stalls: [f64; 2 * REPLICAS],
}

impl Scene {
    pub(crate) fn new(world: World, release: Release, chance: Rng) -> Self {
        let open = vec![Vec::new(); 128];
        Self { world, release, chance, open, block: 0, stalls: [f64::MIN; 2 * REPLICAS] }
    }

    /// What ends in the block that ends at `now`.
    pub(crate) fn block(&mut self, now: f64, stage: Stage) -> Vec<Request> {
        self.world.turn(now, SPAN, &mut self.chance);
        self.stall(now);
        let count = poisson(&mut self.chance, self.world.rate(now) * SPAN);
        for _ in 0..count {
            let asking = self.world.ask(now, &mut self.chance);
            self.send(now, asking, stage);
        }
        for _ in 0..poisson(&mut self.chance, self.world.extra_rate() * SPAN) {
            let asking = self.world.extra(&mut self.chance);
            self.send(now, asking, stage);
        }
        let place = self.block % self.open.len();
        self.block += 1;
        std::mem::take(&mut self.open[place])
    }

    fn stall(&mut self, now: f64) {
        if self.world.kind == Kind::Stalling {
            for until in &mut self.stalls {
                if self.chance.f64() < SPAN / 100.0 {
                    *until = now + 0.5;
                }
            }
        }
    }

    /// Sends a request, and again while its client tries again.
    fn send(&mut self, now: f64, asking: Asking, stage: Stage) {
        for _ in 0..=asking.retries {
            if !self.send_once(now, asking, stage) {
                break;
            }
        }
    }

    /// Whether it failed.
    fn send_once(&mut self, now: f64, asking: Asking, stage: Stage) -> bool {
        let chance = &mut self.chance;
        let is_canary = match (stage.share, asking.pin) {
            (Some(share), Some(number)) => number < share,
            (Some(share), None) => chance.f64() < share,
            (None, _) => chance.usize(0..stage.canary + stage.stable) < stage.canary,
        };
        let instance = chance.usize(0..if is_canary { stage.canary } else { stage.stable });
        let luck = chance.f64();
        let turn = match is_canary {
            true => self.release.turn(asking.route, instance, now, luck),
            false => Release::Equal.turn(asking.route, instance, now, luck),
        };
        let is_stalled = self.stalls[instance + if is_canary { REPLICAS } else { 0 }] > now;
        let is_hurt = chance.f64() < turn.fails;
        let has_failed = is_hurt || chance.f64() < asking.fails || is_stalled;
        let usual = self.world.latency(now, asking.route, chance);
        let hangs = is_hurt && self.release == Release::Hangs;
        let millis = if hangs { PATIENCE } else { (usual * turn.slower).min(30_000.0) };
        let request = Request {
            route: asking.route,
            instance,
            is_canary,
            is_pinned: stage.share.is_some() && asking.pin.is_some(),
            client: asking.client,
            has_failed,
            not_found: turn.not_found,
            millis,
            is_hurt: is_hurt || turn.not_found || turn.slower > 1.0,
        };
        let later = (millis / 1000.0 / SPAN) as usize;
        let place = (self.block + later.min(self.open.len() - 1)) % self.open.len();
        self.open[place].push(request);
        has_failed
    }
}
