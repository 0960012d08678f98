//! What a service says of instances that Plimsoll runs itself, put together.

use std::num::NonZeroU32;
use std::time::Duration;

use model::{ContainerRecipe, ProcessRecipe, Recipe, Run, VERSION_MARK, Work, Workload};

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::read::{file, narrow, placeholder, port, shell};
use crate::schema::{Absent, Format, Key, Shape};
use crate::section::Section;
use crate::value::release;

use super::{
    SERVICE, WE_RUN, command, deploy, env, goes_with, hosts, image, is_run, restart, stop, user,
    way, worker,
};

const VERSION: Format = Format {
    noun: "a version such as \"1.4.2\"",
    pattern: Some("^[A-Za-z0-9_][A-Za-z0-9._+~:@-]*$"),
};

pub(crate) const VERSION_KEY: Key = Key::new(
    "version",
    Shape::Text(&VERSION),
    Absent::Means("nothing runs before the first deploy"),
    "\"1.4.1\"",
    "The release that runs first; afterwards the journal decides.",
)
.aka(&["release", "tag"])
.needs(WE_RUN);

pub(crate) const REPLICAS_KEY: Key =
    Key::new("replicas", Shape::Count(1..=1000), Absent::Count(1), "2", "How many instances run.")
        .aka(&["instances_count", "count", "scale", "processes"])
        .needs(WE_RUN);

pub(crate) const DIRECTORY_KEY: Key = Key::new(
    "directory",
    Shape::Text(&env::PATH),
    Absent::Means("the directory of the file"),
    "\"/srv/api\"",
    "Where the instances run. A relative one starts at the directory of the file. `{version}` is \
     substituted.",
)
.aka(&["dir", "cwd", "working_dir", "workdir", "working_directory"])
.needs(&["command"]);

/// Reads how the instances are run; `None` where somebody else runs them.
pub(crate) fn read(section: &Section<'_>, origin: &Origin) -> Option<Run> {
    placeholder::warn_of_misspelt(section);
    refuse_idle(section);
    let runs = |key: &str| section.has(key);
    let Some(key) = way(runs) else {
        refuse_marks(
            section,
            &[],
            "Plimsoll does not run these instances: write the address itself, or say with \
                                    `command` or `image` what one runs",
        );
        return None;
    };
    if runs("targets") {
        let span = section.entry_span("targets").unwrap_or_else(|| section.span());
        let flaw = Flaw::new(
            Code::Conflict,
            format!("a service has both `{key}` and `targets`"),
            "Plimsoll runs the instances by this",
            "keep one of them; two services can share a route's requests",
        );
        section.report_at(key, flaw, &[(span, "Plimsoll does not run these")]);
    }
    let hosts = hosts::read(section);
    let workload = match key {
        "command" => process(section).map(Workload::Process),
        _ => container(section).map(Workload::Container),
    };
    let env_file = section.node("env_file").and_then(|node| file::path(&node));
    let version = section.parse("version", release::parse);
    let replicas = narrow::<u32>(section.count("replicas")).and_then(NonZeroU32::new);
    let (env, secrets) = (env::read(section), env::secrets(section));
    let work = worker::read(section);
    let deploy = section.section("deploy", |table| {
        if work != Work::Requests {
            worker::refuse_in_deploy(section, table);
        }
        let mut deploy = deploy::read(table, origin)?;
        // Old workers that stay warm go on working.
        if work != Work::Requests && !table.has("bake") {
            deploy.bake = Duration::ZERO;
        }
        Some(deploy)
    });
    let stop = section.section("stop", stop::read);
    let restart = section.section("restart", restart::read);
    let (replicas, workload, deploy) = (replicas?, workload?, deploy?);
    let recipe = Recipe { workload, env, env_file, secrets };
    Some(Run { work, recipe, version, replicas, hosts, deploy, stop, restart })
}

fn process(section: &Section<'_>) -> Option<ProcessRecipe> {
    // Conditions refuse what is not substituted there by themselves.
    let holds_in = [
        "command",
        "directory",
        "env",
        "env_file",
        "health.command",
        "deploy.conditions",
        "deploy.before",
        "deploy.after",
    ];
    let cure = "it holds in `command`, `directory`, `env`, `env_file`, `health.command`, `deploy.before`, `deploy.after` and the `query` of a condition";
    refuse_marks(section, &holds_in, cure);
    let command = section.node("command").and_then(|node| command::read(&node));
    if let (Some(node), Some(command)) = (section.node("command"), &command) {
        shell::warn_of_command(&node, command);
        match worker::is_one(section) {
            true => worker::refuse_port(section, command),
            false => port::warn_of_own(&node, command),
        }
    }
    let directory = match section.node("directory") {
        Some(node) => file::path(&node),
        None => Some(section.dir().to_owned()),
    };
    let user = section.parse("user", user::parse);
    let inherit = env::inherit(section);
    Some(ProcessRecipe { command: command?, directory: directory?, user, inherit })
}

fn container(section: &Section<'_>) -> Option<ContainerRecipe> {
    let holds_in = [
        "image",
        "command",
        "env",
        "env_file",
        "health.command",
        "deploy.conditions",
        "deploy.before",
        "deploy.after",
    ];
    let cure = "it holds in `image`, `command`, `env`, `env_file`, `health.command`, `deploy.before`, `deploy.after` and the `query` of a condition";
    refuse_marks(section, &holds_in, cure);
    image::read(section)
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

/// Refuses what is said of instances that Plimsoll runs, or runs in another way, where it does not.
fn refuse_idle(section: &Section<'_>) {
    let is_idle = |key: &&Key| section.has(key.name) && !goes_with(key, |other| section.has(other));
    let is_run = is_run(section);
    for key in SERVICE.keys.iter().filter(is_idle) {
        if key.name == hosts::KEY.name && section.has("command") {
            hosts::refuse_processes(section);
            continue;
        }
        let needed: Vec<_> = key.needs.iter().map(|needed| format!("`{needed}`")).collect();
        let needed = needed.join(" or ");
        let (why, hint) = match is_run {
            true => (
                "it says nothing of instances that are run in the other way",
                format!("remove it; it goes with {needed}"),
            ),
            false => (
                "it says how Plimsoll runs the instances, but Plimsoll does not run these",
                format!("say with {needed} what an instance runs, or remove this"),
            ),
        };
        let what = match key.needs.iter().any(|needed| section.has(needed)) {
            true => format!("`{}` with `image`", key.name),
            false => format!("`{}` without {needed}", key.name),
        };
        let flaw = Flaw::new(Code::NoEffect, what, why, hint);
        section.report_at(key.name, flaw, &[]);
    }
}
