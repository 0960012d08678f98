//! What clients are told of limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), `Retry-After`
//! where one refused them, and `X-RateLimit-*` on wish. Of a limit that only observes they are told nothing.

use std::time::Duration;

use model::LimitMode;
use policy::limit::{Grains, Unit};
use telemetry::LimitOutcome;

use super::plan::{Meter, UsePlan};
use super::taken::{One, Standing};
use super::{Limits, Taken};
use crate::fields::FieldSink;
use crate::policy::headers::is_edited;

use model::HeaderEdits;

const LEGACY: [&str; 3] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];

/// How long a client is to wait before it tries for a place among open requests again: nobody knows when one ends.
const RETRY_PLACE: u64 = 1;

/// What is told of a route's limits that is the same in each response.
#[derive(Debug)]
pub(super) struct Wording {
    /// `RateLimit-Policy`; empty where clients are told nothing.
    policies: Box<[u8]>,
    /// That as a line of HTTP/1, and the beginning of the line behind it.
    opening: Box<[u8]>,
    /// Of each use, in their order, what `RateLimit` says before what is left of it; nothing where clients are told nothing.
    leads: Box<[Box<[u8]>]>,
    legacy: Legacy,
}

/// Whether `X-RateLimit-*` is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Legacy {
    Told,
    Untold,
}

impl Wording {
    /// That of a route that has `uses`.
    pub(super) fn of(uses: &[UsePlan]) -> Self {
        let lead = |it: &UsePlan| match is_told(it) {
            true => format!("\"{}\";r=", it.plan.limit().name).into_bytes().into(),
            false => Box::default(),
        };
        let has_legacy = uses.iter().any(|it| is_told(it) && it.plan.limit().legacy_headers);
        let policies = policies(uses);
        let opening = [b"RateLimit-Policy: ", &*policies, b"\r\nRateLimit: "].concat().into();
        Self {
            policies,
            opening,
            leads: uses.iter().map(lead).collect(),
            legacy: if has_legacy { Legacy::Told } else { Legacy::Untold },
        }
    }
}

/// `RateLimit-Policy` of a route that has `uses`.
fn policies(uses: &[UsePlan]) -> Box<[u8]> {
    let told = uses.iter().filter(|it| is_told(it)).map(|it| {
        let name = &it.plan.limit().name;
        match it.plan.meter() {
            Meter::Rate { unit, clock, capacity } => {
                let (quota, window) = (unit.whole(capacity), seconds(clock.time_to_gain(capacity)));
                let of_bytes = if unit == Unit::Bytes { ";qu=\"content-bytes\"" } else { "" };
                format!("\"{name}\";q={quota}{of_bytes};w={window}")
            }
            Meter::Open { most } => format!("\"{name}\";q={most};qu=\"concurrent-requests\""),
        }
    });
    told.collect::<Vec<_>>().join(", ").into_bytes().into()
}

fn is_told(it: &UsePlan) -> bool {
    it.plan.limit().mode == LimitMode::Enforce
}

/// In whole seconds, at least one.
fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add((time.subsec_nanos() > 0).into()).max(1)
}

/// What is left of a limit, and after how many seconds all of it is there again, where time brings it back.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    pub(crate) quota: u64,
    pub(crate) remaining: u64,
    pub(crate) reset: Option<u64>,
}

pub(super) fn left(it: &UsePlan, one: &One) -> Left {
    match (it.plan.meter(), one.standing.get()) {
        (Meter::Rate { unit, clock, capacity }, Standing::Spent(spent)) => {
            let remaining = unit.whole(Grains(capacity.0.saturating_sub(spent.0)));
            let time = clock.time_to_gain(spent);
            let reset = time.as_secs().saturating_add((time.subsec_nanos() > 0).into());
            Left { quota: unit.whole(capacity), remaining, reset: Some(reset) }
        }
        (Meter::Open { most }, Standing::Open(count)) => {
            Left { quota: most, remaining: most.saturating_sub(count), reset: None }
        }
        // The meter says what is measured.
        (Meter::Rate { .. }, Standing::Open(_)) | (Meter::Open { .. }, Standing::Spent(_)) => {
            Left { quota: 0, remaining: 0, reset: None }
        }
    }
}

