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
    let client = options.of.at.client()?;
    let acted =
        super::block_on(async { Ok(client.deploy_action(&options.of.service, action).await?) })?;
    match options.of.form.json {
        true => output::json(&acted),
        false => {
            let what = match action {
                DeployAction::Promote => "is being promoted",
                DeployAction::Abort => "is being rolled back",
                DeployAction::Pause => "is paused",
                DeployAction::Resume => "resumed",
            };
            let service = &options.of.service;
            output::out(&match acted.id {
                Some(id) => format!("deploy {id} of {service} {what}\n"),
                None => format!(
                    "the deploy of {service} was still being checked and does not begin; nothing was touched\n"
                ),
            });
        }
    }
    Ok(Exit::Done)
}
