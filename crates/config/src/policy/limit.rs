//! `limit` of a route: the limits that its requests go by.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::sync::Arc;

use model::{AuthName, Bound, Limit, LimitName, LimitUse};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct, narrow};
use crate::schema::{Absent, Empty, Format, Key, Shape, Table};
use crate::section::Section;
use crate::tables::limit::NO_LIMIT;
use crate::value::shown;

const NAME: Format =
    Format { noun: "a limit's name, or \"none\"", pattern: Some("^[A-Za-z0-9_-]+$") };
const USED: Format = Format { noun: "a limit's name", pattern: Some("^[A-Za-z0-9_-]+$") };

static USE: Table = Table {
    header: "[[routes.limit]]",
    noun: "a limit as a route goes by it",
    doc: "A limit with what one of the route's requests takes of it.",
    keys: &[
        Key::new("use", Shape::Text(&USED), Absent::Fault, "\"ai-budget\"", "The limit's name.")
            .aka(&["name", "limit"]),
        Key::new(
            "cost",
            Shape::Count(1..=1_000_000),
            Absent::Count(1),
            "10",
            "What a request takes: of a limit of requests only.",
        )
        .aka(&["weight", "tokens", "requested_tokens"]),
    ],
    later: &[],
};

/// A name, or a table with one.
static ITEM: Shape = Shape::Either(&ITEMS);
static ITEMS: [Shape; 2] = [Shape::Text(&NAME), Shape::Table(&USE)];
static FORMS: [Shape; 2] = [Shape::Text(&NAME), Shape::List { of: &ITEM, empty: Empty::Refused }];

pub(crate) const KEY: Key = Key::new(
    "limit",
    Shape::Either(&FORMS),
    Absent::Means("nothing is limited"),
    "[\"per-user\", { use = \"ai-budget\", cost = 10 }]",
    "The limit that requests go by, or several, all of which must let them pass: in this order, those that go by a subject or a claim after \
     authentication. What a request took of one stays taken where a later one refuses it. `none` where `[policies]` says otherwise for others.",
)
.aka(&["limits", "rate_limit", "limit_req", "throttle", "rate_limiting"]);

/// Reads it.
pub(crate) fn read(
    route: &Section<'_>,
    auth: &[AuthName],
    context: &mut Context<'_>,
) -> Vec<LimitUse> {
    let Some(node) = route.node(KEY.name) else { return Vec::new() };
    if node.is_text() && node.text() == Some(NO_LIMIT) {
        return Vec::new();
    }
    let context = RefCell::new(context);
    let read = |item: &Node<'_>| {
        let used = match item.is_table() {
            true => in_table(&item.section()?, &mut context.borrow_mut())?,
            false => {
                let name = item.text()?;
                let limit = context.borrow_mut().limit(name, |flaw| item.report(flaw))?;
                LimitUse { limit, cost: NonZeroU32::MIN }
            }
        };
        check_known(route, item, &used.limit, auth);
        Some(used)
    };
    distinct(node.one_or_many(), "limit", read, |it| it.limit.name.clone())
}

fn in_table(section: &Section<'_>, context: &mut Context<'_>) -> Option<LimitUse> {
    let cost = narrow::<u32>(section.count("cost")).and_then(NonZeroU32::new);
    let node = section.require("use")?;
    let limit = context.limit(node.text()?, |flaw| node.report(flaw))?;
    let cost = cost?;
    let flaw = match &limit.bound {
        Bound::Requests { burst, .. } if u64::from(cost.get()) > burst.get() => Flaw::new(
            Code::Conflict,
            format!("a request would cost {cost}, and a full bucket holds {burst}"),
            "no request could ever pass",
            format!("write `burst = {cost}` or more in `[limits.{}]`, or a lower cost", limit.name),
        ),
        Bound::Requests { .. } => return Some(LimitUse { limit, cost }),
        Bound::Bytes { .. } | Bound::Concurrent(_) if section.has("cost") => Flaw::new(
            Code::Conflict,
            "`cost` has no effect",
            format!("the limit `{}` counts bytes, or requests that are open", limit.name),
            "remove it",
        ),
        Bound::Bytes { .. } | Bound::Concurrent(_) => return Some(LimitUse { limit, cost }),
    };
    section.report_at("cost", flaw, &[]);
    None
}

/// Without authentication nobody has a subject: all would share one bucket.
fn check_known(route: &Section<'_>, item: &Node<'_>, limit: &Limit, auth: &[AuthName]) {
    let says_so = route.node("auth").is_none_or(|it| it.is_text() && it.text() == Some("none"));
    // What is wrong with `auth` otherwise was told.
    if !auth.is_empty() || !limit.needs_authentication() || !says_so {
        return;
    }
    let part = limit.key.iter().find(|part| part.needs_authentication());
    let part = part.map(ToString::to_string).unwrap_or_default();
    item.report(Flaw::new(
        Code::Conflict,
        format!("the limit `{}` goes by `{part}`, and nobody has any", limit.name),
        "the route asks nobody who it is, so that all would share one bucket",
        "say how one proves who one is, as in `auth = \"users\"`, take a limit with another key, such as \"ip\", or `limit = \"none\"`",
    ));
}

impl Context<'_> {
    /// The limit `name`, by which a route goes. Where there is none, `report` gets the fault.
    fn limit(&mut self, name: &str, report: impl FnOnce(Flaw)) -> Option<Arc<Limit>> {
        if name == NO_LIMIT {
            report(Flaw::new(
                Code::Conflict,
                "`none` stands alone",
                "with it nothing is limited, whatever else is listed",
                "write `limit = \"none\"`, or take it out of the list",
            ));
            return None;
        }
        if let Some((name, limit)) = self.limits.get_key_value(name) {
            self.used_limits.insert(name.clone());
            // What is wrong with it was told.
            return limit.clone();
        }
        let names = || self.limits.keys().map(LimitName::as_str);
        let hint = if self.limits.is_empty() || !self.faults.may_suggest() {
            format!(
                "define it: `[limits.{}]`, and below it `rate = \"7/s\"` and `key = \"ip\"`",
                shown(name)
            )
        } else if let Some(meant) = suggest::nearest(name, names()) {
            format!("did you mean `{meant}`?")
        } else {
            format!("there are {}", suggest::listed(names()))
        };
        let what = format!("there is no limit `{}`", shown(name));
        report(Flaw::new(Code::UndefinedName, what, "not defined", hint));
        None
    }
}
