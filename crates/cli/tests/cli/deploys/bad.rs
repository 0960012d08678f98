//! Releases that are bad, each in its own way: rolled back with the right reason, before users have
//! felt more of it than docs/reliability.md states.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use load::{LoadPlan, OpenLoop, Rate, Tally, Workload, Wrong};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::house::House;

/// Requests a second.
const RATE: u32 = 200;
/// What the new release gets of them while it is watched.
const CANARY: [&str; 4] = ["--strategy", "canary", "--steps", "20% 60s"];
/// What users may feel of a bad release, stated in docs/reliability.md: some ten failures until it is
/// certain, and what the release fails within the second that it takes to see and to turn back.
const CERTAIN: u64 = 15;

/// Asks for `/` and `/route` in turn.
struct Asking;

impl Workload for Asking {
    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        let path = if number.is_multiple_of(2) { "/" } else { "/route" };
        Request::get(path).header("host", "test").body(Full::default()).unwrap()
    }

    fn judge(&self, _: u64, answer: &Response<Bytes>) -> Result<String, Wrong> {
        match (answer.status(), answer.headers().get("x-release")) {
            (StatusCode::OK, Some(release)) => Ok(release.to_str().unwrap().to_owned()),
            (status, _) => Err(Wrong(status.to_string())),
        }
    }
}

/// Calls by gRPC, whose status alone says what became of it.
struct Calling;

impl Workload for Calling {
    fn request(&self, _: u64) -> Request<Full<Bytes>> {
        let call = Request::post("/shop.v1.Cart/Show").header("host", "test");
        call.header("content-type", "application/grpc").body(Full::default()).unwrap()
    }

    fn judge(&self, _: u64, answer: &Response<Bytes>) -> Result<String, Wrong> {
        let field = |name| answer.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        match (answer.status(), field("grpc-status").as_deref(), field("x-release")) {
            (StatusCode::OK, Some("0"), Some(release)) => Ok(release),
            (StatusCode::OK, Some(status), _) => Err(Wrong(format!("grpc-status {status}"))),
            (status, ..) => Err(Wrong(status.to_string())),
        }
    }
}

/// Steady users of a house, while `act` is done to it.
fn with_users<T>(house: &House, act: impl FnOnce() -> T) -> (T, Tally) {
    with_users_of(Duration::from_secs(40), house, act)
}

/// The same, who leave when they have waited so long.
fn with_users_of<T>(patience: Duration, house: &House, act: impl FnOnce() -> T) -> (T, Tally) {
    with_workload(Asking, patience, house, act)
}

fn with_workload<T>(
    workload: impl Workload,
    patience: Duration,
    house: &House,
    act: impl FnOnce() -> T,
) -> (T, Tally) {
    let runtime = Runtime::new().unwrap();
    let rate = Rate(NonZeroU32::new(RATE).unwrap());
    let plan = LoadPlan { address: house.running.address, rate, timeout: patience };
    let users = runtime.block_on(async { OpenLoop::start(plan, workload) });
    let done = act();
    (done, runtime.block_on(users.stop()))
}

fn house() -> House {
    // In two seconds a good instance is up many times over.
    House::new(
        "replicas = 2\ndeploy = { bake = \"1s\", ready_timeout = \"2s\", judge = { warm_up = \"0s\" } }\n",
    )
}

/// What users may feel of a release that fails this share of its requests and gets that share of all.
fn bound(fails: f64, of_traffic: f64) -> u64 {
    CERTAIN + (f64::from(RATE) * of_traffic * fails).ceil() as u64
}

/// Deploys `release`: it is rolled back, for this reason, and users have felt no more than `bound`.
fn is_rolled_back(release: &str, how: &[&str], bound: u64, reason: &str) {
    is_rolled_back_under(Asking, release, how, bound, reason);
}

/// The same, under users who ask for something else.
fn is_rolled_back_under(
    workload: impl Workload,
    release: &str,
    how: &[&str],
    bound: u64,
    reason: &str,
) {
    is_rolled_back_in(&house(), workload, release, how, bound, reason);
}

