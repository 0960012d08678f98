//! `[jobs.NAME]`: what is run by the clock.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jobs::{Timetable, TimetableError};
use model::{Job, JobName, JobRetry, Overlap, Schedule, Service, ServiceName};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, narrow, shell};
use crate::schema::{Absent, Format, Key, Shape, TIMEOUT, Table};
use crate::section::{Names, Section};
use crate::value::{duration, name, shown};

use super::service::command::{self, COMMANDS};

static EACH: Shape = Shape::Table(&JOB);

pub(crate) const KEY: Key = Key::new(
    "jobs",
    Shape::Names { names: "NAME", of: &EACH },
    Absent::Means("none"),
    "{ crawl = { service = \"api\", command = \"./crawl\", schedule = \"*/10 * * * *\" } }",
    "What is run by the clock, by name: each as the instances of a service are, with its live release.",
)
.aka(&["job", "cron", "crons", "cronjobs", "schedules", "timers", "tasks"]);

const SERVICE: Format =
    Format { noun: "a service's name", pattern: Some("^[A-Za-z0-9][A-Za-z0-9_-]*$") };

const EXPRESSION: Format = Format {
    noun: "an expression of cron such as \"*/10 * * * *\"",
    pattern: Some(r"^\s*(@[a-zA-Z]+|\S+(\s+\S+){4})\s*$"),
};

const ZONE: Format =
    Format { noun: "a time zone such as \"Europe/London\"", pattern: Some("^[A-Za-z0-9_+/-]+$") };

/// The zone in which every day has as many hours.
const UTC: &str = "UTC";

static JOB: Table = Table {
    header: "[jobs.NAME]",
    noun: "a job",
    doc: "A program that is run by the clock, or by hand with `plimsoll run-job`. It is run by the release of its service that is live then, with \
          its environment, secrets, directory and user, with `image` in a container of its own, ends with all that it started, and has the service's `stop`. Of several edges that share a \
          `[store]` one runs each time that it is due, and none while the store is down. What was due more than a minute ago, while \
          Plimsoll did not run, is told and not made good for. `plimsoll jobs` shows when each is due and what came of it.",
    keys: &[
        Key::new(
            "service",
            Shape::Text(&SERVICE),
            Absent::Fault,
            "\"api\"",
            "The service with whose live release it is run: one with `command` or `image`.",
        )
        .aka(&["of", "release_of"]),
        Key::new(
            "command",
            Shape::Either(&COMMANDS),
            Absent::Fault,
            "\"./crawl {version}\"",
            "What is run. It is written as the `command` of a service is. Exit code 0 is success.",
        )
        .verbatim()
        .aka(&["cmd", "exec", "run", "program"]),
        Key::new(
            "schedule",
            Shape::Text(&EXPRESSION),
            Absent::Means("it is run by hand alone"),
            "\"*/10 * * * *\"",
            "When it is due: minute, hour, day of the month, month, day of the week, as cron has them, with names, lists, ranges, steps, and `L`, `W`, \
             `#`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. Where both days are given either will do. Daylight saving is Vixie \
             cron's: a fixed time that the clock jumps over is due right behind the gap, one that it shows twice is due the first time; what \
             has `*` in its minute or hour goes by the time that passes.",
        )
        .aka(&["cron", "at", "every", "when", "on_calendar"]),
        Key::new(
            "time_zone",
            Shape::Text(&ZONE),
            Absent::Text(UTC),
            "\"Asia/Seoul\"",
            "The time zone of `schedule`, by its name in the tz database.",
        )
        .aka(&["timezone", "tz", "zone"]),
        Key::new(
            "overlap",
            Shape::Word(&["skip", "queue", "replace"], &[]),
            Absent::Text("skip"),
            "\"queue\"",
            "What becomes of it where it is due while it runs: it is not run this time, is run when the other has ended (one waits at most), or the \
             other is stopped for it. On each edge that holds for its own runs.",
        )
        .aka(&["concurrency_policy", "concurrencypolicy", "concurrency", "allow_overlap", "prohibit_overlap"]),
        Key::new(
            "timeout",
            Shape::Duration(Duration::from_secs(1)..=Duration::from_secs(30 * 86_400)),
            Absent::Text("1d"),
            "\"5m\"",
            "How long an attempt may take. Then it is asked to stop, as an instance is, and has failed.",
        )
        .aka(&["active_deadline_seconds", "deadline", "time_limit", "max_runtime"]),
        Key::new(
            "retry",
            Shape::Table(&RETRY),
            Absent::Inner,
            "{ attempts = 3, backoff = \"10s\", max_backoff = \"5m\" }",
            "What follows a failure.",
        )
        .aka(&["retries", "backoff_limit", "restart"]),
    ],
    later: &[],
};

static RETRY: Table = Table {
    header: "[jobs.NAME.retry]",
    noun: "a retry",
    doc: "What follows a failure. The pause before the first further attempt is `backoff`; each pause after it is twice as long, up to `max_backoff`.",
    keys: &[
        Key::new(
            "attempts",
            Shape::Count(1..=100),
            Absent::Count(1),
            "3",
            "How often it is tried, the first time included; 1 is no retry.",
        )
        .aka(&["tries", "retries", "max", "count"]),
        Key::new("backoff", TIMEOUT, Absent::Text("10s"), "\"10s\"", "The first pause.")
            .aka(&["delay", "min_backoff"]),
        Key::new("max_backoff", TIMEOUT, Absent::Text("5m"), "\"5m\"", "No pause is longer.")
            .aka(&["backoff_max", "max_delay"]),
    ],
    later: &[],
};

