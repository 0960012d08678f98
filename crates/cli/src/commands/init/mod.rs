//! `plimsoll init`: a first plimsoll.toml for what lies in a directory.
//!
//! Three steps: what lies there (`kinds`, which sees a [`Folder`] and nothing else), what is wanted of it (options, or a
//! few questions), and the text (`file`). What is written is read by the reader of files before anything is on the disk.

mod address;
mod ask;
mod file;
mod folder;
mod kinds;
mod proposal;
mod source;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Code, Environment, Origin};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::Form;
use crate::output;
use ask::Person;
use file::{SCHEMA_FILE, STATE_DIR, Terms};
use folder::{Disk, Folder};
use proposal::{Health, Proposal, Releases, Run};

/// The name of the file.
const FILE: &str = "plimsoll.toml";

/// Write a first plimsoll.toml for what is in this directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Looks for package.json, manage.py, requirements.txt, pyproject.toml, Gemfile, config.ru, pom.xml,
build.gradle, go.mod, Cargo.toml, compose.yaml, Dockerfile, Procfile and index.html, and proposes a
command, a health check and a version. On a terminal it asks; with --yes, or where an option says
what to do, it does not. Nothing is overwritten without --force.

Examples:
  plimsoll init
  plimsoll init --yes && plimsoll check --here && plimsoll run
  plimsoll init shop --command 'node server.js' --health /health
  plimsoll init --target 10.0.0.11:8080 --target 10.0.0.12:8080
  plimsoll init --print              show the file, write nothing")]
pub(crate) struct Options {
    /// The directory [default: this one]
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    dir: PathBuf,
    /// The command that starts one instance, which listens on $PORT
    #[arg(long, value_name = "COMMAND", conflicts_with = "targets")]
    command: Option<String>,
    /// A server that something else runs; may be given several times
    #[arg(long = "target", value_name = "ADDRESS")]
    targets: Vec<String>,
    /// The path that is requested to check an instance; `none` only opens a connection
    #[arg(long, value_name = "PATH")]
    health: Option<String>,
    /// Where Plimsoll listens [default: 127.0.0.1:8080]
    #[arg(short, long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The service's name
    #[arg(long, value_name = "NAME", default_value = "web")]
    service: String,
    /// Ask nothing
    #[arg(short, long)]
    yes: bool,
    /// Overwrite a plimsoll.toml that is there
    #[arg(long)]
    force: bool,
    /// Print the file, and write nothing
    #[arg(long, conflicts_with = "json")]
    print: bool,
    #[command(flatten)]
    form: Form,
}

/// What was written, for programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// What it is.
    kind: &'a str,
    /// By which files that is known.
    seen: &'a [String],
    /// The files that were written.
    written: &'a [String],
    /// What has to be done or known before it works.
    cautions: &'a [String],
}

pub(crate) fn run(options: &Options) -> Result<Exit, Failure> {
    let path = options.dir.join(FILE);
    if !options.force && !options.print && is_there(&path) {
        return Err(Failure::Exists { path });
    }
    if !options.dir.is_dir() {
        return Err(Failure::NoDirectory { path: options.dir.clone() });
    }
    let folder = Disk::new(&options.dir);
    let proposal = options.apply(kinds::find(&folder));
    let listen = options.listen.as_deref().map(address::listen);
    let listen = listen.unwrap_or_else(|| free_listen(&proposal));
    let dir = options.dir.canonicalize().unwrap_or_else(|_| options.dir.clone());
    let state_dir = file::state_dir(&dir);
    let mut terms = Terms { service: options.service.clone(), listen, state_dir };
    let proposal = if options.is_asking() { ask(proposal, &mut terms)? } else { proposal };
    let proposal = with_releases(with_git(&folder, proposal));
    let text = file::file(&proposal, &terms);
    check(&text, &options.dir)?;
    if options.print {
        output::out(&text);
        output::err(&cautions(&proposal));
        return Ok(Exit::Done);
    }
    let present = if options.force { Present::Replaced } else { Present::Kept };
    let written = write(&options.dir, &text, present)?;
    match options.form.json {
        true => output::json(&Report {
            kind: &proposal.what,
            seen: &proposal.seen,
            written: &written,
            cautions: &proposal.cautions,
        }),
        false => output::out(&summary(&proposal, &terms, &written)),
    }
    Ok(Exit::Done)
}

impl Options {
    /// Whether somebody is there to be asked, and has not said enough already.
    fn is_asking(&self) -> bool {
        let has_said = self.yes || self.print || self.form.json || !self.targets.is_empty();
        !has_said
            && self.command.is_none()
            && io::stdin().is_terminal()
            && io::stderr().is_terminal()
    }