/// The same, where another release may have been deployed before.
fn is_rolled_back_in(
    house: &House,
    workload: impl Workload,
    release: &str,
    how: &[&str],
    bound: u64,
    reason: &str,
) {
    let before = house.settled();
    let patience = Duration::from_secs(40);
    let deploy = || house.deploy(&[&[release], how].concat());
    let ((code, receipt), users) = with_workload(workload, patience, house, deploy);
    tell(release, &receipt, &users);
    assert_eq!((code, &receipt["outcome"]), (Some(1), &"rolled-back".into()), "{receipt:#}");
    let said = receipt["reason"].as_str().unwrap();
    assert!(said.contains(reason), "{said}");
    assert!(users.failed() <= bound, "more than {bound}: {:?}\n{receipt:#}", users.failures());
    assert_eq!(receipt["failed"], users.failed(), "users and receipt agree: {receipt:#}");
    assert_eq!(house.settled(), before);
    assert_eq!(house.sandbox.instances().len(), 2, "nothing of it is left");
}

/// As it stands in docs/reliability.md.
#[expect(clippy::print_stdout, reason = "what was counted is what it is run for")]
fn tell(release: &str, receipt: &Value, users: &Tally) {
    let (failed, sent, took) = (users.failed(), users.sent(), receipt["took_s"].as_f64().unwrap());
    let reason = receipt["reason"].as_str().unwrap_or("promoted");
    println!("| {release} | {reason} | {failed} of {sent} | {took:.1} s |");
}

#[test]
fn one_that_exits_at_once() {
    is_rolled_back("exits", &[], 0, "exited with code 3");
}

#[test]
fn one_that_never_listens() {
    is_rolled_back("deaf", &[], 0, "passed no check within 2s");
}

#[test]
fn one_that_listens_and_hangs() {
    is_rolled_back("hangs", &[], 0, "passed no check within 2s");
}

#[test]
fn one_that_is_healthy_and_fails_everything() {
    // What is asked of the old release again is within the budget for that, if only just.
    is_rolled_back("500-on-all", &CANARY, CERTAIN, "worse: it failed");
}

#[test]
fn one_that_fails_everything_and_is_rolled_out_at_once() {
    is_rolled_back(
        "500-on-all",
        &["--strategy", "blue-green", "--bake", "60s"],
        // A second in which it has all of them, and one in which it is compared over half.
        bound(1.0, 1.5),
        "worse: it failed",
    );
}

#[test]
fn one_that_fails_every_grpc_call_with_a_200() {
    let bound = bound(1.0, 0.2);
    is_rolled_back_under(Calling, "internal-on-all", &CANARY, bound, "worse: it failed");
}

#[test]
fn one_that_fails_on_one_route() {
    is_rolled_back("500-on-route", &CANARY, 0, "worse: it failed");
}

/// The same users, who keep the ids of their requests: what failed may have been saved by another attempt, under the same id.
#[derive(Clone, Default)]
struct Remembering(Arc<Mutex<BTreeSet<String>>>);

impl Workload for Remembering {
    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        Asking.request(number)
    }

    fn judge(&self, number: u64, answer: &Response<Bytes>) -> Result<String, Wrong> {
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        self.0.lock().unwrap().insert(id);
        Asking.judge(number, answer)
    }
}

