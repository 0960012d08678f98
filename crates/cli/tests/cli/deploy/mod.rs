//! `plimsoll deploy` and the words on a running deploy: releases under load, by the count of a
//! client that never tries again by itself.

mod containers;
mod first;
mod health;
mod hooks;
mod hosts;
mod jobs;
mod logs;
mod outliving;
mod preflight;
mod prometheus;
mod releases;
mod rights;
mod scale;
mod terminal;
mod ways;
mod workers;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use load::{LoadPlan, OpenLoop, Rate, Tally, Workload, Wrong};
use rustix::process::Signal;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::sandbox::{Ended, Running, Sandbox};

const PROGRAM: &str = env!("CARGO_BIN_EXE_plimsoll");

/// Releases: `bad` fails half of its requests, `dead` ends at once, `deaf` never listens, `many` has
/// much to say, `evil` writes what a terminal would obey, and ends.
const COMMAND: &str = "case {version} in dead) echo no licence; exit 3;; \
                       deaf) echo waits for a database; exec sleep 1000;; \
                       evil) printf '\\033]0;pwned\\007\\033[2J\\033[A\\302\\23331mforged\\342\\200\\256\\n'; exit 3;; \
                       many) for n in $(seq 100); do echo line $n of 100; done;; esac; \
                       exec PROGRAM sample --faulty bad --fails 0.5";

/// A service `api` that Plimsoll runs, with `more` of it.
fn sandbox(more: &str) -> Sandbox {
    let command = COMMAND.replace("PROGRAM", PROGRAM);
    Sandbox::new(&format!(
        "drain = \"5s\"\n[log]\naccess = \"off\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [[routes]]\nto = \"api\"\n\
         [services.api]\ncommand = {{ shell = {command:?} }}\nversion = \"1\"\n\
         health = {{ path = \"/health\", interval = \"200ms\" }}\n\
         stop = {{ timeout = \"5s\" }}\n{more}"
    ))
}

/// Waits until the first release serves.
fn begin(sandbox: &Sandbox) -> Running {
    let running = sandbox.run();
    is_begun(sandbox);
    running
}

fn is_begun(sandbox: &Sandbox) {
    until(sandbox, "the first release", |service| {
        service["run"]["release"] == "1" && service["run"]["deploy"].is_null()
    });
}

struct Asking;

impl Workload for Asking {
    fn request(&self, _: u64) -> Request<Full<Bytes>> {
        Request::get("/").header("host", "test").body(Full::default()).unwrap()
    }

    fn judge(&self, _: u64, answer: &Response<Bytes>) -> Result<String, Wrong> {
        match (answer.status(), answer.headers().get("x-release")) {
            (StatusCode::OK, Some(release)) => Ok(release.to_str().unwrap().to_owned()),
            (status, _) => Err(Wrong(status.to_string())),
        }
    }
}

/// A steady client in the background.
struct Visitors {
    runtime: Runtime,
    load: Option<OpenLoop>,
}

impl Visitors {
    fn of(running: &Running, rate: u32) -> Self {
        let runtime = Runtime::new().unwrap();
        let rate = Rate(NonZeroU32::new(rate).unwrap());
        let plan = LoadPlan { address: running.address, rate, timeout: Duration::from_secs(20) };
        let load = runtime.block_on(async { OpenLoop::start(plan, Asking) });
        Self { runtime, load: Some(load) }
    }

    fn leave(mut self) -> Tally {
        let load = self.load.take().unwrap();
        self.runtime.block_on(load.stop())
    }
}

