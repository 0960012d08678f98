//! `plimsoll secrets list`: which there are, and who gets them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::{Form, Which};
use crate::output;
use crate::sealed::{self, Sealed};
use crate::table::{Column, Table};
use crate::width::columns;

/// Show the secrets' names and which services get them, never their values
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll secrets list
  plimsoll secrets list --json | jq -r '.secrets[] | select(.found == \"missing\").name'")]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    form: Form,
}

/// All of them, for programs.
#[derive(Debug, Serialize)]
struct List {
    file: String,
    recipients: Vec<String>,
    secrets: Vec<Entry>,
}

/// One of them.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    found: Found,
    /// The services that name it.
    services: Vec<String>,
}

/// Where its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Found {
    /// In the file.
    File,
    /// In the environment of this command, which goes before the file.
    Environment,
    /// In the file, without a character.
    Blank,
    /// Nowhere.
    Missing,
}

pub(super) fn run(options: Options) -> Result<Exit, Failure> {
    let file = options.which.file()?;
    let sealed = Sealed::beside(&file)?;
    let list = list(&file, sealed.as_ref());
    match options.form.json {
        true => output::json(&list),
        false => output::out(&draw(&list, columns())),
    }
    Ok(Exit::Done)
}

fn list(file: &Path, sealed: Option<&Sealed>) -> List {
    let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let names = sealed.into_iter().flat_map(|it| it.plain.secrets().keys());
    services.extend(names.map(|name| (name.clone(), Vec::new())));
    // A configuration that cannot be used says nothing of who gets them; `plimsoll check` says why.
    if let Ok(loaded) = config::load(file, &sealed::environment()) {
        for service in loaded.intent.services.values() {
            for name in service.run.iter().flat_map(|run| &run.recipe.secrets) {
                services.entry(name.clone()).or_default().push(service.name.to_string());
            }
        }
    }
    let found = |name: &str| {
        let value = sealed.and_then(|it| it.plain.secrets().get(name));
        match (std::env::var_os(name), value) {
            (Some(value), _) if !value.is_empty() => Found::Environment,
            (_, Some(value)) if value.expose().is_empty() => Found::Blank,
            (_, Some(_)) => Found::File,
            (_, None) => Found::Missing,
        }
    };
    let entries = services.into_iter();
    List {
        file: file.with_file_name(secrets::SEALED_FILE).display().to_string(),
        recipients: sealed
            .iter()
            .flat_map(|it| it.recipients.all())
            .map(ToString::to_string)
            .collect(),
        secrets: entries
            .map(|(name, services)| Entry { found: found(&name), name, services })
            .collect(),
    }
}

fn draw(list: &List, width: usize) -> String {
    if list.secrets.is_empty() {
        return "there are no secrets, and no service names one\n".to_owned();
    }
    let mut table =
        Table::new([Column::Left("NAME"), Column::Left("FOUND"), Column::Left("SERVICES")]);
    for Entry { name, found, services } in &list.secrets {
        let found = match found {
            Found::File => "secrets.age",
            Found::Environment => "environment",
            Found::Blank => "blank",
            Found::Missing => "missing",
        };
        let services = if services.is_empty() { "-".to_owned() } else { services.join(", ") };
        table.row([shown(name).to_string().into(), found.into(), services.into()]);
    }
    table.fit(width, &[])
}
