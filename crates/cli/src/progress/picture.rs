//! How a running deploy stands, as a picture: each instance with its share of the requests, the step,
//! and the time left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use admin::{Instance, InstanceState, Run, RunningDeploy, Status};
use anstyle::{AnsiColor, Style};

use super::meter::{Count, Meter, Pace};
use crate::canvas::bar;
use crate::foreign::shown;
use crate::output::colour;
use crate::quantity::{latency, rate, rough};
use crate::table::{Cell, Column, Table};
use crate::width::wrapped;

/// A bar's length at the whole of the requests.
const BAR: usize = 20;

/// Columns that are left out where the terminal is narrow, the first to go first.
const SPARE: [&str; 4] = ["SHARE", "P50", "REQUESTS", "RELEASE"];

/// The picture of a deploy, while it runs.
#[derive(Debug, Default)]
pub(super) struct Picture {
    meter: Meter,
}

impl Picture {
    /// The picture in `width` columns as it is `now`; `None` where the deploy is over.
    pub(super) fn of(
        &mut self,
        status: &Status,
        deploy: i64,
        now: Instant,
        width: usize,
    ) -> Option<String> {
        let (service, run, deploy) = status.services.iter().find_map(|service| {
            let run = service.run.as_ref()?;
            let running = run.deploy.as_ref().filter(|running| running.id == deploy)?;
            Some((service, run, running))
        })?;
        self.meter.note(now, &deploy.stage, counts(&service.instances));
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
        let mut instances: Vec<&Instance> = service.instances.iter().collect();
        instances.sort_by_key(|instance| number(&instance.name));
        for instance in instances {
            table.row(row(instance, self.meter.pace(&instance.name)));
        }
        for waiting in &run.waiting {
            let state = Cell::styled(waiting.state.as_str(), colour(AnsiColor::Yellow));
            table.row([waiting.name.as_str().into(), waiting.release.as_str().into(), state]);
        }
        Some(format!("\n{}{}", table.fit(width, &SPARE), step(run, deploy, width)))
    }
}

/// What stands before the number of an instance, and the number: `api-10` comes behind `api-9`.
fn number(name: &str) -> (&str, u64) {
    let (stem, number) = name.rsplit_once('-').unwrap_or((name, ""));
    (stem, number.parse().unwrap_or(u64::MAX))
}

fn counts(instances: &[Instance]) -> BTreeMap<String, Count> {
    let count = |instance: &Instance| {
        let (all, failed) = (instance.totals.all(), instance.totals.failed());
        (instance.name.clone(), Count { all, failed })
    };
    instances.iter().map(count).collect()
}

/// What an instance is in a deploy. Red is for trouble alone: an old one that is let go is none.
fn state(instance: &Instance) -> (&'static str, Style) {
    match (instance.state, instance.in_flight) {
        (InstanceState::Drained, 0) => ("warm", Style::new().dimmed()),
        (InstanceState::Drained, _) => ("draining", Style::new().dimmed()),
        (InstanceState::Ejected | InstanceState::Unhealthy | InstanceState::Failing, _) => {
            (instance.state.as_str(), colour(AnsiColor::Red))
        }
        (InstanceState::Starting, _) => ("starting", colour(AnsiColor::Yellow)),
        (InstanceState::Healthy | InstanceState::Unchecked, _) => {
            ("live", colour(AnsiColor::Green))
        }
    }
}

fn row(instance: &Instance, pace: Option<Pace>) -> [Cell; 9] {
    let (state, style) = state(instance);
    let totals = instance.totals;
    let errors = totals.failed();
    let bad = if errors > 0 { colour(AnsiColor::Red) } else { Style::new() };
    let quantile = |ms: Option<f64>| Cell::new(ms.map_or("-".to_owned(), latency));
    [
        instance.name.as_str().into(),
        instance.release.as_deref().unwrap_or("-").into(),
        Cell::styled(state, style),
        Cell::styled(bar(pace.map_or(0.0, |pace| pace.share), BAR), style),
        pace.map_or("-".to_owned(), |pace| rate(pace.rate)).into(),
        totals.all().to_string().into(),
        Cell::styled(errors.to_string(), bad),
        quantile(instance.p50_ms),
        quantile(instance.p99_ms),
    ]
}

/// The step, the time left, and what the judge says.
fn step(run: &Run, deploy: &RunningDeploy, width: usize) -> String {
    let from = run.release.as_deref().map_or(String::new(), |release| format!("{release} → "));
    let took = rough(Duration::from_secs(deploy.took_s as u64));
    let mut text = format!("{from}{}, for {took}: {}", deploy.release, deploy.stage);
    match deploy.left_s {
        _ if deploy.is_paused => text.push_str(", paused"),
        Some(left) => {
            text.push_str(&format!(", {} left", rough(Duration::from_secs(left.ceil() as u64))));
        }
        None => {}
    }
    let verdict = format!("; the judge says {}", deploy.verdict);
    let text = shown(&format!("{text}{verdict}")).into_owned();
    format!("{}\n", wrapped(&text, width, 2))
}

