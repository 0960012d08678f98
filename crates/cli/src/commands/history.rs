//! `plimsoll history`: every release and receipt of a service.

use admin::{History, Past};

use crate::arguments::{Form, Which};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::{output, progress};

/// Every deploy of a service: who, when, what became of it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll history api
  plimsoll history api 7     each step of deploy 7, and its receipt
  plimsoll history api --json | jq '.deploys[0].receipt'")]
pub(crate) struct Options {
    /// The service
    service: String,
    /// One deploy, by its number
    deploy: Option<i64>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.which.client()?;
    let history = super::block_on(async { Ok(client.history(&options.service).await?) })?;
    if let Some(deploy) = options.deploy {
        return tell_one(&history, deploy, &options);
    }
    match options.form.json {
        true => output::json(&history),
        false if history.deploys.is_empty() => {
            output::out(&format!("{} was never deployed\n", options.service));
        }
        false => history.deploys.iter().for_each(|past| output::out(&describe(past))),
    }
    Ok(Exit::Done)
}

/// Tells all that is kept of one deploy.
fn tell_one(history: &History, deploy: i64, options: &Options) -> Result<Exit, Failure> {
    let Some(past) = history.deploys.iter().find(|past| past.id == deploy) else {
        return Err(Failure::NoSuchDeploy { service: options.service.clone(), deploy });
    };
    match &past.receipt {
        _ if options.form.json => output::json(past),
        Some(receipt) => {
            receipt.lines.iter().for_each(|line| output::out(&progress::tell(line)));
            output::out(&progress::draw(receipt));
        }
        None => output::out(&describe(past)),
    }
    Ok(Exit::Done)
}

fn describe(past: &Past) -> String {
    let from = past.former.as_deref().unwrap_or("nothing");
    let outcome = past.outcome.as_deref().unwrap_or("running");
    let line = format!(
        "{:>4}  {}  {from} -> {}  {outcome}  by {}",
        past.id, past.began_at, past.fresh, past.who
    );
    let mut text = format!("{}\n", shown(&line));
    if let Some(deploy) = past.restores {
        text.push_str(&format!("      a rollback to what deploy {deploy} made\n"));
    }
    if let Some(receipt) = &past.receipt {
        if let Some(reason) = &receipt.reason {
            text.push_str(&format!("      {}\n", shown(reason)));
        }
        let (failed, requests, took) = (receipt.failed, receipt.requests, receipt.took_s);
        if !receipt.releases.is_empty() {
            text.push_str(&format!("      {failed} of {requests} requests failed, {took:.1} s\n"));
        }
    }
    text
}
