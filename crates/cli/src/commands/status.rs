//! `plimsoll status`: what is served, and how each instance fares.

use std::io::{self, IsTerminal};
use std::time::Duration;

use admin::{
    Access, CheckedDeploy, Client, ClientError, Descriptors, Instance, InstanceState, LastDeploy,
    LastReload, Listener, Run, RunningDeploy, Service, ServiceMode, Status,
};
use anstyle::AnsiColor;
use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::{shown, shown_lines};
use crate::open;
use crate::options::{Form, Which};
use crate::output::{self, colour};
use crate::progress::outcome;
use crate::quantity::{ago, counted, latency, percent, rate, rough};
use crate::screen::Screen;
use crate::signals::Signals;
use crate::table::{Cell, Column, Table};
use crate::width::{columns, wrapped};

/// Show every instance: state and why, weight, in flight, req/s, 5xx, p50, p99
#[derive(Debug, clap::Args)]
#[command(after_help = "\
REQ/S is of the last ten seconds; 5XX (with resets and timeouts), P50 and P99 are of the last
minute, from an attempt's start to the head of the instance's response.

Examples:
  plimsoll status
  plimsoll status api
  plimsoll status --watch
  plimsoll status --json | jq '.services[].instances[] | select(.state != \"healthy\")'")]
pub(crate) struct Options {
    /// One service alone
    service: Option<String>,
    /// Refresh every second, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.which.client()?;
    super::block_on(async {
        let service = options.service.as_deref();
        match options.watch {
            true => watch(&client, service, &options.form).await?,
            false if options.form.json => output::json(&ask(&client, service).await?),
            false => output::out(&draw(&ask(&client, service).await?, Timestamp::now(), columns())),
        }
        Ok(Exit::Done)
    })
}

/// The status; of one service alone where one is named.
async fn ask(client: &Client, service: Option<&str>) -> Result<Status, Failure> {
    let mut status = client.status().await?;
    let Some(service) = service else { return Ok(status) };
    if !status.services.iter().any(|other| other.name == service) {
        let known = status.services.into_iter().map(|other| other.name).collect();
        return Err(Failure::NoService { service: service.to_owned(), known });
    }
    status.services.retain(|other| other.name == service);
    Ok(status)
}

/// Shows it every second until it is told to end. What is not running may come back.
async fn watch(client: &Client, service: Option<&str>, form: &Form) -> Result<(), Failure> {
    let signals = Signals::listen();
    let mut signals =
        signals.map_err(|source| Failure::System { what: "listen to signals", source })?;
    let screen = (!form.json && io::stdout().is_terminal()).then(Screen::open);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            _ = signals.next() => return Ok(()),
        }
        match (&screen, ask(client, service).await) {
            (Some(screen), Ok(status)) => {
                screen.draw(&draw(&status, Timestamp::now(), columns()));
            }
            (Some(screen), Err(Failure::Client(error @ ClientError::NotRunning { .. }))) => {
                screen.draw(&format!("{error}\n"));
            }
            (None, Ok(status)) if form.json => output::json_line(&status),
            (None, Ok(status)) => {
                output::out(&format!("{}\n", draw(&status, Timestamp::now(), columns())));
            }
            (_, Err(error)) => return Err(error),
        }
    }
}

/// The whole status, as of `now`, in `width` columns.
fn draw(status: &Status, now: Timestamp, width: usize) -> String {
    let mut text = wrapped(&head(status, now), width, 2);
    text.push_str(&format!("\n{}", listeners(&status.listeners).fit(width, &["TLS"])));
    if status.services.iter().any(|service| service.run.is_some()) {
        text.push_str(&format!("\n{}", releases(&status.services, now).fit(width, &[])));
    }
    if !status.services.is_empty() {
        let beside = instances(&status.services, Reasons::Beside);
        // Why an instance stands as it does is what one looks for: it goes on lines of its own before
        // any of it is cut.
        let table = match beside.width() <= width {
            true => beside,
            false => instances(&status.services, Reasons::Below),
        };
        text.push_str(&format!("\n{}", table.fit(width, &SPARE)));
    }
    let certificates = status.listeners.iter().filter_map(|listener| {
        let why = listener.certificate_fault.as_ref()?;
        Some(format!("{}: cannot read new certificates: {why}\n", listener.name))
    });
    let notes = certificates.chain(status.services.iter().flat_map(notes));
    let notes = notes.map(|note| wrapped(&shown(note.trim_end()), width, 4));
    let notes: String = notes.map(|note| format!("{note}\n")).collect();
    if !notes.is_empty() {
        text.push_str(&format!("\n{notes}"));
    }
    text
}