fn receipt(ended: &Ended) -> Value {
    let last = ended.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {ended:#?}"))
}

fn deploy(sandbox: &Sandbox, arguments: &[&str]) -> (Option<i32>, Value) {
    deploy_of(sandbox, "api", arguments)
}

/// The same of another service.
fn deploy_of(sandbox: &Sandbox, service: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let ended = sandbox.plimsoll(&[&["deploy", service], arguments, &["--json"]].concat());
    (ended.code, receipt(&ended))
}

/// The words of `plimsoll status --json` on the service.
fn run(sandbox: &Sandbox) -> Value {
    let status: Value =
        serde_json::from_str(&sandbox.plimsoll(&["status", "--json"]).stdout).unwrap();
    status["services"][0].clone()
}

/// Waits until `condition` holds of the service.
fn until(sandbox: &Sandbox, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let service = run(sandbox);
        if condition(&service) {
            return service;
        }
        assert!(Instant::now() < deadline, "waited for {what}: {service:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Each strategy, there and back, with `replicas` instances: the client sees nothing of it.
fn is_unseen(strategy: &str, replicas: usize) {
    let sandbox = sandbox(&format!("replicas = {replicas}\ndeploy = {{ bake = \"500ms\" }}\n"));
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 100);
    let mut way = vec!["2", "--strategy", strategy];
    if strategy == "canary" {
        way.extend(["--steps", "20% 300ms, 60% 300ms"]);
    }
    let (code, receipt) = deploy(&sandbox, &way);
    assert_eq!((code, &receipt["outcome"]), (Some(0), &"promoted".into()), "{receipt:#}");
    assert_eq!(receipt["failed"], 0, "{receipt:#}");
    let back = sandbox.plimsoll(&["rollback", "api", "--json"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    let tally = visitors.leave();
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures());
    assert!(tally.answered_by("1") > 0 && tally.answered_by("2") > 0);
    let service = run(&sandbox);
    assert_eq!(service["instances"].as_array().unwrap().len(), replicas, "{service:#}");
    assert_eq!(service["run"]["release"], "1");
}

#[test]
fn rolling_loses_nothing() {
    is_unseen("rolling", 2);
}

#[test]
fn rolling_loses_nothing_with_one_instance() {
    is_unseen("rolling", 1);
}

#[test]
fn blue_green_loses_nothing() {
    is_unseen("blue-green", 2);
}

#[test]
fn a_canary_loses_nothing() {
    is_unseen("canary", 2);
}

#[test]
fn replace_loses_nothing_of_a_single_instance() {
    is_unseen("replace", 1);
}

#[test]
fn a_bad_canary_is_rolled_back_and_what_it_failed_is_asked_of_the_old_release() {
    let sandbox = sandbox("replicas = 2\n");
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 100);
    let (code, receipt) = deploy(&sandbox, &["bad", "--strategy", "canary", "--steps", "20% 20s"]);
    let tally = visitors.leave();
    assert_eq!((code, &receipt["outcome"]), (Some(1), &"rolled-back".into()), "{receipt:#}");
    assert!(receipt["reason"].as_str().unwrap().contains("worse: it failed"), "{receipt:#}");
    assert!(receipt["releases"][1]["failed"].as_u64().unwrap() > 0, "{receipt:#}");
    assert_eq!(
        (receipt["failed"].as_u64(), tally.failed()),
        (Some(0), 0),
        "{:?}",
        tally.failures()
    );
    let service = until(&sandbox, "the old release alone", |service| {
        service["instances"].as_array().unwrap().len() == 2
    });
    assert_eq!(service["run"]["release"], "1");
    assert!(service["instances"].as_array().unwrap().iter().all(|it| it["release"] == "1"));
}

#[test]
fn a_release_that_does_not_come_up_is_never_asked_and_its_last_words_are_told() {
    let sandbox = sandbox("replicas = 2\ndeploy = { ready_timeout = \"1s\" }\n");
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 100);
    let dead = sandbox.plimsoll(&["deploy", "api", "dead"]);
    assert_eq!(dead.code, Some(1), "{dead:#?}");
    assert!(dead.stdout.contains("api-3 | no licence"), "{}", dead.stdout);
    assert!(dead.stdout.contains("rolled back: api-3 exited with code 3"), "{}", dead.stdout);
    assert!(dead.stdout.contains(" 0 of "), "{}", dead.stdout);
    let deaf = sandbox.plimsoll(&["deploy", "api", "deaf"]);
    assert_eq!(deaf.code, Some(1), "{deaf:#?}");
    assert!(deaf.stdout.contains("api-4 passed no check within 1s"), "{}", deaf.stdout);
    assert!(deaf.stdout.contains("api-4 | waits for a database"), "{}", deaf.stdout);
    assert_eq!(visitors.leave().failed(), 0);
}

#[test]
fn an_instance_that_a_deploy_has_retired_is_not_enabled_by_hand() {
    let sandbox = sandbox("replicas = 2\ndeploy = { bake = \"1h\" }\n");
    let _running = begin(&sandbox);
    assert_eq!(sandbox.plimsoll(&["drain", "api", "api-1"]).code, Some(0));
    let deploy = ["deploy", "api", "2", "--no-wait", "--strategy", "blue-green"];
    assert_eq!(sandbox.plimsoll(&deploy).code, Some(0));
    until(&sandbox, "the bake", |service| service["run"]["deploy"]["stage"] == "baking");
    assert_eq!(sandbox.plimsoll(&["enable", "api", "api-1"]).code, Some(0));
    let service = run(&sandbox);
    let instances = service["instances"].as_array().unwrap();
    let retired = instances.iter().find(|it| it["name"] == "api-1").unwrap();
    assert_eq!(retired["state"], "drained", "{service:#}");
}

#[test]
fn a_second_deploy_is_refused_while_one_runs_and_hands_on_it_are_heard() {
    let sandbox = sandbox("deploy = { bake = \"1h\" }\n");
    let _running = begin(&sandbox);
    assert_eq!(sandbox.plimsoll(&["deploy", "api", "2", "--no-wait"]).code, Some(0));
    until(&sandbox, "the bake", |service| service["run"]["deploy"]["stage"] == "baking");
    let second = sandbox.plimsoll(&["deploy", "api", "3"]);
    assert_eq!(second.code, Some(3), "{second:#?}");
    let (who, since) =
        second.stderr.split_once(" has been deploying 2 to `api` for ").expect("who does");
    assert!(who.contains('@') && since.contains(" s"), "{}", second.stderr);
    assert_eq!(sandbox.plimsoll(&["pause", "api"]).code, Some(0));
    assert_eq!(run(&sandbox)["run"]["deploy"]["is_paused"], true);
    assert_eq!(sandbox.plimsoll(&["resume", "api"]).code, Some(0));
    assert_eq!(sandbox.plimsoll(&["abort", "api"]).code, Some(0));
    until(&sandbox, "the old release", |service| service["run"]["deploy"].is_null());
    assert_eq!(run(&sandbox)["run"]["release"], "1");

    assert_eq!(sandbox.plimsoll(&["deploy", "api", "2", "--no-wait"]).code, Some(0));
    until(&sandbox, "the bake", |service| service["run"]["deploy"]["stage"] == "baking");
    assert_eq!(sandbox.plimsoll(&["promote", "api"]).code, Some(0));
    until(&sandbox, "the new release", |service| service["run"]["deploy"].is_null());
    assert_eq!(run(&sandbox)["run"]["release"], "2");

    let history: Value =
        serde_json::from_str(&sandbox.plimsoll(&["history", "api", "--json"]).stdout).unwrap();
    let outcomes: Vec<_> =
        history["deploys"].as_array().unwrap().iter().map(|it| it["outcome"].clone()).collect();
    assert_eq!(outcomes, ["promoted", "rolled-back", "promoted"]);
    assert_eq!(history["deploys"][1]["receipt"]["reason"], "aborted by hand");
    let one = sandbox.plimsoll(&["history", "api", "2"]);
    for part in [
        "s  api-2 of release 2 is starting\n",
        "\napi: release 2 was rolled back to 1: aborted by hand",
    ] {
        assert!(one.stdout.contains(part), "{part}: {one:#?}");
    }
    let none = sandbox.plimsoll(&["history", "api", "4"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(3), ""), "{none:#?}");
    assert!(none.stderr.contains("`api` has no deploy 4"), "{}", none.stderr);
}

#[test]
fn a_client_stays_with_one_release_during_a_canary() {
    let sandbox = sandbox("replicas = 1\ndeploy = { bake = \"1h\" }\n");
    let running = begin(&sandbox);
    let steps = ["deploy", "api", "2", "--no-wait", "--strategy", "canary", "--steps", "50% 1h"];
    assert_eq!(sandbox.plimsoll(&steps).code, Some(0));
    until(&sandbox, "the step", |service| service["run"]["deploy"]["stage"] == "at 50 %");
    let mut releases = [0, 0];
    for _ in 0..20 {
        let first = running.get("/");
        let cookie =
            first.split("plimsoll_release-api=").nth(1).unwrap().split(';').next().unwrap();
        let release = first.split(" of ").nth(1).unwrap().trim().to_owned();
        releases[usize::from(release == "2")] += 1;
        for _ in 0..5 {
            let again =
                running.get_with("/", &format!("cookie: plimsoll_release-api={cookie}\r\n"));
            assert!(again.ends_with(&format!(" of {release}\n")), "{again}");
            assert!(!again.contains("set-cookie"), "{again}");
        }
    }
    assert!(releases[0] > 0 && releases[1] > 0, "{releases:?}");
}

#[test]
fn replace_lets_go_of_the_old_instances_while_requests_wait() {
    // Were it to wait for those who wait for it, it would wait for ever.
    let sandbox = sandbox(
        "replicas = 2\nmax_connections = 8\nqueue = { timeout = \"1h\" }\n\
         deploy = { bake = \"200ms\", drain = \"1h\", strategy = \"replace\" }\n",
    );
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 300);
    for version in ["2", "3", "4", "5"] {
        assert_eq!(sandbox.plimsoll(&["deploy", "api", version, "--no-wait"]).code, Some(0));
        until(&sandbox, "the end of the deploy", |service| service["run"]["deploy"].is_null());
        assert_eq!(run(&sandbox)["run"]["release"], version);
    }
    let tally = visitors.leave();
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures());
}

