//! `plimsoll deploy`: replaces a running release, and says what became of it.

use std::time::Duration;

use admin::{Deploy, Step, Way};
use clap::ValueEnum;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::who::who;
use crate::{progress, quantity};

/// Replace the running release of a service
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A changed file is applied first, as by `plimsoll reload`; a file with errors starts nothing.
Prints each step as it happens, and a receipt at the end: what each release did, and what users
saw of it. The deploy continues if this command is interrupted; `plimsoll abort` rolls back.

Exit codes: 0 promoted, 1 rolled back or failed, 3 refused before anything was touched.

Examples:
  plimsoll deploy api                the version that the file names
  plimsoll deploy api 1.4.2
  plimsoll deploy api 1.4.2 --bake 10s
  plimsoll deploy api 1.4.2 --strategy canary --steps \"10% 10s, 50% 10s\"")]
pub(crate) struct Options {
    /// The release, if not the one that the file names
    #[arg(index = 2)]
    version: Option<String>,
    #[command(flatten)]
    pub(crate) manner: Manner,
    #[command(flatten)]
    pub(crate) of: OfService,
}

/// What is said for one deploy alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Manner {
    /// The strategy, if not the one that the file names
    #[arg(long, value_name = "STRATEGY")]
    strategy: Option<Strategy>,
    /// A canary's steps, as in "10% 10s, hold, 50% 10s"
    #[arg(long, value_name = "STEPS", value_parser = steps)]
    steps: Option<Steps>,
    /// How long the old release stays warm after the full shift
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    bake: Option<Duration>,
    /// A variable of the running release that the new one does without
    #[arg(long, value_name = "NAME")]
    without: Vec<String>,
    /// Do not wait for the end
    #[arg(long)]
    pub(super) no_wait: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Strategy {
    Rolling,
    BlueGreen,
    Canary,
    Replace,
}

#[derive(Clone, Debug)]
struct Steps(Vec<Step>);

fn steps(text: &str) -> Result<Steps, String> {
    let step = |text: &str| Ok(Step::from(config::parse_step(text.trim())?));
    text.split(',').map(step).collect::<Result<_, String>>().map(Steps)
}

impl Manner {
    /// The deploy of `version` that is meant; of the one that the file names where that is `None`.
    pub(crate) fn deploy(&self, version: Option<String>) -> Deploy {
        let way = self.strategy.map(|strategy| match strategy {
            Strategy::Rolling => Way::Rolling,
            Strategy::BlueGreen => Way::BlueGreen,
            Strategy::Canary => Way::Canary,
            Strategy::Replace => Way::Replace,
        });
        Deploy {
            version,
            as_before: false,
            deploy: None,
            restart: false,
            strategy: way,
            steps: self.steps.as_ref().map(|steps| steps.0.clone()),
            bake_s: self.bake.map(|bake| bake.as_secs_f64()),
            without: self.without.clone(),
            who: who(),
        }
    }

    /// What does not go together, if something does not: only a canary has steps.
    pub(crate) fn conflict(&self) -> Option<&'static str> {
        let has_none = self.strategy.is_some_and(|strategy| !matches!(strategy, Strategy::Canary));
        (has_none && self.steps.is_some()).then_some("--steps is for --strategy canary alone")
    }
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { version, manner, of } = options;
    let deploy = manner.deploy(version);
    Asked { of: &of, no_wait: manner.no_wait }.run(&deploy)
}

/// What the command line says of a deploy, a rollback and a restart alike.
pub(super) struct Asked<'a> {
    pub(super) of: &'a OfService,
    /// Its end is not waited for.
    pub(super) no_wait: bool,
}

impl Asked<'_> {
    /// Begins `deploy`, and shows it to its end unless told not to wait.
    pub(super) fn run(self, deploy: &Deploy) -> Result<Exit, Failure> {
        let Self { of: OfService { service, at, form }, no_wait } = self;
        let client = at.client()?;
        let named = at.named()?;
        super::block_on(async {
            if let Some(named) = named {
                named.must_be_served(&client).await?;
            }
            let begun = client.deploy(service, deploy).await;
            let begun = begun.map_err(|error| Failure::of_deploy(error, service))?;
            match no_wait {
                true => Ok(progress::leave(begun.id, form)),
                false => progress::follow(&client, service, begun.id, form).await,
            }
        })
    }
}