fn head(status: &Status, now: Timestamp) -> String {
    let Status { version, pid, file, revision, generation, .. } = status;
    let uptime = rough(Duration::from_secs_f64(status.uptime_s.max(0.0)));
    let connections = counted(status.connections as usize, "connection");
    let mut text = format!(
        "plimsoll {version} serves {}, pid {pid}, up {uptime}, revision {revision}, generation \
         {generation}, {connections}\n",
        shown(file)
    );
    text.push_str(&descriptors(status.descriptors));
    if let Some(reload) = &status.last_reload {
        text.push_str(&last_reload(reload, now));
    }
    text
}

/// Nothing where the program that runs does not say. What its connections use beyond three quarters is
/// what somebody has to look at.
fn descriptors(descriptors: Descriptors) -> String {
    let Descriptors { clients, instances, allowed, reserve, limit, .. } = descriptors;
    let used = clients + instances;
    if limit == 0 {
        return String::new();
    }
    let bad = match used > allowed / 4 * 3 {
        true => colour(AnsiColor::Red),
        false => anstyle::Style::new(),
    };
    format!(
        "descriptors: {bad}{used} of {allowed} for connections{bad:#}, {reserve} in reserve, limit {limit}\n"
    )
}

fn last_reload(reload: &LastReload, now: Timestamp) -> String {
    let age = ago(&reload.at, now);
    match &reload.refused {
        None => format!("last reload {age}\n"),
        Some(why) => {
            let bad = colour(AnsiColor::Red);
            format!("{bad}last reload {age} changed nothing:{bad:#} {}\n", shown_lines(why))
        }
    }
}

fn listeners(listeners: &[Listener]) -> Table {
    let mut table = Table::new([
        Column::Left("LISTENER"),
        Column::Left("ADDRESS"),
        Column::Left("TLS"),
        Column::Right("CONNECTIONS"),
    ]);
    for listener in listeners {
        let mut addresses = listener.addresses.iter();
        table.row([
            listener.name.clone().into(),
            addresses.next().cloned().unwrap_or_default().into(),
            if listener.tls { "yes" } else { "no" }.into(),
            listener.connections.to_string().into(),
        ]);
        for address in addresses {
            table.row([Cell::default(), address.clone().into()]);
        }
    }
    table
}

/// What Plimsoll runs: each service with its release and how many of its instances get requests.
fn releases(services: &[Service], now: Timestamp) -> Table {
    let mut table = Table::new([
        Column::Left("SERVICE"),
        Column::Left("RELEASE"),
        Column::Left("REPLICAS"),
        Column::Left("LAST DEPLOY"),
    ]);
    for service in services {
        let Some(run) = &service.run else { continue };
        let is_live = |it: &&Instance| it.release == run.release && it.access != Access::Barred;
        let live = service.instances.iter().filter(is_live).count();
        let style = match live >= run.replicas as usize {
            true => colour(AnsiColor::Green),
            false => colour(AnsiColor::Yellow),
        };
        table.row([
            service.name.as_str().into(),
            run.release.as_deref().unwrap_or("none yet").into(),
            Cell::styled(format!("{live} of {}", run.replicas), style),
            run.last.as_ref().map(|last| last_told(last, now)).unwrap_or_default().into(),
        ]);
    }
    table
}

/// How the last deploy ended, in the words of receipts and history.
fn last_told(last: &LastDeploy, now: Timestamp) -> String {
    let LastDeploy { id, release, ended_at, .. } = last;
    format!("{id}: {release} {} {}", outcome(&last.outcome), ago(ended_at, now))
}

/// Where it is said why an instance stands as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reasons {
    Beside,
    Below,
}

/// Columns that are left out where the terminal is narrow, the first to go first.
const SPARE: [&str; 4] = ["WEIGHT", "P50", "IN FLIGHT", "5XX"];

fn instances(services: &[Service], reasons: Reasons) -> Table {
    let mut table = Table::new([
        Column::Left("SERVICE"),
        Column::Left("INSTANCE"),
        Column::Left("STATE"),
        Column::Right("WEIGHT"),
        Column::Right("IN FLIGHT"),
        Column::Right("REQ/S"),
        Column::Right("5XX"),
        Column::Right("P50"),
        Column::Right("P99"),
        Column::Left("WHY"),
    ]);
    for service in services {
        if service.instances.is_empty() {
            table.row([service.name.clone().into(), "none".into()]);
        }
        for (index, instance) in service.instances.iter().enumerate() {
            let name = if index == 0 { service.name.clone() } else { String::new() };
            let cells = row(name, instance);
            match reasons {
                Reasons::Beside => table.row([&cells[..], &[why(instance).into()]].concat()),
                Reasons::Below => table.row_above(cells, &why(instance)),
            }
        }
    }
    if reasons == Reasons::Below {
        table.drop_column("WHY");
    }
    table
}