#[test]
fn why_it_was_rolled_back_is_shown_by_requests_that_its_users_know() {
    let (house, users) = (house(), Remembering::default());
    let deploy = || house.deploy(&[&["500-on-route"][..], &CANARY].concat());
    let ((code, receipt), _) =
        with_workload(users.clone(), Duration::from_secs(40), &house, deploy);
    assert_eq!(code, Some(1), "{receipt:#}");
    let seen = users.0.lock().unwrap().clone();
    let lines = receipt["lines"].as_array().unwrap();
    let returning = lines.iter().find(|line| line["event"] == "returning").unwrap();
    let finding = &returning["finding"];
    // Its instances may be ejected before it is certain.
    let with = finding["compared_with"].as_str().unwrap();
    assert!(finding["kind"] == "errors" && with.starts_with("old_release"), "{finding:#}");
    assert!(finding["new"]["hits"].as_u64() > Some(0) && finding["one_in"].as_f64() >= Some(4.0));
    let since = finding["since_s"].as_f64().unwrap();
    assert!(since >= 0.0 && since < returning["at_s"].as_f64().unwrap(), "{finding:#}");
    let requests = finding["requests"].as_array().unwrap();
    assert!((3..=5).contains(&requests.len()), "{finding:#}");
    let is_new =
        |line: &&Value| line["text"].as_str().unwrap().contains("of release 500-on-route is");
    let started = lines.iter().filter(is_new);
    let new: BTreeSet<&str> = started.filter_map(|line| line["instance"].as_str()).collect();
    for request in requests {
        let (id, instance) =
            (request["id"].as_str().unwrap(), request["instance"].as_str().unwrap());
        assert!(seen.contains(id), "{id} is none of the users' requests");
        assert!(new.contains(instance), "{instance} is none of {new:?}");
        assert_eq!((&request["status"], &request["ending"]), (&500.into(), &"failed".into()));
        let output = request["output"][0]["text"].as_str().unwrap_or_default();
        assert_eq!(output, format!("no such table, request {id}"), "{finding:#}");
    }
    is_told_everywhere(&house, &receipt, requests[0]["id"].as_str().unwrap());
}

/// The evidence of the deploy of `receipt` stands in `history`, over the API, and in what `judge` says at once.
fn is_told_everywhere(house: &House, receipt: &Value, id: &str) {
    let number = receipt["id"].to_string();
    let told = house.done(&["history", "api", &number]).stdout;
    let (steps, evidence) = told.split_once("why: errors").unwrap();
    assert!(steps.contains(&format!("requests: {id} (")), "{told}");
    assert!(evidence.contains(&format!(" | no such table, request {id}\n")), "{told}");
    assert!(evidence.contains(&format!("plimsoll judge api {number} --set")), "{told}");
    let again = house.done(&["history", "api", &number, "--json"]).stdout;
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["receipt"]["lines"], receipt["lines"]);
    let judged = house.done(&["judge", "api", &number, "--json"]).stdout;
    let judged: Value = serde_json::from_str(&judged).unwrap();
    assert_eq!(judged["had"]["finding"]["kind"], "errors", "{judged:#}");
    assert!(judged["had"]["finding"]["requests"].to_string().contains(id), "{judged:#}");
}

#[test]
fn one_that_fails_a_few() {
    // No more than the limit allows: it is worse than the old one, which fails none beside it.
    let beside = ["--strategy", "canary", "--steps", "50% 2m"];
    is_rolled_back("500-on-1pct", &beside, 0, "the old release 0 of");
}

#[test]
fn one_that_is_twice_as_slow() {
    // Against a release whose work takes so long that what a busy machine adds is little beside it.
    let house = house();
    let (code, receipt) = house.deploy(&["slow-10"]);
    assert_eq!(code, Some(0), "{receipt:#}");
    is_rolled_back_in(&house, Asking, "slow-20", &CANARY, 0, "worse: it was slow for");
}

#[test]
fn one_that_dies_after_a_while() {
    // What it was working on is asked of the old release: the other new one dies in the same moment.
    is_rolled_back("dies-3", &CANARY, 0, "exited with code 7");
}

#[test]
fn one_that_falls_ill_after_a_while() {
    is_rolled_back("sick-2", &CANARY, 0, "is unhealthy: ");
}

