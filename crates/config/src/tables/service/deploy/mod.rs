//! `deploy` of a service: how a release is replaced by the next.

use std::num::NonZeroU32;
use std::time::Duration;

use model::{Deploy, HookMoment, Preview, Smoke, Step, Strategy, Surge, WarmUp};

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::beside::Beside;
use crate::read::narrow;
use crate::schema::{Absent, Empty, Format, Key, Shape, TIMEOUT, Table};
use crate::section::Section;
use crate::value::{header, release, share, shown};

use super::WE_RUN;

pub(crate) mod conditions;
pub(crate) mod drain;
mod hooks;
pub(crate) mod judge;

const STEP: Format = Format {
    noun: "a share and a duration such as \"5% 30s\", or \"hold\"",
    pattern: Some(r"^([0-9.]+% +[0-9]+(ms|s|m|h|d)|hold)$"),
};

const WARM_UP: Format = Format {
    noun: "a method and a path such as \"GET /products\"",
    pattern: Some("^(GET|HEAD) +/"),
};

const SMOKE: Format = Format {
    noun: "a method, a path and perhaps a status such as \"GET /health/deep 200\"",
    pattern: Some("^(GET|HEAD) +/"),
};

const PREVIEW: Format = Format {
    noun: "a header or a cookie such as \"header:x-release\"",
    pattern: Some("^(header|cookie):."),
};

const COUNT_OR_SHARE: Format =
    Format { noun: "a share such as \"25%\"", pattern: Some(r"^[0-9.]+%$") };

/// A canary's steps by default.
pub(crate) const STEPS: &[&str] = &["5% 30s", "25% 1m", "50% 1m"];

/// May be no time at all.
pub(crate) const SPAN: Shape = Shape::Duration(Duration::ZERO..=Duration::from_secs(7 * 86_400));

pub(crate) const KEY: Key = Key::new(
    "deploy",
    Shape::Table(&DEPLOY),
    Absent::Inner,
    "{ strategy = \"canary\", steps = [\"5% 30s\"] }",
    "How a release is replaced by the next.",
)
.aka(&["rollout", "update", "deployment"])
.needs(WE_RUN);

pub(crate) static DEPLOY: Table = Table {
    header: "[services.NAME.deploy]",
    noun: "a deploy",
    doc: "How a release is replaced by the next. `strategy`, `steps` and `bake` can be said for one deploy on the command line.",
    keys: &[
        Key::new(
            "strategy",
            Shape::Word(&["rolling", "blue-green", "canary", "replace"], &[]),
            Absent::Means("`\"rolling\"`; with `steps`, `\"canary\"`"),
            "\"canary\"",
            "Instance by instance; all new ones beside all old ones, switched at once; the same, with the \
             traffic shifted in steps; the old ones first, while requests wait in the queue (see `queue.timeout`).",
        )
        .aka(&["type", "kind", "mode"]),
        Key::new(
            "surge",
            Shape::Either(&[Shape::Count(1..=1000), Shape::Text(&COUNT_OR_SHARE)]),
            Absent::Count(1),
            "\"25%\"",
            "Of a rolling deploy alone: how many instances start at a time, as a number or as a share of `replicas`.",
        )
        .aka(&["max_surge", "batch", "parallel"]),
        Key::new(
            "steps",
            Shape::List { of: &Shape::Text(&STEP), empty: Empty::Refused },
            Absent::Texts(STEPS),
            "[\"5% 30s\", \"hold\", \"50% 1m\"]",
            "Of a canary alone, which they make it where no `strategy` is named: the share of the traffic that the new release gets, and how long it is watched; or `hold`, where it stays until a person says `resume`, `promote` or `abort`.",
        )
        .aka(&["weights", "stages"]),
        Key::new(
            "bake",
            SPAN,
            Absent::Text("30s"),
            "\"30s\"",
            "How long the old release stays warm after the full shift, while the new one is watched.",
        )
        .aka(&["watch", "soak", "min_ready"]),
        Key::new(
            "ready_timeout",
            TIMEOUT,
            Absent::Text("60s"),
            "\"60s\"",
            "From an instance's start to its first passed health check.",
        )
        .aka(&["start_timeout", "startup_timeout", "deploy_timeout"]),
        Key::new(
            "min_healthy",
            SPAN,
            Absent::Text("0s"),
            "\"10s\"",
            "How long the checks of a new instance have to pass on end before it counts as ready and may get \
             requests. It comes on top of `ready_timeout`; with 0 the first check that passes is enough.",
        )
        .aka(&["min_healthy_time", "min_ready_seconds", "minReadySeconds", "settle"]),
        Key::new(
            "warm_up",
            Shape::List { of: &Shape::Text(&WARM_UP), empty: Empty::Allowed },
            Absent::Texts(&[]),
            "[\"GET /\", \"GET /products?page=1\"]",
            "Requests to a new instance after its first passed check and before it gets traffic, \
             one after \
             the other, with the check's `host` and `headers`. It takes at most half of `ready_timeout`; failures \
             are shown and delay nothing.",
        )
        .aka(&["warmup", "preload", "prewarm"]),
        Key::new(
            "smoke",
            Shape::List { of: &Shape::Text(&SMOKE), empty: Empty::Allowed },
            Absent::Texts(&[]),
            "[\"GET /health/deep\", \"GET /api/v1/products 200\"]",
            "Requests to each instance of a new release after its first passed check and before it gets traffic, \
             one after the other, with the check's `host` and `headers`, within `ready_timeout`. A status that is not the one \
             that is written (200-399 where none is) ends the deploy before a client sees the release.",
        )
        .aka(&["smoke_test", "smoke_tests", "tests"]),
        Key::new(
            "preview",
            Shape::Text(&PREVIEW),
            Absent::Means("only the share decides"),
            "\"header:x-release\"",
            "Of a canary and of blue-green: a request that has the new release's version in this header, or in this cookie, is answered \
             by it from the moment that it is ready, at any share and at 0 % too. The judge compares none of these requests.",
        )
        .aka(&["preview_header", "set_header_route", "header_route"]),
        Key::new(
            "drain",
            Shape::Either(&[SPAN, Shape::Table(&drain::DRAIN)]),
            Absent::Text("30s"),
            "{ uploads = \"5m\", tunnels = \"10s\" }",
            "How long open exchanges get before an old instance is asked to stop: a time for all, \
             or one for \
             each kind.",
        )
        .aka(&["drain_timeout"]),
        hooks::BEFORE,
        hooks::AFTER,
        hooks::TIMEOUT,
        conditions::KEY,
        Key::new(
            "judge",
            Shape::Table(&judge::JUDGE),
            Absent::Inner,
            "{ max_error_rate = \"1%\" }",
            "How the judge decides whether the new release is promoted.",
        )
        .aka(&["analysis", "metrics"]),
    ],
    later: &[],
};