/// Reads them all.
pub(crate) fn read(
    root: &Section<'_>,
    services: &BTreeMap<ServiceName, Arc<Service>>,
    context: &Context<'_>,
) -> BTreeMap<JobName, Arc<Job>> {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names);
    let mut found = BTreeMap::new();
    for entry in names.iter().flat_map(Names::iter) {
        let name = entry.parse(|text| name::parse(text).map(JobName::from));
        let job = entry.node.section().and_then(|section| job(&section, name, services, context));
        found.extend(job.map(|job| (job.name.clone(), Arc::new(job))));
    }
    found
}

fn job(
    section: &Section<'_>,
    name: Option<JobName>,
    services: &BTreeMap<ServiceName, Arc<Service>>,
    context: &Context<'_>,
) -> Option<Job> {
    let command = section.require("command").and_then(|node| {
        let command = command::read(&node)?;
        shell::warn_of_command(&node, &command);
        Some(command)
    });
    let service = section.require("service").and_then(|node| {
        let name = ServiceName::from(node.text()?);
        match services.get(&name) {
            Some(service) => refuse_impossible(&node, service),
            // What is wrong with it was told.
            None if context.services.contains(&name) => {}
            None => node.report(unknown(&name, context)),
        }
        Some(name)
    });
    let schedule = schedule(section);
    let overlap = section.word("overlap", |word| {
        [Overlap::Skip, Overlap::Queue, Overlap::Replace].into_iter().find(|it| it.as_str() == word)
    });
    let timeout = section.duration("timeout");
    let retry = section.section("retry", retry)?;
    Some(Job {
        name: name?,
        service: service?,
        command: command?,
        schedule,
        overlap,
        timeout,
        retry,
    })
}

/// A job is run by a release that Plimsoll runs.
fn refuse_impossible(node: &Node<'_>, service: &Service) {
    if service.run.is_none() {
        node.report(Flaw::new(
            Code::Conflict,
            format!("Plimsoll does not run the service `{}`", service.name),
            "a job is run by the release of its service that is live, and this one has none",
            "name a service with `command` or `image`",
        ));
    }
}

fn unknown(name: &ServiceName, context: &Context<'_>) -> Flaw {
    let names = || context.services.iter().map(ServiceName::as_str);
    let hint = if context.services.is_empty() || !context.faults.may_suggest() {
        "define it: `[services.NAME]`, and below it `command = \"...\"`".to_owned()
    } else if let Some(meant) = suggest::nearest(name.as_str(), names()) {
        format!("did you mean `{meant}`?")
    } else {
        format!("there are {}", suggest::listed(names()))
    };
    let what = format!("there is no service `{}`", shown(name.as_str()));
    Flaw::new(Code::UndefinedService, what, "not defined", hint)
}

fn schedule(section: &Section<'_>) -> Option<Schedule> {
    let node = section.node("schedule");
    if node.is_none() && section.has("time_zone") {
        let flaw = Flaw::new(
            Code::NoEffect,
            "`time_zone` without `schedule`",
            "it says by which clock the job is due, and nothing says when",
            "say with `schedule` when it is due, or remove this",
        );
        section.report_at("time_zone", flaw, &[]);
    }
    let time_zone = section.node("time_zone").map_or(Some(UTC), |node| node.text())?.to_owned();
    let node = node?;
    let expression = node.text()?.trim().to_owned();
    let schedule = Schedule { expression, time_zone };
    let Err(error) = Timetable::parse(&schedule) else { return Some(schedule) };
    match error {
        TimetableError::Zone => section.report_at("time_zone", no_zone(&schedule.time_zone), &[]),
        TimetableError::Never => node.report(Flaw::invalid(
            format!("\"{}\" is never due", shown(&schedule.expression)),
            "no month has such a day",
            "look at the third and the fourth field: the day of the month, and the month",
        )),
        TimetableError::Expression(why) => node.report(Flaw::invalid(
            format!("\"{}\" is no expression of cron", shown(&schedule.expression)),
            why,
            "write minute, hour, day of the month, month and day of the week: \"*/10 * * * *\", \"30 4 * * MON-FRI\"",
        )),
    }
    None
}

fn no_zone(text: &str) -> Flaw {
    Flaw::invalid(
        format!("\"{}\" is no time zone", shown(text)),
        "the tz database has none of this name",
        "write one such as \"Europe/London\", \"Asia/Seoul\" or \"UTC\"",
    )
}

fn retry(section: &Section<'_>) -> Option<JobRetry> {
    let attempts = narrow::<u32>(section.count("attempts")).and_then(NonZeroU32::new);
    let (backoff, max_backoff) = (section.duration("backoff"), section.duration("max_backoff"));
    if attempts == Some(NonZeroU32::MIN) {
        for key in ["backoff", "max_backoff"].into_iter().filter(|key| section.has(key)) {
            let flaw = Flaw::new(
                Code::NoEffect,
                format!("`{key}` has no effect where a job is tried once"),
                "there is no further attempt to wait for",
                "say with `attempts` how often it is tried, or remove this",
            );
            section.report_at(key, flaw, &[]);
        }
    } else if backoff > max_backoff {
        let key = if section.has("backoff") { "backoff" } else { "max_backoff" };
        let flaw = Flaw::new(
            Code::Conflict,
            "`backoff` is longer than `max_backoff`",
            "the first pause is the shortest",
            format!("let `backoff` be {} or less", duration::written(max_backoff)),
        );
        section.report_at(key, flaw, &[]);
    }
    Some(JobRetry { attempts: attempts?, backoff, max_backoff })
}
