//! `plimsoll schema`: the configuration file for editors, as a JSON Schema.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Print the JSON Schema of the configuration file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An editor with Taplo (Even Better TOML in VS Code) completes and checks a file whose first line
names the schema: #:schema ./plimsoll.schema.json

Examples:
  plimsoll schema > plimsoll.schema.json
  plimsoll schema | jq '.properties | keys'")]
pub(crate) struct Options {}

pub(crate) fn run(_: &Options) -> Result<Exit, Failure> {
    output::json(&config::schema());
    Ok(Exit::Done)
}
