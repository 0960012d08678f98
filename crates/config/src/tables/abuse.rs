//! `[abuse.NAME]`: whom refusals have banned for a while.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use model::{Abuse, AbuseKey, AbuseMode, AbuseName, Rate, Unrouted};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct, narrow, networks};
use crate::schema::{Absent, Empty, Format, Key, NETWORK, Shape, Table};
use crate::section::{Names, Section};
use crate::value::rate::{self, Counted};
use crate::value::{duration, name, shown};

pub(crate) const KEY: Key = Key::new(
    "abuse",
    Shape::Names { names: "NAME", of: &ABUSE_SHAPE },
    Absent::Means("none"),
    "{ guessing = { rate = \"20/m\", ban = \"10m\" } }",
    "Whom refusals have banned for a while, by name. A route goes by them with `abuse`; routes that name the same one count together.",
)
.aka(&["abuses", "fail2ban", "jails", "jail", "stick_table"]);

static ABUSE_SHAPE: Shape = Shape::Table(&ABUSE);

const RATE: Format = Format { noun: "a rate such as \"20/m\"", pattern: Some("^[0-9]+/[smhd]$") };

static STATUS: Shape = Shape::Count(400..=499);

static ABUSE: Table = Table {
    header: "[abuse.NAME]",
    noun: "a rule of abuse",
    doc: "A client or subject that is refused too often is banned for a while, on all edges that share a store, as if by `plimsoll ban`; `plimsoll bans` shows \
          it with the rule's name, and `plimsoll unban` lifts it. Refusals are counted by what clients are told, by Plimsoll or by an instance. \
          What is none of a client that tries what it may not does not count: a request without a credential, a token that has \
          expired or is not valid yet, a preflight, anything of who is banned already, and whatever is not the client's fault (5xx). Of a gRPC call \
          the status counts that HTTP has for its own (16 is 401, 7 is 403, 5 is 404, 8 is 429, 3 is 400). `none` is no name.",
    keys: &[
        Key::new(
            "status",
            Shape::List { of: &STATUS, empty: Empty::Refused },
            Absent::Means("`[401, 403]`"),
            "[401, 403, 404]",
            "The statuses that count.",
        )
        .aka(&["of", "statuses", "status_codes", "codes", "on"]),
        Key::new(
            "rate",
            Shape::Text(&RATE),
            Absent::Fault,
            "\"20/m\"",
            "How fast refusals are forgotten. Who is refused more seldom is never banned.",
        )
        .aka(&["threshold", "rate_limit", "limit"]),
        Key::new(
            "burst",
            Shape::Count(1..=1_000_000),
            Absent::Means("as many as `rate` has in its time: 20 of `20/m`"),
            "50",
            "How many refusals at once lead to nothing. The next one does.",
        )
        .aka(&["max_retry", "maxretry", "count", "retries"]),
        Key::new(
            "key",
            Shape::Word(&["ip", "subject"], &[]),
            Absent::Text("ip"),
            "\"subject\"",
            "Who is counted and banned: the client's address, of IPv6 its /64, or the subject of any authentication. Behind \
             `trusted_proxies` the client is the one that they name. A request that proves nobody counts for no subject.",
        )
        .aka(&["by", "per", "track"]),
        Key::new(
            "ban",
            Shape::Duration(Duration::from_secs(1)..=Duration::from_secs(365 * 86_400)),
            Absent::Fault,
            "\"10m\"",
            "For how long.",
        )
        .aka(&["ban_time", "bantime", "for", "duration"]),
        Key::new(
            "mode",
            Shape::Word(&["enforce", "observe"], &[]),
            Absent::Text("enforce"),
            "\"observe\"",
            "`observe` bans nobody: who would be banned is told as an event, and counted.",
        )
        .aka(&["dry_run", "shadow", "log_only", "enforcement"]),
        Key::new(
            "exempt",
            Shape::List { of: &Shape::Text(&NETWORK), empty: Empty::Allowed },
            Absent::Means("nobody but the listener's `trusted_proxies`"),
            "[\"10.0.0.0/8\"]",
            "Clients from these networks are not counted, and no ban by address touches them.",
        )
        .aka(&["allow", "ignore_ip", "ignoreip", "allowlist", "whitelist", "trusted"]),
        Key::new(
            "unrouted",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Whether requests count that no route takes, as those of scanners: by address only, mostly 404.",
        )
        .aka(&["no_route", "unmatched", "not_found"]),
        Key::new(
            "max_keys",
            Shape::Count(1_000..=50_000_000),
            Absent::Count(100_000),
            "1000000",
            "How many keys may have refusals at once, at 34 bytes each, taken as they come. Where more have, those that have fewest begin anew.",
        )
        .aka(&["keys_max", "zone_size", "capacity"]),
    ],
    later: &[],
};

/// What a route says where no rule is meant.
pub(crate) const NO_RULE: &str = "none";

