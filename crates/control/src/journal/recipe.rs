//! A recipe as a text in the journal: JSON, whose form is the journal's own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::{Command, Recipe};
use rusqlite::Row;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Written {
    command: Words,
    directory: PathBuf,
    env: BTreeMap<String, String>,
    env_file: Option<PathBuf>,
    secrets: Vec<String>,
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
    let Recipe { command, directory, env, env_file, secrets } = recipe.clone();
    let command = match command {
        Command::Arguments(words) => Words::Arguments(words),
        Command::Line(line) => Words::Line(line),
        Command::Shell(script) => Words::Shell(script),
    };
    serde_json::to_string(&Written { command, directory, env, env_file, secrets }).ok()
}

/// The recipe in a column of `row`, if there is one that can be read.
pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Recipe>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| match parse(&text) {
        Ok(recipe) => Some(recipe),
        Err(error) => {
            tracing::error!(%error, "journal has a recipe that cannot be read: the file's is taken");
            None
        }
    }))
}

fn parse(text: &str) -> serde_json::Result<Recipe> {
    let Written { command, directory, env, env_file, secrets } = serde_json::from_str(text)?;
    let command = match command {
        Words::Arguments(words) => Command::Arguments(words),
        Words::Line(line) => Command::Line(line),
        Words::Shell(script) => Command::Shell(script),
    };
    Ok(Recipe { command, directory, env, env_file, secrets })
}
