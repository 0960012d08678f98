//! Reads `services.NAME.deploy`.

use std::num::NonZeroU32;
use std::time::Duration;

use model::{Deploy, Drain, Judge, LittleData, Step, Strategy, Surge, WarmUp};

use super::beside::Beside;
use super::narrow;
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::section::Section;
use crate::value::{release, share, shown};

/// What `bake = "0s"` does.
const NO_TIME: &str = "this leaves no time for it";

/// Reads how a release is replaced by the next.
pub(super) fn deploy(section: &Section<'_>) -> Option<Deploy> {
    let written = section.node("strategy").map(|node| node.word(strategy));
    let strategy = match written {
        // As on the command line.
        None if section.has("steps") => Strategy::Canary,
        None => Strategy::default(),
        Some(written) => written.unwrap_or_default(),
    };
    let (surge, steps) = (surge(section), steps(section));
    let (ready_timeout, drain) = (section.duration("ready_timeout"), drain(section));
    let bake = section.duration("bake");
    let judge = section.section("judge", |table| {
        if bake.is_zero() && strategy == Strategy::Rolling {
            let beside = Beside::of(section, "bake", "bake = \"0s\"", NO_TIME);
            beside.refuse(table, "little_data", "it is asked at the end of a time of watching");
        }
        judge(table)
    });
    let (min_healthy, warm_up) = (section.duration("min_healthy"), warm_up(section));
    // What was meant by a word that is none is not known.
    if written != Some(None) {
        refuse_idle(section, strategy, bake);
    }
    let (surge, steps) = (surge?, steps?);
    Some(Deploy { strategy, surge, steps, ready_timeout, min_healthy, warm_up, drain, bake, judge })
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
    if bake.is_zero() && matches!(strategy, Strategy::BlueGreen | Strategy::Replace) {
        let beside = Beside::of(section, "bake", "bake = \"0s\"", NO_TIME);
        beside.refuse(section, "judge", "the new release is not watched");
    }
}

fn warm_up(section: &Section<'_>) -> Vec<WarmUp> {
    let node = section.node("warm_up");
    let items = node.iter().flat_map(Node::items);
    // To ask for the same twice may be meant.
    items.filter_map(|item| item.parse(release::parse_warm_up)).collect()
}

fn drain(section: &Section<'_>) -> Drain {
    match section.node("drain") {
        Some(node) if node.is_table() => node.section().map(|of| Drain {
            requests: of.duration("requests"),
            uploads: of.duration("uploads"),
            streams: of.duration("streams"),
            tunnels: of.duration("tunnels"),
        }),
        Some(node) => node.duration().map(Drain::all),
        None => None,
    }
    .unwrap_or_else(|| Deploy::default().drain)
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
        if steps.last().is_some_and(|before| before.share >= step.share) {
            item.report(Flaw::new(
                Code::OutOfRange,
                "a step gives the new release no more than the one before",
                "the shares of a canary rise",
                "put the steps in order, each with a greater share",
            ));
        }
        steps.push(step);
    }
    Some(steps)
}

fn judge(section: &Section<'_>) -> Judge {
    let default = Judge::default();
    let number = |key| section.node(key).and_then(|node| node.number());
    let max_error_rate = section.share("max_error_rate");
    if max_error_rate == 0.0 {
        refuse_no_errors(section);
    }
    Judge {
        max_error_rate: (max_error_rate < 1.0).then_some(max_error_rate),
        confidence: number("confidence").unwrap_or(default.confidence),
        max_slowdown: number("max_slowdown").or(default.max_slowdown),
        min_requests: section.count("min_requests"),
        little_data: section.word("little_data", little_data),
    }
}

fn refuse_no_errors(section: &Section<'_>) {
    let flaw = Flaw::new(
        Code::OutOfRange,
        "a limit of 0% would be broken by any one failure",
        "every release fails a request some day",
        "write what may fail, such as \"0.1%\"; \"100%\" is no limit",
    );
    section.report_at("max_error_rate", flaw, &[]);
}

fn little_data(word: &str) -> Option<LittleData> {
    match word {
        "go_on" => Some(LittleData::GoOn),
        "wait" => Some(LittleData::Wait),
        "hold" => Some(LittleData::Hold),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::run::STEPS;

    use super::*;

    #[test]
    fn the_steps_that_the_reference_tells_are_those_that_are_taken() {
        let told: Vec<_> = STEPS.iter().map(|text| parse_step(text).unwrap()).collect();
        assert_eq!(told, Deploy::default().steps);
    }
}
