//! `http` and `ready_after` of a service: instances that nobody sends requests to.

use std::time::Duration;

use model::{Command, HealthProbe, Service, Work};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::read::beside::Beside;
use crate::schema::{Absent, Key, Shape};
use crate::section::Section;

use super::WE_RUN;

pub(crate) const HTTP_KEY: Key = Key::new(
    "http",
    Shape::Flag,
    Absent::Flag(true),
    "false",
    "Whether requests go to the instances. With `false` they are workers: they get no `$PORT`, no route leads to them, and a new one is ready when it has \
     lived for `ready_after`, or by `health` with `command` or `notify`. A deploy watches whether they end. `bake` is then `0s` \
     by default, for old ones go on working until they are stopped.",
)
.aka(&["web", "worker"])
.needs(WE_RUN);

pub(crate) const READY_AFTER_KEY: Key = Key::new(
    "ready_after",
    Shape::Duration(Duration::ZERO..=Duration::from_secs(3600)),
    Absent::Text("2s"),
    "\"10s\"",
    "Of a worker without `health`: how long a new instance has to live before it counts as ready.",
)
.aka(&["min_uptime", "startsecs"])
.needs(WE_RUN);

/// Keys of a service that say how requests are sent.
const OF_REQUESTS: [&str; 13] = [
    "port",
    "protocol",
    "violations",
    "balance",
    "sticky",
    "slow_start",
    "max_connections",
    "queue",
    "passive",
    "outliers",
    "retry",
    "keep_alive",
    "timeouts",
];

/// The same of its deploy.
const OF_REQUESTS_IN_DEPLOY: [&str; 6] = ["steps", "preview", "warm_up", "smoke", "drain", "judge"];

/// Whether the service is written as a worker. That `http` is no flag is [`read()`]'s to say.
pub(crate) fn is_one(section: &Section<'_>) -> bool {
    section.node(HTTP_KEY.name).is_some_and(|node| node.is_flag() && node.flag() == Some(false))
}

/// Reads what its instances do, and refuses what has nothing to say then.
pub(crate) fn read(section: &Section<'_>) -> Work {
    let ready_after = section.duration(READY_AFTER_KEY.name);
    if section.flag(HTTP_KEY.name) {
        refuse_without_worker(section);
        return Work::Requests;
    }
    for key in OF_REQUESTS {
        beside(section).refuse_with(section, key, "it says how requests are sent", CURE);
    }
    Work::Own { ready_after }
}

const WRITTEN: &str = "http = false";
const CURE: &str =
    "remove it; where `[defaults.services]` says it, `defaults = false` keeps it away";

fn beside(section: &Section<'_>) -> Beside<'static> {
    Beside::of(section, HTTP_KEY.name, WRITTEN, "a worker gets no requests")
}

fn refuse_without_worker(section: &Section<'_>) {
    if section.has(READY_AFTER_KEY.name) {
        let flaw = Flaw::new(
            Code::NoEffect,
            "`ready_after` without `http = false`",
            "an instance that gets requests is ready when a check of it passes",
            "add `http = false`, or take it out; `deploy.min_healthy` says how long checks have to pass",
        );
        section.report_at(READY_AFTER_KEY.name, flaw, &[]);
    }
}

/// Refuses what a worker's `deploy`, which is a table of `section`, cannot do.
pub(crate) fn refuse_in_deploy(section: &Section<'_>, deploy: &Section<'_>) {
    for key in OF_REQUESTS_IN_DEPLOY {
        beside(section).refuse_with(deploy, key, "it is about requests", CURE);
    }
    if deploy.node("strategy").and_then(|node| node.text().map(str::to_owned)).as_deref()
        == Some("canary")
    {
        let why = "a canary is a share of the requests";
        beside(section).refuse_with(
            deploy,
            "strategy",
            why,
            "write \"rolling\", \"blue-green\" or \"replace\"",
        );
    }
}

/// Refuses a port in the command of a worker, which is given none.
pub(crate) fn refuse_port(section: &Section<'_>, command: &Command) {
    let names_port = |text: &str| text.contains("$PORT") || text.contains("${PORT");
    let has_port = match command {
        Command::Arguments(words) => words.iter().any(|word| names_port(word)),
        Command::Line(text) | Command::Shell(text) => names_port(text),
    };
    if has_port {
        let flaw = Flaw::new(
            Code::Conflict,
            "`$PORT` in the command of a worker",
            "with `http = false` its instances are given no port",
            "take it out, or take `http = false` out",
        );
        section.report_at("command", flaw, &[]);
    }
}

/// Refuses a check that would ask a worker over the network.
pub(crate) fn refuse_impossible(section: &Section<'_>, service: &Service) {
    let is_worker = service.run.as_ref().is_some_and(|run| run.work != Work::Requests);
    let asks = matches!(
        service.health.as_ref().map(|check| &check.probe),
        Some(HealthProbe::Http(_) | HealthProbe::Tcp | HealthProbe::Grpc(_))
    );
    if is_worker && asks {
        let flaw = Flaw::new(
            Code::Conflict,
            "a check over the network of a worker",
            "with `http = false` its instances have no port",
            "check by `command`, or let it say itself that it is ready, with `notify`",
        );
        section.report_at("health", flaw, &[]);
    }
}