fn row(service: String, instance: &Instance) -> [Cell; 9] {
    let quantile = |ms: Option<f64>| Cell::new(ms.map_or("-".to_owned(), latency));
    let is_asked = instance.p50_ms.is_some() || instance.error_share > 0.0;
    let share = match is_asked {
        true if instance.error_share > 0.0 => {
            Cell::styled(percent(instance.error_share), colour(AnsiColor::Red))
        }
        true => percent(0.0).into(),
        false => "-".into(),
    };
    let backup = if instance.backup { " (backup)" } else { "" };
    let state = instance.state.as_str();
    [
        service.into(),
        named(instance).into(),
        Cell::styled(format!("{state}{backup}"), colour(colour_of(instance.state))),
        instance.weight.to_string().into(),
        instance.in_flight.to_string().into(),
        rate(instance.requests_per_s).into(),
        share,
        quantile(instance.p50_ms),
        quantile(instance.p99_ms),
    ]
}

fn named(instance: &Instance) -> String {
    match &instance.release {
        Some(release) => format!("{} ({release})", instance.name),
        None => instance.name.clone(),
    }
}

fn why(instance: &Instance) -> String {
    // In whole seconds, so that it does not flicker.
    let age = rough(Duration::from_secs(instance.since_s as u64));
    let mut why = match instance.reason.as_str() {
        "" => format!("for {age}"),
        reason => format!("for {age}: {reason}"),
    };
    if instance.state == InstanceState::Drained {
        let open = open::told(instance).unwrap_or_else(|| "nothing".to_owned());
        why.push_str(&format!(", open: {open}"));
    }
    why
}

/// What one must know of a service beside its instances.
fn notes(service: &Service) -> Vec<String> {
    let name = &service.name;
    let mut notes = Vec::new();
    match service.mode {
        ServiceMode::Normal => {}
        ServiceMode::Backup => {
            notes.push(format!("{name}: no primary is healthy: traffic goes to the backups\n"));
        }
        ServiceMode::Panic => {
            let is_out = |it: &Instance| {
                matches!(it.state, InstanceState::Drained | InstanceState::Starting)
            };
            let but = match service.instances.iter().any(is_out) {
                true => " that are not drained or starting",
                false => "",
            };
            notes.push(format!("{name}: no instance is healthy: traffic goes to all{but}\n"));
        }
        // Why is said below.
        ServiceMode::Nobody if service.run.as_ref().is_some_and(|run| run.idle.is_some()) => {}
        ServiceMode::Nobody => {
            let then = if service.run.is_some() { "wait for one" } else { "get 503" };
            notes.push(format!("{name}: no instance may get traffic: requests {then}\n"));
        }
    }
    if service.queued > 0 {
        let queued = counted(service.queued as usize, "request");
        notes.push(format!("{name}: {queued} waiting for an instance\n"));
    }
    notes.extend(service.run.iter().flat_map(|run| run_notes(name, run)));
    notes.extend(service.drained_away.iter().map(|away| {
        format!("{name}: {} has no address, drained since {}\n", away.name, away.drained_at)
    }));
    let unresolved = service.unresolved.iter();
    notes.extend(unresolved.map(|it| format!("{name}: cannot resolve {}: {}\n", it.name, it.why)));
    notes
}

fn run_notes(name: &str, run: &Run) -> Vec<String> {
    let waiting = run.waiting.iter();
    let mut notes: Vec<String> = waiting
        .map(|it| {
            let why = it.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{name}: {} of release {} is {}{why}\n", it.name, it.release, it.state)
        })
        .collect();
    notes.extend(last_deploy(run).map(|what| format!("{name}: {what}\n")));
    if let Some(deploy) = &run.idle {
        notes.push(format!("{name}: no release yet, requests get 503: {deploy}\n"));
    }
    if let Some(difference) = &run.difference {
        notes.push(format!("{name}: {difference}\n"));
    }
    if let Some(deploy) = &run.deploy {
        let RunningDeploy { id, release, who, stage, verdict, .. } = deploy;
        let took = rough(Duration::from_secs(deploy.took_s as u64));
        let paused = if deploy.is_paused { ", paused" } else { "" };
        notes.push(format!(
            "{name}: deploy {id} of release {release} by {who}, for {took}: {stage}{paused}; the judge says {verdict}\n"
        ));
    }
    if let Some(CheckedDeploy { release, who, took_s }) = &run.checking {
        let took = rough(Duration::from_secs(*took_s as u64));
        notes.push(format!(
            "{name}: a deploy of {release} by {who} has been checked for {took}, and has not begun\n"
        ));
    }
    notes
}

