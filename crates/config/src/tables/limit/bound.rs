//! What a limit bounds: `rate` with its `burst` and what a response may say of its cost, or `concurrent`.

use std::num::NonZeroU64;
use std::time::Duration;

use model::{Bound, Rate};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::narrow;
use crate::schema::{Absent, Format, HEADER_NAME, Key, Shape};
use crate::section::Section;
use crate::value::header::{self, Side};
use crate::value::rate::{self, Counted};
use crate::value::{duration, size};

const RATE: Format = Format {
    noun: "a rate such as \"7/s\", or \"10MiB/s\"",
    pattern: Some("^[0-9]+([KMG]i?B|B)?/[smhd]$"),
};

pub(super) const RATE_KEY: Key = Key::new(
    "rate",
    Shape::Text(&RATE),
    Absent::Means("`concurrent` instead"),
    "\"7/s\"",
    "How fast a bucket fills: requests (`7/s`, `600/m`, `1000/h`, `5000/d`), or bytes (`10MiB/s`).",
)
.aka(&["requests", "limit", "replenish_rate", "average", "requests_per_second", "rps"]);

pub(super) const BURST_KEY: Key = Key::new(
    "burst",
    Shape::Either(&[Shape::Count(1..=1_000_000_000), Shape::Size(1..=1 << 40)]),
    Absent::Means("one second's `rate`, at least 1"),
    "14",
    "How much a full bucket holds: requests, or bytes as a size.",
)
.needs(&["rate"])
.aka(&["burst_capacity", "bucket", "size", "depth"]);

pub(super) const CONCURRENT_KEY: Key = Key::new(
    "concurrent",
    Shape::Count(1..=1_000_000),
    Absent::Means("`rate` instead"),
    "10",
    "How many requests of a key may be open at once, on each edge.",
)
.aka(&["concurrency", "connections", "limit_conn", "in_flight", "max_concurrent"]);

pub(super) const COST_HEADER_KEY: Key = Key::new(
    "cost_header",
    Shape::Text(&HEADER_NAME),
    Absent::Means("the instance says nothing of it"),
    "\"x-tokens-used\"",
    "The header of a response in which the instance says what its request has cost, as a whole number: what is more than the request took already is \
     taken afterwards, into debt if need be. Clients do not see the header.",
)
.needs(&["rate"])
.aka(&["cost_from", "response_header", "cost"]);

/// No bucket takes longer to fill: edges that share a store count no further.
const FILL_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Reads it; `None` where something in it is wrong.
pub(super) fn read(limit: &Section<'_>) -> Option<Bound> {
    let rate = limit.node(RATE_KEY.name);
    let concurrent = limit.node(CONCURRENT_KEY.name);
    let cost_header = cost_header(limit);
    match (rate, concurrent) {
        (Some(node), None) => of_rate(limit, &node, cost_header),
        (None, Some(node)) => {
            [BURST_KEY.name, COST_HEADER_KEY.name].iter().for_each(|key| refuse(limit, key));
            let most = node.count().and_then(narrow::<u32>)?;
            std::num::NonZeroU32::new(most).map(Bound::Concurrent)
        }
        (Some(node), Some(other)) => {
            node.parse(rate::parse);
            other.count();
            let flaw = Flaw::new(
                Code::Conflict,
                "both `rate` and `concurrent`",
                "a limit counts one of them",
                "make two limits, and name both in the route's `limit`",
            );
            let related = limit.entry_span(RATE_KEY.name).map(|span| (span, "and this"));
            limit.report_at(CONCURRENT_KEY.name, flaw, related.as_slice());
            None
        }
        (None, None) => {
            limit.node(BURST_KEY.name).map(|node| burst_of(&node));
            if !limit.is_meant(RATE_KEY.name) && !limit.is_meant(CONCURRENT_KEY.name) {
                limit.report(Flaw::new(
                    Code::Missing,
                    format!("{} limits nothing", limit.called()),
                    "neither `rate` nor `concurrent` is there",
                    "for example `rate = \"7/s\"`",
                ));
            }
            None
        }
    }
}

