//! `plimsoll unban`: a ban is over before its time.

use super::ban::What;
use super::bans::described;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::{Endpoint, Form};
use crate::output;

/// Lift a ban before it ends
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Names what is banned as `plimsoll bans` shows it. Exits with 1 if there is no such ban.

Examples:
  plimsoll unban --subject alice
  plimsoll unban --address 203.0.113.0/24
  plimsoll unban --issued-before now")]
pub(crate) struct Options {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    pub(crate) at: Endpoint,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.at.client()?;
    let key = options.what.key()?;
    let lifted = super::block_on(async { Ok(client.unban(&key).await?) })?;
    match options.form.json {
        true => output::json(&lifted),
        false => output::out(&format!("{} is banned no more\n", described(&lifted.lifted))),
    }
    Ok(Exit::Done)
}
