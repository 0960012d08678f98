//! A recipe as a text in the journal: JSON, whose form is the journal's own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::{Account, Command, INHERITED, NoAccount, ProcessRecipe, Recipe, Workload};
use rusqlite::Row;
use serde::de::Error;
use serde::{Deserialize, Serialize};
use telemetry::{Events, event};

#[derive(Serialize, Deserialize)]
struct Written {
    command: Words,
    directory: PathBuf,
    env: BTreeMap<String, String>,
    env_file: Option<PathBuf>,
    secrets: Vec<String>,
    /// Not kept by earlier versions, as little as what is inherited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default = "inherited")]
    inherit: Vec<String>,
}

fn inherited() -> Vec<String> {
    INHERITED.map(str::to_owned).into()
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
    let written = Written { command, directory, env, env_file, secrets, user, inherit };
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
    let Written { command, directory, env, env_file, secrets, user, inherit } =
        serde_json::from_str(text)?;
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
