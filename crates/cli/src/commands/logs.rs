//! `plimsoll logs`: what instances write, each line with who wrote it.
//!
//! The files are read where they are: that works while Plimsoll is down, too, and only their owner
//! can.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstyle::AnsiColor;
use driver::log::Follow;
use serde::Serialize;

use crate::arguments::{Form, Which};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::output;

/// How often it is looked for instances that are new.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Red,
];

/// What the instances of a service write
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll logs api                  the last lines of each instance
  plimsoll logs api -f               and whatever is still to come
  plimsoll logs api api-3 -n 100     of one instance, also when it is gone
  plimsoll logs api --all            and of those that are gone: the last ten are kept")]
pub(crate) struct Options {
    /// The service
    service: String,
    /// One instance
    instance: Option<String>,
    /// Of instances that are gone, too
    #[arg(short, long, conflicts_with = "instance")]
    all: bool,
    /// Go on with what is still to come
    #[arg(short = 'f', long)]
    follow: bool,
    /// How many of the last lines of each
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 20)]
    lines: usize,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    form: Form,
}

/// A line, for programs.
#[derive(Serialize)]
struct Line<'a> {
    instance: &'a str,
    text: &'a str,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let directory = options.which.state_dir()?.join("logs").join(&options.service);
    let mut logs = Logs { options, directory, open: BTreeMap::new() };
    logs.look()?;
    if logs.open.values().all(Option::is_none) && !logs.options.follow {
        return Err(Failure::NoLogs { directory: logs.directory });
    }
    logs.leave_out_gone()?;
    logs.print()?;
    // Whoever comes from now on is told of from its first line on.
    logs.options.lines = usize::MAX;
    while logs.options.follow {
        std::thread::sleep(LOOK_EVERY);
        logs.look()?;
        logs.print()?;
    }
    Ok(Exit::Done)
}

/// The names of those who are there; `None` where Plimsoll does not say, because it is down, or does
/// not know the service.
fn living(options: &Options) -> Result<Option<BTreeSet<String>>, Failure> {
    let client = options.which.client()?;
    let Ok(status) = super::block_on(async { Ok(client.status().await) })? else { return Ok(None) };
    let service = status.services.into_iter().find(|service| service.name == options.service);
    Ok(service.map(|service| {
        let waiting = service.run.into_iter().flat_map(|run| run.waiting).map(|it| it.name);
        service.instances.into_iter().map(|it| it.name).chain(waiting).collect()
    }))
}

/// The logs that are read.
struct Logs {
    options: Options,
    directory: PathBuf,
    /// Each that was seen; `None` where it is not meant.
    open: BTreeMap<String, Option<Follow>>,
}

impl Logs {
    /// Opens what is new.
    fn look(&mut self) -> Result<(), Failure> {
        let read = |source| Failure::System { what: "read the logs", source };
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(read(error)),
        };
        for entry in entries {
            let path = entry.map_err(read)?.path();
            let Some(instance) = instance(&path) else { continue };
            if self.open.contains_key(&instance) {
                continue;
            }
            let is_meant = self.options.instance.as_ref().is_none_or(|it| *it == instance);
            let log = match is_meant.then(|| Follow::last(&path, 0, self.options.lines)).transpose()
            {
                // Too old, it was removed in this moment.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                log => log.map_err(read)?,
            };
            self.open.insert(instance, log);
        }
        Ok(())
    }

    /// Of those that were seen, only who is there is meant, unless it was said otherwise, or nobody is.
    fn leave_out_gone(&mut self) -> Result<(), Failure> {
        if self.options.all || self.options.instance.is_some() {
            return Ok(());
        }
        let Some(living) = living(&self.options)? else { return Ok(()) };
        if self.open.keys().any(|instance| living.contains(instance)) {
            let gone = self.open.iter_mut().filter(|(instance, _)| !living.contains(*instance));
            gone.for_each(|(_, log)| *log = None);
        }
        Ok(())
    }

    /// Prints what has come.
    fn print(&mut self) -> Result<(), Failure> {
        let is_open =
            |(name, follow): (&String, &Option<Follow>)| follow.as_ref().map(|_| name.len());
        let width = self.open.iter().filter_map(is_open).max().unwrap_or_default();
        let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        for (instance, open) in &mut self.open {
            let Some(follow) = open else { continue };
            let width = (!self.options.form.json).then_some(width);
            match print(instance, width, follow, self.options.follow) {
                // Too old, it was removed.
                Err(error) if is_gone(&error) => *open = None,
                Err(source) => return Err(Failure::System { what: "read a log", source }),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// Prints what has come of one log; a line that is not over yet only if nothing more `follows`. For
/// people the name is `width` wide; for programs it has none.
fn print(
    instance: &str,
    width: Option<usize>,
    log: &mut Follow,
    follows: bool,
) -> std::io::Result<()> {
    let style = output::colour(colour(instance));
    let put = |text: &str| match width {
        // In a file or a pipe the line is as it was written.
        Some(width) if !std::io::stdout().is_terminal() => {
            output::out(&format!("{instance:<width$} | {text}\n"));
        }
        Some(width) => {
            let text = shown(text);
            output::out(&format!("{style}{instance:<width$} |{style:#} {text}\n"));
        }
        None => output::json_line(&Line { instance, text }),
    };
    while let Some(line) = log.ready()? {
        put(&line);
    }
    if !follows && let Some(rest) = log.rest() {
        put(&rest);
    }
    Ok(())
}

/// Whose log a file is; archives and what is being made of them are nobody's.
fn instance(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    Some(name.to_owned())
}

/// Always the same for an instance.
fn colour(instance: &str) -> AnsiColor {
    let number: usize = instance.rsplit('-').next().and_then(|it| it.parse().ok()).unwrap_or(0);
    COLOURS[number % COLOURS.len()]
}
