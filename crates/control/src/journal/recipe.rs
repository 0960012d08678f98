//! A recipe as a text in the journal: JSON, whose form is the journal's own. What belongs to one kind of workload
//! stands below that kind, so that others need no table of their own. Two recipes are the same where their texts are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::{Account, Command, NoAccount, ProcessRecipe, Recipe, Workload};
use rusqlite::Row;
use serde::de::Error;
use serde::{Deserialize, Serialize};
use telemetry::{Events, event};

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
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Words {
    Arguments(Vec<String>),
    Line(String),
    Shell(String),
}

/// `recipe` as a text; `None` where a path cannot be said in one.
pub(super) fn text(recipe: &Recipe) -> Option<String> {
    let Recipe { workload, env, env_file, secrets } = recipe.clone();
    let Workload::Process(ProcessRecipe { command, directory, user, inherit }) = workload;
    let command = match command {
        Command::Arguments(words) => Words::Arguments(words),
        Command::Line(line) => Words::Line(line),
        Command::Shell(script) => Words::Shell(script),
    };
    let user = user.map(|user| user.to_string());
    let workload = Kind::Process { command, directory, user, inherit };
    let written = Written { workload, env, env_file, secrets };
    serde_json::to_string(&written).ok()
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
    let Kind::Process { command, directory, user, inherit } = workload;
    let account = |text: String| text.parse::<Account>().map_err(NoAccount::why);
    let user = user.map(account).transpose().map_err(serde_json::Error::custom)?;
    let command = match command {
        Words::Arguments(words) => Command::Arguments(words),
        Words::Line(line) => Command::Line(line),
        Words::Shell(script) => Command::Shell(script),
    };
    let workload = Workload::Process(ProcessRecipe { command, directory, user, inherit });
    Ok(Recipe { workload, env, env_file, secrets })
}
