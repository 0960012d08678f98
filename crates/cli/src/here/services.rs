//! Services that Plimsoll runs: their programs, directories, files, users and secrets, looked at as a deploy does.

use std::collections::BTreeSet;

use config::Severity;
use control::chain;
use driver::ProcessLogs;
use driver::launch::Spec;
use driver::port::Ports;
use driver::preflight::{Machine, Obstacle, Preflight, Room, check};
use model::{Run, Service};

use super::{Finding, Notes};

pub(super) fn look(notes: &Notes<'_>) -> Vec<Finding> {
    let services = notes.intent.services.values();
    services
        .flat_map(|service| service.run.iter().flat_map(|run| of_one(notes, service, run)))
        .collect()
}

fn of_one(notes: &Notes<'_>, service: &Service, run: &Run) -> Vec<Finding> {
    // Without a version nothing is started before a deploy names one, and what it needs is not known.
    let Some(version) = run.version.clone() else { return Vec::new() };
    let spec = Spec {
        service: service.name.clone(),
        version,
        recipe: run.recipe.clone(),
        withheld: BTreeSet::new(),
    };
    let plan =
        Preflight { spec, running: BTreeSet::new(), without: Vec::new(), room: Room::default() };
    let logs = ProcessLogs::of(&notes.intent.server.state_dir);
    let machine = Machine { ports: &Ports::default(), logs: logs.directory() };
    let checked = check(plan, driver::Environment::of_this_process(), machine);
    let faults = checked.err().unwrap_or_default();
    faults.iter().map(|fault| finding(notes, service, fault)).collect()
}

fn finding(notes: &Notes<'_>, service: &Service, fault: &Obstacle) -> Finding {
    let name = service.name.as_str();
    let (key, severity, hint) = match fault {
        Obstacle::Command(_) => ("command", Severity::Error, None),
        Obstacle::Program(_) => (
            "command",
            Severity::Error,
            Some(
                "a path is looked for in `directory`, a name in PATH, as it is where `plimsoll run` starts",
            ),
        ),
        Obstacle::Directory { .. } => (
            "directory",
            Severity::Error,
            Some("make it, or let `directory` and `version` name one that is there"),
        ),
        Obstacle::Account(_) => ("user", Severity::Error, None),
        Obstacle::EnvFile(_) => ("env_file", Severity::Error, None),
        // They may be set where it is started, as in a unit.
        Obstacle::SecretMissing { .. }
        | Obstacle::SecretBlank { .. }
        | Obstacle::NameLost { .. } => ("secrets", Severity::Warning, None),
        Obstacle::Memory { .. }
        | Obstacle::Descriptors { .. }
        | Obstacle::Disk { .. }
        | Obstacle::Ports { .. }
        | Obstacle::Unknown { .. } => ("command", Severity::Warning, None),
    };
    let about = format!("service `{name}`");
    let found = notes.finding(&["services", name, key], about, severity, chain(fault));
    match hint {
        Some(hint) => found.hint(hint),
        None => found,
    }
}
