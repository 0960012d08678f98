//! `plimsoll check`: is the configuration right?

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use config::{Diagnostics, Environment, LoadError, Loaded, Paint, Severity};
use control::{Difference, Differs, chain};
use model::{Intent, Workload};
use serde::Serialize;

use crate::certificates::{self, Finding};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::here;
use crate::options::{Form, Placed, Which};
use crate::quantity::counted;
use crate::{output, sealed};

/// Validate the configuration and report every error
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Changes nothing. Exits with 0 if the file can be served, with 1 if not. If a Plimsoll runs with
it, the output names the services that run another version than the file.

Examples:
  plimsoll check
  plimsoll check staging.toml
  plimsoll check --resolved
  plimsoll check --here             and does this machine have what it needs?
  plimsoll check --json | jq '.diagnostics[].what'")]
pub(crate) struct Options {
    /// Print the file as it is read: with variables, included files and defaults, without secrets
    #[arg(long)]
    resolved: bool,
    /// Look at this machine, too: programs, directories, secrets, users, addresses, names, servers
    #[arg(long)]
    here: bool,
    #[command(flatten)]
    pub(crate) placed: Placed,
    #[command(flatten)]
    form: Form,
}

/// What was found.
struct Found {
    file: PathBuf,
    /// What is wanted, if the file says it without a fault.
    intent: Option<Intent>,
    diagnostics: Diagnostics,
    certificates: Vec<Finding>,
    /// Services of which another version runs.
    differences: Vec<Difference>,
    /// What is worth knowing, and no fault.
    notes: Vec<String>,
    /// What this machine lacks; none where that was not asked for, and nothing is.
    here: Option<Vec<here::Finding>>,
}

/// What was found, for programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    file: String,
    valid: bool,
    errors: usize,
    warnings: usize,
    /// How many there are; absent if the file has faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    listeners: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routes: Option<usize>,
    diagnostics: Vec<admin::Diagnostic>,
    certificates: &'a [Finding],
    /// Where another version runs than the file names, in words.
    differences: Vec<String>,
    /// What is worth knowing, and no fault.
    notes: &'a [String],
    /// What this machine lacks; absent unless that was asked for, or a service has no release.
    #[serde(skip_serializing_if = "Option::is_none")]
    here: Option<&'a [here::Finding]>,
}

pub(crate) fn run(mut options: Options) -> Result<Exit, Failure> {
    let which = options.placed.which();
    if options.resolved {
        return resolved(&which.file()?, &options.form);
    }
    let file = which.file()?;
    let mut found = match Found::in_file(file.clone()) {
        Err(Failure::Load(error)) if options.form.json => {
            output::json(&Unread {
                file: file.display().to_string(),
                valid: false,
                error: chain(&error),
            });
            return Ok(Exit::Failed);
        }
        found => found?,
    };
    if let Some(intent) = &found.intent {
        let status = status(which)?;
        found.differences = differences(status.as_ref(), intent);
        found.notes = unseparated(intent);
        found.notes.extend(internal(intent));
        let unreleased = unreleased(&found.file, intent, status.as_ref());
        if options.here {
            found.here = Some(look_here(&found.file, intent, status.as_ref()));
        }
        if options.here || !unreleased.is_empty() {
            found.here.get_or_insert_default().extend(unreleased);
        }
    }
    if options.form.json {
        output::json(&found.report());
    } else {
        output::out(&found.diagnostics.render(Paint::Coloured));
        found.certificates.iter().for_each(|finding| output::out(&finding.draw()));
        let here = found.here.iter().flatten();
        here.for_each(|finding| output::out(&finding.draw(&found.file)));
        for difference in &found.differences {
            output::out(&format!("! service {}: {difference}\n", difference.service));
        }
        for note in &found.notes {
            output::out(&format!("note: {note}\n"));
        }
        output::out(&format!("{}\n", found.summary()));
    }
    Ok(if found.count(Severity::Error) == 0 { Exit::Done } else { Exit::Failed })
}

