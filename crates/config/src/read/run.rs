//! Reads what `[services.NAME]` says of instances that Plimsoll runs itself.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use model::{
    Account, Command, Deploy, Drain, INHERITED, Judge, LittleData, NoAccount, ProcessRecipe,
    Recipe, Restart, Run, Step, Stop, StopTo, Strategy, Surge, VERSION_MARK, WarmUp, Workload,
};

use super::named::named;
use super::{distinct, file, narrow, port, shell};
use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::schema::run::KEYS;
use crate::section::Section;
use crate::value::{name, release, share, shown};

/// Reads how the instances are run; `None` where somebody else runs them.
pub(super) fn run(section: &Section<'_>, origin: &Origin) -> Option<Run> {
    if !section.has("command") {
        refuse_without_command(section);
        refuse_marks(
            section,
            &[],
            "Plimsoll does not run these instances: write the address itself, or say with \
                                    `command` what one runs",
        );
        return None;
    }
    if section.has("targets") {
        let span = section.entry_span("targets").unwrap_or_else(|| section.span());
        let flaw = Flaw::new(
            Code::Conflict,
            "a service has both `command` and `targets`",
            "Plimsoll runs the instances by this",
            "keep one of them; two services can share a route's requests",
        );
        section.report_at("command", flaw, &[(span, "Plimsoll does not run these")]);
    }
    let holds_in = ["command", "directory", "env", "env_file", "health.command"];
    let cure = "it holds in `command`, `directory`, `env`, `env_file` and `health.command`";
    refuse_marks(section, &holds_in, cure);
    if !section.has("version") {
        warn_of_no_version(section);
    }
    let command = section.node("command").and_then(|node| command(&node));
    if let (Some(node), Some(command)) = (section.node("command"), &command) {
        shell::warn_of_command(&node, command);
        port::warn_of_own(&node, command);
    }
    let directory = match section.node("directory") {
        Some(node) => file::path(&node, origin),
        None => Some(origin.dir.clone()),
    };
    let env_file = section.node("env_file").and_then(|node| file::path(&node, origin));
    let version = section.parse("version", release::parse);
    let replicas = narrow::<u32>(section.count("replicas")).and_then(NonZeroU32::new);
    let (env, secrets) = (env(section), secrets(section));
    let user = section.parse("user", account);
    let inherit = inherit(section);
    let deploy = section.section("deploy", deploy);
    let stop = section.section("stop", |stop| Stop {
        signal: stop.word("signal", |word| word.parse().ok()),
        timeout: stop.duration("timeout"),
        to: stop.word("to", |word| match word {
            "all" => Some(StopTo::All),
            "first" => Some(StopTo::First),
            _ => None,
        }),
    });
    let restart = section.section("restart", |restart| Restart {
        backoff: restart.duration("backoff"),
        max_backoff: restart.duration("max_backoff"),
    });
    let (replicas, directory, command, deploy) = (replicas?, directory?, command?, deploy?);
    let workload = Workload::Process(ProcessRecipe { command, directory, user, inherit });
    let recipe = Recipe { workload, env, env_file, secrets };
    Some(Run { recipe, version, replicas, deploy, stop, restart })
}

/// Refuses `{version}` where nothing is put in for it: everywhere but in the keys that it `holds_in`.
fn refuse_marks(section: &Section<'_>, holds_in: &[&str], cure: &str) {
    section.report_texts(holds_in, |text| {
        text.contains(VERSION_MARK).then(|| {
            Flaw::invalid(
                "`{version}` is not substituted here",
                "it would be taken as it is written",
                cure,
            )
        })
    });
}

/// Warns where a release is spoken of and none is named: it is legitimate, and mostly forgotten.
fn warn_of_no_version(section: &Section<'_>) {
    // One word is enough, however often it is spoken of.
    let told = Cell::new(false);
    section.report_texts(&[], |text| {
        (text.contains(VERSION_MARK) && !told.replace(true)).then(|| {
            Flaw::new(
                Code::NoEffect,
                "a release is meant, and the service names none",
                "nothing runs, and requests get 503, until a deploy names one",
                "write what runs first, as in version = \"1.4.1\"; or begin with \
                 `plimsoll deploy NAME 1.4.1`",
            )
        })
    });
}

