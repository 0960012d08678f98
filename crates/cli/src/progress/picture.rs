//! How a running deploy stands, as a picture: each instance with its share of the requests, the step,
//! and the time left.

use std::time::Duration;

use admin::{Instance, Run, RunningDeploy, Standing, Status};
use anstyle::{AnsiColor, Style};

use crate::canvas::bar;
use crate::foreign::shown;
use crate::output::colour;
use crate::quantity::{latency, rate, rough};
use crate::table::{Cell, Column, Table};

/// A bar's length at the whole of the requests.
const BAR: usize = 20;

/// The picture of a deploy, while it runs.
pub(super) fn of(status: &Status, deploy: i64) -> Option<String> {
    let (service, run, deploy) = status.services.iter().find_map(|service| {
        let run = service.run.as_ref()?;
        let running = run.deploy.as_ref().filter(|running| running.id == deploy)?;
        Some((service, run, running))
    })?;
    let mut table = Table::new([
        Column::Left("INSTANCE"),
        Column::Left("RELEASE"),
        Column::Left("STATE"),
        Column::Left("SHARE"),
        Column::Right("REQ/S"),
        Column::Right("REQUESTS"),
        Column::Right("ERRORS"),
        Column::Right("P50"),
        Column::Right("P99"),
    ]);
    let whole: f64 = service.instances.iter().map(|instance| instance.requests_per_s).sum();
    service.instances.iter().for_each(|instance| table.row(row(instance, whole)));
    for waiting in &run.waiting {
        let state = Cell::styled(waiting.state.as_str(), colour(AnsiColor::Yellow));
        table.row([waiting.name.as_str().into(), waiting.release.as_str().into(), state]);
    }
    Some(format!("\n{}{}", table.render(), step(run, deploy)))
}

fn row(instance: &Instance, whole: f64) -> [Cell; 9] {
    let (state, hue) = match (instance.standing, instance.in_flight) {
        (Standing::Drained, 0) => ("warm", AnsiColor::Yellow),
        (Standing::Drained, _) => ("draining", AnsiColor::Yellow),
        (Standing::Healthy | Standing::Unchecked, _) => ("live", AnsiColor::Green),
        (Standing::Starting, _) => ("starting", AnsiColor::Yellow),
        (Standing::Ejected | Standing::Unhealthy | Standing::Failing, _) => {
            (instance.standing.as_str(), AnsiColor::Red)
        }
    };
    let share = instance.requests_per_s / whole.max(1.0);
    let totals = instance.totals;
    let errors = totals.server_errors + totals.failures;
    let bad = if errors > 0 { colour(AnsiColor::Red) } else { Style::new() };
    let quantile = |ms: Option<f64>| Cell::new(ms.map_or("-".to_owned(), latency));
    [
        instance.name.as_str().into(),
        instance.release.as_deref().unwrap_or("-").into(),
        Cell::styled(state, colour(hue)),
        Cell::styled(bar(share, BAR), colour(hue)),
        rate(instance.requests_per_s).into(),
        (totals.ok + errors).to_string().into(),
        Cell::styled(errors.to_string(), bad),
        quantile(instance.p50_ms),
        quantile(instance.p99_ms),
    ]
}

/// The step, the time left, and what the judge says.
fn step(run: &Run, deploy: &RunningDeploy) -> String {
    let from = run.release.as_deref().map_or(String::new(), |release| format!("{release} -> "));
    let took = rough(Duration::from_secs(deploy.took_s as u64));
    let mut text = format!("{from}{}, for {took}: {}", deploy.release, deploy.stage);
    match deploy.left_s {
        _ if deploy.is_paused => text.push_str(", paused"),
        Some(left) => {
            text.push_str(&format!(", {} left", rough(Duration::from_secs(left.ceil() as u64))));
        }
        None => {}
    }
    format!("{}\n", shown(&format!("{text}; the judge says: {}", deploy.verdict)))
}

#[cfg(test)]
mod tests {
    use admin::{Access, Service, ServiceMode, Totals, Waiting};

    use super::*;

    fn instance(name: &str, release: &str, standing: Standing, requests_per_s: f64) -> Instance {
        Instance {
            name: name.to_owned(),
            address: "127.0.0.1:8000".to_owned(),
            release: Some(release.to_owned()),
            standing,
            access: Access::Open,
            reason: String::new(),
            since_s: 3.0,
            drained_at: None,
            weight: 1,
            backup: false,
            in_flight: 0,
            oldest_s: None,
            open: None,
            totals: Totals { ok: requests_per_s as u64 * 10, ..Totals::default() },
            requests_per_s,
            errors_per_s: 0.0,
            error_share: 0.0,
            p50_ms: (requests_per_s > 0.0).then_some(1.24),
            p99_ms: (requests_per_s > 0.0).then_some(80.0),
        }
    }

    fn status() -> Status {
        let bad = Totals { ok: 390, server_errors: 9, failures: 1 };
        let service = Service {
            name: "api".to_owned(),
            balance: "least_conn".to_owned(),
            mode: ServiceMode::Normal,
            queued: 0,
            run: Some(Run {
                release: Some("1.4.1".to_owned()),
                waiting: vec![Waiting {
                    name: "api-4".to_owned(),
                    release: "1.4.2".to_owned(),
                    state: "starting".to_owned(),
                    why: None,
                }],
                deploy: Some(RunningDeploy {
                    id: 7,
                    release: "1.4.2".to_owned(),
                    who: "ops".to_owned(),
                    took_s: 12.4,
                    stage: "at 25 %".to_owned(),
                    left_s: Some(47.2),
                    is_paused: false,
                    verdict: "no worse".to_owned(),
                }),
                ..Run::default()
            }),
            unresolved: Vec::new(),
            drained_away: Vec::new(),
            instances: vec![
                instance("api-1", "1.4.1", Standing::Healthy, 120.0),
                instance("api-2", "1.4.1", Standing::Drained, 0.0),
                Instance { totals: bad, ..instance("api-3", "1.4.2", Standing::Healthy, 40.0) },
            ],
        };
        Status {
            version: "0.1.0".to_owned(),
            pid: 4242,
            revision: 1,
            generation: 7,
            uptime_s: 75.0,
            connections: 1,
            last_reload: None,
            listeners: Vec::new(),
            services: vec![service],
        }
    }

    #[test]
    fn every_instance_is_a_line_and_the_step_stands_below() {
        let picture = of(&status(), 7).unwrap();
        insta::assert_snapshot!(anstream::adapter::strip_str(&picture).to_string(), @r"
        INSTANCE  RELEASE  STATE     SHARE                 REQ/S  REQUESTS  ERRORS     P50    P99
        api-1     1.4.1    live      ███████████████░░░░░    120      1200       0  1.2 ms  80 ms
        api-2     1.4.1    warm      ░░░░░░░░░░░░░░░░░░░░      0         0       0       -      -
        api-3     1.4.2    live      █████░░░░░░░░░░░░░░░     40       400      10  1.2 ms  80 ms
        api-4     1.4.2    starting
        1.4.1 -> 1.4.2, for 12s: at 25 %, 48s left; the judge says: no worse
        ");
        assert_eq!(of(&status(), 8), None, "another deploy");
    }
}