    /// What was found, as far as nothing else is wanted.
    fn apply(&self, found: Option<Proposal>) -> Proposal {
        let mut proposal = match (&self.command, self.targets.as_slice()) {
            (Some(command), _) => with_command(found, command),
            (None, []) => found.unwrap_or_else(|| {
                let seen = kinds::passed_over(&Disk::new(&self.dir));
                seen.into_iter().fold(nothing(), Proposal::caution)
            }),
            (None, targets) => with_targets(targets.to_vec()),
        };
        if let Some(path) = &self.health {
            proposal.health = wanted_health(path);
        }
        proposal
    }
}

/// What was found, started otherwise.
fn with_command(found: Option<Proposal>, command: &str) -> Proposal {
    let why = match file::needs_shell(command) {
        true => "With a shell, as the command has in it what only a shell understands.",
        false => {
            "No shell runs: words are split as a shell splits them, and nothing else is done with them."
        }
    };
    let releases =
        if command.contains("{version}") { Releases::Command } else { Releases::Unseparated };
    let mut proposal = found.unwrap_or_else(|| Proposal::command("a command", command, why));
    // What belongs to the command that was found is not this one's.
    proposal.keys.clear();
    proposal.cautions.clear();
    let version = match &proposal.run {
        Run::Command { version, .. } => version.clone(),
        Run::Targets { .. } => "1".to_owned(),
    };
    let (command, why) = (command.to_owned(), why.to_owned());
    let is_named = command.contains("$PORT") || command.contains("${PORT");
    proposal.run = Run::Command { command, why, version, releases };
    match is_named {
        true => proposal,
        false => {
            proposal.caution("the command does not name $PORT: the service has to read it itself")
        }
    }
}

fn with_targets(targets: Vec<String>) -> Proposal {
    let targets = targets.iter().map(|target| address::target(target)).collect();
    let run = Run::Targets { targets, why: "Something else runs them.".to_owned() };
    Proposal { run, ..Proposal::command("servers that run already", "", "") }
}

/// Whether a word is a host with a port, or a port alone, and no program.
fn is_address(word: &str) -> bool {
    let word = address::target(word);
    let port = word.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| port.parse::<u16>().is_ok()) && !word.contains('/')
}

fn nothing() -> Proposal {
    let why = "Nothing here says how the service starts, so this is a server that runs already. For Plimsoll to run \
               it, and replace it: command = \"...\" instead, with $PORT in it, and version = \"1\".";
    let targets = vec!["127.0.0.1:3000".to_owned()];
    let run = Run::Targets { targets, why: why.to_owned() };
    let what = "nothing that says how a service starts";
    let proposal = Proposal { run, ..Proposal::command(what, "", "") };
    proposal.caution(
        "nothing here says how the service starts: name its command with --command, or where it runs with --target",
    )
}

fn wanted_health(path: &str) -> Health {
    match path {
        "none" | "-" => Health::connection(),
        path => Health::path(path, ""),
    }
}

/// Where is listened unless something else is wanted: not where a target is.
fn free_listen(proposal: &Proposal) -> String {
    let is_taken = |port: &u16| match &proposal.run {
        Run::Targets { targets, .. } => targets.iter().any(|it| it.ends_with(&format!(":{port}"))),
        Run::Command { .. } => false,
    };
    let port = (8080..8100).find(|port| !is_taken(port)).unwrap_or(8080);
    format!("127.0.0.1:{port}")
}

fn ask(found: Proposal, terms: &mut Terms) -> Result<Proposal, Failure> {
    let mut person = Person { reads: io::stdin().lock(), writes: io::stderr().lock() };
    let failed = |source| Failure::System { what: "ask", source };
    output::err(&format!("{}\n", shown(&told(&found))));
    let mut proposal = match &found.run {
        Run::Command { command, .. } => {
            let proposed = command.clone();
            let wanted = person.ask("Command of one instance", &proposed).map_err(failed)?;
            if wanted == proposed { found } else { with_command(Some(found), &wanted) }
        }
        Run::Targets { targets, .. } => {
            let proposed = targets.join(" ");
            let question =
                "Servers that run already, or the command of one that Plimsoll is to run";
            let wanted = person.ask(question, &proposed).map_err(failed)?;
            let are_addresses = wanted.split_whitespace().all(is_address);
            match are_addresses {
                true if wanted == proposed => found,
                true => with_targets(wanted.split_whitespace().map(str::to_owned).collect()),
                false => with_command(None, &wanted),
            }
        }
    };
    let proposed = proposal.health.path.clone().unwrap_or_else(|| "none".to_owned());
    let is_path = |path: &str| match path.starts_with('/') || ["none", "-"].contains(&path) {
        true => Ok(path.to_owned()),
        false => Err("a path begins with /, as in /health; `none` only opens a connection"),
    };
    let path = person.ask_until("Path for health checks", &proposed, is_path).map_err(failed)?;
    if path != proposed {
        proposal.health = wanted_health(&path);
    }
    let is_listen = |typed: &str| {
        let typed = address::listen(typed);
        let is_one = typed.parse::<SocketAddr>().is_ok();
        is_one.then_some(typed).ok_or("an address with a port, as in 127.0.0.1:8080, or a port")
    };
    let proposed = terms.listen.clone();
    terms.listen = person.ask_until("Listen on", &proposed, is_listen).map_err(failed)?;
    Ok(proposal)
}

