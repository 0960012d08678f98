//! `plimsoll rollback`: a deploy of the release before.

use admin::Deploy;

use crate::commands::deploy::{Asked, Manner};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;

/// Roll back to an earlier release
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A rollback is at once: as soon as the release's instances pass their checks they get all requests,
unless --strategy or --steps say otherwise. Drains apply, and what is replaced stays warm for the
bake; where the judge finds what came back worse than that, the rollback pauses and you choose:
`promote` keeps it, `abort` brings back what it replaced. The release comes back with the command and environment that it had: two deploys of one version are two
releases, which `plimsoll history` lists by number. The file is not read. To end a deploy
that is running, `plimsoll abort` is quicker.

Examples:
  plimsoll rollback api              to the release that ran before the one that runs
  plimsoll rollback api 1.3.9        as it was when last promoted
  plimsoll rollback api --deploy 7   to the release of deploy 7")]
pub(crate) struct Options {
    /// The release, if not the one before
    #[arg(index = 2)]
    version: Option<String>,
    /// The release of the deploy with this number
    #[arg(long, value_name = "NUMBER", conflicts_with = "version")]
    deploy: Option<i64>,
    #[command(flatten)]
    pub(crate) manner: Manner,
    #[command(flatten)]
    pub(crate) of: OfService,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { version, deploy, manner, of } = options;
    let deploy = Deploy { as_before: true, deploy, ..manner.deploy(version) };
    Asked { of: &of, no_wait: manner.no_wait }.run(&deploy)
}
