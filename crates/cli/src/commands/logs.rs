//! `plimsoll logs`: what instances write, each line with who wrote it.
//!
//! It is read where the driver of the instances keeps it: that works while Plimsoll is down, too, and only its owner
//! can.

mod gone;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use admin::ClientError;
use anstyle::AnsiColor;
use config::{Environment, Loaded};
use driver::ProcessLogs;
use driver::logs::{self, Output, Part};
use model::{InstanceName, ServiceName};
use serde::Serialize;

use self::gone::{JUST_DIED, Present, deployed};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::output;
use crate::quantity::{self, counted};

/// How often it is looked for instances that are new.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it is asked whether Plimsoll still runs.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How many of the last lines are told of each, unless it is said.
const LINES: usize = 20;
/// How wide a time is.
const TIME_WIDTH: usize = "2026-01-02T03:04:05Z".len();
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Red,
];

/// Show the output of a service's instances
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Instances of the latest release that died within the last ten minutes, or since --since, are shown
beside those that run: in a crash loop they know why.

Examples:
  plimsoll logs api                  the last lines of each instance
  plimsoll logs api -f               and then each line as it is written
  plimsoll logs api --since 10m -t   all of the last ten minutes, each line with its time
  plimsoll logs api api-3 -n 100     of one instance, also when it is gone
  plimsoll logs api --all            and of all that are gone: the last ten are kept")]
pub(crate) struct Options {
    /// One instance
    #[arg(index = 2)]
    instance: Option<String>,
    /// Include all instances that are gone
    #[arg(short, long, conflicts_with = "instance")]
    all: bool,
    /// Keep printing lines as they are written
    #[arg(short = 'f', long)]
    follow: bool,
    /// How many lines of each instance, from the end [default: 20, with --since all]
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<usize>,
    /// Only lines written within this time
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    since: Option<Duration>,
    /// Print the time of each line, to the second; JSON always has it
    #[arg(short, long)]
    timestamps: bool,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// A line, for programs.
#[derive(Serialize)]
struct Line<'a> {
    instance: &'a str,
    /// When it was written, to the second, as RFC 3339 has it; absent where that is not known any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    text: &'a str,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    // Whatever an instance is, its output is kept where that of processes is.
    let why = "it reads what instances write on that machine; run it there, as by `ssh HOST plimsoll logs`";
    let here = options.of.at.here("logs", why)?;
    let source = Box::new(ProcessLogs::of(&here.state_dir()?));
    let since = options.since.and_then(|since| SystemTime::now().checked_sub(since));
    let lines = options.lines.unwrap_or(if since.is_some() { usize::MAX } else { LINES });
    let mut logs = Logs {
        service: options.of.service.as_str().into(),
        options,
        source,
        since,
        lines,
        open: BTreeMap::new(),
    };
    logs.look()?;
    if logs.open.values().all(Option::is_none) {
        logs.find_fault()?;
    }
    let left_out = logs.leave_out_gone()?;
    logs.print()?;
    if left_out > 0 {
        let (left_out, service) = (counted(left_out, "log"), &logs.options.of.service);
        output::err(&format!(
            "hint: {left_out} of earlier instances left out; `plimsoll logs {service} --all` shows all\n"
        ));
    }
    if logs.options.follow {
        logs.follow()?;
    }
    Ok(Exit::Done)
}

/// What is there of the service; `None` where Plimsoll does not say, because it is down, or does not know it.
fn present(options: &Options) -> Result<Option<Present>, Failure> {
    let client = options.of.at.client()?;
    let asked = async { Ok((client.status().await, client.history(&options.of.service).await)) };
    let (Ok(status), history) = super::block_on(asked)? else { return Ok(None) };
    let service = status.services.into_iter().find(|service| service.name == options.of.service);
    let deployed = history.ok().and_then(|history| deployed(&history.deploys));
    Ok(service.map(|service| {
        let waiting = service.run.into_iter().flat_map(|run| run.waiting).map(|it| it.name);
        let living = service.instances.into_iter().map(|it| it.name).chain(waiting).collect();
        Present { living, deployed }
    }))
}

/// Whether Plimsoll runs.
fn is_running(options: &Options) -> Result<bool, Failure> {
    let client = options.of.at.client()?;
    let asked = super::block_on(async { Ok(client.version().await) })?;
    Ok(!matches!(asked, Err(ClientError::NotRunning { .. })))
}

/// The logs that are read.
struct Logs {
    options: Options,
    service: ServiceName,
    /// What instances have written.
    source: Box<dyn logs::Logs>,
    /// Of those that are opened now: not what was written before.
    since: Option<SystemTime>,
    /// Likewise: so many of the last lines.
    lines: usize,
    /// Each that was seen; `None` where it is not meant.
    open: BTreeMap<InstanceName, Option<Box<dyn Output>>>,
}

impl Logs {
    /// Opens what is new.
    fn look(&mut self) -> Result<(), Failure> {
        let read = |source| Failure::System { what: "read the logs", source };
        for instance in self.source.instances(&self.service).map_err(read)? {
            if self.open.contains_key(&instance) {
                continue;
            }
            let is_meant =
                self.options.instance.as_ref().is_none_or(|it| *it == *instance.as_str());
            let part = Part { lines: self.lines, since: self.since };
            let open = || self.source.open(&self.service, &instance, part);
            let log = match is_meant.then(open).transpose() {
                // Too old, it was removed in this moment.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                log => log.map_err(read)?,
            };
            self.open.insert(instance, log);
        }
        Ok(())
    }

