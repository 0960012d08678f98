//! The command line. What a command does stands in its own file.

use std::path::PathBuf;

use admin::DeployAction;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::deploy::Manner;
use crate::commands::version::VERSION;
use crate::commands::{
    ban, bans, certificates, check, completions, demo, deploy, deploy_action, drain, enable,
    events, exec, explain, fmt, history, init, jobs, judge, logs, man, proxy, reload, restart,
    rollback, run, run_job, scale, schema, secrets, status, unban, version,
};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::{Elsewhere, Which};

/// A load balancer that also replaces the servers behind it while they run.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version = VERSION, propagate_version = false, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  plimsoll demo                  see it work, in seconds
  plimsoll init                  write a first plimsoll.toml
  plimsoll proxy :9001 :9002     balance over two servers, without a file
  plimsoll check                 is ./plimsoll.toml right?
  plimsoll run                   serve it, in the foreground
  plimsoll status --watch        what each instance does, every second
  plimsoll reload                apply a changed file, without dropping connections
  plimsoll deploy api 1.4.2      replace a running release, and roll back if it is worse

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused before it began.")]
pub(crate) struct Arguments {
    /// The configuration, as after the command
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::Options),
    Proxy(proxy::Options),
    Run(run::Options),
    #[command(visible_alias = "validate")]
    Check(check::Options),
    Fmt(fmt::Options),
    Reload(reload::Options),
    #[command(visible_alias = "ps")]
    Status(status::Options),
    Explain(explain::Options),
    Drain(drain::Options),
    Enable(enable::Options),
    Ban(ban::Options),
    Unban(unban::Options),
    Bans(bans::Options),
    Certificates(certificates::Options),
    Secrets(secrets::Options),
    Deploy(deploy::Options),
    Rollback(rollback::Options),
    Restart(restart::Options),
    Scale(scale::Options),
    Exec(exec::Options),
    /// Promote the new release of a running deploy now
    #[command(after_help = "Examples:\n  plimsoll promote api")]
    Promote(deploy_action::Options),
    /// Abort a running deploy and roll back
    #[command(after_help = "Examples:\n  plimsoll abort api")]
    Abort(deploy_action::Options),
    /// Pause a deploy; automatic rollback stays active
    #[command(after_help = "Examples:\n  plimsoll pause api")]
    Pause(deploy_action::Options),
    /// Resume a paused deploy
    #[command(after_help = "Examples:\n  plimsoll resume api")]
    Resume(deploy_action::Options),
    History(history::Options),
    Judge(judge::Options),
    Logs(logs::Options),
    Jobs(jobs::Options),
    RunJob(run_job::Options),
    Events(events::Options),
    Demo(demo::Options),
    Schema(schema::Options),
    Completions(completions::Options),
    Man(man::Options),
    Version(version::Options),
}

/// The commands as the help tells them, each group with its heading.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Serve", &["init", "run", "check", "fmt", "secrets", "reload", "proxy"]),
    ("Look", &["status", "certificates", "explain", "logs", "jobs", "history", "judge", "events"]),
    ("Deploy", &["deploy", "rollback", "restart", "promote", "abort", "pause", "resume"]),
    ("Servers", &["scale", "exec", "run-job", "drain", "enable"]),
    ("Clients", &["ban", "unban", "bans"]),
    ("Other", &["demo", "schema", "completions", "man", "version"]),
];

