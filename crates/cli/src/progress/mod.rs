//! A deploy as it goes, and its receipt.

mod picture;

use std::io::{self, IsTerminal};
use std::time::Duration;

use admin::{Client, Events, Line, Receipt, Release};
use tokio::time::{MissedTickBehavior, interval};

use crate::arguments::Form;
use crate::canvas::Canvas;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::output;

/// From one look at a running deploy to the next.
const GLANCE: Duration = Duration::from_millis(250);

/// Who gives an order: the user, as the system calls them, and where.
pub(crate) fn who() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("SUDO_USER").or_else(|| variable("USER")).or_else(|| variable("LOGNAME"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid()));
    match host.trim() {
        "" => user,
        host => format!("{user}@{host}"),
    }
}

/// Tells what happens in a deploy until it is over; its exit code is the truth.
pub(crate) async fn follow(
    client: &Client,
    deploy: i64,
    no_wait: bool,
    form: &Form,
) -> Result<Exit, Failure> {
    if no_wait {
        match form.json {
            true => output::json(&admin::Deploying { id: deploy }),
            false => output::out(&format!("deploy {deploy} has begun\n")),
        }
        return Ok(Exit::Done);
    }
    let canvas = Canvas::default();
    let receipt = match !form.json && io::stdout().is_terminal() {
        true => {
            tokio::select! {
                receipt = listen(client, deploy, |line| canvas.tell(&tell(line))) => receipt?,
                never = watch(client, deploy, &canvas) => match never {},
            }
        }
        false if form.json => listen(client, deploy, output::json_line).await?,
        false => listen(client, deploy, |line| output::out(&tell(line))).await?,
    };
    canvas.wipe();
    match form.json {
        true => output::json_line(&receipt),
        false => output::out(&draw(&receipt)),
    }
    Ok(if receipt.outcome == "promoted" { Exit::Done } else { Exit::Failed })
}

/// Tells each line of a deploy until it is over. Its receipt.
async fn listen(client: &Client, deploy: i64, tell: impl Fn(&Line)) -> Result<Receipt, Failure> {
    let mut told = 0;
    loop {
        let Events { lines, receipt } = client.events(deploy, told).await?;
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
    loop {
        glances.tick().await;
        // Whoever listens is told what is wrong.
        let Ok(status) = client.status().await else { continue };
        if let Some(picture) = picture::of(&status, deploy) {
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
        _ => format!("{:>8.1} s  {}\n", line.at_s, shown(&line.text)),
    }
}

/// A receipt, for people.
pub(crate) fn draw(receipt: &Receipt) -> String {
    let Receipt { service, fresh, former, took_s, requests, failed, .. } = receipt;
    let was = former.as_ref().map(|former| format!(" (before: {former})")).unwrap_or_default();
    let said = match (receipt.outcome.as_str(), &receipt.reason) {
        ("promoted", _) => "runs".to_owned(),
        ("rolled-back", Some(reason)) => format!("was taken back: {reason}"),
        ("interrupted", Some(reason)) => format!("did not come to stay: {reason}"),
        (_, Some(reason)) => format!("failed, and the old release is not whole: {reason}"),
        (word, None) => word.to_owned(),
    };
    let mut text = format!("\n{}\n", shown(&format!("{service} {fresh}{was} {said}")));
    text.push_str(&format!(
        "  deploy {}, {}, {took_s:.1} s, by {}\n",
        receipt.id,
        shown(&receipt.strategy),
        shown(&receipt.who)
    ));
    for release in &receipt.releases {
        text.push_str(&describe(release));
    }
    match receipt.releases.is_empty() {
        true => text.push_str("  what users saw of it was lost with Plimsoll\n"),
        false => text.push_str(&format!("  users saw {failed} of {requests} requests fail\n")),
    }
    text
}

fn describe(release: &Release) -> String {
    let Release { version, requests, failed, p50_ms, p95_ms, p99_ms } = release;
    let ms = |value: &Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
    let version = shown(version);
    format!(
        "  {version:<12} {failed} of {requests} failed, p50 {}, p95 {}, p99 {}\n",
        ms(p50_ms),
        ms(p95_ms),
        ms(p99_ms)
    )
}
