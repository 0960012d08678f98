//! The field beside it: what others' rules say of the same traffic, as their own documents describe them, each with the steps and
//! thresholds of its documents' example.
//!
//! Flagger (docs.flagger.app, "Metrics Analysis", and the Canary example): every minute a tenth more, up to half; at least 99 % of the
//! minute's requests succeed and their 99th percentile is at most 500 ms; five failed checks roll back.
//! Argo Rollouts (argo-rollouts.readthedocs.io, "Analysis"): a fifth more every ten minutes; every five minutes at
//! least 95 % of the requests succeed; more than three failed measurements abort.
//! Kayenta (spinnaker.io, "How canary judgment works"): a canary and a baseline of the same size, here a tenth of the requests each, for an
//! hour; a point a minute of each metric; Mann and Whitney's test at 98 %, with a quarter of tolerance around no effect; the
//! metrics here are the error rate and the mean latency, and either being high fails it.

use fastrand::Rng;

use crate::release::Release;
use crate::scene::{REPLICAS, Request, SPAN, Scene, Stage};
use crate::traffic::{Kind, World};

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Kayenta,
    Flagger,
    Argo,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) is_back: bool,
    /// Seconds.
    pub(crate) after: f64,
    pub(crate) hurt: u64,
}

/// What is measured of a release in a minute, or in five.
#[derive(Clone, Debug, Default)]
struct Measured {
    requests: f64,
    failed: f64,
    millis: Vec<f64>,
}

impl Measured {
    fn add(&mut self, request: &Request) {
        self.requests += 1.0;
        self.failed += f64::from(u8::from(request.has_failed));
        self.millis.push(request.millis);
    }

    fn success(&self) -> f64 {
        1.0 - self.failed / self.requests.max(1.0)
    }

    fn p99(&mut self) -> f64 {
        self.millis.sort_unstable_by(f64::total_cmp);
        self.millis.get(self.millis.len() * 99 / 100).copied().unwrap_or(0.0)
    }

    fn mean(&self) -> f64 {
        self.millis.iter().sum::<f64>() / self.requests.max(1.0)
    }
}

impl Tool {
    pub(crate) const ALL: [Self; 3] = [Self::Kayenta, Self::Flagger, Self::Argo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kayenta => "Kayenta",
            Self::Flagger => "Flagger",
            Self::Argo => "Argo Rollouts",
        }
    }

    /// Minutes from one look to the next, and of all.
    fn minutes(self) -> (u32, u32) {
        match self {
            Self::Kayenta => (1, 60),
            Self::Flagger => (1, 6),
            Self::Argo => (5, 50),
        }
    }

    fn share(self, minute: u32) -> f64 {
        match self {
            Self::Kayenta => 0.1,
            Self::Flagger => (0.1 * f64::from(minute + 1)).min(0.5),
            Self::Argo => (0.2 * f64::from(minute / 10 + 1)).min(0.999),
        }
    }

    pub(crate) fn run(self, seed: u64, kind: Kind, release: Release, rate: f64) -> End {
        let (step, minutes) = self.minutes();
        let mut chance = Rng::with_seed(seed);
        let world = World::new(kind, rate, &mut chance).lasting(f64::from(minutes) * 60.0);
        let mut scene = Scene::new(world, release, chance.fork());
        let (mut failed, mut hurt) = (0, 0);
        let (mut canaries, mut baselines) = (Vec::new(), Vec::new());
        for look in 0..minutes / step {
            let (mut canary, mut baseline) = (Measured::default(), Measured::default());
            for block in 0..step * 240 {
                let minute = look * step + block / 240;
                let share = Some(self.share(minute));
                let now = f64::from(look * step * 240 + block + 1) * SPAN;
                let stage = Stage { seconds: 0.0, share, canary: REPLICAS, stable: REPLICAS };
                for request in scene.block(now, stage) {
                    hurt += u64::from(request.is_canary && request.is_hurt);
                    // A baseline of the size of the canary: a ninth of what is left.
                    match request.is_canary {
                        true => canary.add(&request),
                        false if chance.u8(0..9) == 0 => baseline.add(&request),
                        false => {}
                    }
                }
            }
            failed += u32::from(match self {
                Self::Kayenta => false,
                Self::Flagger => {
                    canary.requests > 0.0 && (canary.success() < 0.99 || canary.p99() > 500.0)
                }
                Self::Argo => canary.requests > 0.0 && canary.success() < 0.95,
            });
            let after = f64::from((look + 1) * step) * 60.0;
            let is_back = match self {
                Self::Kayenta => false,
                Self::Flagger => failed >= 5,
                Self::Argo => failed > 3,
            };
            if is_back {
                return End { is_back, after, hurt };
            }
            canaries.push(canary);
            baselines.push(baseline);
        }
        let is_high = |of: fn(&Measured) -> f64| {
            let points = |all: &[Measured]| all.iter().map(of).collect::<Vec<f64>>();
            is_higher(&points(&canaries), &points(&baselines))
        };
        let is_back =
            self == Self::Kayenta && (is_high(|it| 1.0 - it.success()) || is_high(Measured::mean));
        End { is_back, after: f64::from(minutes) * 60.0, hurt }
    }
}

/// Whether the lower end of the 98 % interval of the shift (Hodges and Lehmann, by Mann and Whitney's test) is above a quarter of
/// its estimate, and above nothing.
fn is_higher(canary: &[f64], baseline: &[f64]) -> bool {
    let (n, m) = (canary.len() as f64, baseline.len() as f64);
    let mut shifts: Vec<f64> =
        canary.iter().flat_map(|one| baseline.iter().map(move |other| one - other)).collect();
    shifts.sort_unstable_by(f64::total_cmp);
    let place = n * m / 2.0 - 2.326 * (n * m * (n + m + 1.0) / 12.0).sqrt();
    let Some(low) = shifts.get(place.max(0.0) as usize) else { return false };
    let estimate = shifts[shifts.len() / 2];
    *low > 0.25 * estimate.abs() && *low > 0.0
}
