//! The tables of the status: listeners, releases, instances.

use std::time::Duration;

use admin::{Access, Instance, InstanceState, LastDeploy, Listener, Service};
use anstyle::AnsiColor;
use jiff::Timestamp;

use crate::open;
use crate::output::colour;
use crate::progress::outcome;
use crate::quantity::{ago, latency, percent, rate, rough};
use crate::table::{Cell, Column, Table};

pub(super) fn listeners(listeners: &[Listener]) -> Table {
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
pub(super) fn releases(services: &[Service], now: Timestamp) -> Table {
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
pub(super) enum Reasons {
    Beside,
    Below,
}

/// Columns that are left out where the terminal is narrow, the first to go first.
pub(super) const SPARE: [&str; 4] = ["WEIGHT", "P50", "IN FLIGHT", "5XX"];

pub(super) fn instances(services: &[Service], reasons: Reasons) -> Table {
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
            let cells = match service.run.as_ref().is_some_and(|run| run.worker) {
                true => worker_row(name, instance),
                false => row(name, instance),
            };
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

/// What gets no requests has nothing to count of them.
fn worker_row(service: String, instance: &Instance) -> [Cell; 9] {
    let (state, colour_of) = match instance.state {
        // No check of it is configured, and it lives.
        InstanceState::Unchecked => ("running", AnsiColor::Green),
        state => (state.as_str(), colour_of(state)),
    };
    let none = || Cell::from("-");
    let state = Cell::styled(state.to_owned(), colour(colour_of));
    [service.into(), named(instance).into(), state, none(), none(), none(), none(), none(), none()]
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
