//! What the judge must not be led into, by real clients: an attacker who would fail a sound release or cover a bad one, a
//! release that gets worse while it is watched, and one of which a single instance is bad.
//!
//! Clients come through a proxy that is trusted, so that they have many addresses.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use load::{LoadPlan, OpenLoop, Rate, Tally, Workload, Wrong};
use serde_json::Value;
use testkit::RawClient;
use tokio::runtime::Runtime;

use super::house::House;
use super::instance::{BAD, FATAL};

/// Requests a second of the users.
const USERS: u32 = 200;
/// The same of an attacker.
const ATTACK: u32 = 40;
/// Addresses that an attacker has: as many as can do nothing by what stays with a release.
const ATTACKERS: usize = 8;

fn response_of(response: &Response<Bytes>) -> Result<String, Wrong> {
    match (response.status(), response.headers().get("x-release")) {
        (StatusCode::OK, Some(release)) => Ok(release.to_str().unwrap().to_owned()),
        (status, _) => Err(Wrong(status.to_string())),
    }
}

/// Fifty users, each from an address of its own.
struct Users;

impl Workload for Users {
    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        let request = Request::get("/").header("host", "test");
        let address = format!("10.0.0.{}", number % 50);
        request.header("x-forwarded-for", address).body(Full::default()).unwrap()
    }

    fn judge(&self, _: u64, response: &Response<Bytes>) -> Result<String, Wrong> {
        response_of(response)
    }
}

/// Requests that fail on any release: by cookies that stay with the new one, two of three, and without one; without any where
/// there are none.
struct Attack {
    cookies: Vec<String>,
}

fn attacker(of: usize) -> String {
    format!("203.0.113.{of}")
}

impl Workload for Attack {
    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        let number = number as usize;
        let of = number / 3 % ATTACKERS;
        // No other instance is asked again for what may have been done.
        let request = Request::builder().method(Method::POST).uri(FATAL).header("host", "test");
        let request = request.header("x-forwarded-for", attacker(of));
        let request = match self.cookies.get(of).filter(|_| !number.is_multiple_of(3)) {
            None => request,
            Some(cookie) => request.header("cookie", cookie),
        };
        request.body(Full::default()).unwrap()
    }

    fn judge(&self, _: u64, response: &Response<Bytes>) -> Result<String, Wrong> {
        response_of(response)
    }
}

/// Requests at a steady pace, until they are to end.
struct Load {
    runtime: Runtime,
    requests: OpenLoop,
}

impl Load {
    fn begin(house: &House, rate: u32, workload: impl Workload) -> Self {
        let runtime = Runtime::new().unwrap();
        let rate = Rate(NonZeroU32::new(rate).unwrap());
        let (address, timeout) = (house.running.address, Duration::from_secs(40));
        let plan = LoadPlan { address, rate, timeout };
        let requests = runtime.block_on(async { OpenLoop::start(plan, workload) });
        Self { runtime, requests }
    }

