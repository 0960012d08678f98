//! Services that Plimsoll runs: their programs, directories, files, users and secrets, looked at as a deploy does.

use std::collections::BTreeSet;
use std::path::Path;

use config::Severity;
use control::chain;
use driver::command::{Facts, words};
use driver::launch::Spec;
use driver::port::Ports;
use driver::preflight::{Machine, Obstacle, Preflight, Room, check};
use driver::{ProcessLogs, find_program};
use model::{Command, HealthProbe, HookMoment, Run, Service, Workload};

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
    // What a container is made of is the engine's and the registry's to say, who are asked by a deploy.
    let Workload::Process(process) = run.recipe.of_version(&version).workload else {
        return Vec::new();
    };
    let spec = Spec {
        service: service.name.clone(),
        version: version.clone(),
        recipe: run.recipe.clone(),
        withheld: BTreeSet::new(),
        placement: Default::default(),
        registries: notes.intent.registries.clone(),
        sealed: notes.intent.secrets.clone(),
    };
    let plan =
        Preflight { spec, running: BTreeSet::new(), without: Vec::new(), room: Room::default() };
    let logs = ProcessLogs::of(&notes.intent.server.state_dir);
    let machine = Machine { ports: &Ports::default(), logs: logs.directory() };
    let checked = check(plan, driver::Environment::of_this_process(), machine);
    let (environment, faults) = match checked {
        Ok(passed) => (passed.environment, Vec::new()),
        Err(faults) => (driver::Environment::of_this_process(), faults),
    };
    let mut findings: Vec<_> = faults.iter().map(|fault| finding(notes, service, fault)).collect();
    if !faults.iter().any(|fault| matches!(fault, Obstacle::Directory { .. })) {
        let place = Place { notes, name: service.name.as_str(), directory: &process.directory };
        findings.extend(place.missing_script(&["command"], &process.command));
        findings.extend(place.check_command(service, &version, &environment));
        findings.extend(place.check_hooks(run, &version, &environment));
    }
    findings
}

/// A program that runs beside instances.
struct Program<'a> {
    /// Where it stands in the file.
    key: &'a [&'a str],
    command: &'a Command,
    /// Whose it is.
    of: &'a str,
    /// What to do where it cannot run.
    hint: &'static str,
}

/// Where the instances of a service run, and where it stands in the file.
struct Place<'a> {
    notes: &'a Notes<'a>,
    name: &'a str,
    directory: &'a Path,
}

impl Place<'_> {
    fn finding(&self, key: &[&str], what: String) -> Finding {
        let path = [&["services", self.name][..], key].concat();
        self.notes.finding(&path, format!("service `{}`", self.name), Severity::Error, what)
    }

    /// What the program of its checks lacks: it runs beside an instance, and can be looked for without one.
    fn check_command(
        &self,
        service: &Service,
        version: &str,
        environment: &driver::Environment,
    ) -> Option<Finding> {
        let Some(HealthProbe::Command(command)) = service.health.as_ref().map(|it| &it.probe)
        else {
            return None;
        };
        let program = Program {
            key: &["health", "command"],
            command,
            of: "its checks",
            hint: "a path is looked for in `directory`, a name in the PATH of the instance; until it runs no instance gets requests",
        };
        self.check_program(&program, version, environment)
    }

    /// What the programs lack that a deploy runs once.
    fn check_hooks(
        &self,
        run: &Run,
        version: &str,
        environment: &driver::Environment,
    ) -> Vec<Finding> {
        let one = |moment: HookMoment| {
            let hook = run.deploy.hook(moment)?;
            let program = Program {
                key: &["deploy", moment.as_str()],
                command: &hook.command,
                of: &format!("`{moment}`"),
                hint: "a path is looked for in `directory`, a name in the PATH of the instance; no deploy begins without it",
            };
            self.check_program(&program, version, environment)
        };
        HookMoment::ALL.into_iter().filter_map(one).collect()
    }

    /// What a program lacks.
    fn check_program(
        &self,
        program: &Program<'_>,
        version: &str,
        environment: &driver::Environment,
    ) -> Option<Finding> {
        let Program { key, command, of, hint } = program;
        let facts = Facts { port: 0, version, instance: self.name, service: self.name };
        let words = match words(command, facts) {
            Ok(words) => words,
            Err(error) => return Some(self.finding(key, chain(&error))),
        };
        match find_program(&words[0], self.directory, environment.get("PATH")) {
            Ok(_) => self.missing_script(key, command),
            Err(fault) => {
                let what = format!("the program of {of} cannot run: {}", chain(&fault));
                Some(self.finding(key, what).hint(*hint))
            }
        }
    }
}

/// Programs that run the file which they are given.
const RUN_FILES: [&str; 8] = ["node", "python", "python3", "ruby", "php", "java", "deno", "bun"];
/// How the names of such files end.
const FILES: [&str; 9] = [".js", ".mjs", ".cjs", ".ts", ".py", ".rb", ".php", ".jar", ".ru"];

impl Place<'_> {
    /// The file that a command's program is to run, and that is not there: it has to be built first, mostly.
    fn missing_script(&self, key: &[&str], command: &Command) -> Option<Finding> {
        let words: Vec<&str> = match command {
            Command::Arguments(words) => words.iter().map(String::as_str).collect(),
            // What needs a shell, or its quotes, says less of files.
            Command::Line(line) if !line.contains(['"', '\'', '\\']) => {
                line.split_whitespace().collect()
            }
            Command::Line(_) | Command::Shell(_) => return None,
        };
        let (program, rest) = words.split_first()?;
        let program = program.rsplit('/').next().unwrap_or(program);
        if !RUN_FILES.contains(&program) {
            return None;
        }
        // Its own first argument: what comes behind is for the script to make sense of.
        let script = rest.iter().find(|word| !word.starts_with('-'))?;
        let is_file = FILES.iter().any(|end| script.ends_with(end));
        if !is_file || script.contains(['$', '{', '=', ':']) {
            return None;
        }
        let path = self.directory.join(script);
        if path.exists() {
            return None;
        }
        let what = format!("there is no file {} for {program} to run", path.display());
        Some(self.finding(key, what).hint(
            "build the service first, or mend the path; a relative one begins in `directory`",
        ))
    }
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
        | Obstacle::Engine(_)
        | Obstacle::OtherKind
        | Obstacle::Unknown { .. } => ("command", Severity::Warning, None),
    };
    let about = format!("service `{name}`");
    let found = notes.finding(&["services", name, key], about, severity, chain(fault));
    match hint {
        Some(hint) => found.hint(hint),
        None => found,
    }
}
