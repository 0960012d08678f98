//! Where the demonstration is shown: on a terminal a picture that moves under the lines of what
//! happened, otherwise the lines alone, or a line of JSON for each.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anstyle::AnsiColor;
use control::InstanceStatus;
use load::Tally;
use serde::Serialize;

use super::happening::Happening;
use super::receipt::Receipt;
use crate::canvas::{Canvas, bar};
use crate::output;
use crate::quantity::rate;

/// A bar's length at the whole rate.
const BAR: usize = 24;

/// Where it is shown.
pub(crate) struct Stage {
    form: Form,
    canvas: Canvas,
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
    pub(crate) fn new(json: bool) -> Self {
        let form = match (json, io::stdout().is_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Picture,
            (false, false) => Form::Lines,
        };
        Self { form, canvas: Canvas::default() }
    }

    pub(super) fn tell(&self, at: Duration, happening: &Happening) {
        match self.form {
            Form::Json => output::json_line(&Line { at_ms: at.as_millis(), happening }),
            Form::Picture | Form::Lines => {
                self.canvas.tell(&format!("{:5.1} s  {}\n", at.as_secs_f64(), happening.text()));
            }
        }
    }

    /// Draws how everything stands, where that can be drawn over the next time.
    pub(super) fn draw(&self, at: Duration, tally: &Tally, instances: &[InstanceStatus]) {
        if self.form != Form::Picture {
            return;
        }
        self.canvas.draw(&picture(at, tally, instances));
    }

    pub(super) fn end(&self, took: Duration, receipt: &Receipt) {
        self.canvas.wipe();
        if self.form == Form::Json {
            let mut line = receipt.json();
            line["at_ms"] = (took.as_millis() as u64).into();
            return output::json_line(&line);
        }
        output::out(&format!(
            "\n{}\n\
             Next:\n\
             \x20 plimsoll run --help      a first plimsoll.toml, to put in front of your own servers\n\
             \x20 plimsoll status --watch  what you have just seen, of your own\n\
             \x20 plimsoll explain GET http://example.com/   why a request goes where it goes\n",
            receipt.text()
        ));
    }
}

fn picture(at: Duration, tally: &Tally, instances: &[InstanceStatus]) -> String {
    let whole: f64 = instances.iter().map(|instance| instance.recent.requests_per_second).sum();
    let servers = instances.iter().map(|instance| {
        let (name, release) = (&instance.name, instance.release.as_deref().unwrap_or_default());
        let share = instance.recent.requests_per_second / whole.max(1.0);
        let colour = match instance.standing {
            balance::Standing::Healthy => AnsiColor::Green,
            balance::Standing::Starting => AnsiColor::Yellow,
            _ => AnsiColor::Red,
        };
        let style = output::colour(colour);
        let bar = bar(share, BAR);
        let rate = rate(instance.recent.requests_per_second);
        format!(
            "  {name:<8} {release:<5} {style}{bar}{style:#}  {rate:>6}/s  {style}{}{style:#}\n",
            instance.standing
        )
    });
    let servers: String = servers.collect();
    let (sent, failed) = (tally.sent(), tally.failed());
    format!("\n{servers}  {:.0} s: {sent} requests, {failed} failed\n", at.as_secs_f64())
}
