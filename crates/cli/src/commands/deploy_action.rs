//! `plimsoll promote`, `abort`, `pause` and `resume` a running deploy.

use admin::DeployAction;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::output;

/// What a person does to a running deploy.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) of: OfService,
}

pub(crate) fn run(options: Options, action: DeployAction) -> Result<Exit, Failure> {
    let client = options.of.which.client()?;
    let heard =
        super::block_on(async { Ok(client.deploy_action(&options.of.service, action).await?) })?;
    match options.of.form.json {
        true => output::json(&heard),
        false => {
            let what = match action {
                DeployAction::Promote => "is being promoted",
                DeployAction::Abort => "is being rolled back",
                DeployAction::Pause => "is paused",
                DeployAction::Resume => "resumed",
            };
            output::out(&format!("deploy {} of {} {what}\n", heard.id, options.of.service));
        }
    }
    Ok(Exit::Done)
}