/// The file as it is read, for programs.
#[derive(Debug, Serialize)]
struct Resolved {
    file: String,
    resolved: String,
}

/// Prints the file as it is read, and beside it what is doubtful in it.
fn resolved(file: &Path, form: &Form) -> Result<Exit, Failure> {
    let config::Resolved { text, loaded } = config::resolve(file, &sealed::environment())?;
    output::err(&loaded.warnings.render(Paint::Coloured));
    match form.json {
        true => output::json(&Resolved { file: file.display().to_string(), resolved: text }),
        false => output::out(&text),
    }
    Ok(Exit::Done)
}

/// A file that cannot be read, for programs.
#[derive(Debug, Serialize)]
struct Unread {
    file: String,
    valid: bool,
    /// Why not.
    error: String,
}

impl Found {
    fn in_file(file: PathBuf) -> Result<Self, Failure> {
        match config::load(&file, &sealed::environment()) {
            Ok(Loaded { intent, warnings: diagnostics }) => {
                let certificates = certificates::check(&file, SystemTime::now());
                Ok(Self::new(file, Some(intent), diagnostics, certificates))
            }
            Err(LoadError::Invalid(diagnostics)) => {
                let certificates = certificates::check(&file, SystemTime::now());
                Ok(Self::new(file, None, diagnostics, certificates))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn new(
        file: PathBuf,
        intent: Option<Intent>,
        diagnostics: Diagnostics,
        certificates: Vec<Finding>,
    ) -> Self {
        let (differences, notes) = (Vec::new(), Vec::new());
        Self { file, intent, diagnostics, certificates, differences, notes, here: None }
    }

    fn count(&self, severity: Severity) -> usize {
        let certificates = self.certificates.iter().filter(|it| it.severity == severity);
        let here = self.here.iter().flatten().filter(|it| it.severity == severity);
        self.diagnostics.count(severity) + certificates.count() + here.count()
    }

    fn summary(&self) -> String {
        let file = self.file.display();
        let all = [(Severity::Error, "error"), (Severity::Warning, "warning")];
        let counts = all.map(|(severity, noun)| (self.count(severity), noun));
        let faults = counts.iter().filter(|(count, _)| *count > 0);
        let faults: Vec<_> = faults.map(|(count, noun)| counted(*count, noun)).collect();
        let faults = faults.join(", ");
        match &self.intent {
            Some(intent) if faults.is_empty() => format!("{file} is fine: {}", contents(intent)),
            Some(intent) if self.count(Severity::Error) == 0 => {
                format!("{file} can be served, with {faults}: {}", contents(intent))
            }
            _ => format!("{file}: {faults}"),
        }
    }

    fn report(&self) -> Report<'_> {
        let intent = self.intent.as_ref();
        Report {
            file: self.file.display().to_string(),
            valid: self.count(Severity::Error) == 0,
            errors: self.count(Severity::Error),
            warnings: self.count(Severity::Warning),
            listeners: intent.map(|intent| intent.listeners.len()),
            services: intent.map(|intent| intent.services.len()),
            routes: intent.map(|intent| intent.routes.len()),
            diagnostics: admin::diagnostics(&self.diagnostics),
            certificates: &self.certificates,
            differences: self.differences.iter().map(ToString::to_string).collect(),
            notes: &self.notes,
            here: self.here.as_deref(),
        }
    }
}

/// What the Plimsoll that runs with this configuration says of itself, if one does.
fn status(which: &Which) -> Result<Option<admin::Status>, Failure> {
    let client = which.client()?;
    super::block_on(async { Ok(client.status().await.ok()) })
}

/// Services whose releases nothing in the file tells apart: what a rollback does is easily taken for more.
fn unseparated(intent: &Intent) -> Vec<String> {
    let runs = intent.services.values().filter_map(|it| Some((&it.name, it.run.as_ref()?)));
    let alike = runs.filter(|(_, run)| !run.recipe.names_version());
    alike
        .map(|(name, run)| {
            match &run.recipe.workload {
                Workload::Process(process) => format!(
                    "only $VERSION tells the releases of {name} apart: each deploy, and each rollback, runs what lies in {} \
                     then; with directory = \"releases/{{version}}\" a rollback brings the old files back",
                    process.directory.display()
                ),
                Workload::Container(container) => format!(
                    "only $VERSION and the image's digest tell the releases of {name} apart: each deploy runs what {} stands for \
                     then; with {{version}} as its tag each release says which",
                    container.image
                ),
            }
        })
        .collect()
}

/// Hosts whose certificates no client believes by itself.
fn internal(intent: &Intent) -> Option<String> {
    let hosts: Vec<&str> = intent.internal.iter().map(String::as_str).collect();
    (!hosts.is_empty()).then(|| {
        format!(
            "Plimsoll's own CA issues the certificates for {}: clients believe them once they have its root, which `plimsoll certificates --ca` prints",
            hosts.join(", ")
        )
    })
}

/// Services that are served with nothing: the file names no version, and no deploy has brought one. Where no Plimsoll
/// runs, but did, its journal knows, and nothing is said.
fn unreleased(file: &Path, intent: &Intent, status: Option<&admin::Status>) -> Vec<here::Finding> {
    let has_run = control::has_served(&intent.server.state_dir);
    let is_idle = |name: &str| match status {
        Some(status) => {
            let service = status.services.iter().find(|it| it.name == name);
            service.and_then(|it| it.run.as_ref()).is_none_or(|run| run.idle.is_some())
        }
        None => !has_run,
    };
    let runs = intent
        .services
        .values()
        .filter(|it| it.run.as_ref().is_some_and(|run| run.version.is_none()));
    let idle: Vec<&str> = runs.map(|it| it.name.as_str()).filter(|name| is_idle(name)).collect();
    let places = config::places(file, &Environment::of_process());
    here::unreleased(&places, intent, &idle)
}

/// What this machine lacks for the file. What the Plimsoll holds that serves this very file is not missing.
fn look_here(file: &Path, intent: &Intent, status: Option<&admin::Status>) -> Vec<here::Finding> {
    let places = config::places(file, &Environment::of_process());
    let listeners = status.into_iter().flat_map(|status| &status.listeners);
    let held = listeners.flat_map(|it| it.addresses.iter().filter_map(|it| it.parse().ok()));
    let mut held: Vec<SocketAddr> = held.collect();
    held.extend(intent.admin.bind.filter(|_| status.is_some()));
    here::look(&here::Subject { places: &places, intent, held: &held })
}

/// Where the Plimsoll that runs runs another version than the file names.
fn differences(status: Option<&admin::Status>, intent: &Intent) -> Vec<Difference> {
    let of_service = |service: &admin::Service| {
        let wanted = intent.services.get(service.name.as_str())?;
        let (file, run) = (wanted.run.as_ref()?.version.clone()?, service.run.as_ref()?);
        let runs = run.release.clone().filter(|runs| *runs != file)?;
        let what = match run.file_version.as_ref() == Some(&file) {
            // A deploy that is on may yet end with what the file says.
            true if run.deploy.is_some() => return None,
            true => Differs::Outdated(file),
            false => Differs::Version(file),
        };
        Some(Difference { service: wanted.name.clone(), runs, what })
    };
    status.into_iter().flat_map(|status| &status.services).filter_map(of_service).collect()
}

/// What is in a configuration: "1 listener, 2 services, 5 routes".
pub(crate) fn contents(intent: &Intent) -> String {
    let counts = [
        counted(intent.listeners.len(), "listener"),
        counted(intent.services.len(), "service"),
        counted(intent.routes.len(), "route"),
    ];
    counts.join(", ")
}
