//! `plimsoll restart`: a deploy of the release that runs.

use admin::Deploy;

use crate::commands::deploy::Asked;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::who::who;

/// Start the instances of a service anew
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A rolling deploy of the release that runs, as it is: the file is not read, no hook is run. Each new
instance gets requests before an old one is stopped (with the strategy `replace` the old ones stop first), and
finds its `env_file` as it is now. Where new ones do not come up, the old ones stay.

Exit codes: 0 restarted, 1 failed, 3 refused before anything was touched.

Examples:
  plimsoll restart api")]
pub(crate) struct Options {
    /// A variable of the running instances that the new ones do without
    #[arg(long, value_name = "NAME")]
    without: Vec<String>,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    pub(crate) of: OfService,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { without, no_wait, of } = options;
    let deploy = Deploy { restart: true, without, who: who(), ..Deploy::default() };
    Asked { of: &of, no_wait }.run(&deploy)
}
