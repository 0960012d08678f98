//! `limit`: how often requests of a key may come, how much of them may pass, how many may be open. What a bucket is, is the crate
//! `policy`'s; here keys are found in requests, what was taken is kept for the exchange, and clients are told.
//!
//! Those that need no subject are asked before authentication, the others after it. A request takes of each once; what it took
//! of one stays taken where another refuses it.

mod key;
mod plan;
mod sharing;
mod taken;
mod told;

use std::time::{Duration, Instant};

use model::LimitName;
use telemetry::{Ending, LimitOutcome};
use wire::head::Fields;
use wire::traffic::Traffic;

use crate::live::limit::LimitUseLive;
use crate::policy::auth::caller::Caller;
use crate::routing::Request;

pub(crate) use plan::{LimitPlan, UsePlan};
pub(crate) use sharing::{Secrets, Sharing, Switched, Without};
pub(crate) use taken::Taken;
use told::Wording;
pub(super) use told::{Of, may_replace, replaces, response};

/// How a request would stand with a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStanding {
    /// The limit's name.
    pub limit: LimitName,
    /// What would be decided.
    pub outcome: LimitOutcome,
    /// What is left of it before the request: requests, bytes, or places for open requests.
    pub left: u64,
    /// How much there is where nothing was taken.
    pub of: u64,
}

/// What a route goes by.
#[derive(Debug)]
pub(crate) struct Limits {
    /// In the order in which they are asked.
    uses: Box<[UsePlan]>,
    /// How many of them come before authentication.
    before: usize,
    /// What clients are told of them that is the same each time.
    wording: Wording,
    /// The headers by which instances tell what a request has cost.
    cost_headers: Box<[Box<str>]>,
}

/// When limits are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// Before authentication.
    Before,
    /// After it.
    After,
}

/// What is known beside a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitContext {
    pub(crate) at: Moment,
    /// The worker that asks.
    pub(crate) worker: usize,
    pub(crate) effect: Effect,
}

/// When a request is asked about: worked out where a limit wants to know.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// So long after the edge began.
    After(Duration),
    /// By the machine's clock.
    Instant { at: Instant, edge_began: Instant },
}

impl Moment {
    /// Time since the edge began.
    #[inline]
    fn time(self) -> Duration {
        match self {
            Self::After(time) => time,
            Self::Instant { at, edge_began } => at.saturating_duration_since(edge_began),
        }
    }
}

/// Whether anything is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// As for a request.
    Take,
    /// Nobody sends it: nothing is taken or counted.
    Look,
}

/// A request, as limits are asked for it.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) request: &'a Request<'a>,
    /// Who asks, where that was proven.
    pub(super) caller: Option<&'a Caller>,
    pub(super) context: LimitContext,
}

impl Limits {
    /// What a route goes by that lists `uses`.
    pub(crate) fn new(uses: Vec<UsePlan>) -> Self {
        let (mut ordered, after): (Vec<_>, Vec<_>) =
            uses.into_iter().partition(|it| !it.plan.limit().needs_authentication());
        let before = ordered.len();
        ordered.extend(after);
        let wording = Wording::of(&ordered);
        let cost_headers = ordered.iter().filter_map(|it| it.plan.cost_header());
        let cost_headers = cost_headers.map(Box::from).collect();
        Self { uses: ordered.into(), before, wording, cost_headers }
    }

    /// Takes what the request takes in this round.
    ///
    /// # Errors
    /// [`Ending::Limited`] where one of them has not enough; [`Ending::StoreDown`] where one cannot be decided on.
    #[inline]
    pub(super) fn take(
        &self,
        round: Round,
        asking: Asking<'_>,
        taken: &mut Taken,
    ) -> Result<(), Ending> {
        let uses = match round {
            Round::Before => &self.uses[..self.before],
            Round::After => &self.uses[self.before..],
        };
        for it in uses {
            if it.plan.is_undecided() {
                return Err(Ending::StoreDown);
            }
            let one = it.take(asking);
            let outcome = one.outcome;
            taken.push(one);
            if outcome == LimitOutcome::Limited {
                return Err(Ending::Limited);
            }
        }
        Ok(())
    }

    /// What was taken of each, as far as they were asked.
    pub(super) fn asked<'a>(
        &'a self,
        taken: &'a Taken,
    ) -> impl Iterator<Item = (&'a UsePlan, &'a taken::One)> {
        self.uses.iter().zip(taken.iter())
    }

    /// What is observed of each use.
    pub(crate) fn uses(&self) -> impl Iterator<Item = &LimitUseLive> {
        self.uses.iter().map(|it| &*it.live)
    }

    /// Whether instances may tell what a request has cost.
    pub(super) fn has_told_costs(&self) -> bool {
        !self.cost_headers.is_empty()
    }

    /// Takes what the response with `fields` says that its request has cost beyond what it took.
    pub(super) fn charge_told(&self, taken: &Taken, fields: &Fields, now: Duration) {
        for (it, one) in self.asked(taken) {
            let Some(header) = it.plan.cost_header() else { continue };
            let mut told = fields.named(header.as_bytes());
            let cost = told.next().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            if let Some(cost) = cost {
                it.charge_told(one, cost, now);
            }
        }
    }

    /// Whether any of them counts bytes.
    pub(super) fn counts_bytes(&self) -> bool {
        self.uses.iter().any(|it| it.plan.counts_bytes())
    }

    /// Takes the bytes that have passed.
    pub(super) fn charge_bytes(&self, taken: &Taken, traffic: Traffic, now: Duration) {
        let bytes = traffic.received.saturating_add(traffic.sent);
        self.asked(taken).for_each(|(it, one)| it.charge_bytes(one, bytes, now));
    }

    /// How a request would stand with each that was asked.
    pub(super) fn standings(&self, taken: &Taken) -> Vec<LimitStanding> {
        let standing = |(it, one): (&UsePlan, &taken::One)| {
            let told::Left { quota: of, remaining: left, .. } = told::left(it, one);
            let limit = it.plan.limit().name.clone();
            LimitStanding { limit, outcome: one.outcome, left, of }
        };
        self.asked(taken).map(standing).collect()
    }

    /// The limit that refused the request, or would have.
    pub(super) fn over<'a>(&'a self, taken: &'a Taken) -> Option<&'a str> {
        let is_over = |one: &taken::One| one.outcome != LimitOutcome::Passed;
        let refused = self.asked(taken).filter(|(_, one)| is_over(one)).last();
        refused.map(|(it, _)| it.plan.limit().name.as_str())
    }
}