/// The last deploy, if it did not bring its release, and whether that is tried again.
fn last_deploy(run: &Run) -> Option<String> {
    let failed = run.last.as_ref().filter(|last| last.outcome != "promoted");
    let failed = failed.filter(|last| run.first.is_none() || last.reason.is_some());
    let mut text = match (failed, &run.first) {
        (Some(last), _) => {
            let LastDeploy { id, release, reason, .. } = last;
            let outcome = outcome(&last.outcome);
            let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("deploy {id} of release {release} was {outcome}{why}")
        }
        (None, Some(first)) => format!("its first release cannot begin: {}", first.why),
        (None, None) => return None,
    };
    if let Some(first) = &run.first {
        let tries =
            if first.tries == 1 { "1 try".to_owned() } else { format!("{} tries", first.tries) };
        let when = match first.again_in_s {
            Some(left) => format!("in {}", rough(Duration::from_secs_f64(left.max(0.0)))),
            None => "now".to_owned(),
        };
        text.push_str(&format!("; after {tries} the next attempt is {when}"));
    }
    Some(text)
}

fn colour_of(state: InstanceState) -> AnsiColor {
    match state {
        InstanceState::Healthy => AnsiColor::Green,
        InstanceState::Ejected | InstanceState::Unhealthy | InstanceState::Failing => {
            AnsiColor::Red
        }
        InstanceState::Starting | InstanceState::Drained | InstanceState::Unchecked => {
            AnsiColor::Yellow
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use admin::{DrainedAway, Open, Totals};

    fn instance(name: &str, state: InstanceState, reason: &str) -> Instance {
        Instance {
            name: name.to_owned(),
            address: name.to_owned(),
            release: None,
            state,
            access: Access::Open,
            reason: reason.to_owned(),
            since_s: 192.0,
            drained_at: None,
            weight: 1,
            backup: false,
            in_flight: 0,
            oldest_s: None,
            open: None,
            totals: Totals::default(),
            requests_per_s: 0.0,
            errors_per_s: 0.0,
            error_share: 0.0,
            p50_ms: None,
            p99_ms: None,
        }
    }

    fn service(name: &str, mode: ServiceMode, instances: Vec<Instance>) -> Service {
        Service {
            name: name.to_owned(),
            balance: "least_conn".to_owned(),
            mode,
            queued: 0,
            run: None,
            unresolved: Vec::new(),
            drained_away: Vec::new(),
            instances,
        }
    }

    fn status() -> Status {
        let busy = Instance {
            in_flight: 3,
            weight: 3,
            requests_per_s: 120.4,
            error_share: 0.012,
            p50_ms: Some(1.24),
            p99_ms: Some(80.0),
            ..instance("10.0.0.11:8080", InstanceState::Healthy, "passed its checks")
        };
        let sick = instance("10.0.0.12:8080", InstanceState::Unhealthy, "connection refused");
        let drained = Instance { backup: true, ..instance("a:80", InstanceState::Drained, "") };
        let draining = Instance {
            in_flight: 2,
            oldest_s: Some(307.4),
            open: Some(Open { tunnels: 1, requests: 1, ..Open::default() }),
            ..instance("b:80", InstanceState::Drained, "drained by an operator")
        };
        let away = DrainedAway {
            name: "c:80/10.0.0.7".to_owned(),
            drained_at: "2026-01-02T03:00:00Z".to_owned(),
        };
        let old = service("old", ServiceMode::Nobody, vec![drained, draining]);
        Status {
            version: "0.1.0".to_owned(),
            pid: 4242,
            file: "/srv/plimsoll.toml".to_owned(),
            revision: 2,
            generation: 7,
            uptime_s: 7500.0,
            connections: 1,
            descriptors: Descriptors {
                clients: 1,
                instances: 4,
                allowed: 640,
                pipes: 128,
                reserve: 256,
                limit: 1024,
            },
            last_reload: None,
            listeners: vec![Listener {
                name: "web".to_owned(),
                addresses: vec!["0.0.0.0:8080".to_owned(), "[::]:8080".to_owned()],
                tls: false,
                certificate_fault: None,
                connections: 1,
                accepted: 9,
            }],
            services: vec![
                service("api", ServiceMode::Normal, vec![busy, sick.clone()]),
                service("chat", ServiceMode::Panic, vec![sick]),
                Service { drained_away: vec![away], ..old },
            ],
        }
    }

    fn plain(status: &Status, width: usize) -> String {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        anstream::adapter::strip_str(&draw(status, now, width)).to_string()
    }

    #[test]
    fn every_instance_is_a_line_and_what_is_wrong_stands_below() {
        insta::assert_snapshot!(plain(&status(), usize::MAX), @r"
        plimsoll 0.1.0 serves /srv/plimsoll.toml, pid 4242, up 2h 5m, revision 2, generation 7, 1 connection
        descriptors: 5 of 640 for connections, 256 in reserve, limit 1024

        LISTENER  ADDRESS       TLS  CONNECTIONS
        web       0.0.0.0:8080  no             1
                  [::]:8080

        SERVICE  INSTANCE        STATE             WEIGHT  IN FLIGHT  REQ/S    5XX     P50    P99  WHY
        api      10.0.0.11:8080  healthy                3          3    120  1.2 %  1.2 ms  80 ms  for 3m 12s: passed its checks
                 10.0.0.12:8080  unhealthy              1          0      0      -       -      -  for 3m 12s: connection refused
        chat     10.0.0.12:8080  unhealthy              1          0      0      -       -      -  for 3m 12s: connection refused
        old      a:80            drained (backup)       1          0      0      -       -      -  for 3m 12s, open: nothing
                 b:80            drained                1          2      0      -       -      -  for 3m 12s: drained by an operator, open: 1 tunnel and 1 request, the oldest for 5m 7s

        chat: no instance is healthy: traffic goes to all
        old: no instance may get traffic: requests get 503
        old: c:80/10.0.0.7 has no address, drained since 2026-01-02T03:00:00Z
        ");
    }

    #[test]
    fn in_a_narrow_terminal_the_reasons_stand_whole_below() {
        let text = plain(&status(), 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text, @r"
        plimsoll 0.1.0 serves /srv/plimsoll.toml, pid 4242, up 2h 5m, revision 2,
          generation 7, 1 connection
        descriptors: 5 of 640 for connections, 256 in reserve, limit 1024

        LISTENER  ADDRESS       TLS  CONNECTIONS
        web       0.0.0.0:8080  no             1
                  [::]:8080

        SERVICE  INSTANCE        STATE             IN FLIGHT  REQ/S    5XX    P99
        api      10.0.0.11:8080  healthy                   3    120  1.2 %  80 ms
            for 3m 12s: passed its checks
                 10.0.0.12:8080  unhealthy                 0      0      -      -
            for 3m 12s: connection refused
        chat     10.0.0.12:8080  unhealthy                 0      0      -      -
            for 3m 12s: connection refused
        old      a:80            drained (backup)          0      0      -      -
            for 3m 12s, open: nothing
                 b:80            drained                   2      0      -      -
            for 3m 12s: drained by an operator, open: 1 tunnel and 1 request, the oldest
            for 5m 7s

        chat: no instance is healthy: traffic goes to all
        old: no instance may get traffic: requests get 503
        old: c:80/10.0.0.7 has no address, drained since 2026-01-02T03:00:00Z
        ");
    }

    #[test]
    fn a_service_without_a_release_is_told_with_what_brings_one() {
        let run = Run { idle: Some("plimsoll deploy api VERSION".to_owned()), ..Run::default() };
        let api = Service { run: Some(run), ..service("api", ServiceMode::Nobody, Vec::new()) };
        let text = plain(&Status { services: vec![api], ..status() }, usize::MAX);
        let last = "\napi: no release yet, requests get 503: plimsoll deploy api VERSION\n";
        assert!(text.ends_with(last) && !text.contains("wait for one"), "{text}");
    }

    #[test]
    fn a_reload_that_changed_nothing_says_why() {
        let last_reload = Some(LastReload {
            at: "2026-01-02T03:03:55Z".to_owned(),
            revision: None,
            refused: Some("plimsoll.toml: 3 errors".to_owned()),
        });
        let text = plain(&Status { last_reload, ..status() }, usize::MAX);
        let line = text.lines().nth(2).unwrap();
        assert_eq!(line, "last reload 10 s ago changed nothing: plimsoll.toml: 3 errors");
    }
}