fn cost_header(limit: &Section<'_>) -> Option<String> {
    limit.parse(COST_HEADER_KEY.name, |text| {
        let name = header::parse_name(text)?;
        header::check_editable(&name, Side::Response).map(|()| name)
    })
}

/// Refuses a key that says nothing of open requests.
fn refuse(limit: &Section<'_>, key: &&'static str) {
    let Some(node) = limit.node(key) else { return };
    if *key == BURST_KEY.name {
        burst_of(&node);
    }
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`{key}` has no effect"),
        "requests that are open are counted, and none comes back with time",
        format!("remove `{key}`, or say `rate`"),
    );
    limit.report_at(key, flaw, &[]);
}

fn of_rate(limit: &Section<'_>, node: &Node<'_>, cost_header: Option<String>) -> Option<Bound> {
    let read = node.parse(rate::parse);
    let written = limit.node(BURST_KEY.name);
    let burst = written.as_ref().map(|node| (node, burst_of(node)));
    let (rate, counted) = read?;
    let burst = match burst {
        None => of_one_second(rate),
        Some((node, burst)) => {
            let burst = burst?;
            check_kind(node, counted)?;
            burst
        }
    };
    check_fill(limit, rate, burst);
    match counted {
        Counted::Requests => Some(Bound::Requests { rate, burst, cost_header }),
        Counted::Bytes => {
            if limit.has(COST_HEADER_KEY.name) {
                let flaw = Flaw::new(
                    Code::Conflict,
                    "`cost_header` has no effect",
                    "bytes are counted as they pass",
                    "remove it, or make it a limit of requests, such as `rate = \"1000/m\"`",
                );
                limit.report_at(COST_HEADER_KEY.name, flaw, &[]);
            }
            Some(Bound::Bytes { rate, burst })
        }
    }
}

/// The burst where the file says none.
fn of_one_second(rate: Rate) -> NonZeroU64 {
    NonZeroU64::new(rate.units.get() / rate.per.length().as_secs()).unwrap_or(NonZeroU64::MIN)
}

fn burst_of(node: &Node<'_>) -> Option<NonZeroU64> {
    let burst = if node.is_text() { node.size() } else { node.count() };
    burst.and_then(NonZeroU64::new)
}

/// A burst is of what the rate counts.
fn check_kind(burst: &Node<'_>, counted: Counted) -> Option<()> {
    let (why, hint) = match (counted, burst.is_text()) {
        (Counted::Requests, true) => {
            ("`rate` counts requests", "write a number, as in `burst = 14`")
        }
        (Counted::Bytes, false) => {
            ("`rate` counts bytes", "write a size, as in `burst = \"10MiB\"`")
        }
        _ => return Some(()),
    };
    burst.report(Flaw::new(Code::Conflict, "`burst` is of something else than `rate`", why, hint));
    None
}

fn check_fill(limit: &Section<'_>, rate: Rate, burst: NonZeroU64) {
    let time =
        u128::from(burst.get()) * rate.per.length().as_nanos() / u128::from(rate.units.get());
    if time <= FILL_MAX.as_nanos() {
        return;
    }
    let most = FILL_MAX.as_secs() * rate.units.get() / rate.per.length().as_secs();
    let flaw = Flaw::new(
        Code::OutOfRange,
        "the bucket would take too long to fill",
        format!("a full bucket comes back within {}", duration::written(FILL_MAX)),
        match limit.has(BURST_KEY.name) && most > 0 {
            true => format!("write a `burst` of at most {}", burst_as_written(limit, most)),
            false => "let more come back".to_owned(),
        },
    );
    let key = if limit.has(BURST_KEY.name) { BURST_KEY.name } else { RATE_KEY.name };
    limit.report_at(key, flaw, &[]);
}

fn burst_as_written(limit: &Section<'_>, most: u64) -> String {
    let is_size = limit.node(BURST_KEY.name).is_some_and(|node| node.is_text());
    if is_size { size::written(most) } else { most.to_string() }
}