/// After how many seconds a request that was refused would pass, if no other took anything meanwhile.
fn retry_after(it: &UsePlan, one: &One) -> u64 {
    match (it.plan.meter(), one.standing.get()) {
        (Meter::Rate { clock, capacity, .. }, Standing::Spent(spent)) => {
            let wanted = spent.0.saturating_add(it.cost().0.max(1));
            seconds(clock.time_to_gain(Grains(wanted.saturating_sub(capacity.0))))
        }
        _ => RETRY_PLACE,
    }
}

/// Whose response it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Instance,
    /// Our own.
    Edge,
}

/// Whether any field of an instance's response could give way.
pub(crate) fn may_replace(limits: &Limits) -> bool {
    !limits.cost_headers.is_empty() || limits.wording.legacy == Legacy::Told
}

/// Whether a field of an instance's response gives way: to what [`response`] says, or because it is meant for us.
pub(crate) fn replaces(limits: &Limits, name: &[u8]) -> bool {
    let is = |it: &str| name.eq_ignore_ascii_case(it.as_bytes());
    limits.cost_headers.iter().any(|it| is(it))
        || limits.wording.legacy == Legacy::Told && LEGACY.iter().any(|it| is(it))
}

/// Writes what a response tells.
pub(crate) fn response(
    limits: &Limits,
    taken: &Taken,
    of: Of,
    edits: &HeaderEdits,
    out: &mut impl FieldSink,
) {
    let Wording { policies, opening, leads, legacy } = &limits.wording;
    let told = || {
        let told = limits.asked(taken).zip(leads).filter(|(_, lead)| !lead.is_empty());
        told.map(|((it, one), lead)| (it, one, &**lead))
    };
    // A request that another policy refused first was not counted.
    if told().next().is_none() {
        return;
    }
    let may_say = |name: &[u8]| edits.is_empty() || !is_edited(edits, name);
    if of == Of::Edge && may_say(b"retry-after") {
        for (it, one, _) in told().filter(|(_, one, _)| one.outcome == LimitOutcome::Limited) {
            out.put(b"Retry-After", itoa::Buffer::new().format(retry_after(it, one)).as_bytes());
        }
    }
    let levels = told().map(|(it, one, lead)| (lead, left(it, one)));
    match out.as_text() {
        Some(text) if edits.is_empty() => {
            text.reserve(opening.len() + 128);
            text.extend_from_slice(opening);
            write_left(levels, text);
            text.extend_from_slice(b"\r\n");
        }
        _ => {
            if may_say(b"ratelimit-policy") {
                out.put(b"RateLimit-Policy", policies);
            }
            if may_say(b"ratelimit") {
                let mut text = Vec::with_capacity(128);
                write_left(levels, &mut text);
                out.put_unique(b"RateLimit", &text);
            }
        }
    }
    if *legacy == Legacy::Told {
        let told = told().filter(|(it, ..)| it.plan.limit().legacy_headers);
        let least = told.map(|(it, one, _)| left(it, one)).min_by_key(|left| left.remaining);
        least.into_iter().for_each(|left| write_legacy(left, edits, out));
    }
}

/// `RateLimit`: of each limit what is left, and when all of it is there again.
#[inline]
fn write_left<'a>(told: impl Iterator<Item = (&'a [u8], Left)>, text: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    for (index, (lead, left)) in told.enumerate() {
        if index > 0 {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(lead);
        text.extend_from_slice(number.format(left.remaining).as_bytes());
        if let Some(reset) = left.reset {
            text.extend_from_slice(b";t=");
            text.extend_from_slice(number.format(reset).as_bytes());
        }
    }
}

fn write_legacy(left: Left, edits: &HeaderEdits, out: &mut impl FieldSink) {
    let mut number = itoa::Buffer::new();
    for (name, value) in [
        (&b"X-RateLimit-Limit"[..], Some(left.quota)),
        (b"X-RateLimit-Remaining", Some(left.remaining)),
        (b"X-RateLimit-Reset", left.reset),
    ] {
        if let Some(value) = value
            && !is_edited(edits, name)
        {
            out.put_unique(name, number.format(value).as_bytes());
        }
    }
}
