//! Where the demonstration is shown: on a terminal a picture that moves under the lines of what
//! happened, otherwise the lines alone, or a line of JSON for each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use control::{InstanceStatus, ServiceStatus};
use load::Tally;
use serde::Serialize;

use super::happening::Happening;
use super::receipt::Receipt;
use crate::canvas::{Canvas, bar};
use crate::foreign::shown;
use crate::options;
use crate::output::{self, colour};
use crate::progress::meter::{Count, Meter, Pace};
use crate::quantity::rate;
use crate::table::{Cell, Column, Table};
use crate::width::{columns, wrapped};

/// A bar's length at the whole rate.
const BAR: usize = 20;
/// Where the text of a line begins.
const INDENT: usize = 9;

/// Where it is shown.
pub(crate) struct Stage {
    form: Form,
    canvas: Canvas,
    meter: RefCell<Meter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Picture,
    Lines,
    Json,
}

#[derive(Serialize)]
struct Line<'a> {
    at_ms: u128,
    #[serde(flatten)]
    happening: &'a Happening,
}

impl Stage {
    /// The one that suits whoever looks.
    pub(crate) fn new(wanted: &options::Form) -> Self {
        let form = match (wanted.json, io::stdout().is_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Picture,
            (false, false) => Form::Lines,
        };
        Self { form, canvas: Canvas::default(), meter: RefCell::default() }
    }

    pub(super) fn tell(&self, at: Duration, happening: &Happening) {
        if self.form == Form::Json {
            return output::json_line(&Line { at_ms: at.as_millis(), happening });
        }
        let line = format!("{:5.1} s  {}\n", at.as_secs_f64(), shown(&happening.text()));
        // Each scene has a heading of its own.
        let text = match happening.command() {
            Some(command) => {
                let bold = Style::new().bold();
                format!("\n{bold}{}{bold:#}\n{:9}$ {command}\n", line.trim_end(), "")
            }
            None => line,
        };
        self.canvas.tell(&text, INDENT);
    }

    /// Draws how everything stands, where that can be drawn over the next time.
    pub(super) fn draw(&self, at: Duration, tally: &Tally, service: Option<&ServiceStatus>) {
        let Some(service) = service.filter(|_| self.form == Form::Picture) else { return };
        let deploy = service.run.as_ref().and_then(|run| run.deploy.as_ref());
        let stage = deploy.map_or("", |deploy| deploy.stage.as_str());
        let mut meter = self.meter.borrow_mut();
        meter.note(Instant::now(), stage, counts(&service.instances));
        self.canvas.draw(&picture(at, tally, &service.instances, &meter, columns()));
    }

    pub(super) fn end(&self, took: Duration, receipt: &Receipt) {
        self.canvas.wipe();
        if self.form == Form::Json {
            let mut line = receipt.json();
            line["at_ms"] = (took.as_millis() as u64).into();
            return output::json_line(&line);
        }
        let text = wrapped(&receipt.text(), columns(), 2);
        output::out(&format!(
            "\n{text}\n\
             Next:\n\
             \x20 plimsoll init            a first plimsoll.toml, for what lies in your directory\n\
             \x20 plimsoll status --watch  what you have just seen, of your own\n\
             \x20 plimsoll explain GET /   why a request goes where it goes\n"
        ));
    }
}

fn counts(instances: &[InstanceStatus]) -> BTreeMap<String, Count> {
    let count = |instance: &InstanceStatus| {
        let (all, ok) = (instance.totals.total(), instance.totals.ok);
        (instance.name.to_string(), Count { all, failed: all - ok })
    };
    instances.iter().map(count).collect()
}

/// What stands in the picture of a server. Red is for trouble alone: one that is let go is none.
fn state(instance: &InstanceStatus, pace: Option<Pace>) -> (String, Style) {
    match instance.eligibility {
        balance::Eligibility::Drained => ("drained".to_owned(), Style::new().dimmed()),
        balance::Eligibility::Starting => ("starting".to_owned(), colour(AnsiColor::Yellow)),
        _ if pace.is_some_and(|pace| pace.fails) => ("fails".to_owned(), colour(AnsiColor::Red)),
        balance::Eligibility::Healthy => ("healthy".to_owned(), colour(AnsiColor::Green)),
        other => (other.to_string(), colour(AnsiColor::Red)),
    }
}

fn picture(
    at: Duration,
    tally: &Tally,
    instances: &[InstanceStatus],
    meter: &Meter,
    width: usize,
) -> String {
    let mut table = Table::new([
        Column::Left("SERVER"),
        Column::Left("RELEASE"),
        Column::Left("STATE"),
        Column::Left("SHARE"),
        Column::Right("REQ/S"),
        Column::Right("REQUESTS"),
        Column::Right("ERRORS"),
    ]);
    for instance in instances {
        let pace = meter.pace(instance.name.as_str());
        let (state, style) = state(instance, pace);
        let all = instance.totals.total();
        let errors = all - instance.totals.ok;
        let bad = if errors > 0 { colour(AnsiColor::Red) } else { Style::new() };
        table.row([
            instance.name.as_str().into(),
            instance.release.as_deref().unwrap_or("-").into(),
            Cell::styled(state, style),
            Cell::styled(bar(pace.map_or(0.0, |pace| pace.share), BAR), style),
            pace.map_or("-".to_owned(), |pace| rate(pace.rate)).into(),
            all.to_string().into(),
            Cell::styled(errors.to_string(), bad),
        ]);
    }
    let (sent, failed) = (tally.sent(), tally.failed());
    let time = at.as_secs_f64();
    let client = format!("{time:.0} s: the client sent {sent} requests, {failed} failed\n");
    format!("\n{}{}", table.fit(width, &["SHARE", "REQ/S"]), wrapped(&client, width, 2))
}