/// No bucket takes longer to fill: the same as of limits.
const FILL_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Reads them all, and notes them for the routes.
pub(crate) fn read(
    root: &Section<'_>,
    context: &mut Context<'_>,
) -> BTreeMap<AbuseName, Arc<Abuse>> {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names);
    let mut found = BTreeMap::new();
    for entry in names.iter().flat_map(Names::iter) {
        let name = entry.parse(parse_name);
        let abuse = entry.node.section().and_then(|section| abuse(&section, name)).map(Arc::new);
        context.abuse.insert(AbuseName::from(entry.text), abuse.clone());
        found.extend(abuse.map(|it| (it.name.clone(), it)));
    }
    found
}

fn parse_name(text: &str) -> Result<AbuseName, Flaw> {
    if text == NO_RULE {
        return Err(Flaw::invalid(
            "`none` is no name of a rule of abuse",
            "a route says `abuse = \"none\"` where there is none",
            "give it another name",
        ));
    }
    name::parse(text).map(AbuseName::from)
}

fn abuse(section: &Section<'_>, name: Option<AbuseName>) -> Option<Abuse> {
    let statuses = statuses(section);
    let bounds = bounds(section);
    let key = section.word("key", |word| match word {
        "ip" => Some(AbuseKey::Ip),
        "subject" => Some(AbuseKey::Subject),
        _ => None,
    });
    let mode = section.word("mode", |word| match word {
        "enforce" => Some(AbuseMode::Enforce),
        "observe" => Some(AbuseMode::Observe),
        _ => None,
    });
    let ban = section.require("ban").and_then(|node| node.duration());
    let exempt: Vec<IpNet> = section.node("exempt").map(|node| networks(&node)).unwrap_or_default();
    let unrouted = match section.flag("unrouted") {
        true => Unrouted::Counted,
        false => Unrouted::Ignored,
    };
    if (key, unrouted) == (AbuseKey::Subject, Unrouted::Counted) {
        section.report_at("unrouted", nobody_is_known(), &[]);
    }
    let keys = narrow::<u32>(section.count("max_keys")).and_then(NonZeroU32::new);
    let (rate, burst) = bounds?;
    Some(Abuse {
        name: name?,
        statuses: statuses?,
        rate,
        burst,
        key,
        ban: ban?,
        mode,
        exempt,
        unrouted,
        keys: keys?,
    })
}

fn nobody_is_known() -> Flaw {
    Flaw::new(
        Code::Conflict,
        "`unrouted` has no effect",
        "the rule counts by subject, and where there is no route nobody is asked who it is",
        "remove it, or count by `key = \"ip\"`",
    )
}

/// Sorted; `None` where something in them is wrong.
fn statuses(section: &Section<'_>) -> Option<Vec<u16>> {
    let Some(node) = section.node("status") else { return Some(vec![401, 403]) };
    let is_whole = Cell::new(true);
    let read = |item: &Node<'_>| {
        let status = item.count().and_then(narrow::<u16>);
        is_whole.set(is_whole.get() && status.is_some());
        status
    };
    let mut statuses = distinct(node.items(), "status", read, |status| *status);
    statuses.sort_unstable();
    (is_whole.get() && !statuses.is_empty()).then_some(statuses)
}

/// How many refusals lead to nothing, and how fast they are forgotten.
fn bounds(section: &Section<'_>) -> Option<(Rate, NonZeroU64)> {
    let node = section.require("rate");
    let rate = node.as_ref().and_then(|node| node.parse(rate_of_requests));
    let written = section.node("burst").map(|node| node.count());
    let rate = rate?;
    let burst = match written {
        Some(burst) => burst.and_then(NonZeroU64::new)?,
        None => rate.units,
    };
    let time =
        u128::from(burst.get()) * rate.per.length().as_nanos() / u128::from(rate.units.get());
    if time > FILL_MAX.as_nanos() {
        let flaw = Flaw::new(
            Code::OutOfRange,
            "it would take too long until all refusals are forgotten",
            format!("they are within {}", duration::written(FILL_MAX)),
            "write a smaller `burst`, or let more be forgotten",
        );
        section.report_at(if section.has("burst") { "burst" } else { "rate" }, flaw, &[]);
    }
    Some((rate, burst))
}

fn rate_of_requests(text: &str) -> Result<Rate, Flaw> {
    match rate::parse(text)? {
        (rate, Counted::Requests) => Ok(rate),
        (_, Counted::Bytes) => Err(Flaw::invalid(
            format!("\"{}\" is a rate of bytes", shown(text)),
            "refusals are counted",
            "write it as \"20/m\"",
        )),
    }
}

/// Warns of those that count nothing.
pub(crate) fn warn_of_unused(root: &Section<'_>, context: &Context<'_>) {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names_quietly);
    for entry in names.iter().flat_map(Names::iter) {
        let rule = context.abuse.get(entry.text).and_then(Option::as_ref);
        let is_used = context.used_abuse.contains(entry.text)
            || rule.is_some_and(|it| it.unrouted == Unrouted::Counted);
        if !is_used {
            let name = shown(entry.text);
            entry.report(Flaw::new(
                Code::Unused,
                format!("no route goes by the rule of abuse `{name}`"),
                "it counts nothing",
                format!("add `abuse = \"{name}\"` to a route or to `[policies]`, or remove it"),
            ));
        }
    }
}