/// It, with a word where git would take what Plimsoll keeps.
fn with_git(folder: &dyn Folder, proposal: Proposal) -> Proposal {
    let ignored = folder.text(".gitignore").unwrap_or_default();
    match folder.has_dir(".git") && !ignored.contains(STATE_DIR) {
        true => proposal
            .caution(format!("{STATE_DIR}/ is not for git: echo {STATE_DIR}/ >> .gitignore")),
        false => proposal,
    }
}

/// It, with a word where a rollback would find nothing of the old release.
fn with_releases(proposal: Proposal) -> Proposal {
    match &proposal.run {
        Run::Command { releases: Releases::Unseparated, .. } => proposal.caution(
            "a rollback runs what lies here then: directory = \"releases/{version}\" keeps the old release's files",
        ),
        _ => proposal,
    }
}

/// Whether the reader of files takes it.
fn check(text: &str, dir: &Path) -> Result<(), Failure> {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let (name, environment) = ("what plimsoll init was told".to_owned(), Environment::of_process());
    let read = config::parse(text, &Origin { name, dir, environment });
    let loaded = read.map_err(|faults| Failure::of_options("init", faults.iter()))?;
    // As where a server is the very address that is listened on.
    let risky: Vec<_> = loaded.warnings.iter().filter(|it| it.code == Code::Risky).collect();
    if risky.is_empty() { Ok(()) } else { Err(Failure::of_options("init", risky)) }
}

/// What becomes of files that are there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Present {
    Kept,
    /// With `--force`.
    Replaced,
}

/// Writes the file and its schema. The names of what was written.
fn write(dir: &Path, text: &str, present: Present) -> Result<Vec<String>, Failure> {
    let put = |name: &str, text: &str| {
        let path = dir.join(name);
        put(&path, text, present).map_err(|source| Failure::Write { path, source })
    };
    put(FILE, text)?;
    let mut written = vec![FILE.to_owned()];
    if present == Present::Replaced || !is_there(&dir.join(SCHEMA_FILE)) {
        put(SCHEMA_FILE, &format!("{:#}\n", config::schema()))?;
        written.push(SCHEMA_FILE.to_owned());
    }
    Ok(written)
}

/// Whether something has this name, be it a link to nothing: what is written never goes through one to another place.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Writes a file, in the place of what is there if that is to be replaced.
fn put(path: &Path, text: &str, present: Present) -> io::Result<()> {
    let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
    match present == Present::Replaced && is_there(path) {
        true if is_file => return fs::write(path, text),
        true => fs::remove_file(path)?,
        false => {}
    }
    fs::File::create_new(path)?.write_all(text.as_bytes())
}

/// What was found, in a line.
fn told(proposal: &Proposal) -> String {
    match proposal.seen.as_slice() {
        [] => format!("found: {}", proposal.what),
        seen => format!("found: {} ({})", proposal.what, seen.join(", ")),
    }
}

/// What has to be done or known, a line each.
fn cautions(proposal: &Proposal) -> String {
    proposal.cautions.iter().map(|caution| format!("! {}\n", shown(caution))).collect()
}

fn summary(proposal: &Proposal, terms: &Terms, written: &[String]) -> String {
    let mut text = format!("{}\n", shown(&told(proposal)));
    match &proposal.run {
        Run::Command { command, version, .. } => {
            text.push_str(&format!(
                "  command  {}\n  version  {}\n",
                shown(command),
                shown(version)
            ));
        }
        Run::Targets { targets, .. } => {
            text.push_str(&format!("  targets  {}\n", shown(&targets.join(", "))));
        }
    }
    let health = proposal.health.path.as_deref().unwrap_or("opens a connection");
    text.push_str(&format!("  health   {}\n", shown(health)));
    text.push_str(&format!("written: {}\n", written.join(", ")));
    text.push_str(&cautions(proposal));
    let next = if proposal.cautions.is_empty() { "next" } else { "then" };
    let url = terms.listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]");
    text.push_str(&format!(
        "{next}: `plimsoll check --here` says what is missing, `plimsoll run` serves on http://{}/\n",
        shown(&url)
    ));
    text
}
