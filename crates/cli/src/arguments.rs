//! The command line. What a command does stands in its own file.

use std::path::PathBuf;

use admin::Word;
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    check, demo, deploy, drain, enable, explain, history, logs, reload, rollback, run, sample,
    status, word,
};
use crate::exit::Exit;
use crate::failure::Failure;

/// A load balancer that also replaces the servers behind it while they run.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, propagate_version = false, max_term_width = 100)]
#[command(after_help = "\
Examples:
  plimsoll demo                  see it work, in seconds
  plimsoll check                 is ./plimsoll.toml right?
  plimsoll run                   serve it, in the foreground
  plimsoll status --watch        what each instance does, every second
  plimsoll reload                take up a change of the file, closing no connection
  plimsoll deploy api 1.4.2      replace a running release, and take it back if it is worse

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused before it began.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::Options),
    Check(check::Options),
    Reload(reload::Options),
    Status(status::Options),
    Explain(explain::Options),
    Drain(drain::Options),
    Enable(enable::Options),
    Deploy(deploy::Options),
    Rollback(rollback::Options),
    /// Shift all traffic to the new release of a running deploy, and stay
    #[command(after_help = "Examples:\n  plimsoll promote api")]
    Promote(word::Options),
    /// Bring the old release of a running deploy back
    #[command(after_help = "Examples:\n  plimsoll abort api")]
    Abort(word::Options),
    /// Take no further step in a running deploy; what fails is still taken back
    #[command(after_help = "Examples:\n  plimsoll pause api")]
    Pause(word::Options),
    /// Let a paused deploy go on
    #[command(after_help = "Examples:\n  plimsoll resume api")]
    Resume(word::Options),
    History(history::Options),
    Logs(logs::Options),
    Demo(demo::Options),
    #[command(hide = true)]
    Sample(sample::Options),
}

/// Which configuration a command is about.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The configuration [default: ./plimsoll.toml, then /etc/plimsoll/plimsoll.toml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// How a command prints.
#[derive(Debug, Args)]
pub(crate) struct Form {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Run(options) => run::run(options),
            Self::Check(options) => check::run(options),
            Self::Reload(options) => reload::run(options),
            Self::Status(options) => status::run(options),
            Self::Explain(options) => explain::run(options),
            Self::Drain(options) => drain::run(options),
            Self::Enable(options) => enable::run(options),
            Self::Deploy(options) => deploy::run(options),
            Self::Rollback(options) => rollback::run(options),
            Self::Promote(options) => word::run(options, Word::Promote),
            Self::Abort(options) => word::run(options, Word::Abort),
            Self::Pause(options) => word::run(options, Word::Pause),
            Self::Resume(options) => word::run(options, Word::Resume),
            Self::History(options) => history::run(options),
            Self::Logs(options) => logs::run(options),
            Self::Demo(options) => demo::run(options),
            Self::Sample(options) => sample::run(options),
        }
    }
}
