//! Reads what `[services.NAME]` says of instances that Plimsoll runs itself.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use model::{
    Account, Command, INHERITED, NoAccount, ProcessRecipe, Recipe, Restart, Run, Stop, StopSignal,
    StopTo, VERSION_MARK, Workload,
};

use super::beside::Beside;
use super::named::named;
use super::{deploy, distinct, file, narrow, placeholder, port, shell};
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::schema::RUNS;
use crate::schema::run::KEYS;
use crate::section::{Names, Section};
use crate::value::{duration, name, release, shown};

/// Reads how the instances are run; `None` where somebody else runs them.
pub(super) fn run(section: &Section<'_>) -> Option<Run> {
    placeholder::warn_of_misspelt(section);
    if !section.has("command") {
        // What runs them instead does nothing yet, which is said: what goes with it is not judged.
        if RUNS.iter().any(|key| section.has(key)) {
            return None;
        }
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
        Some(node) => file::path(&node),
        None => Some(section.dir().to_owned()),
    };
    let env_file = section.node("env_file").and_then(|node| file::path(&node));
    let version = section.parse("version", release::parse);
    let replicas = narrow::<u32>(section.count("replicas")).and_then(NonZeroU32::new);
    let (env, secrets) = (env(section), secrets(section));
    let user = section.parse("user", account);
    let inherit = inherit(section);
    let deploy = section.section("deploy", deploy::deploy);
    let stop = section.section("stop", stop);
    let restart = section.section("restart", restart);
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
    warn_of_own_variables(section);
    let set = named(section, "env", is_secret, variable, value);
    set.into_iter().map(|set| (set.name, set.value)).collect()
}

/// What the driver sets itself, last.
const SET: [&str; 4] = ["PORT", "VERSION", "INSTANCE", "SERVICE"];

/// Warns of variables that are set to something else whatever `env` says.
fn warn_of_own_variables(section: &Section<'_>) {
    let node = section.node("env");
    let names = node.as_ref().and_then(Node::names_quietly);
    for entry in names.iter().flat_map(Names::iter).filter(|entry| SET.contains(&entry.text)) {
        entry.report(Flaw::new(
            Code::NoEffect,
            format!("`{}` is set by Plimsoll", entry.text),
            "every instance gets its own, whatever stands here",
            "take it out; a server that wants another name is told in `command`, as with `--port $PORT`",
        ));
    }
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

fn stop(section: &Section<'_>) -> Stop {
    let stop = Stop {
        signal: section.word("signal", |word| word.parse().ok()),
        timeout: section.duration("timeout"),
        to: section.word("to", |word| match word {
            "all" => Some(StopTo::All),
            "first" => Some(StopTo::First),
            _ => None,
        }),
    };
    if stop.signal == StopSignal::Kill {
        let beside = Beside::of(section, "signal", "signal = \"SIGKILL\"", "this leaves no time");
        beside.refuse(section, "timeout", "what is killed is not waited for");
    }
    stop
}

fn restart(section: &Section<'_>) -> Restart {
    let restart = Restart {
        backoff: section.duration("backoff"),
        max_backoff: section.duration("max_backoff"),
    };
    if restart.backoff > restart.max_backoff {
        let key = if section.has("backoff") { "backoff" } else { "max_backoff" };
        let flaw = Flaw::new(
            Code::Conflict,
            "`backoff` is longer than `max_backoff`",
            "the first pause is the shortest",
            format!(
                "let `backoff` be {} or less, or `max_backoff` {} or more",
                duration::written(restart.max_backoff),
                duration::written(restart.backoff),
            ),
        );
        section.report_at(key, flaw, &[]);
    }
    restart
}