#[test]
fn the_access_log_says_which_release_answered() {
    let sandbox = sandbox("replicas = 1\n");
    let text = std::fs::read_to_string(sandbox.path().join("plimsoll.toml")).unwrap();
    let text = text.replace("access = \"off\"", "access = \"access.log\"");
    std::fs::write(sandbox.path().join("plimsoll.toml"), text).unwrap();
    let mut running = begin(&sandbox);
    assert!(running.get("/").contains("hello from api-1"));
    running.signal(Signal::TERM);
    running.wait();
    let log = std::fs::read_to_string(sandbox.path().join("access.log")).unwrap();
    assert!(log.contains(" release=1 instance=api-1 "), "{log}");
}

#[test]
fn a_reload_changes_how_many_run_and_takes_a_service_out() {
    let sandbox = sandbox("replicas = 1\n");
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 100);
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    for replicas in [3, 2] {
        let changed = text.replace("replicas = 1", &format!("replicas = {replicas}"));
        std::fs::write(&file, changed).unwrap();
        assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
        until(&sandbox, "as many", |service| {
            service["instances"].as_array().unwrap().len() == replicas
                && sandbox.instances().len() == replicas
        });
    }
    assert_eq!(visitors.leave().failed(), 0);
    let service = text.find("[services.api]").unwrap();
    let without = text[..service].replace("to = \"api\"", "respond = { status = 204 }");
    std::fs::write(&file, without).unwrap();
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !sandbox.instances().is_empty() {
        assert!(Instant::now() < deadline, "the service's instances run on");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Nor is one started in their place.
    for _ in 0..20 {
        assert_eq!(sandbox.plimsoll(&["status"]).code, Some(0));
        assert_eq!(sandbox.instances(), [0; 0]);
    }
}

/// `DEPLOYS=40 cargo test -p plimsoll --test cli many_deploys` is the long form, whose results stand in
/// docs/reliability.md.
#[test]
fn many_deploys_in_a_row_lose_nothing() {
    let deploys = std::env::var("DEPLOYS").map_or(4, |deploys| deploys.parse().unwrap());
    let sandbox = sandbox("replicas = 2\ndeploy = { bake = \"200ms\", surge = 2 }\n");
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 400);
    for round in 0..deploys {
        let version = format!("r{round}");
        let strategy = ["rolling", "blue-green", "canary", "replace"][round % 4];
        let mut way = vec![version.as_str(), "--strategy", strategy];
        if strategy == "canary" {
            way.extend(["--steps", "20% 200ms, 60% 200ms"]);
        }
        let (code, receipt) = deploy(&sandbox, &way);
        assert_eq!((code, &receipt["failed"]), (Some(0), &0.into()), "{receipt:#}");
    }
    let tally = visitors.leave();
    println!("{deploys} deploys: {} requests, {} failed", tally.sent(), tally.failed());
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures());
}