fn refuse_without_command(section: &Section<'_>) {
    for key in KEYS.into_iter().filter(|key| section.has(key)) {
        let flaw = Flaw::new(
            Code::NoEffect,
            format!("`{key}` without `command`"),
            "it says how Plimsoll runs the instances, but Plimsoll does not run these",
            "say with `command` what an instance runs, or remove this",
        );
        section.report_at(key, flaw, &[]);
    }
}

/// Reads what is run.
pub(super) fn command(node: &Node<'_>) -> Option<Command> {
    if node.is_table() {
        let section = node.section()?;
        return Some(Command::Shell(section.require("shell")?.parse(written)?));
    }
    if node.is_list() {
        let words: Option<Vec<String>> =
            node.items().map(|item| item.text().map(str::to_owned)).collect();
        return words.map(Command::Arguments);
    }
    node.parse(written).map(Command::Line)
}

fn written(text: &str) -> Result<String, Flaw> {
    match text.trim().is_empty() {
        false => Ok(text.to_owned()),
        true => Err(Flaw::invalid(
            "the command is empty",
            "there is nothing to run",
            "write a program with its arguments",
        )),
    }
}

fn env(section: &Section<'_>) -> BTreeMap<String, String> {
    // Any value may be a secret, whatever its name.
    let is_secret = |_: &str| true;
    let value = |text: &str| Ok(text.to_owned());
    shell::warn_of_env(section);
    let set = named(section, "env", is_secret, variable, value);
    set.into_iter().map(|set| (set.name, set.value)).collect()
}

fn variable(text: &str) -> Result<String, Flaw> {
    name::parse_variable(text)
        .map_err(|flaw| Flaw { hint: "write a name such as \"SMS_ACCESS\"".to_owned(), ..flaw })
}

fn account(text: &str) -> Result<Account, Flaw> {
    text.parse().map_err(|error: NoAccount| {
        Flaw::invalid(
            format!("\"{}\" is no user", shown(text)),
            error.why(),
            "write a name or a number, and perhaps a group: \"app\", \"app:www-data\", \"1000:1000\"",
        )
    })
}

fn inherit(section: &Section<'_>) -> Vec<String> {
    let Some(node) = section.node("inherit") else { return INHERITED.map(str::to_owned).into() };
    distinct(node.items(), "variable", |item| item.parse(inherited), String::clone)
}

fn inherited(text: &str) -> Result<String, Flaw> {
    if text != "*" {
        variable(text.strip_suffix('*').unwrap_or(text))?;
    }
    Ok(text.to_owned())
}

fn secrets(section: &Section<'_>) -> Vec<String> {
    let Some(node) = section.node("secrets") else { return Vec::new() };
    distinct(node.items(), "secret", |item| item.parse(variable), String::clone)
}

fn deploy(section: &Section<'_>) -> Option<Deploy> {
    let strategy = section.word("strategy", |word| match word {
        "rolling" => Some(Strategy::Rolling),
        "blue-green" => Some(Strategy::BlueGreen),
        "canary" => Some(Strategy::Canary),
        "replace" => Some(Strategy::Replace),
        _ => None,
    });
    // What another strategy needs is for deploys in which it is asked for on the command line.
    let (surge, steps) = (surge(section), steps(section));
    let (ready_timeout, drain) = (section.duration("ready_timeout"), drain(section));
    let (bake, judge) = (section.duration("bake"), section.section("judge", judge));
    let (min_healthy, warm_up) = (section.duration("min_healthy"), warm_up(section));
    let (surge, steps) = (surge?, steps?);
    Some(Deploy { strategy, surge, steps, ready_timeout, min_healthy, warm_up, drain, bake, judge })
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