#[test]
fn one_that_hangs_when_it_is_used_and_whose_clients_lose_patience() {
    let (house, patience) = (house(), Duration::from_secs(1));
    let deploy = || house.deploy(&[&["hangs-when-used"][..], &CANARY].concat());
    let ((code, receipt), users) = with_users_of(patience, &house, deploy);
    tell("hangs-when-used", &receipt, &users);
    assert_eq!((code, &receipt["outcome"]), (Some(1), &"rolled-back".into()), "{receipt:#}");
    assert!(receipt["reason"].as_str().unwrap().contains("worse: it failed"), "{receipt:#}");
    // The fifty that the judge looks at, and those that were waiting by then or came in between.
    let waiting = f64::from(RATE) * 0.2 * (patience.as_secs_f64() + 3.0);
    assert!(users.failed() <= 50 + waiting as u64, "{:?}\n{receipt:#}", users.failures());
    assert_eq!(house.settled(), "1");
}

#[test]
fn one_that_breaks_off_its_answers() {
    is_rolled_back("truncates-30pct", &CANARY, bound(0.3, 0.2), "worse: it failed");
}

#[test]
fn one_that_closes_connections_at_random_is_felt_by_nobody() {
    let house = house();
    let how = ["closes-10pct", "--bake", "2s"];
    let ((_, receipt), users) = with_users(&house, || house.deploy(&how));
    assert_eq!(receipt["outcome"], "promoted", "{receipt:#}");
    assert_eq!(users.failed(), 0, "{:?}", users.failures());
    assert!(users.answered_by("closes-10pct") > 100);
    tell("closes-10pct", &receipt, &users);
}

#[test]
fn one_that_does_not_stop_when_it_is_asked_to_is_felt_by_nobody() {
    let house = house();
    let (took, users) = with_users(&house, || {
        house.promoted(&["stubborn", "--bake", "0s"]);
        let began = Instant::now();
        house.promoted(&["2", "--bake", "0s"]);
        began.elapsed()
    });
    let history = house.history();
    let lines = history[0]["receipt"]["lines"].as_array().unwrap();
    let killed = lines.iter().filter(|line| line["event"] == "killed");
    assert_eq!(killed.count(), 2, "the receipt says so: {lines:#?}");
    assert!(took >= Duration::from_secs(3), "it gets its time: {took:?}");
    assert_eq!(users.failed(), 0, "{:?}", users.failures());
    assert_eq!(house.settled(), "2");
    assert_eq!(house.sandbox.instances().len(), 2, "it is killed in the end");
}

fn is_waited_for(release: &str) {
    let house =
        House::new("replicas = 1\ndeploy = { bake = \"500ms\", ready_timeout = \"60s\" }\n");
    let ((_, receipt), users) = with_users(&house, || house.deploy(&[release]));
    assert_eq!(receipt["outcome"], "promoted", "{receipt:#}");
    assert_eq!(users.failed(), 0, "{:?}", users.failures());
    tell(release, &receipt, &users);
}

#[test]
fn what_is_decided_is_not_said_to_be_aborted() {
    let house = house();
    house.promoted(&["stubborn", "--bake", "0s"]);
    house.done(&["deploy", "api", "2", "--bake", "0s", "--no-wait"]);
    house.until("the commit", |service| service["run"]["release"] == "2");
    let abort = house.sandbox.plimsoll(&["abort", "api"]);
    assert_eq!(abort.code, Some(3), "{abort:#?}");
    assert!(abort.stderr.contains("is already decided"), "{}", abort.stderr);
    assert_eq!(house.settled(), "2");
}

#[test]
fn one_that_starts_slowly_is_waited_for() {
    is_waited_for("slow-start-3");
}

#[test]
#[ignore = "takes twenty seconds: scripts/deploys"]
fn one_that_starts_very_slowly_is_waited_for() {
    is_waited_for("slow-start-20");
}

