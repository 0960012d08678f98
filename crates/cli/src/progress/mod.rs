//! A deploy as it goes, and its receipt.

mod evidence;
pub(crate) mod meter;
mod patience;
mod picture;
pub(crate) mod reload;

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use admin::{Client, DeployEvents, Line, Receipt, Release};
use tokio::time::{MissedTickBehavior, interval};

pub(crate) use self::patience::Patience;
use crate::canvas::Canvas;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::Form;
use crate::output;
use crate::quantity::latency;
use crate::width::columns;

/// From one look at a running deploy to the next.
const GLANCE: Duration = Duration::from_millis(250);
/// Where the text of a line begins.
const INDENT: usize = 12;

/// Tells that a deploy goes on without being followed.
pub(crate) fn leave(deploy: i64, form: &Form) -> Exit {
    match form.json {
        true => output::json(&admin::Deploying { id: deploy }),
        false => output::out(&format!("deploy {deploy} started\n")),
    }
    Exit::Done
}

/// Tells what happens in a deploy of `service` until it is over, or somebody has seen enough of it; its exit code is
/// the truth.
pub(crate) async fn follow(
    client: &Client,
    service: &str,
    deploy: i64,
    form: &Form,
) -> Result<Exit, Failure> {
    let canvas = Canvas::default();
    let followed = async {
        Ok::<_, Failure>(match !form.json && io::stdout().is_terminal() {
            true => {
                tokio::select! {
                    receipt = listen(client, deploy, |line| canvas.tell(&tell(line), INDENT)) => receipt?,
                    never = watch(client, deploy, &canvas) => match never {},
                }
            }
            false if form.json => listen(client, deploy, output::json_line).await?,
            false => listen(client, deploy, |line| output::out(&tell(line))).await?,
        })
    };
    let receipt = tokio::select! {
        receipt = followed => receipt,
        Ok(()) = tokio::signal::ctrl_c() => {
            canvas.wipe();
            output::err(&goes_on(service, deploy));
            return Ok(Exit::Interrupted);
        }
    };
    canvas.wipe();
    let receipt = receipt.inspect_err(|_| {
        // Whatever is lost, the deploy is not.
        if client.is_remote() {
            output::err(&goes_on(service, deploy));
        }
    })?;
    match form.json {
        true => output::json_line(&receipt),
        false => output::out(&draw(&receipt)),
    }
    Ok(if receipt.outcome == "promoted" { Exit::Done } else { Exit::Failed })
}

/// What becomes of a deploy that nobody watches any more.
fn goes_on(service: &str, deploy: i64) -> String {
    let service = shown(service);
    format!("deploy {deploy} of {service} goes on; `plimsoll abort {service}` rolls it back\n")
}

/// Tells each line of a deploy until it is over. Its receipt.
async fn listen(client: &Client, deploy: i64, tell: impl Fn(&Line)) -> Result<Receipt, Failure> {
    let (mut told, mut patience) = (0, Patience::default());
    loop {
        let asked = patience.of(client, async || client.deploy_events(deploy, told).await);
        let DeployEvents { lines, receipt } = asked.await?;
        told += lines.len();
        lines.iter().for_each(&tell);
        if let Some(receipt) = receipt {
            return Ok(receipt);
        }
    }
}

/// Draws how a deploy stands, again and again.
async fn watch(client: &Client, deploy: i64, canvas: &Canvas) -> std::convert::Infallible {
    let mut glances = interval(GLANCE);
    glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut picture = picture::Picture::default();
    loop {
        glances.tick().await;
        // Whoever listens is told what is wrong.
        let Ok(status) = client.status().await else { continue };
        if let Some(picture) = picture.of(&status, deploy, Instant::now(), columns()) {
            canvas.draw(&picture);
        }
    }
}

/// One line of a deploy.
pub(crate) fn tell(line: &Line) -> String {
    match (line.event.as_str(), &line.instance) {
        ("output", Some(instance)) => {
            format!("            {} | {}\n", shown(instance), shown(&line.text))
        }
        _ => {
            let requests = line.finding.as_deref().and_then(evidence::in_a_line);
            let requests = requests.map(|text| format!("{:INDENT$}{text}\n", ""));
            let requests = requests.unwrap_or_default();
            format!("{:>8.1} s  {}\n{requests}", line.at_s, shown(&line.text))
        }
    }
}

