//! A recipe as a text in the journal: JSON, whose form is the journal's own. What belongs to one kind of workload
//! stands below that kind, so that others need no table of their own. Two recipes are the same where their texts are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::{Account, Command, ProcessRecipe, Recipe, Workload};
use rusqlite::Row;
use serde::de::Error;
use serde::{Deserialize, Serialize};
use telemetry::{Events, event};

use super::container::WrittenContainer;

#[derive(Serialize, Deserialize)]
struct Written {
    workload: Kind,
    env: BTreeMap<String, String>,
    env_file: Option<PathBuf>,
    secrets: Vec<String>,
}

/// What an instance is, by its kind: `{"process": ..}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Process {
        command: Words,
        directory: PathBuf,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        inherit: Vec<String>,
    },
    Container(WrittenContainer),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Words {
    Arguments(Vec<String>),
    Line(String),
    Shell(String),
}

impl From<Command> for Words {
    fn from(command: Command) -> Self {
        match command {
            Command::Arguments(words) => Self::Arguments(words),
            Command::Line(line) => Self::Line(line),
            Command::Shell(script) => Self::Shell(script),
        }
    }
}

impl From<Words> for Command {
    fn from(words: Words) -> Self {
        match words {
            Words::Arguments(words) => Self::Arguments(words),
            Words::Line(line) => Self::Line(line),
            Words::Shell(script) => Self::Shell(script),
        }
    }
}

/// `recipe` as a text; `None` where a path cannot be said in one.
pub(super) fn text(recipe: &Recipe) -> Option<String> {
    let Recipe { workload, env, env_file, secrets } = recipe.clone();
    let workload = match workload {
        Workload::Process(process) => of_process(process),
        Workload::Container(container) => Kind::Container(container.into()),
    };
    let written = Written { workload, env, env_file, secrets };
    serde_json::to_string(&written).ok()
}

fn of_process(process: ProcessRecipe) -> Kind {
    let ProcessRecipe { command, directory, user, inherit } = process;
    let user = user.map(|user| user.to_string());
    Kind::Process { command: command.into(), directory, user, inherit }
}

/// The recipe in a column of `row`, if there is one that can be read.
pub(super) fn read(
    row: &Row<'_>,
    column: usize,
    events: &Events,
) -> rusqlite::Result<Option<Recipe>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| match parse(&text) {
        Ok(recipe) => Some(recipe),
        Err(error) => {
            events.emit(event::RecipeUnreadable { why: error.to_string() });
            None
        }
    }))
}

fn parse(text: &str) -> serde_json::Result<Recipe> {
    let Written { workload, env, env_file, secrets } = serde_json::from_str(text)?;
    let workload = match workload {
        Kind::Process { command, directory, user, inherit } => {
            let user = user.map(account).transpose()?;
            Workload::Process(ProcessRecipe { command: command.into(), directory, user, inherit })
        }
        Kind::Container(container) => Workload::Container(container.read()?),
    };
    Ok(Recipe { workload, env, env_file, secrets })
}

/// A user as it was written.
pub(super) fn account(text: String) -> serde_json::Result<Account> {
    text.parse::<Account>().map_err(|error| serde_json::Error::custom(error.why()))
}
