//! `plimsoll judge`: a deploy that is over, through other rules.

use std::collections::BTreeMap;

use admin::{Judged, Judgement};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::{output, progress};

/// Judge a past deploy by other rules
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What a deploy was judged by is kept, of the latest twenty of each service. Whatever the rules say,
nothing of what runs is changed. The keys are those of [services.NAME.deploy.judge].

Examples:
  plimsoll judge api 7                           why it ended as it did
  plimsoll judge api 7 --set max_error_rate=5%
  plimsoll judge api 7 --set confidence=0.999 --set max_slowdown=2")]
pub(crate) struct Options {
    /// The deploy, by its number in `plimsoll history`
    #[arg(index = 2)]
    deploy: i64,
    /// A rule that it did not have
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write a key and a value, as in max_error_rate=5%".to_owned()),
    }
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { deploy, set, of } = options;
    let client = of.at.client()?;
    let set: BTreeMap<String, String> = set.into_iter().collect();
    let judged = super::block_on(async { Ok(client.judge(&of.service, deploy, &set).await?) })?;
    match of.form.json {
        true => output::json(&judged),
        false => output::out(&tell(&judged)),
    }
    Ok(Exit::Done)
}

fn tell(judged: &Judged) -> String {
    let Judged { deploy, had, set, with_set } = judged;
    let outcome = deploy.outcome.as_deref().map_or("running", progress::outcome);
    let mut text = format!("deploy {}: release {} {outcome}", deploy.id, deploy.release);
    if let Some(reason) = deploy.receipt.as_ref().and_then(|receipt| receipt.reason.as_deref()) {
        text.push_str(&format!(": {reason}"));
    }
    text.push_str(&format!("\n  as it was: {}\n", said(had)));
    if !set.is_empty() {
        let rules: Vec<String> =
            set.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        text.push_str(&format!("  with {}: {}\n", rules.join(", "), said(with_set)));
    }
    text
}

fn said(judgement: &Judgement) -> String {
    let Judgement { worse_after_s, worse, noticed, verdict, record_s, .. } = judgement;
    let noticed: String = noticed.iter().map(|fault| format!("; noticed: {fault}")).collect();
    let said = match (worse_after_s, worse) {
        (Some(after), Some(worse)) => format!("worse after {after:.1} s: {worse}"),
        _ => format!("{verdict}, at the end of the record of {record_s:.1} s"),
    };
    format!("{said}{noticed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_a_key_and_a_value() {
        assert_eq!(setting("warm_up = 1m"), Ok(("warm_up".to_owned(), "1m".to_owned())));
        assert!(setting("warm_up").is_err() && setting("=1m").is_err());
    }
}
