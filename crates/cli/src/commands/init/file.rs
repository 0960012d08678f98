//! The plimsoll.toml that is written for a proposal. Pure: a proposal in, text out, with comments that say why.

use std::path::Path;

use super::proposal::{Proposal, Releases, Run};
use crate::foreign::shown;

/// The file with the schema, beside it.
pub(super) const SCHEMA_FILE: &str = "plimsoll.schema.json";
/// Where state is kept, beside it.
pub(super) const STATE_DIR: &str = ".plimsoll";
/// Where it is kept for a file of the system's, beside which a service may write nothing.
const SYSTEM_STATE_DIR: &str = "/var/lib/plimsoll";
/// How wide a comment is.
const WIDTH: usize = 110;
/// The variables that stand for themselves in a command without a shell.
const PUT_IN: [&str; 4] = ["PORT", "VERSION", "INSTANCE", "SERVICE"];

/// What is wanted of the file beside what is proposed.
pub(super) struct Terms {
    /// The service's name.
    pub(super) service: String,
    /// Where is listened.
    pub(super) listen: String,
    /// Where state is kept.
    pub(super) state_dir: &'static str,
}

/// Where state is kept for a file in `dir`, an absolute path.
pub(super) fn state_dir(dir: &Path) -> &'static str {
    if dir.starts_with("/etc") { SYSTEM_STATE_DIR } else { STATE_DIR }
}

/// The file.
pub(super) fn file(proposal: &Proposal, terms: &Terms) -> String {
    let Terms { service, listen, state_dir } = terms;
    let mut text = format!("#:schema ./{SCHEMA_FILE}\n");
    let seen = match proposal.seen.as_slice() {
        [] => String::new(),
        seen => format!(" ({})", seen.join(", ")),
    };
    comment(
        &mut text,
        &format!(
            "By `plimsoll init` for: {}{seen}. `plimsoll check --here` says what is missing, `plimsoll run` serves.",
            proposal.what
        ),
    );
    text.push_str("\n[server]\n");
    comment(
        &mut text,
        "What Plimsoll keeps: the socket for its commands, the releases, the instances' logs. Not for git.",
    );
    text.push_str(&format!("state_dir = {}\n", quoted(state_dir)));
    text.push_str("\n[listeners.web]\n");
    comment(&mut text, "This machine alone; \"0.0.0.0:80\" is every address of it.");
    text.push_str(&format!("bind = {}\n", quoted(listen)));
    let key = key(service);
    text.push_str(&format!("\n[services.{key}]\n"));
    match &proposal.run {
        Run::Command { command, why, version, releases } => {
            comment(&mut text, why);
            comment(
                &mut text,
                "Each instance is given a free port in $PORT, and has to listen there.",
            );
            text.push_str(&format!("command = {}\n", command_value(command)));
            comment(&mut text, &released(*releases, service));
            if *releases == Releases::Directory {
                text.push_str("directory = \"releases/{version}\"\n");
            }
            text.push_str(&format!("version = {}\n", quoted(version)));
            comment(&mut text, "Two, so that one is enough while the other is replaced or fails.");
            text.push_str("replicas = 2\n");
        }
        Run::Targets { targets, why } => {
            comment(&mut text, why);
            let targets: Vec<String> = targets.iter().map(|target| quoted(target)).collect();
            text.push_str(&format!("targets = [{}]\n", targets.join(", ")));
        }
    }
    health(&mut text, proposal);
    for key in &proposal.keys {
        comment(&mut text, &key.why);
        text.push_str(&format!("{}\n", key.line));
    }
    if matches!(proposal.run, Run::Command { .. }) {
        text.push_str(&format!("\n[services.{key}.deploy]\n"));
        comment(
            &mut text,
            "How long a new release is watched while the old one stays ready to take over.",
        );
        text.push_str("bake = \"30s\"\n");
    }
    text.push_str(&format!("\n[[routes]]\nto = {}\n", quoted(service)));
    text
}

fn health(text: &mut String, proposal: &Proposal) {
    let health = &proposal.health;
    comment(text, &format!("Only instances that pass get requests. {}", health.why));
    let check = match (&health.path, &health.host) {
        (Some(path), Some(host)) => format!("path = {}, host = {}", quoted(path), quoted(host)),
        (Some(path), None) => format!("path = {}", quoted(path)),
        (None, _) => "tcp = true".to_owned(),
    };
    text.push_str(&format!("health = {{ {check} }}\n"));
}

