//! `plimsoll events`: what happened lately, and what happens.

use admin::{Client, Event, EventGap, EventLevel, Told};
use anstyle::AnsiColor;
use clap::ValueEnum;
use serde_json::Value;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::{Elsewhere, Form, Placed};
use crate::output::{self, colour};
use crate::quantity::counted;

/// Show what happened lately: deploys, ejections, reloads, failures
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll events                 the latest events, of which a bounded number is kept
  plimsoll events -f              and then each as it happens
  plimsoll events -s api          only those of one service
  plimsoll events --level debug   the start of each instance, too
  plimsoll events -f --json | jq -c 'select(.level == \"error\")'")]
pub(crate) struct Options {
    /// Keep printing events as they happen
    #[arg(short = 'f', long)]
    follow: bool,
    /// Only events of this service
    #[arg(short, long)]
    service: Option<String>,
    /// Only events of this level and above
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    level: Level,
    #[command(flatten)]
    pub(crate) placed: Placed,
    #[command(flatten)]
    pub(crate) elsewhere: Elsewhere,
    #[command(flatten)]
    form: Form,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn of(level: EventLevel) -> Self {
        match level {
            EventLevel::Debug => Self::Debug,
            EventLevel::Info => Self::Info,
            EventLevel::Warn => Self::Warn,
            EventLevel::Error => Self::Error,
        }
    }
}

pub(crate) fn run(mut options: Options) -> Result<Exit, Failure> {
    let client = options.elsewhere.client_or_of(options.placed.which())?;
    super::block_on(async {
        let admin::Events { events, last } = client.events().await?;
        options.must_be_known(&events, &client).await?;
        events.iter().for_each(|event| options.print(event));
        if options.follow {
            follow(&options, &client, &last).await?;
        }
        Ok(Exit::Done)
    })
}

/// Prints what happens after the event `last`, until Plimsoll has stopped.
async fn follow(options: &Options, client: &Client, last: &str) -> Result<(), Failure> {
    let mut stream = client.follow_events(last).await?;
    while let Some(told) = stream.next().await? {
        match told {
            Told::Event(event) => options.print(&event),
            Told::Gap(EventGap { missed }) => output::err(&match missed {
                Some(missed) => {
                    let events = counted(usize::try_from(missed).unwrap_or(usize::MAX), "event");
                    format!(
                        "warning: {events} left out: they were gone before they could be read\n"
                    )
                }
                None => {
                    "warning: plimsoll was restarted; what happened before is left out\n".to_owned()
                }
            }),
        }
    }
    Ok(())
}

/// The service that an event is of.
fn service_of(event: &Event) -> Option<&str> {
    event.fields.get("service").and_then(Value::as_str)
}

impl Options {
    /// Refuses a service that there is not, unless something is told of it: it may have been taken out of the file.
    async fn must_be_known(&self, events: &[Event], client: &Client) -> Result<(), Failure> {
        let Some(service) = &self.service else { return Ok(()) };
        if events.iter().any(|event| service_of(event) == Some(service.as_str())) {
            return Ok(());
        }
        let services = client.status().await?.services.into_iter();
        let known: Vec<String> = services.map(|it| it.name).collect();
        match known.contains(service) {
            true => Ok(()),
            false => Err(Failure::NoService { service: service.clone(), known }),
        }
    }

    fn is_meant(&self, event: &Event) -> bool {
        let is_its = self.service.is_none() || service_of(event) == self.service.as_deref();
        is_its && Level::of(event.level) >= self.level
    }

    fn print(&self, event: &Event) {
        if !self.is_meant(event) {
            return;
        }
        match self.form.json {
            true => output::json_line(event),
            false => output::out(&line(event)),
        }
    }
}

/// An event as the log has it.
fn line(event: &Event) -> String {
    let (word, style) = match event.level {
        EventLevel::Error => ("ERROR", colour(AnsiColor::Red)),
        EventLevel::Warn => (" WARN", colour(AnsiColor::Yellow)),
        EventLevel::Info => (" INFO", colour(AnsiColor::Green)),
        EventLevel::Debug => ("DEBUG", colour(AnsiColor::Blue)),
    };
    let at = event.at.parse::<jiff::Timestamp>();
    let at = at.map_or_else(|_| event.at.clone(), |at| at.strftime("%FT%TZ").to_string());
    let mut line = format!("{at} {style}{word}{style:#} {}", event.message);
    for (name, value) in &event.fields {
        let text = match value {
            // As it is where it is plain, or quoted so that it ends where it seems to.
            Value::String(text) if is_plain(text) => text.clone(),
            value => value.to_string(),
        };
        line.push_str(&format!(" {name}={}", shown(&text)));
    }
    line + "\n"
}

fn is_plain(text: &str) -> bool {
    let is_plain =
        |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\');
    !text.is_empty() && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_enough_is_shown() {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let event = |level: &str| -> Event {
            let event = serde_json::json!({
                "id": "1-1", "at": "", "kind": "x", "level": level, "message": "x", "fields": { "service": "a" },
            });
            serde_json::from_value(event).unwrap()
        };
        for (words, shown) in [
            (&["events"][..], &["info", "warn", "error"][..]),
            (&["events", "--level", "debug", "-s", "a"], &["debug", "info", "warn", "error"]),
            (&["events", "--level", "error"], &["error"]),
            (&["events", "-s", "b"], &[]),
        ] {
            let options = Line::parse_from(words).options;
            let levels = ["debug", "info", "warn", "error"];
            let is_shown = levels.into_iter().filter(|level| options.is_meant(&event(level)));
            assert_eq!(is_shown.collect::<Vec<_>>(), shown, "{words:?}");
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_its_fields_have() {
        let event = serde_json::json!({
            "id": "1-1", "at": "2026-01-02T03:04:05.678Z", "kind": "instance_ended", "level": "warn",
            "message": "instance ended",
            "fields": { "instance": "api-1", "runs": 3, "why": "exited\nwith 1", "empty": "" },
        });
        let line = line(&serde_json::from_value(event).unwrap());
        let text = anstream::adapter::strip_str(&line).to_string();
        assert_eq!(
            text,
            "2026-01-02T03:04:05Z  WARN instance ended empty=\"\" instance=api-1 runs=3 \
             why=\"exited\\nwith 1\"\n"
        );
    }
}