/// Takes the command line apart; ends the program where it asks for help, or makes no sense.
pub(crate) fn parse() -> Command {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// The command that these words are, the program's name first.
pub(crate) fn parse_from<Word>(
    words: impl IntoIterator<Item = Word>,
) -> Result<Command, clap::Error>
where
    Word: Into<std::ffi::OsString> + Clone,
{
    let taken = program().mut_subcommand("run", run::with_undescribed);
    let matches = taken.try_get_matches_from(words)?;
    let Arguments { file, mut command } = Arguments::from_arg_matches(&matches)?;
    if let (Command::Run(options), Some((_, matches))) = (&mut command, matches.subcommand()) {
        options.take_undescribed(matches);
    }
    let manner = match &command {
        Command::Deploy(options) => Some(&options.manner),
        Command::Rollback(options) => Some(&options.manner),
        _ => None,
    };
    if let Some(fault) = manner.and_then(Manner::conflict) {
        return Err(Arguments::command().error(ErrorKind::ArgumentConflict, fault));
    }
    if let Some(file) = file {
        command.take_file(file)?;
    }
    if command.names_both() {
        let fault = "a plimsoll elsewhere has its own configuration: name it by --url alone";
        return Err(Arguments::command().error(ErrorKind::ArgumentConflict, fault));
    }
    Ok(command)
}

/// The whole command line, as it is taken and as it is described.
pub(crate) fn program() -> clap::Command {
    grouped(Arguments::command())
}

/// The help of the program as a whole, with its commands in groups.
fn grouped(command: clap::Command) -> clap::Command {
    let names = || command.get_subcommands().map(|it| it.get_name().len());
    let width = names().max().unwrap_or_default();
    let mut list = String::new();
    for (heading, members) in GROUPS {
        list.push_str(&format!("{heading}:\n"));
        let members = members.iter().filter_map(|name| command.find_subcommand(name));
        for member in members {
            let about = member.get_about().map(ToString::to_string).unwrap_or_default();
            list.push_str(&format!("  {:width$}  {about}\n", member.get_name()));
        }
        list.push('\n');
    }
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{list}Options:\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}

impl Command {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Init(options) => init::run(&options),
            Self::Proxy(options) => proxy::run(&options),
            Self::Run(options) => run::run(options),
            Self::Check(options) => check::run(options),
            Self::Fmt(options) => fmt::run(options),
            Self::Reload(options) => reload::run(options),
            Self::Status(options) => status::run(options),
            Self::Explain(options) => explain::run(options),
            Self::Drain(options) => drain::run(options),
            Self::Enable(options) => enable::run(options),
            Self::Ban(options) => ban::run(options),
            Self::Unban(options) => unban::run(options),
            Self::Bans(options) => bans::run(options),
            Self::Certificates(options) => certificates::run(options),
            Self::Secrets(options) => secrets::run(options),
            Self::Deploy(options) => deploy::run(options),
            Self::Rollback(options) => rollback::run(options),
            Self::Restart(options) => restart::run(options),
            Self::Scale(options) => scale::run(options),
            Self::Exec(options) => exec::run(options),
            Self::Promote(options) => deploy_action::run(options, DeployAction::Promote),
            Self::Abort(options) => deploy_action::run(options, DeployAction::Abort),
            Self::Pause(options) => deploy_action::run(options, DeployAction::Pause),
            Self::Resume(options) => deploy_action::run(options, DeployAction::Resume),
            Self::History(options) => history::run(options),
            Self::Judge(options) => judge::run(options),
            Self::Logs(options) => logs::run(options),
            Self::Jobs(options) => jobs::run(options),
            Self::RunJob(options) => run_job::run(options),
            Self::Events(options) => events::run(options),
            Self::Demo(options) => demo::run(options),
            Self::Schema(options) => schema::run(&options),
            Self::Completions(options) => completions::run(&options, program()),
            Self::Man(options) => man::run(&options, program()),
            Self::Version(options) => version::run(&options),
        }
    }

    /// Takes up the configuration that was named before the command.
    fn take_file(&mut self, file: PathBuf) -> Result<(), clap::Error> {
        let fault = match self.which_mut() {
            Some(which) if which.file.is_none() => {
                which.file = Some(file);
                return Ok(());
            }
            Some(_) => "the configuration is named twice",
            None => "this command takes no configuration",
        };
        Err(Arguments::command().error(ErrorKind::ArgumentConflict, fault))
    }

    /// Whether both a configuration and a Plimsoll elsewhere are named.
    fn names_both(&mut self) -> bool {
        let is_elsewhere = self.elsewhere().is_some_and(|it| it.url.is_some());
        is_elsewhere && self.which_mut().is_some_and(|which| which.file.is_some())
    }

    /// The Plimsoll elsewhere that it may ask.
    fn elsewhere(&self) -> Option<&Elsewhere> {
        let at = match self {
            Self::Reload(options) => return Some(&options.elsewhere),
            Self::Events(options) => return Some(&options.elsewhere),
            Self::Status(options) => &options.at,
            Self::Explain(options) => &options.at,
            Self::Drain(options) => &options.of.of.at,
            Self::Enable(options) => &options.of.of.at,
            Self::Ban(options) => &options.at,
            Self::Unban(options) => &options.at,
            Self::Bans(options) => &options.at,
            Self::Jobs(options) => &options.at,
            Self::RunJob(options) => &options.at,
            Self::Certificates(options) => &options.at,
            Self::Deploy(options) => &options.of.at,
            Self::Rollback(options) => &options.of.at,
            Self::Restart(options) => &options.of.at,
            Self::Scale(options) => &options.of.at,
            Self::Promote(options)
            | Self::Abort(options)
            | Self::Pause(options)
            | Self::Resume(options) => &options.of.at,
            Self::History(options) => &options.of.at,
            Self::Judge(options) => &options.of.at,
            Self::Logs(options) => &options.of.at,
            _ => return None,
        };
        Some(&at.elsewhere)
    }

    /// Which configuration it is about.
    fn which_mut(&mut self) -> Option<&mut Which> {
        Some(match self {
            Self::Run(options) => options.placed.which(),
            Self::Check(options) => options.placed.which(),
            Self::Fmt(options) => &mut options.which,
            Self::Reload(options) => options.placed.which(),
            Self::Status(options) => &mut options.at.which,
            Self::Explain(options) => &mut options.at.which,
            Self::Drain(options) => &mut options.of.of.at.which,
            Self::Enable(options) => &mut options.of.of.at.which,
            Self::Ban(options) => &mut options.at.which,
            Self::Unban(options) => &mut options.at.which,
            Self::Bans(options) => &mut options.at.which,
            Self::Certificates(options) => &mut options.at.which,
            Self::Secrets(options) => options.which_mut(),
            Self::Deploy(options) => &mut options.of.at.which,
            Self::Rollback(options) => &mut options.of.at.which,
            Self::Restart(options) => &mut options.of.at.which,
            Self::Scale(options) => &mut options.of.at.which,
            Self::Exec(options) => &mut options.which,
            Self::Jobs(options) => &mut options.at.which,
            Self::RunJob(options) => &mut options.at.which,
            Self::Promote(options)
            | Self::Abort(options)
            | Self::Pause(options)
            | Self::Resume(options) => &mut options.of.at.which,
            Self::History(options) => &mut options.of.at.which,
            Self::Judge(options) => &mut options.of.at.which,
            Self::Logs(options) => &mut options.of.at.which,
            Self::Events(options) => options.placed.which(),
            Self::Init(_)
            | Self::Proxy(_)
            | Self::Demo(_)
            | Self::Schema(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Version(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_stands_in_one_group() {
        let command = Arguments::command();
        let commands: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let told: Vec<&str> =
            GROUPS.iter().flat_map(|(_, members)| members.iter().copied()).collect();
        assert_eq!(told.len(), commands.len());
        let sorted =
            |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(sorted(&told), sorted(&commands));
        assert!(
            commands.iter().all(|name| command
                .find_subcommand(name)
                .unwrap()
                .get_about()
                .is_some())
        );
    }

    #[test]
    fn the_configuration_may_be_named_before_the_command_but_once() {
        let file = |words: &[&str]| {
            let mut command = parse_from(["plimsoll"].iter().chain(words)).ok()?;
            command.which_mut()?.file.clone()
        };
        let named = Some(PathBuf::from("a.toml"));
        for words in [
            &["-c", "a.toml", "status"][..],
            &["status", "-c", "a.toml"],
            &["--config=a.toml", "check"],
            &["check", "a.toml"],
            &["validate", "-c", "a.toml"],
            &["run", "a.toml"],
            &["run", "-c", "a.toml", "--leave"],
            &["reload", "a.toml"],
            &["events", "-f", "a.toml"],
            &["-c", "a.toml", "ps", "--watch"],
        ] {
            assert_eq!(file(words), named, "{words:?}");
        }
        for words in [
            &["-c", "a.toml", "status", "-c", "b.toml"][..],
            &["-c", "a.toml", "demo"],
            &["check", "a.toml", "-c", "a.toml"],
            &["-c", "a.toml", "check", "a.toml"],
            &["run", "a.toml", "-c", "a.toml"],
            &["-c", "a.toml", "run", "a.toml"],
            &["run", "a.toml", "b.toml"],
            &["-c", "a.toml"],
            &[],
        ] {
            assert!(parse_from(["plimsoll"].iter().chain(words)).is_err(), "{words:?}");
        }
    }

    #[test]
    fn only_a_canary_has_steps() {
        let is_right = |words: &str| {
            let words =
                ["plimsoll"].into_iter().chain(words.split(' ')).chain(["--steps", "50% 1s"]);
            parse_from(words).map_err(|error| error.kind())
        };
        for words in ["deploy api", "deploy api 2 --strategy canary", "rollback api"] {
            assert!(is_right(words).is_ok(), "{words}");
        }
        for words in ["deploy api --strategy rolling", "rollback api --strategy blue-green"] {
            assert_eq!(is_right(words).err(), Some(ErrorKind::ArgumentConflict), "{words}");
        }
    }

    #[test]
    fn what_no_help_names_is_never_suggested() {
        for word in ["sampel", "sample", "scale", "simple"] {
            let error = parse_from(["plimsoll", word]).unwrap_err().to_string();
            assert!(!error.contains("'sample'\n") || word == "sample", "{error}");
            assert!(!error.contains("similar subcommand exists: 'sample'"), "{error}");
        }
    }
}