fn released(releases: Releases, service: &str) -> String {
    let deploy = format!("`plimsoll deploy {service} VERSION`");
    match releases {
        Releases::Command => {
            format!("What runs first; {{version}} stands for it. {deploy} replaces it by another.")
        }
        Releases::Directory => format!(
            "What runs first, in a directory of its own, so that a rollback finds the old one. {deploy} replaces it."
        ),
        Releases::Unseparated => format!(
            "What runs first. {deploy} replaces it by what lies here then; with directory = \"releases/{{version}}\" each \
             release has a directory of its own, and a rollback finds the old one."
        ),
    }
}

/// A command as the file has it: in a shell where one is needed.
fn command_value(command: &str) -> String {
    if !needs_shell(command) {
        return quoted(command);
    }
    let is_one = !command.contains(['&', '|', ';', '\n']);
    let is_set_before = command.split_whitespace().next().is_some_and(|word| word.contains('='));
    // The shell makes room for the program, so that the program gets the signals.
    let script = match (is_one, is_set_before) {
        (true, true) => format!("exec env {command}"),
        (true, false) if !command.starts_with("exec ") => format!("exec {command}"),
        _ => command.to_owned(),
    };
    format!("{{ shell = {} }}", quoted(&script))
}

/// Whether a command means something else without a shell: what only shells understand would reach the program as it is.
pub(super) fn needs_shell(command: &str) -> bool {
    let is_set_before = command.split_whitespace().next().is_some_and(|word| word.contains('='));
    let has_sign = command.contains(['&', '|', ';', '<', '>', '`', '*', '~', '\n']);
    let is_ours = |rest: &str| {
        let name = rest.strip_prefix('{').unwrap_or(rest);
        let name: String =
            name.chars().take_while(|it| it.is_ascii_alphanumeric() || *it == '_').collect();
        PUT_IN.contains(&name.as_str()) && !rest[1..].starts_with([':'])
    };
    let has_variable = command.match_indices('$').any(|(at, _)| {
        let rest = &command[at + 1..];
        let braced_with_more = rest.starts_with('{')
            && rest.split('}').next().is_some_and(|it| it.contains([':', '-']));
        rest.is_empty() || braced_with_more || !is_ours(rest)
    });
    is_set_before || has_sign || has_variable
}

/// Adds a comment, in lines that are not too long.
fn comment(text: &mut String, words: &str) {
    let mut line = String::from("#");
    // A project chooses some of them, and no comment may hold what a terminal obeys.
    for word in shown(words).split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        text.push_str(&line);
        text.push('\n');
    }
}

/// A name as it stands in a header. What is no name of a service is for the reader to say.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match !name.is_empty() && name.bytes().all(is_bare) {
        true => name.to_owned(),
        false => serde_json::Value::from(name).to_string().replace('\u{7f}', "\\u007f"),
    }
}

/// `text` as TOML has it.
/// On one line, also what has several: a line of its own would be the project's to choose.
fn quoted(text: &str) -> String {
    match text.contains(['\n', '\r']) {
        true => serde_json::Value::from(text).to_string(),
        false => toml::Value::String(text.to_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::proposal::Proposal;
    use super::*;

    #[test]
    fn whatever_a_project_and_its_user_say_is_toml() {
        for said in ["my shop", "a]\n[b", "\u{1b}[2Jx\u{7f}", "\u{202e}a", "", "ü\"'"] {
            let why = format!("The start script: {said}");
            let proposal = Proposal::command(said, said, why);
            let terms =
                Terms { service: said.to_owned(), listen: said.to_owned(), state_dir: STATE_DIR };
            let text = file(&proposal, &terms);
            let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert!(table["services"].get(said).is_some(), "{text}");
            assert_eq!(table["services"].as_table().map(toml::Table::len), Some(1), "{text}");
        }
    }

    #[test]
    fn what_only_a_shell_understands_is_given_to_one() {
        for (command, value) in [
            ("node server.js --port $PORT", "\"node server.js --port $PORT\""),
            (
                "gunicorn 'app:create_app()' -b :${PORT}",
                "\"gunicorn 'app:create_app()' -b :${PORT}\"",
            ),
            ("a && b", "{ shell = \"a && b\" }"),
            ("NODE_ENV=x node a.js", "{ shell = \"exec env NODE_ENV=x node a.js\" }"),
            ("java $JAVA_OPTS -jar a.jar", "{ shell = \"exec java $JAVA_OPTS -jar a.jar\" }"),
            ("~/bin/serve", "{ shell = \"exec ~/bin/serve\" }"),
            ("serve -p ${PORT:-3000}", "{ shell = \"exec serve -p ${PORT:-3000}\" }"),
            ("exec a *", "{ shell = \"exec a *\" }"),
            ("a\nb \"c\"", "{ shell = \"a\\nb \\\"c\\\"\" }"),
        ] {
            assert_eq!(command_value(command), value);
        }
    }
}