/// What `bake = "0s"` does.
const NO_TIME: &str = "this leaves no time for it";

/// Reads how a release is replaced by the next.
pub(crate) fn read(section: &Section<'_>, origin: &Origin) -> Option<Deploy> {
    let written = section.node("strategy").map(|node| node.word(strategy));
    let strategy = match written {
        // As on the command line.
        None if section.has("steps") => Strategy::Canary,
        None => Strategy::default(),
        Some(written) => written.unwrap_or_default(),
    };
    let (surge, steps) = (surge(section), steps(section));
    let (ready_timeout, drain) = (section.duration("ready_timeout"), drain::read(section));
    let bake = section.duration("bake");
    let judge = section.section("judge", |table| {
        if bake.is_zero() && strategy == Strategy::Rolling {
            let beside = Beside::of(section, "bake", "bake = \"0s\"", NO_TIME);
            beside.refuse(table, "little_data", "it is asked at the end of a time of watching");
        }
        judge::read(table)
    });
    let (min_healthy, warm_up) = (section.duration("min_healthy"), warm_up(section));
    let smoke = smoke(section);
    let conditions = conditions::read(section, origin);
    let preview = section.parse("preview", parse_preview);
    // What was meant by a word that is none is not known.
    if written != Some(None) {
        refuse_idle(section, strategy, bake);
    }
    let hook_timeout = section.duration(hooks::TIMEOUT.name);
    let before = hooks::read(section, HookMoment::Before, hook_timeout);
    let after = hooks::read(section, HookMoment::After, hook_timeout);
    hooks::refuse_idle(section);
    let (surge, steps) = (surge?, steps?);
    Some(Deploy {
        strategy,
        surge,
        steps,
        ready_timeout,
        min_healthy,
        warm_up,
        smoke,
        drain,
        bake,
        preview,
        conditions,
        judge,
        before,
        after,
    })
}

fn strategy(word: &str) -> Option<Strategy> {
    match word {
        "rolling" => Some(Strategy::Rolling),
        "blue-green" => Some(Strategy::BlueGreen),
        "canary" => Some(Strategy::Canary),
        "replace" => Some(Strategy::Replace),
        _ => None,
    }
}

