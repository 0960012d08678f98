//! One deploy's requests, block by block: who asks, where it goes, what comes of it.

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use rollout::Barred;

use crate::chance::poisson;
use crate::ejection::{SEATS, Seats};
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

impl Stage {
    /// The seats of the instances that serve, the old ones first.
    pub(crate) fn serving(self) -> [Range<usize>; 2] {
        [0..self.stable, REPLICAS..REPLICAS + self.canary]
    }
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) route: usize,
    /// From 0 among the instances of its release; [`REPLICAS`] where it came in the place of the first.
    pub(crate) instance: usize,
    pub(crate) is_canary: bool,
    pub(crate) is_pinned: bool,
    pub(crate) client: u64,
    pub(crate) has_failed: bool,
    pub(crate) not_found: bool,
    pub(crate) millis: f64,
    /// Whether it is the release's fault.
    pub(crate) is_hurt: bool,
    /// Its client gave up: to ejection it tells nothing.
    pub(crate) is_given_up: bool,
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
    /// Which of them are ejected, where any may be.
    seats: Option<Seats>,
    /// The new release's instance on its first seat: the first, or the one that came in its place.
    first: usize,
}

impl Scene {
    pub(crate) fn new(world: World, release: Release, chance: Rng) -> Self {
        let open = vec![Vec::new(); 128];
        let stalls = [f64::MIN; 2 * REPLICAS];
        Self { world, release, chance, open, block: 0, stalls, seats: None, first: 0 }
    }

    /// As it stands, with another new release, for so many seconds from 0 on.
    pub(crate) fn deploying(self, release: Release, length: f64) -> Self {
        Self { world: self.world.lasting(length), release, ..self }
    }

    /// With ejection.
    pub(crate) fn ejecting(self) -> Self {
        Self { seats: Some(Seats::new()), ..self }
    }

    /// The new release's first instance gives its seat to another one.
    pub(crate) fn replace_first(&mut self) {
        self.first = REPLICAS;
    }

    /// Instances of the stage that were ejected in the last block.
    pub(crate) fn barred(&self, stage: Stage) -> Barred {
        self.seats.as_ref().map(|seats| seats.barred(stage)).unwrap_or_default()
    }

    /// What ends in the block that ends at `now`.
    pub(crate) fn block(&mut self, now: f64, stage: Stage) -> Vec<Request> {
        self.world.turn(now, SPAN, &mut self.chance);
        self.stall(now);
        if let Some(seats) = &mut self.seats {
            seats.begin(moment(now), stage);
        }
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
        let ended = std::mem::take(&mut self.open[place]);
        if let Some(seats) = &mut self.seats {
            seats.take(moment(now), &ended);
        }
        ended
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
        let seat = self.seat(asking, stage);
        let is_canary = seat >= REPLICAS;
        let instance = if seat == REPLICAS { self.first } else { seat % REPLICAS };
        let chance = &mut self.chance;
        let luck = chance.f64();
        let turn = match is_canary {
            true => self.release.turn(asking.route, instance, now, luck),
            false => Release::Equal.turn(asking.route, instance, now, luck),
        };
        let is_stalled = self.stalls[seat] > now;
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
            is_given_up: hangs,
        };
        let later = (millis / 1000.0 / SPAN) as usize;
        let place = (self.block + later.min(self.open.len() - 1)) % self.open.len();
        self.open[place].push(request);
        has_failed
    }

    /// The instance that it goes to: of the release that its split chooses, or of the other where none of that is in.
    fn seat(&mut self, asking: Asking, stage: Stage) -> usize {
        let [stable, canary] = stage.serving();
        let chance = &mut self.chance;
        let drawn = match (stage.share, asking.pin) {
            (None, _) => None,
            (Some(share), Some(number)) => Some(number < share),
            (Some(share), None) => Some(chance.f64() < share),
        };
        let is_in = |seat: &usize| self.seats.as_ref().is_none_or(|seats| seats.is_in(*seat));
        let of = |is_meant: bool, range: Range<usize>| if is_meant { range } else { 0..0 };
        let first = of(drawn != Some(true), stable.clone())
            .chain(of(drawn != Some(false), canary.clone()))
            .filter(is_in);
        let (mut open, mut count) = ([0; SEATS], 0);
        let any = stable.chain(canary).filter(is_in);
        let has_first = first.clone().next().is_some();
        let candidates = first.chain(any.filter(|_| !has_first));
        for seat in candidates {
            open[count] = seat;
            count += 1;
        }
        open[self.chance.usize(0..count)]
    }
}

/// What ejection takes for now: the minute before a deploy is before 0.
fn moment(now: f64) -> Duration {
    Duration::from_secs_f64(1000.0 + now)
}