#[test]
fn one_of_which_too_little_is_known_is_held() {
    let house = House::new(
        "replicas = 1\ndeploy = { bake = \"1s\", judge = { little_data = \"hold\" } }\n",
    );
    house.done(&["deploy", "api", "500-on-all", "--no-wait"]);
    house.until("the hold", |service| service["run"]["deploy"]["is_paused"] == true);
    let verdict = house.service()["run"]["deploy"]["verdict"].to_string();
    assert!(verdict.contains("not enough data"), "{verdict}");
    house.done(&["abort", "api"]);
    assert_eq!(house.settled(), "1");
}

/// What the judge is told to do about 4xx.
fn minds_client_errors(what: &str) -> House {
    let judge = format!("judge = {{ warm_up = \"0s\", client_errors = \"{what}\" }}");
    House::new(&format!("replicas = 2\ndeploy = {{ bake = \"60s\", {judge} }}\n"))
}

#[test]
fn one_that_finds_nothing_any_more_is_rolled_back_where_the_rule_says_so() {
    let house = minds_client_errors("rollback");
    let deploy = || house.deploy(&[&["404-on-all"][..], &CANARY].concat());
    let ((code, receipt), users) = with_users(&house, deploy);
    tell("404-on-all", &receipt, &users);
    assert_eq!((code, &receipt["outcome"]), (Some(1), &"rolled-back".into()), "{receipt:#}");
    assert!(receipt["reason"].as_str().unwrap().contains("responded 4xx to"), "{receipt:#}");
    assert!(users.failed() <= bound(1.0, 0.2), "{:?}", users.failures());
}

#[test]
fn one_that_finds_nothing_any_more_waits_for_a_person() {
    let house = minds_client_errors("hold");
    let (_, _) = with_users(&house, || {
        house.done(&[&["deploy", "api", "404-on-all", "--no-wait"], &CANARY[..]].concat());
        house.until("the hold", |service| service["run"]["deploy"]["is_paused"] == true);
        let verdict = house.service()["run"]["deploy"]["verdict"].to_string();
        assert!(verdict.contains("responded 4xx to"), "{verdict}");
        house.done(&["abort", "api"]);
    });
    assert_eq!(house.settled(), "1");
}

/// Lets `release` run, whatever the judge thinks of it.
fn in_spite_of_all(house: &House, release: &str) {
    house.done(&["deploy", "api", release, "--strategy", "blue-green", "--no-wait"]);
    house.done(&["promote", "api"]);
    assert_eq!(house.settled(), release);
}

#[test]
fn one_that_fails_no_more_than_the_old_one_always_did_is_promoted() {
    let house = house();
    in_spite_of_all(&house, "500-on-20pct");
    let how = ["--strategy", "canary", "--steps", "50% 4s", "--bake", "2s"];
    for (release, what) in [("500-on-20.0pct", "the same"), ("500-on-5pct", "less")] {
        let deploy = || house.deploy(&[&[release], &how[..]].concat());
        let ((code, receipt), users) = with_users(&house, deploy);
        tell(release, &receipt, &users);
        assert_eq!(code, Some(0), "it fails {what}: {receipt:#}");
    }
}

/// How many instances of a release are ejected, by what `status` says.
fn ejected(service: &Value, release: &str) -> usize {
    let instances = service["instances"].as_array().unwrap().iter();
    instances.filter(|it| it["release"] == release && it["state"] == "ejected").count()
}

#[test]
fn where_both_releases_fail_everything_no_release_is_ejected_as_a_whole() {
    let house = house();
    in_spite_of_all(&house, "500-on-all");
    let (_, _) = with_users(&house, || {
        // The old one's second instance would be the first to go, as soon as there are four.
        house.until("one of two is out", |service| ejected(service, "500-on-all") == 1);
        let how = ["--strategy", "canary", "--steps", "50% 60s", "--no-wait"];
        house.done(&[&["deploy", "api", "500-on-100pct"], &how[..]].concat());
        house.until("one of each is out", |service| {
            let out = ["500-on-all", "500-on-100pct"].map(|release| ejected(service, release));
            assert!(out.iter().all(|out| *out < 2), "{service:#}");
            out == [1, 1]
        });
        house.done(&["abort", "api"]);
    });
}