/// How a deploy ended, in the words of every page and command.
pub(crate) fn outcome(word: &str) -> &str {
    match word {
        "rolled-back" => "rolled back",
        word => word,
    }
}

/// Why it did not stay, behind what is said of it: no second colon where the judge gives reasons.
fn because(reason: &str) -> String {
    match reason.strip_prefix("worse: ") {
        Some(fault) => format!(", as it is worse: {fault}"),
        None => format!(": {reason}"),
    }
}

/// A receipt, for people.
pub(crate) fn draw(receipt: &Receipt) -> String {
    let Receipt { service, release, previous, took_s, requests, failed, .. } = receipt;
    let (to, was) = match previous {
        Some(previous) => (format!(" to {previous}"), format!(" (before: {previous})")),
        None => (String::new(), String::new()),
    };
    let why = receipt.reason.as_deref().map(because).unwrap_or_default();
    let said = match receipt.outcome.as_str() {
        "promoted" => format!("was promoted{was}"),
        "rolled-back" => format!("was rolled back{to}{why}"),
        "interrupted" => format!("was interrupted{why}"),
        "broken" => format!("failed, and the old release is not whole{why}"),
        word => format!("{word}{why}"),
    };
    let mut text = format!("\n{}\n", shown(&format!("{service}: release {release} {said}")));
    text.push_str(&format!(
        "  deploy {}, {}, {took_s:.1} s, by {}\n",
        receipt.id,
        shown(&receipt.strategy),
        shown(&receipt.who)
    ));
    let is_seen = *requests > 0 || receipt.releases.iter().any(|release| release.requests > 0);
    match receipt.releases.is_empty() {
        true => text.push_str("  what users saw of it was lost when Plimsoll exited\n"),
        false if !is_seen => text.push_str("  no requests came while it was watched\n"),
        false => {
            receipt.releases.iter().for_each(|release| text.push_str(&describe(release)));
            text.push_str(&changes(&receipt.releases));
            text.push_str(&format!("  users saw {failed} of {requests} requests fail\n"));
        }
    }
    text.push_str(&evidence::draw(receipt));
    text
}

fn describe(release: &Release) -> String {
    let Release { version, requests, failed, previewed, p50_ms, p95_ms, p99_ms, .. } = release;
    let quantile = |value: &Option<f64>| value.map_or("-".to_owned(), latency);
    let version = shown(version);
    let previewed = match previewed {
        0 => String::new(),
        previewed => format!("; {previewed} of them by preview"),
    };
    format!(
        "  {version:<12} {failed} of {requests} attempts failed, p50 {}, p95 {}, p99 {}{previewed}\n",
        quantile(p50_ms),
        quantile(p95_ms),
        quantile(p99_ms)
    )
}