/// Refuses keys that have nothing to say in a deploy by `strategy`.
fn refuse_idle(section: &Section<'_>, strategy: Strategy, bake: Duration) {
    let key = if section.has("strategy") { "strategy" } else { "steps" };
    let word = section.node("strategy").and_then(|node| node.text());
    let written = word.map_or(key.to_owned(), |word| format!("strategy = \"{word}\""));
    let beside = Beside::of(section, key, &written, "this says how");
    if strategy != Strategy::Canary && key == "strategy" {
        let why = "only a canary moves traffic in steps";
        let cure = "take `strategy` out, for `steps` alone mean a canary; or take `steps` out";
        beside.refuse_with(section, "steps", why, cure);
    }
    if strategy != Strategy::Rolling {
        let why =
            "only a rolling deploy starts some instances at a time, all others start all at once";
        beside.refuse(section, "surge", why);
    }
    if matches!(strategy, Strategy::Rolling | Strategy::Replace) {
        let why =
            "the new release serves all as soon as it is ready, so there is nothing to ask for";
        let cure = "write `strategy = \"canary\"` or `\"blue-green\"`; or remove it";
        match section.has("strategy") {
            true => beside.refuse_with(section, "preview", why, cure),
            false => refuse_preview(section, why, cure),
        }
    }
    if bake.is_zero() && matches!(strategy, Strategy::BlueGreen | Strategy::Replace) {
        let beside = Beside::of(section, "bake", "bake = \"0s\"", NO_TIME);
        beside.refuse(section, "judge", "the new release is not watched");
    }
    if bake.is_zero() && strategy != Strategy::Canary {
        let beside = Beside::of(section, "bake", "bake = \"0s\"", NO_TIME);
        beside.refuse(section, "conditions", "they are asked while the new release is watched");
    }
}

fn refuse_preview(section: &Section<'_>, why: &str, cure: &str) {
    if section.has("preview") {
        let what = "`preview` has no effect in a rolling deploy, which this is by default";
        section.report_at("preview", Flaw::new(Code::Conflict, what, why, cure), &[]);
    }
}

fn parse_preview(text: &str) -> Result<Preview, Flaw> {
    match text.split_once(':') {
        Some(("header", name)) => header::parse_name(name).map(Preview::Header),
        Some(("cookie", name)) => header::parse_cookie(name).map(Preview::Cookie),
        _ => Err(Flaw::invalid(
            format!("\"{}\" is no part of a request that could say a version", shown(text)),
            "a header or a cookie can",
            "write \"header:NAME\" or \"cookie:NAME\"",
        )),
    }
}

fn warm_up(section: &Section<'_>) -> Vec<WarmUp> {
    let node = section.node("warm_up");
    let items = node.iter().flat_map(Node::items);
    // To ask for the same twice may be meant.
    items.filter_map(|item| item.parse(release::parse_warm_up)).collect()
}

fn smoke(section: &Section<'_>) -> Vec<Smoke> {
    let node = section.node("smoke");
    let items = node.iter().flat_map(Node::items);
    items.filter_map(|item| item.parse(release::parse_smoke)).collect()
}

fn surge(section: &Section<'_>) -> Option<Surge> {
    match section.node("surge") {
        Some(node) if node.is_text() => node.parse(|text| {
            let share = share::parse(text)?;
            match share > 0.0 {
                true => Ok(Surge::Share(share)),
                false => Err(none(text)),
            }
        }),
        _ => NonZeroU32::new(narrow(section.count("surge"))?).map(Surge::Count),
    }
}

fn none(text: &str) -> Flaw {
    Flaw::invalid(
        format!("\"{}\" lets no instance start", shown(text)),
        "a deploy would never end",
        "write more than 0%",
    )
}

/// Reads a step of a canary, as in `5% 30s`.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn parse_step(text: &str) -> Result<Step, String> {
    release::parse_step(text).map_err(|flaw| format!("{}: {}; {}", flaw.what, flaw.why, flaw.hint))
}

fn steps(section: &Section<'_>) -> Option<Vec<Step>> {
    let Some(node) = section.node("steps") else { return Some(Deploy::default().steps) };
    let mut steps: Vec<Step> = Vec::new();
    for item in node.items() {
        let Some(step) = item.parse(release::parse_step) else { continue };
        let before = steps.iter().rev().find_map(|step| step.share());
        if before.zip(step.share()).is_some_and(|(before, share)| before >= share) {
            item.report(Flaw::new(
                Code::OutOfRange,
                "a step gives the new release no more than the one before",
                "the shares of a canary rise",
                "put the steps in order, each with a greater share",
            ));
        }
        if step == Step::Hold && steps.last() == Some(&Step::Hold) {
            item.report(Flaw::new(
                Code::OutOfRange,
                "a deploy that holds already cannot hold once more",
                "nothing happens between the two",
                "take one of them out",
            ));
        }
        steps.push(step);
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_that_the_reference_tells_are_those_that_are_taken() {
        let told: Vec<_> = STEPS.iter().map(|text| parse_step(text).unwrap()).collect();
        assert_eq!(told, Deploy::default().steps);
    }
}