    /// Nothing is there that is meant: why, if that is not because it is still to come.
    fn find_fault(&self) -> Result<(), Failure> {
        let Options { of: OfService { service, at, .. }, instance, follow, .. } = &self.options;
        let service = service.clone();
        if let Ok(Loaded { intent, .. }) =
            config::load(&at.which.served_file()?, &Environment::of_process())
        {
            match intent.services.get(service.as_str()) {
                Some(known) if known.run.is_none() => return Err(Failure::NotRun { service }),
                Some(_) => {}
                None if self.open.is_empty() => {
                    let known = intent.services.keys().map(ToString::to_string).collect();
                    return Err(Failure::NoService { service, known });
                }
                None => {}
            }
        }
        match instance {
            _ if *follow => Ok(()),
            Some(instance) if !self.open.is_empty() => {
                let (instance, known) =
                    (instance.clone(), self.open.keys().map(ToString::to_string).collect());
                Err(Failure::NoInstance { service, instance, known })
            }
            _ => Err(Failure::NoLogs { place: self.source.place(&self.service) }),
        }
    }

    /// Of those that were seen, only who is there or has just died is meant, unless it was said otherwise, or there
    /// is none. How many that leaves out.
    fn leave_out_gone(&mut self) -> Result<usize, Failure> {
        if self.options.all || self.options.instance.is_some() {
            return Ok(0);
        }
        let Some(present) = present(&self.options)? else { return Ok(0) };
        let from = self.since.or_else(|| SystemTime::now().checked_sub(JUST_DIED));
        let from = from.unwrap_or(SystemTime::UNIX_EPOCH);
        let is_meant = |instance: &InstanceName| {
            let written = self.source.written(&self.service, instance);
            present.means(instance.as_str(), written, from)
        };
        let open = self.open.iter().filter_map(|(name, log)| log.as_ref().map(|_| name.clone()));
        let (meant, others): (Vec<_>, Vec<_>) = open.partition(is_meant);
        if meant.is_empty() {
            return Ok(0);
        }
        let left_out = others.len();
        self.open.extend(others.into_iter().map(|name| (name, None)));
        Ok(left_out)
    }

    /// Prints whatever comes, until Plimsoll ends, if it runs.
    fn follow(&mut self) -> Result<(), Failure> {
        // A new instance is shown from its first line on.
        (self.lines, self.since) = (usize::MAX, None);
        let mut was_running = is_running(&self.options)?;
        let mut asked = Instant::now();
        loop {
            std::thread::sleep(LOOK_EVERY);
            let mut has_ended = false;
            if asked.elapsed() >= ASK_EVERY {
                let is_running = is_running(&self.options)?;
                has_ended = was_running && !is_running;
                (was_running, asked) = (is_running, Instant::now());
            }
            self.look()?;
            self.print()?;
            if has_ended {
                output::err(
                    "plimsoll has ended; the log of instances that it left running goes on by the same command\n",
                );
                return Ok(());
            }
        }
    }

    /// Prints what has come.
    fn print(&mut self) -> Result<(), Failure> {
        let is_open =
            |(name, log): (&InstanceName, &Option<_>)| log.as_ref().map(|_| name.as_str().len());
        let width = self.open.iter().filter_map(is_open).max().unwrap_or_default();
        let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        // By their numbers: who began last is told of last.
        let mut open: Vec<_> = self.open.iter_mut().collect();
        open.sort_by_key(|(instance, _)| number(instance.as_str()));
        for (instance, open) in open {
            let Some(log) = open else { continue };
            match print(instance.as_str(), width, &mut **log, &self.options) {
                // Too old, it was removed.
                Err(error) if is_gone(&error) => *open = None,
                Err(source) => return Err(Failure::System { what: "read a log", source }),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// Prints what has come of one log; a line that is not over yet only if nothing more is followed. For people the
/// name is `width` wide.
fn print(
    instance: &str,
    width: usize,
    log: &mut dyn Output,
    options: &Options,
) -> std::io::Result<()> {
    let style = output::colour(colour(instance));
    loop {
        let line = match log.line()? {
            Some(line) => line,
            None if options.follow => return Ok(()),
            None => match log.rest() {
                Some(line) => line,
                None => return Ok(()),
            },
        };
        let (json, text) = (options.of.form.json, line.text.as_str());
        let at = (json || options.timestamps).then(|| log.at(&line)).flatten().and_then(in_text);
        if json {
            output::json_line(&Line { instance, at, text });
            continue;
        }
        let at = match options.timestamps {
            true => format!("{:<TIME_WIDTH$} ", at.as_deref().unwrap_or("-")),
            false => String::new(),
        };
        output::quote(&format!("{at}{style}{instance:<width$} |{style:#} "), text);
    }
}

/// A time as RFC 3339 has it, to the second.
fn in_text(time: SystemTime) -> Option<String> {
    let at = jiff::Timestamp::try_from(time).ok()?;
    Some(jiff::Timestamp::from_second(at.as_second()).unwrap_or(at).to_string())
}

/// Always the same for an instance.
fn colour(instance: &str) -> AnsiColor {
    COLOURS[number(instance) % COLOURS.len()]
}

/// The number that an instance's name ends with: a later one has a higher one.
fn number(instance: &str) -> usize {
    instance.rsplit('-').next().and_then(|it| it.parse().ok()).unwrap_or(0)
}
