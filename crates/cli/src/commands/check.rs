//! `plimsoll check`: is the configuration right?

use std::path::Path;

use config::{Diagnostics, Environment, LoadError, Loaded, Paint, Severity};
use serde::Serialize;

use crate::arguments::{Form, Which};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::quantity::counted;

/// Check the configuration, and say everything that is wrong with it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Changes nothing, and asks nobody. Ends with 0 if the file can be served, with 1 if not.

Examples:
  plimsoll check
  plimsoll check -c staging.toml
  plimsoll check --json | jq '.diagnostics[].what'")]
pub(crate) struct Options {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    form: Form,
}

/// What was found, for programs.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    valid: bool,
    errors: usize,
    warnings: usize,
    /// What is in it; absent if it is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    listeners: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routes: Option<usize>,
    diagnostics: Vec<admin::Diagnostic>,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let file = options.which.file()?;
    let (loaded, found) = match config::load(&file, &Environment::of_process()) {
        Ok(loaded) => (Some(loaded.clone()), loaded.warnings),
        Err(LoadError::Invalid(faults)) => (None, faults),
        Err(error) => return Err(error.into()),
    };
    if options.form.json {
        output::json(&report(&file, loaded.as_ref(), &found));
    } else {
        output::out(&found.render(Paint::Coloured));
        output::out(&format!("{}\n", summary(&file, loaded.as_ref(), &found)));
    }
    Ok(if loaded.is_some() { Exit::Done } else { Exit::Failed })
}

fn summary(file: &Path, loaded: Option<&Loaded>, found: &Diagnostics) -> String {
    let file = file.display();
    match loaded {
        None => format!("{file}: {}", found.summary()),
        Some(loaded) if found.is_empty() => format!("{file} is fine: {}", contents(loaded)),
        Some(loaded) => {
            format!("{file} can be served, with {}: {}", found.summary(), contents(loaded))
        }
    }
}

/// What is in a configuration: "1 listener, 2 services, 5 routes".
pub(crate) fn contents(loaded: &Loaded) -> String {
    let intent = &loaded.intent;
    let counts = [
        counted(intent.listeners.len(), "listener"),
        counted(intent.services.len(), "service"),
        counted(intent.routes.len(), "route"),
    ];
    counts.join(", ")
}

fn report(file: &Path, loaded: Option<&Loaded>, found: &Diagnostics) -> Report {
    let intent = loaded.map(|loaded| &loaded.intent);
    Report {
        file: file.display().to_string(),
        valid: intent.is_some(),
        errors: found.count(Severity::Error),
        warnings: found.count(Severity::Warning),
        listeners: intent.map(|intent| intent.listeners.len()),
        services: intent.map(|intent| intent.services.len()),
        routes: intent.map(|intent| intent.routes.len()),
        diagnostics: admin::diagnostics(found),
    }
}
