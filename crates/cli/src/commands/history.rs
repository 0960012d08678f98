//! `plimsoll history`: every release and receipt of a service.

use admin::{ClientError, Kind, Past};
use anstyle::AnsiColor;
use jiff::Timestamp;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OfService;
use crate::output::colour;
use crate::quantity::ago;
use crate::table::{Cell, Column, Table};
use crate::width::columns;
use crate::{output, progress};

/// List the deploys of a service: who, when, how they ended
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll history api
  plimsoll history api 7     each step of deploy 7, and its receipt
  plimsoll history api --json | jq '.deploys[0].receipt'")]
pub(crate) struct Options {
    /// One deploy, by its number
    #[arg(index = 2)]
    deploy: Option<i64>,
    #[command(flatten)]
    pub(crate) of: OfService,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.of.at.client()?;
    if let Some(deploy) = options.deploy {
        let service = &options.of.service;
        let found = super::block_on(async { Ok(client.show_deploy(service, deploy).await) })?;
        return tell_one(&found.map_err(|error| of_one(error, service, deploy))?, &options);
    }
    let history = super::block_on(async { Ok(client.history(&options.of.service).await?) })?;
    match options.of.form.json {
        true => output::json(&history),
        false if history.deploys.is_empty() => {
            output::out(&format!("{} was never deployed\n", options.of.service));
        }
        false => output::out(&table(&history.deploys, Timestamp::now(), columns())),
    }
    Ok(Exit::Done)
}

/// Why one deploy cannot be told of.
fn of_one(error: ClientError, service: &str, deploy: i64) -> Failure {
    match error {
        ClientError::Problem(problem) if problem.kind == Kind::NoSuchDeploy => {
            Failure::NoSuchDeploy { service: service.to_owned(), deploy }
        }
        error => error.into(),
    }
}

/// Tells all that is kept of one deploy.
fn tell_one(past: &Past, options: &Options) -> Result<Exit, Failure> {
    match &past.receipt {
        _ if options.of.form.json => output::json(past),
        Some(receipt) => {
            receipt.lines.iter().for_each(|line| output::out(&progress::tell(line)));
            output::out(&progress::draw(receipt));
        }
        None => output::out(&table(std::slice::from_ref(past), Timestamp::now(), columns())),
    }
    Ok(Exit::Done)
}

/// The deploys, the latest first, as they are seen at `now`.
fn table(deploys: &[Past], now: Timestamp, width: usize) -> String {
    let mut table = Table::new([
        Column::Right("DEPLOY"),
        Column::Left("WHEN"),
        Column::Left("RELEASE"),
        Column::Left("OUTCOME"),
        Column::Right("FAILED"),
        Column::Left("BY"),
    ]);
    for past in deploys {
        let outcome = past.outcome.as_deref().map_or("running", progress::outcome);
        let hue = match outcome {
            "promoted" => AnsiColor::Green,
            "running" => AnsiColor::Yellow,
            _ => AnsiColor::Red,
        };
        let release = match &past.previous {
            Some(previous) => format!("{previous} → {}", past.release),
            None => past.release.clone(),
        };
        let receipt = past.receipt.as_ref();
        let felt = receipt.filter(|receipt| !receipt.releases.is_empty());
        let felt = felt.map(|receipt| format!("{} of {}", receipt.failed, receipt.requests));
        let cells = [
            past.id.to_string().into(),
            ago(&past.began_at, now).into(),
            release.into(),
            Cell::styled(outcome, colour(hue)),
            felt.unwrap_or_default().into(),
            past.who.as_str().into(),
        ];
        let reason = receipt.and_then(|receipt| receipt.reason.clone());
        let restores =
            past.restores.map(|deploy| format!("a rollback to what deploy {deploy} made"));
        let below: Vec<String> = restores.into_iter().chain(reason).collect();
        table.row_above(cells, &below.join("; "));
    }
    table.fit(width, &["FAILED"])
}

#[cfg(test)]
mod tests {
    use admin::{Receipt, Release};

    use super::*;

    #[test]
    fn every_deploy_is_a_row_and_its_reason_stands_below() {
        let past = |id,
                    previous: Option<&str>,
                    release: &str,
                    outcome: Option<&str>,
                    reason: Option<&str>| {
            Past {
                receipt: outcome.map(|outcome| Receipt {
                    id,
                    service: "api".to_owned(),
                    previous: previous.map(str::to_owned),
                    release: release.to_owned(),
                    who: "ann@edge".to_owned(),
                    strategy: "rolling".to_owned(),
                    restores: None,
                    began_at: "2026-01-02T03:00:00Z".to_owned(),
                    took_s: 4.0,
                    outcome: outcome.to_owned(),
                    reason: reason.map(str::to_owned),
                    requests: 94,
                    failed: 0,
                    releases: vec![Release {
                        version: release.to_owned(),
                        requests: 94,
                        failed: 0,
                        redirects: 0,
                        client_errors: 0,
                        previewed: 0,
                        p50_ms: None,
                        p95_ms: None,
                        p99_ms: None,
                    }],
                    lines: Vec::new(),
                }),
                id,
                previous: previous.map(str::to_owned),
                release: release.to_owned(),
                who: "ann@edge".to_owned(),
                began_at: "2026-01-02T03:00:00Z".to_owned(),
                restores: (id == 3).then_some(1),
                ended_at: None,
                outcome: outcome.map(str::to_owned),
            }
        };
        let deploys = [
            past(3, Some("1"), "3", None, None),
            past(2, Some("1"), "2", Some("rolled-back"), Some("api-3 exited with code 3")),
            past(1, None, "1", Some("promoted"), None),
        ];
        let now = "2026-01-02T03:14:05Z".parse().unwrap();
        let drawn = table(&deploys, now, 80);
        insta::assert_snapshot!(anstream::adapter::strip_str(&drawn).to_string(), @r"
        DEPLOY  WHEN        RELEASE  OUTCOME       FAILED  BY
             3  14m 5s ago  1 → 3    running               ann@edge
            a rollback to what deploy 1 made
             2  14m 5s ago  1 → 2    rolled back  0 of 94  ann@edge
            api-3 exited with code 3
             1  14m 5s ago  1        promoted     0 of 94  ann@edge
        ");
    }
}
