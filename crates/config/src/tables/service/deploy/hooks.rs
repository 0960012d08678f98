//! `before` and `after` of a deploy: what it runs once, beside its instances.

use std::time::Duration;

use model::{Hook, HookMoment};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::read::shell;
use crate::schema::{Absent, Key, Shape};
use crate::section::Section;

use super::super::command::{self, COMMANDS};

pub(super) const BEFORE: Key = Key::new(
    HookMoment::Before.as_str(),
    Shape::Either(&COMMANDS),
    Absent::Means("nothing is run"),
    "\"./migrate {version}\"",
    "What is run once in a deploy, before anything starts or stops: migrations. It is written as `command` is, and has the new \
     release's environment, secrets, directory and user; with `image` it is a container of its own, of the new image, with \
     the service's volumes and network. Where it fails, or takes longer than `hook_timeout`, no instance was started: \
     the deploy ends, with exit code 1. A rollback does not run it.",
)
.verbatim()
.aka(&["pre_deploy", "release_command", "migrate", "before_deploy", "pre"]);

pub(super) const AFTER: Key = Key::new(
    HookMoment::After.as_str(),
    Shape::Either(&COMMANDS),
    Absent::Means("nothing is run"),
    "\"./purge-cdn {version}\"",
    "What is run once when a deploy or a rollback has succeeded and the old release is gone. That it fails is told, and changes nothing.",
)
.verbatim()
.aka(&["post_deploy", "after_deploy", "post"]);

pub(super) const TIMEOUT: Key = Key::new(
    "hook_timeout",
    Shape::Duration(Duration::from_millis(1)..=Duration::from_secs(86_400)),
    Absent::Text("10m"),
    "\"1h\"",
    "How long `before` and `after` may take, each. Then it is asked to stop, as an instance is, and has failed.",
)
.aka(&["before_timeout", "after_timeout", "hooks_timeout"]);

/// Reads what is run at `moment`, for so long at most.
pub(super) fn read(section: &Section<'_>, moment: HookMoment, timeout: Duration) -> Option<Hook> {
    let node = section.node(moment.as_str())?;
    let command = command::read(&node)?;
    shell::warn_of_command(&node, &command);
    Some(Hook { command, timeout })
}

/// Refuses a limit of time for nothing.
pub(super) fn refuse_idle(section: &Section<'_>) {
    let has_hook = HookMoment::ALL.iter().any(|moment| section.has(moment.as_str()));
    if !has_hook && section.has(TIMEOUT.name) {
        let flaw = Flaw::new(
            Code::NoEffect,
            "`hook_timeout` without `before` or `after`",
            "it says how long they may take, and there is nothing to run",
            "say with `before` or `after` what is run, or remove this",
        );
        section.report_at(TIMEOUT.name, flaw, &[]);
    }
}
