//! `plimsoll version`: which program this is.

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Form;
use crate::output;

/// The version with its commit and target.
pub(crate) const VERSION: &str = env!("PLIMSOLL_VERSION");

/// Show the version, its commit and the platform
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll version
  plimsoll version --json | jq -r .version")]
pub(crate) struct Options {
    #[command(flatten)]
    form: Form,
}

/// The same, for programs.
#[derive(Debug, PartialEq, Serialize)]
struct Version<'a> {
    version: &'a str,
    /// The commit and its day; absent where it was built without git.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'a str>,
    target: &'a str,
}

pub(crate) fn run(options: &Options) -> Result<Exit, Failure> {
    match options.form.json {
        true => output::json(&Version::of(VERSION)),
        false => output::out(&format!("plimsoll {VERSION}\n")),
    }
    Ok(Exit::Done)
}

/// The version alone, and the day of its commit where that is known.
pub(crate) fn number_and_day() -> (&'static str, Option<&'static str>) {
    let Version { version, commit, .. } = Version::of(VERSION);
    (version, commit.and_then(|commit| commit.rsplit(' ').next()))
}

impl<'a> Version<'a> {
    /// Takes `version (commit day) target` apart.
    fn of(text: &'a str) -> Self {
        let (version, rest) = text.split_once(' ').unwrap_or((text, ""));
        match rest.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
            Some((commit, target)) => Self { version, commit: Some(commit), target },
            None => Self { version, commit: None, target: rest },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_its_commit_where_one_is_known() {
        let whole = Version { version: "1.2", commit: Some("abc 2026-01-02"), target: "x" };
        assert_eq!(Version::of("1.2 (abc 2026-01-02) x"), whole);
        assert_eq!(Version::of("1.2 x"), Version { commit: None, ..whole });
    }
}