/// A class of responses, by how many a release had of it.
type Class = (&'static str, fn(&Release) -> u64);
/// Requests of a release before its classes are compared with the old one's.
const COMPARED_MIN: u64 = 8;
/// From this change of its share on a class is told.
const CHANGE_MIN: f64 = 0.1;

/// Which classes of responses have changed much from one release to the next, for better or worse.
fn changes(releases: &[Release]) -> String {
    let [before, after] = releases else { return String::new() };
    if before.requests.min(after.requests) < COMPARED_MIN {
        return String::new();
    }
    let change = |(class, of): Class| {
        let share = |release: &Release| of(release) as f64 / release.requests as f64;
        let (was, is) = (share(before), share(after));
        let percent = |share: f64| (share * 100.0).round();
        ((is - was).abs() >= CHANGE_MIN)
            .then(|| format!("  {class} went from {} % to {} %\n", percent(was), percent(is)))
    };
    let classes: [Class; 2] =
        [("4xx", |release| release.client_errors), ("3xx", |release| release.redirects)];
    classes.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn receipt(outcome: &str, reason: Option<&str>) -> Receipt {
        let release = |version: &str, failed, p50_ms| Release {
            version: version.to_owned(),
            requests: if p50_ms { 100 } else { 0 },
            failed,
            redirects: 0,
            client_errors: 0,
            previewed: 0,
            p50_ms: p50_ms.then_some(19_922.9),
            p95_ms: p50_ms.then_some(1.24),
            p99_ms: None,
        };
        Receipt {
            id: 7,
            service: "api".to_owned(),
            previous: Some("1".to_owned()),
            release: "2".to_owned(),
            who: "eve\nroot".to_owned(),
            strategy: "rolling".to_owned(),
            restores: None,
            began_at: String::new(),
            took_s: 4.25,
            outcome: outcome.to_owned(),
            reason: reason.map(str::to_owned),
            requests: 99,
            failed: 1,
            releases: vec![release("1", 0, true), release("2", 1, true)],
            lines: Vec::new(),
        }
    }

    #[test]
    fn a_receipt_says_what_became_of_it_and_what_users_saw() {
        insta::assert_snapshot!(draw(&receipt("promoted", None)), @r"

        api: release 2 was promoted (before: 1)
          deploy 7, rolling, 4.2 s, by eve\u000aroot
          1            0 of 100 attempts failed, p50 20 s, p95 1.2 ms, p99 -
          2            1 of 100 attempts failed, p50 20 s, p95 1.2 ms, p99 -
          users saw 1 of 99 requests fail
        ");
        let first =
            |reason| draw(&receipt("rolled-back", Some(reason))).lines().nth(1).unwrap().to_owned();
        assert_eq!(
            first("aborted by hand"),
            "api: release 2 was rolled back to 1: aborted by hand"
        );
        assert_eq!(
            first("worse: it failed 4 of 12 requests"),
            "api: release 2 was rolled back to 1, as it is worse: it failed 4 of 12 requests"
        );
    }

    #[test]
    fn where_the_judge_found_something_the_receipt_shows_its_evidence() {
        let mut worse = receipt("rolled-back", Some("worse: it failed 24 of 40 requests"));
        worse.lines = vec![Line {
            at_s: 5.0,
            event: "returning".to_owned(),
            instance: None,
            text: "release 2 is worse".to_owned(),
            finding: Some(Box::new(evidence::tests::finding())),
        }];
        let text = draw(&worse);
        let (_, evidence) = text.split_once("requests fail\n").unwrap();
        insta::assert_snapshot!(evidence, @r"

        why: errors on /pay, since 2026-11-27T06:00:03.2Z (3.2 s into the deploy)
          release 2     24 of 40 requests failed (60.0 %)
          release 1     0 of 161 requests failed (0.0 %)
          instances     api-3 13, api-4 11
          how sure      looks so by chance once in 12,000; confidence = 0.99: at most 1 sound release in 100 is ever called worse
          requests      2026-11-27T06:00:05Z  0123456789abcdef  /pay  api-3  500 after 1.2 ms
                          api-3 | panic: \u001b[2Jno such table
                        2026-11-27T06:00:04Z  fedcba9876543210  api-4  no whole response after 30 ms
          would pass    with confidence=0.9999 what is recorded would not have been found worse
          other rules   plimsoll judge api 7 --set KEY=VALUE
        ");
        // The guide shows the same, but for what an attacker wrote.
        let page = include_str!("../../../../docs/guide/deploying.md");
        let shown = page.lines().skip_while(|line| !line.starts_with("    why: errors on /pay"));
        let shown: Vec<&str> = shown.take_while(|line| line.starts_with("    ")).collect();
        assert!(shown.len() >= 9, "{shown:#?}");
        let evidence = evidence.replace("\\u001b[2J", "");
        for line in shown {
            assert!(evidence.lines().any(|it| it.trim() == line.trim()), "the page shows {line}");
        }
    }

    #[test]
    fn a_class_of_responses_that_has_changed_much_is_told() {
        let mut changed = receipt("promoted", None);
        (changed.releases[1].client_errors, changed.releases[0].redirects) = (99, 9);
        changed.releases[1].previewed = 5;
        let text = draw(&changed);
        assert!(text.contains("p99 -; 5 of them by preview\n"), "{text}");
        assert!(text.contains("\n  4xx went from 0 % to 99 %\n"), "{text}");
        assert!(!text.contains("3xx"), "{text}");
        changed.releases[1].requests = 7;
        assert!(!draw(&changed).contains("4xx"), "too few to say");
    }

    #[test]
    fn without_traffic_there_is_one_line_and_no_row_of_dashes() {
        let mut quiet = Receipt { requests: 0, failed: 0, ..receipt("promoted", None) };
        quiet.releases.iter_mut().for_each(|it| (it.requests, it.failed) = (0, 0));
        let text = draw(&quiet);
        assert_eq!(text.lines().last(), Some("  no requests came while it was watched"), "{text}");
    }
}
