//! Kinds of traffic, and what makes requests fail in each: whatever it is, it is the same for both releases.

use fastrand::Rng;

use crate::chance::pareto;

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One request a second, of which one in 200 fails.
    Quiet,
    /// Moments in which half of all fails, and clients that send dozens of failing requests in a second.
    Bursty,
    /// Failing requests are tried again, and again; most come from few clients, kept with a release by cookie, and of each
    /// twentieth everything fails.
    Correlated,
    /// Latencies without a mean, and moments in which everything is slow.
    HeavyTailed,
    /// A wave of load and failures, a mix of routes that shifts, one of them slow and one that fails more.
    Drifting,
    /// A database that is down for twenty seconds: nine in ten fail, the rest is slow.
    Outage,
    /// Eight addresses with cookies of the new release, and requests that fail on a route; and a flood without cookies.
    Attacker,
    /// Nothing but one request in 500 that fails: for bad releases.
    Calm,
    /// Instances that stall for half a second, of both releases: all that they have fails.
    Stalling,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Quiet,
        Self::Bursty,
        Self::Correlated,
        Self::HeavyTailed,
        Self::Drifting,
        Self::Outage,
        Self::Attacker,
        Self::Stalling,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Bursty => "bursty",
            Self::Correlated => "correlated",
            Self::HeavyTailed => "heavy-tailed",
            Self::Drifting => "drifting",
            Self::Outage => "shared outage",
            Self::Attacker => "attacker",
            Self::Calm => "calm",
            Self::Stalling => "stalling instances",
        }
    }
}

/// Routes, and which part of the requests each gets.
pub(crate) const ROUTES: [(&str, f64); 4] =
    [("/", 0.55), ("/search", 0.3), ("/orders", 0.13), ("/export", 0.02)];

/// Milliseconds that each takes.
const MILLIS: [f64; 4] = [8.0, 25.0, 15.0, 400.0];

/// Who sends a request, and why it fails or does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    pub(crate) route: usize,
    pub(crate) client: u64,
    /// The number in its cookie, by which it stays with a release.
    pub(crate) pin: Option<f64>,
    /// The chance that it fails on any release.
    pub(crate) fails: f64,
    /// Tries again so often while it fails.
    pub(crate) retries: u32,
}

/// A client that comes again and again.
#[derive(Clone, Copy, Debug)]
struct Regular {
    weight: f64,
    number: f64,
    fails: f64,
}

/// The world of one deploy: everything that has nothing to do with the releases.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) kind: Kind,
    rate: f64,
    regulars: Vec<Regular>,
    weights: f64,
    outage: f64,
    moment: Option<f64>,
    burst: Option<Burst>,
    phase: f64,
    attackers: u64,
}

/// A client that fails all the time for a moment.
#[derive(Clone, Copy, Debug)]
struct Burst {
    until: f64,
    client: u64,
    pin: Option<f64>,
}

impl World {
    pub(crate) fn new(kind: Kind, rate: f64, chance: &mut Rng) -> Self {
        let bad = if kind == Kind::Correlated { 0.05 } else { 0.002 };
        let regulars: Vec<Regular> = (0..150)
            .map(|_| Regular {
                weight: pareto(chance, 1.2).min(100.0),
                number: chance.f64(),
                fails: if chance.f64() < bad { 1.0 } else { 0.0 },
            })
            .collect();
        Self {
            kind,
            rate: if kind == Kind::Quiet { 1.0 } else { rate },
            weights: regulars.iter().map(|it| it.weight).sum(),
            regulars,
            outage: chance.f64(),
            moment: None,
            burst: None,
            phase: chance.f64(),
            attackers: 8,
        }
    }

    /// What happens once happens within so many seconds from 0 on.
    pub(crate) fn lasting(self, length: f64) -> Self {
        Self { outage: self.outage * (length - 20.0).max(1.0), ..self }
    }

    /// With so many addresses on the attacker's side.
    pub(crate) fn attacked_by(self, attackers: u64) -> Self {
        Self { attackers, ..self }
    }

