//! `plimsoll logs`: what instances write, each line with who wrote it.
//!
//! The files are read where they are: that works while Plimsoll is down, too, and only their owner
//! can.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use driver::log::Follow;

use crate::arguments::Which;
use crate::exit::Exit;
use crate::failure::Failure;
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
  plimsoll logs api api-3 -n 100     of one instance")]
pub(crate) struct Options {
    /// The service
    service: String,
    /// One instance
    instance: Option<String>,
    /// Go on with what is still to come
    #[arg(short = 'f', long)]
    follow: bool,
    /// How many of the last lines of each
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 20)]
    lines: usize,
    #[command(flatten)]
    which: Which,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let directory = options.which.state_dir()?.join("logs").join(&options.service);
    let mut logs = Logs { options, directory, open: BTreeMap::new() };
    if logs.look()? == 0 && !logs.options.follow {
        return Err(Failure::NoLogs { directory: logs.directory });
    }
    logs.print()?;
    while logs.options.follow {
        std::thread::sleep(LOOK_EVERY);
        logs.look()?;
        logs.print()?;
    }
    Ok(Exit::Done)
}

/// The logs that are read.
struct Logs {
    options: Options,
    directory: PathBuf,
    open: BTreeMap<String, Follow>,
}

impl Logs {
    /// Opens what is new. How many are open.
    fn look(&mut self) -> Result<usize, Failure> {
        let read = |source| Failure::System { what: "read the logs", source };
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(read(error)),
        };
        for entry in entries {
            let path = entry.map_err(read)?.path();
            let Some(instance) = instance(&path) else { continue };
            let is_meant = self.options.instance.as_ref().is_none_or(|it| *it == instance);
            if is_meant && !self.open.contains_key(&instance) {
                let follow = Follow::last(&path, 0, self.options.lines).map_err(read)?;
                self.open.insert(instance, follow);
            }
        }
        Ok(self.open.len())
    }

    /// Prints what has come.
    fn print(&mut self) -> Result<(), Failure> {
        let width = self.open.keys().map(String::len).max().unwrap_or_default();
        for (instance, follow) in &mut self.open {
            let style = Style::new().fg_color(Some(colour(instance).into()));
            let read = |source| Failure::System { what: "read a log", source };
            while let Some(line) = follow.ready().map_err(read)? {
                output::out(&format!("{style}{instance:<width$} |{style:#} {line}\n"));
            }
            if !self.options.follow
                && let Some(rest) = follow.rest()
            {
                output::out(&format!("{style}{instance:<width$} |{style:#} {rest}\n"));
            }
        }
        Ok(())
    }
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