#[cfg(test)]
mod tests {
    use admin::{Access, Service, ServiceMode, Totals, Waiting};

    use super::*;

    fn instance(name: &str, release: &str, state: InstanceState, requests_per_s: f64) -> Instance {
        Instance {
            name: name.to_owned(),
            address: "127.0.0.1:8000".to_owned(),
            release: Some(release.to_owned()),
            state,
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
            outlier: None,
        }
    }

    fn status() -> Status {
        let bad = Totals { ok: 390, server_errors: 9, failures: 1, ..Totals::default() };
        let service = Service {
            name: "api".to_owned(),
            balance: "least_conn".to_owned(),
            mode: ServiceMode::Normal,
            queued: 0,
            run: Some(Run {
                release: Some("1.4.1".to_owned()),
                replicas: 2,
                waiting: vec![Waiting {
                    name: "api-12".to_owned(),
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
                    preview: None,
                    conditions: Vec::new(),
                }),
                ..Run::default()
            }),
            unresolved: Vec::new(),
            certificate_fault: None,
            drained_away: Vec::new(),
            instances: vec![
                instance("api-10", "1.4.1", InstanceState::Drained, 0.0),
                instance("api-9", "1.4.1", InstanceState::Healthy, 120.0),
                Instance {
                    totals: bad,
                    ..instance("api-11", "1.4.2", InstanceState::Healthy, 40.0)
                },
            ],
        };
        Status {
            version: "0.1.0".to_owned(),
            pid: 4242,
            file: "/srv/plimsoll.toml".to_owned(),
            revision: 1,
            generation: 7,
            uptime_s: 75.0,
            connections: 1,
            descriptors: admin::Descriptors::default(),
            last_reload: None,
            store: None,
            watched: None,
            rolled_back: None,
            listeners: Vec::new(),
            issuers: Vec::new(),
            auth_servers: Vec::new(),
            admin_certificate_fault: None,
            certificates: Vec::new(),
            services: vec![service],
        }
    }

    fn later(status: &Status) -> Status {
        let mut later = status.clone();
        let instances = later.services.iter_mut().flat_map(|service| &mut service.instances);
        for (instance, more) in instances.zip([0, 150, 50]) {
            instance.totals.ok += more;
        }
        later
    }

    /// The picture as it is a second after the step began.
    fn picture(width: usize) -> String {
        let (status, begin) = (status(), Instant::now());
        let mut picture = Picture::default();
        picture.of(&status, 7, begin, width).unwrap();
        let drawn = picture.of(&later(&status), 7, begin + Duration::from_secs(1), width).unwrap();
        anstream::adapter::strip_str(&drawn).to_string()
    }

    #[test]
    fn every_instance_is_a_line_by_number_and_the_step_stands_below() {
        insta::assert_snapshot!(picture(120), @r"
        INSTANCE  RELEASE  STATE     SHARE                 REQ/S  REQUESTS  ERRORS     P50    P99
        api-9     1.4.1    live      ███████████████░░░░░    150      1350       0  1.2 ms  80 ms
        api-10    1.4.1    warm      ░░░░░░░░░░░░░░░░░░░░      0         0       0       -      -
        api-11    1.4.2    live      █████░░░░░░░░░░░░░░░     50       450      10  1.2 ms  80 ms
        api-12    1.4.2    starting
        1.4.1 → 1.4.2, for 12 s: at 25 %, 48 s left; the judge says no worse
        ");
        let other = Picture::default().of(&status(), 8, Instant::now(), 120);
        assert_eq!(other, None, "another deploy");
    }

    #[test]
    fn on_a_narrow_terminal_it_keeps_what_matters() {
        insta::assert_snapshot!(picture(80), @r"
        INSTANCE  RELEASE  STATE     REQ/S  REQUESTS  ERRORS     P50    P99
        api-9     1.4.1    live        150      1350       0  1.2 ms  80 ms
        api-10    1.4.1    warm          0         0       0       -      -
        api-11    1.4.2    live         50       450      10  1.2 ms  80 ms
        api-12    1.4.2    starting
        1.4.1 → 1.4.2, for 12 s: at 25 %, 48 s left; the judge says no worse
        ");
        for width in [20, 40, 60] {
            assert!(picture(width).lines().all(|line| line.chars().count() <= width), "{width}");
        }
    }

    #[test]
    fn red_is_for_trouble_alone() {
        let of = |stands| state(&instance("api-1", "1", stands, 0.0)).1.get_fg_color();
        let red = Some(AnsiColor::Red.into());
        assert_ne!(of(InstanceState::Drained), red);
        assert_ne!(of(InstanceState::Healthy), red);
        assert_eq!(of(InstanceState::Unhealthy), red);
        assert_eq!(of(InstanceState::Ejected), red);
    }
}
