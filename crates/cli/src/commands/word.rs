//! `plimsoll promote`, `abort`, `pause` and `resume`: a hand on a running deploy.

use admin::Word;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::output;

/// A word on a running deploy.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) of: OfService,
}

pub(crate) fn run(options: Options, word: Word) -> Result<Exit, Failure> {
    let client = options.of.which.client()?;
    let heard = super::block_on(async { Ok(client.command(&options.of.service, word).await?) })?;
    match options.of.form.json {
        true => output::json(&heard),
        false => {
            let what = match word {
                Word::Promote => "is being promoted",
                Word::Abort => "is being rolled back",
                Word::Pause => "is paused",
                Word::Resume => "resumed",
            };
            output::out(&format!("deploy {} of {} {what}\n", heard.id, options.of.service));
        }
    }
    Ok(Exit::Done)
}