    /// Waits until so many of them have failed.
    fn until_failed(&self, count: u64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.requests.tally().failed() < count {
            assert!(Instant::now() < deadline, "{:?}", self.requests.tally().failures());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(self) -> Tally {
        self.runtime.block_on(self.requests.stop())
    }
}

/// A house whose clients are told apart by what a proxy says, with `more` of its service.
fn house(more: &str) -> House {
    let mut house = House::new(&format!(
        "{more}deploy = {{ bake = \"1s\", ready_timeout = \"5s\", judge = {{ warm_up = \"0s\" }} }}\n"
    ));
    house.change("limits = {", "trusted_proxies = [\"127.0.0.1\"]\nlimits = {");
    house
}

/// A deploy of `release` has begun, and has a fifth of the requests, or as `steps` say.
fn canary(house: &House, release: &str, steps: &str) {
    let deploy = ["deploy", "api", release, "--no-wait", "--strategy", "canary", "--steps", steps];
    house.done(&deploy);
    house.until("the step", |service| {
        let stage = service["run"]["deploy"]["stage"].as_str();
        stage.is_some_and(|stage| stage.starts_with("at "))
    });
}

/// The receipt of the latest deploy, once it is over.
fn receipt(house: &House) -> Value {
    house.until("the end of the deploy", |service| service["run"]["deploy"].is_null());
    house.history()[0]["receipt"].clone()
}

/// The cookie of the new release, as an address gets it that asks until it has one.
fn cookie(house: &House, address: &str, release: &str) -> String {
    // It has a fifth of them.
    for _ in 0..2000 {
        let mut client = RawClient::connect(house.running.address);
        let request = format!("GET / HTTP/1.1\r\nhost: test\r\nx-forwarded-for: {address}\r\n\r\n");
        let response = client.send(request).answer();
        if response.field("x-release") == Some(release) {
            let cookie = response.field("set-cookie").expect("it stays with its release");
            return cookie.split(';').next().unwrap().to_owned();
        }
    }
    panic!("release {release} responds to nobody: {:#}", house.service());
}

#[test]
fn an_attacker_with_cookies_of_it_fails_no_sound_release() {
    let house = house("replicas = 2\n");
    let users = Load::begin(&house, USERS, Users);
    canary(&house, "2", "20% 10m");
    let cookies = (0..ATTACKERS).map(|of| cookie(&house, &attacker(of), "2")).collect();
    let attack = Load::begin(&house, ATTACK, Attack { cookies });
    // More than it would take, had they been users.
    attack.until_failed(200);
    let deploy = house.service()["run"]["deploy"].clone();
    assert_eq!(deploy["stage"], "at 20 %", "it is not rolled back: {deploy:#}");
    house.done(&["promote", "api"]);
    let receipt = receipt(&house);
    let (users, attack) = (users.end(), attack.end());
    assert_eq!(receipt["outcome"], "promoted", "{receipt:#}");
    assert_eq!(users.failed(), 0, "{:?}", users.failures());
    assert_eq!(attack.answered(), 0, "{:?}", attack.failures());
    assert!(receipt["releases"][1]["failed"].as_u64() >= Some(80), "{receipt:#}");
}

#[test]
fn an_attacker_covers_no_bad_release() {
    let house = house("replicas = 2\n");
    let users = Load::begin(&house, USERS, Users);
    // They fail on the old release as well, four of five of them, and from before the deploy on.
    let attack = Load::begin(&house, ATTACK, Attack { cookies: Vec::new() });
    canary(&house, "500-on-50pct", "20% 60s");
    let receipt = receipt(&house);
    let (users, attack) = (users.end(), attack.end());
    assert_eq!(receipt["outcome"], "rolled-back", "{receipt:#}");
    assert!(receipt["reason"].as_str().unwrap().contains("worse: it failed"), "{receipt:#}");
    assert!(users.answered_by("1") > 0 && attack.answered() == 0, "{:?}", attack.failures());
}

#[test]
fn one_that_fails_the_more_the_longer_it_runs_is_rolled_back_while_that_is_little() {
    let house = house("replicas = 2\n");
    let users = Load::begin(&house, USERS, Users);
    canary(&house, "leaks", "20% 60s");
    let receipt = receipt(&house);
    let users = users.end();
    assert_eq!(receipt["outcome"], "rolled-back", "{receipt:#}");
    assert!(receipt["reason"].as_str().unwrap().contains("worse: it failed"), "{receipt:#}");
    let lines = receipt["lines"].as_array().unwrap();
    let returning = lines.iter().find(|line| line["event"] == "returning").unwrap();
    assert!(returning["finding"]["since_s"].as_f64() > Some(0.0), "{returning:#}");
    assert_eq!(users.failed(), 0, "the old release was asked again: {:?}", users.failures());
}

#[test]
#[ignore = "takes half a minute: scripts/deploys"]
fn one_that_gets_slower_the_longer_it_runs_is_rolled_back() {
    let house = house("replicas = 2\n");
    let (code, receipt_of_old) = house.deploy(&["slow-10"]);
    assert_eq!(code, Some(0), "{receipt_of_old:#}");
    let users = Load::begin(&house, USERS, Users);
    canary(&house, "tires-10", "20% 60s");
    let receipt = receipt(&house);
    let users = users.end();
    assert_eq!(receipt["outcome"], "rolled-back", "{receipt:#}");
    assert!(receipt["reason"].as_str().unwrap().contains("worse: it was slow for"), "{receipt:#}");
    assert_eq!(users.failed(), 0, "{:?}", users.failures());
}

#[test]
fn one_of_which_a_single_instance_is_bad_stays_without_it() {
    // Ejection would take that instance out before it is seen enough: it is the judge's to find here.
    let house = house("replicas = 4\npassive = false\n");
    let users = Load::begin(&house, USERS, Users);
    canary(&house, "one-bad", "50% 10m");
    let bad = std::fs::read_to_string(house.sandbox.path().join(BAD)).unwrap();
    house.until("another in its place", |service| {
        let instances = service["instances"].as_array().unwrap();
        let new = instances.iter().filter(|it| it["release"] == "one-bad");
        let serving = new.clone().filter(|it| it["state"] == "healthy" && it["name"] != bad);
        new.count() == 4 && serving.count() == 4
    });
    house.done(&["promote", "api"]);
    let receipt = receipt(&house);
    let users = users.end();
    assert_eq!(receipt["outcome"], "promoted", "{receipt:#}");
    let lines = receipt["lines"].as_array().unwrap();
    let replaced: Vec<&Value> = lines.iter().filter(|it| it["event"] == "replacing").collect();
    assert_eq!(replaced.len(), 1, "{receipt:#}");
    assert_eq!(replaced[0]["instance"], *bad, "{receipt:#}");
    assert_eq!(users.failed(), 0, "the old release was asked again: {:?}", users.failures());
}

/// The next one takes two seconds to come, so that the first is alone when it is found.
#[test]
fn the_first_of_a_rolling_deploy_gives_its_place_back_where_it_is_bad() {
    let mut house = house("replicas = 2\npassive = false\n");
    house.change("bake = \"1s\"", "bake = \"1s\", min_healthy = \"2s\"");
    let users = Load::begin(&house, USERS, Users);
    let (code, receipt) = house.deploy(&["one-bad"]);
    drop(users.end());
    assert_eq!((code, &receipt["outcome"]), (Some(0), &Value::from("promoted")), "{receipt:#}");
    let bad = std::fs::read_to_string(house.sandbox.path().join(BAD)).unwrap();
    let lines = receipt["lines"].as_array().unwrap();
    let replaced: Vec<&Value> = lines.iter().filter(|it| it["event"] == "replacing").collect();
    assert_eq!(replaced.len(), 1, "{receipt:#}");
    assert_eq!(replaced[0]["instance"], *bad, "{receipt:#}");
    assert!(replaced[0]["text"].as_str().unwrap().contains("has no siblings yet"), "{receipt:#}");
}
