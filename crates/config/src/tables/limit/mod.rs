//! `[limits.NAME]`: how often a key may ask, how many bytes it may move, how many requests it may have open.

mod bound;
mod key;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Limit, LimitMode, LimitName};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, narrow};
use crate::schema::{Absent, Key, Shape, Table};
use crate::section::{Names, Section};
use crate::value::{name, shown};

pub(crate) const KEY: Key = Key::new(
    "limits",
    Shape::Names { names: "NAME", of: &LIMIT_SHAPE },
    Absent::Means("none"),
    "{ per-user = { rate = \"7/s\", key = \"ip\" } }",
    "How often may be asked, how much may pass, by name. A route goes by them with `limit`; routes that name the same one share its buckets.",
)
.aka(&["rate_limits", "rate_limit", "ratelimit", "limit", "limit_req_zone", "limiters", "throttle"]);

static LIMIT_SHAPE: Shape = Shape::Table(&LIMIT);

static LIMIT: Table = Table {
    header: "[limits.NAME]",
    noun: "a limit",
    doc: "How often a key may ask (`rate`), how many bytes it may move (`rate` of bytes, of requests and responses together, counted when they \
          have passed), or how many requests it may have open (`concurrent`). Of each key there is a bucket of `burst`, from which a request takes its cost, and which \
          fills at the `rate`; what does not find enough gets 429 with `Retry-After`. `none` is no name: a route says `limit = \"none\"` \
          where `[policies]` says otherwise for others. Buckets survive a reload as long as name, key, kind and `max_keys` stay.",
    keys: &[
        bound::RATE_KEY,
        bound::BURST_KEY,
        bound::CONCURRENT_KEY,
        key::KEY,
        bound::COST_HEADER_KEY,
        Key::new(
            "mode",
            Shape::Word(&["enforce", "observe"], &[]),
            Absent::Text("enforce"),
            "\"observe\"",
            "`observe` refuses nothing and tells clients nothing: what would have been refused is counted and named in the access log.",
        )
        .aka(&["dry_run", "shadow", "log_only", "enforcement"]),
        Key::new(
            "legacy_headers",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Whether responses carry the older `X-RateLimit-Limit`, `-Remaining` and `-Reset` (in seconds), too.",
        )
        .aka(&["x_ratelimit", "headers", "hide_client_headers", "x_ratelimit_headers"]),
        Key::new(
            "max_keys",
            Shape::Count(1_000..=50_000_000),
            Absent::Count(100_000),
            "1000000",
            "How many keys may be active at once, at 32 bytes each, taken as they come. Where more are, those that are nearest to full begin \
             anew.",
        )
        .aka(&["keys_max", "zone_size", "capacity"]),
    ],
    later: &[],
};

/// What a route says where no limit is meant.
pub(crate) const NO_LIMIT: &str = "none";

/// Reads them all, and notes them for the routes.
pub(crate) fn read(
    root: &Section<'_>,
    context: &mut Context<'_>,
) -> BTreeMap<LimitName, Arc<Limit>> {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names);
    let mut found = BTreeMap::new();
    for entry in names.iter().flat_map(Names::iter) {
        let name = entry.parse(parse_name);
        let limit = entry.node.section().and_then(|section| limit(&section, name)).map(Arc::new);
        context.limits.insert(LimitName::from(entry.text), limit.clone());
        found.extend(limit.map(|it| (it.name.clone(), it)));
    }
    found
}

fn parse_name(text: &str) -> Result<LimitName, Flaw> {
    if text == NO_LIMIT {
        return Err(Flaw::invalid(
            "`none` is no name of a limit",
            "a route says `limit = \"none\"` where there is none",
            "give it another name",
        ));
    }
    name::parse(text).map(LimitName::from)
}

fn limit(section: &Section<'_>, name: Option<LimitName>) -> Option<Limit> {
    let bound = bound::read(section);
    let key = key::read(section);
    let mode = section.word("mode", |word| match word {
        "enforce" => Some(LimitMode::Enforce),
        "observe" => Some(LimitMode::Observe),
        _ => None,
    });
    let legacy_headers = section.flag("legacy_headers");
    let keys = narrow::<u32>(section.count("max_keys")).and_then(std::num::NonZeroU32::new);
    Some(Limit { name: name?, bound: bound?, key: key?, mode, legacy_headers, keys: keys? })
}

/// Warns of those that no route goes by.
pub(crate) fn warn_of_unused(root: &Section<'_>, context: &Context<'_>) {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names_quietly);
    for entry in names.iter().flat_map(Names::iter) {
        if !context.used_limits.contains(entry.text) {
            let name = shown(entry.text);
            entry.report(Flaw::new(
                Code::Unused,
                format!("no route goes by the limit `{name}`"),
                "it limits nothing",
                format!("add `limit = \"{name}\"` to a route or to `[policies]`, or remove it"),
            ));
        }
    }
}
