//! `plimsoll rollback`: a deploy of the release before.

use admin::Deploy;

use crate::arguments::{Form, Which};
use crate::commands::deploy::Manner;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress;

/// Bring a release back that ran before
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A rollback is a deploy like any other: health checks, drains and the judge apply. The release
comes back with the command and environment that it had. To end a deploy that is running,
`plimsoll abort` is quicker.

Examples:
  plimsoll rollback api              to the release before the one that runs
  plimsoll rollback api 1.3.9")]
pub(crate) struct Options {
    /// The service
    service: String,
    /// The release, if not the one before
    version: Option<String>,
    #[command(flatten)]
    manner: Manner,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.which.client()?;
    let deploy = Deploy { as_before: true, ..options.manner.deploy(options.version.clone()) };
    super::block_on(async {
        let begun = client.deploy(&options.service, &deploy).await?;
        progress::follow(&client, begun.id, options.manner.no_wait(), &options.form).await
    })
}
