//! What a service says of instances that Plimsoll runs itself, put together.

use std::num::NonZeroU32;

use model::{ProcessRecipe, Recipe, Run, VERSION_MARK, Workload};

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::read::{file, narrow, placeholder, port, shell};
use crate::schema::{Absent, Format, Key, Shape};
use crate::section::Section;
use crate::value::release;

use super::{RUNS, SERVICE, command, deploy, env, restart, stop, user};

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
.needs("command");

pub(crate) const REPLICAS_KEY: Key =
    Key::new("replicas", Shape::Count(1..=1000), Absent::Count(1), "2", "How many instances run.")
        .aka(&["instances_count", "count", "scale", "processes"])
        .needs("command");

pub(crate) const DIRECTORY_KEY: Key = Key::new(
    "directory",
    Shape::Text(&env::PATH),
    Absent::Means("the directory of the file"),
    "\"/srv/api\"",
    "Where the instances run. A relative one starts at the directory of the file. `{version}` is \
     substituted.",
)
.aka(&["dir", "cwd", "working_dir", "workdir", "working_directory"])
.needs("command");

/// Reads how the instances are run; `None` where somebody else runs them.
pub(crate) fn read(section: &Section<'_>, origin: &Origin) -> Option<Run> {
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
    // Conditions refuse what is not substituted there by themselves.
    let holds_in =
        ["command", "directory", "env", "env_file", "health.command", "deploy.conditions"];
    let cure = "it holds in `command`, `directory`, `env`, `env_file`, `health.command` and the `query` of a condition";
    refuse_marks(section, &holds_in, cure);
    let command = section.node("command").and_then(|node| command::read(&node));
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
    let (env, secrets) = (env::read(section), env::secrets(section));
    let user = section.parse("user", user::parse);
    let inherit = env::inherit(section);
    let deploy = section.section("deploy", |table| deploy::read(table, origin));
    let stop = section.section("stop", stop::read);
    let restart = section.section("restart", restart::read);
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

fn refuse_without_command(section: &Section<'_>) {
    for key in SERVICE.keys_that_need("command").filter(|key| section.has(key)) {
        let flaw = Flaw::new(
            Code::NoEffect,
            format!("`{key}` without `command`"),
            "it says how Plimsoll runs the instances, but Plimsoll does not run these",
            "say with `command` what an instance runs, or remove this",
        );
        section.report_at(key, flaw, &[]);
    }
}