    /// So many requests a second from now on.
    pub(crate) fn pace(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// Requests a second on the whole.
    pub(crate) fn paced(&self) -> f64 {
        self.rate
    }

    /// A block of `span` seconds begins.
    pub(crate) fn turn(&mut self, now: f64, span: f64, chance: &mut Rng) {
        if self.moment.is_some_and(|until| until <= now) {
            self.moment = None;
        }
        if self.burst.is_some_and(|burst| burst.until <= now) {
            self.burst = None;
        }
        let is_moody = matches!(self.kind, Kind::Bursty | Kind::HeavyTailed);
        if is_moody && self.moment.is_none() && chance.f64() < span / 20.0 {
            self.moment = Some(now + 0.2 + 1.8 * chance.f64());
        }
        if self.kind == Kind::Bursty && self.burst.is_none() && chance.f64() < span / 12.0 {
            let pin = chance.bool().then(|| chance.f64());
            self.burst = Some(Burst { until: now + 1.0, client: chance.u64(..), pin });
        }
    }

    /// Requests a second now, of everybody but an attacker and one who fails all the time.
    pub(crate) fn rate(&self, now: f64) -> f64 {
        match self.kind {
            Kind::Drifting => self.rate * (1.0 + 0.8 * self.wave(now)),
            _ => self.rate,
        }
    }

    /// Requests a second that come beside these.
    pub(crate) fn extra_rate(&self) -> f64 {
        match (self.kind, self.burst) {
            (Kind::Attacker, _) => 2.0 * self.attackers as f64 + 5.0,
            (_, Some(_)) => 40.0,
            _ => 0.0,
        }
    }

    /// One of those that come beside.
    pub(crate) fn extra(&self, chance: &mut Rng) -> Asking {
        if let Some(Burst { client, pin, .. }) = self.burst {
            return Asking { route: 1, client, pin, fails: 0.95, retries: 0 };
        }
        let is_flood = chance.f64() < 5.0 / self.extra_rate();
        let client = if is_flood { u64::MAX } else { chance.u64(0..self.attackers) };
        // Numbers below any share: of those that the new release has from the first step on.
        let pin = (!is_flood).then_some(0.0);
        Asking { route: 2, client, pin, fails: 1.0, retries: 0 }
    }

    pub(crate) fn ask(&self, now: f64, chance: &mut Rng) -> Asking {
        let route = self.route(now, chance);
        let regular = match self.kind {
            Kind::Correlated => 0.7,
            Kind::Quiet => 0.0,
            _ => 0.3,
        };
        let mut asking = Asking {
            route,
            client: 1_000_000 + chance.u64(0..100_000),
            pin: None,
            fails: self.fails(now, route),
            retries: if self.kind == Kind::Correlated { 3 } else { 0 },
        };
        if chance.f64() < regular {
            let mut left = chance.f64() * self.weights;
            let found = self.regulars.iter().position(|it| {
                left -= it.weight;
                left <= 0.0
            });
            let place = found.unwrap_or(0);
            let regular = self.regulars[place];
            asking.client = 1_000 + place as u64;
            asking.pin = Some(regular.number);
            asking.fails = asking.fails.max(regular.fails);
        }
        asking
    }

    fn route(&self, now: f64, chance: &mut Rng) -> usize {
        let mut left = chance.f64();
        if self.kind == Kind::Drifting && chance.f64() < 0.25 + 0.25 * self.wave(now) {
            return 3;
        }
        for (place, (_, part)) in ROUTES.iter().enumerate() {
            left -= part;
            if left <= 0.0 {
                return place;
            }
        }
        0
    }

    /// The chance that a request fails on any release.
    fn fails(&self, now: f64, route: usize) -> f64 {
        let is_out = now >= self.outage && now < self.outage + 20.0;
        match self.kind {
            Kind::Quiet => 0.005,
            Kind::Bursty if self.moment.is_some() => 0.5,
            Kind::Outage if is_out => 0.9,
            Kind::Drifting => [0.002, 0.01, 0.005, 0.05][route] * (1.0 + self.wave(now)),
            Kind::Correlated => 0.01,
            _ => 0.002,
        }
    }

    /// Milliseconds of a response.
    pub(crate) fn latency(&self, now: f64, route: usize, chance: &mut Rng) -> f64 {
        let is_out = now >= self.outage && now < self.outage + 20.0;
        let shape = if self.kind == Kind::HeavyTailed { 1.0 } else { 3.0 };
        let usual = MILLIS[route] * pareto(chance, shape).min(1e4);
        match self.kind {
            Kind::HeavyTailed if self.moment.is_some() => usual + 300.0,
            Kind::Outage if is_out => usual + 1000.0,
            Kind::Drifting => usual * (1.5 + self.wave(now)),
            _ => usual,
        }
    }

    /// A wave between -1 and 1, some minutes long.
    fn wave(&self, now: f64) -> f64 {
        (std::f64::consts::TAU * (now / 150.0 + self.phase)).sin()
    }
}
