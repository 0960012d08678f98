//! Everything at once in any order: deploys, words on them, instances that are killed or stand still,
//! kills of Plimsoll itself, reloads, a full disk. In the end intent and reality agree, nothing is
//! left over, and no request failed but those whose instance was killed in the middle of an answer.
//!
//! While Plimsoll itself is dead nobody asks. A request gets three attempts, for two kills may both meet
//! it, when the one that it waited for after the first is killed at once; and as many may be tried again
//! as came, for half of a whole queue may just have been given to who is killed.
//!
//! `CHAOS_SEED=3 CHAOS_ACTS=60` replays one run.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use load::{LoadPlan, OpenLoop, Rate, Tally, Workload, Wrong};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use super::house::House;

const REPLICAS: usize = 2;
const RATE: u32 = 100;
/// How long a request waits for one who stands still.
const FIRST_BYTE: Duration = Duration::from_secs(1);

struct Asking;

impl Workload for Asking {
    fn request(&self, _: u64) -> Request<Full<Bytes>> {
        Request::get("/").header("host", "test").body(Full::default()).unwrap()
    }

    fn judge(&self, _: u64, answer: &Response<Bytes>) -> Result<String, Wrong> {
        match answer.status() {
            StatusCode::OK => Ok("ok".to_owned()),
            status => Err(Wrong(status.to_string())),
        }
    }
}

/// One run.
struct Chaos {
    house: House,
    chance: Rng,
    runtime: Runtime,
    users: Option<OpenLoop>,
    tallies: Vec<Tally>,
    versions: usize,
    kills: u64,
    /// An instance that stands still: one at a time, for with all of them nobody could answer.
    stopped: Option<Pid>,
    /// What was done, and what Plimsoll said to it, for who has to find out why.
    events: Vec<String>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let house = House::new(&format!(
            "replicas = {REPLICAS}\ntimeouts = {{ first_byte = \"1s\" }}\n\
             retry = {{ attempts = 3, budget = \"100%\" }}\n\
             deploy = {{ bake = \"300ms\", ready_timeout = \"2s\" }}\n"
        ));
        let runtime = Runtime::new().unwrap();
        let mut chaos = Self {
            house,
            chance: Rng::with_seed(seed),
            runtime,
            users: None,
            tallies: Vec::new(),
            versions: 1,
            kills: 0,
            stopped: None,
            events: Vec::new(),
        };
        chaos.let_users_in();
        chaos
    }

    fn let_users_in(&mut self) {
        let rate = Rate(NonZeroU32::new(RATE).unwrap());
        let timeout = Duration::from_secs(30);
        let plan = LoadPlan { address: self.house.running.address, rate, timeout };
        self.users = Some(self.runtime.block_on(async { OpenLoop::start(plan, Asking) }));
    }

    fn send_users_away(&mut self) {
        let users = self.users.take().unwrap();
        self.tallies.push(self.runtime.block_on(users.stop()));
    }

    fn act(&mut self) {
        let act = match self.chance.u8(0..20) {
            0..6 => self.deploy(),
            6..8 => self.say("rollback"),
            8 => self.say("pause"),
            9 => self.say("resume"),
            10 => self.say("promote"),
            11 => self.say("abort"),
            12..14 => self.kill_an_instance(),
            14..16 => self.stop_an_instance(),
            16..18 => {
                self.house.reload();
                "reload".to_owned()
            }
            18 => self.restart(false),
            _ => self.restart(true),
        };
        self.tell(act);
        std::thread::sleep(Duration::from_millis(self.chance.u64(0..800)));
        if self.chance.bool() {
            self.wake();
        }
    }

    fn tell(&mut self, act: String) {
        self.events.extend(self.house.running.said());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let (hours, minutes) = (now / 3_600_000 % 24, now / 60_000 % 60);
        let (seconds, millis) = (now / 1000 % 60, now % 1000);
        self.events.push(format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03} {act}"));
    }

    fn deploy(&mut self) -> String {
        self.versions += 1;
        let good = format!("v{}", self.versions);
        let version = match self.chance.u8(0..6) {
            0 => "exits",
            1 => "deaf",
            2 => "stubborn",
            _ => good.as_str(),
        };
        let strategy = ["rolling", "blue-green", "canary", "replace"][self.chance.usize(0..4)];
        let mut arguments = vec!["deploy", "api", version, "--no-wait", "--strategy", strategy];
        if strategy == "canary" {
            arguments.extend(["--steps", "50% 300ms"]);
        }
        let code = self.house.sandbox.plimsoll(&arguments).code;
        format!("{strategy} of {version}: {code:?}")
    }

    /// Whether it is heard depends on what is going on.
    fn say(&mut self, word: &str) -> String {
        let mut arguments = vec![word, "api"];
        if word == "rollback" {
            arguments.push("--no-wait");
        }
        let code = self.house.sandbox.plimsoll(&arguments).code;
        format!("{word}: {code:?}")
    }

    fn an_instance(&mut self) -> Option<Pid> {
        let pid = self.chance.choice(self.house.sandbox.instances())?;
        Pid::from_raw(i32::try_from(pid).unwrap())
    }

    fn kill_an_instance(&mut self) -> String {
        self.wake();
        let Some(pid) = self.an_instance() else { return "nobody to kill".to_owned() };
        self.kills += 1;
        // It may have ended.
        let _ = kill_process(pid, Signal::KILL);
        format!("kill {pid:?}")
    }

    fn stop_an_instance(&mut self) -> String {
        self.wake();
        let Some(pid) = self.an_instance() else { return "nobody to stop".to_owned() };
        let _ = kill_process(pid, Signal::STOP);
        self.stopped = Some(pid);
        format!("stop {pid:?}")
    }

    /// Who stands still goes on.
    fn wake(&mut self) {
        if let Some(pid) = self.stopped.take() {
            // It may have ended.
            let _ = kill_process(pid, Signal::CONT);
            // So that no request meets one who stands still twice: its attempts are few.
            std::thread::sleep(FIRST_BYTE + Duration::from_millis(200));
        }
    }

    fn restart(&mut self, is_full: bool) -> String {
        // Who still waits for an answer gets it.
        self.wake();
        self.send_users_away();
        self.events.extend(self.house.running.said());
        match is_full {
            true => self.house.restart_on_a_full_disk(),
            false => self.house.restart_with(&[]),
        }
        // It may be in the middle of a change-over: from the first answer on all are asked for.
        self.house.until("somebody who serves", |service| {
            let mut instances = service["instances"].as_array().unwrap().iter();
            instances.any(|it| it["state"] == "healthy")
        });
        self.let_users_in();
        format!("restart, the disk full: {is_full}")
    }

    fn end(mut self) -> (u64, u64) {
        self.wake();
        self.send_users_away();
        self.tell("in the end".to_owned());
        self.house.restart_with(&[]);
        self.house.is_in_order(REPLICAS);
        self.house.promoted(&["last"]);
        self.house.is_in_order(REPLICAS);
        let sent = self.tallies.iter().map(Tally::sent).sum();
        let mut failed = 0;
        for (why, count) in self.tallies.iter().flat_map(Tally::failures) {
            let is_cut = why.starts_with("no whole answer");
            let logged = self.house.failures();
            assert!(is_cut, "{count} failed: {why}\n{:#?}\n{logged}", self.events);
            failed += count;
        }
        assert!(
            failed <= self.kills,
            "{failed} were cut by {} kills\n{:#?}",
            self.kills,
            self.events
        );
        (sent, failed)
    }
}

#[expect(clippy::print_stdout, reason = "what was counted is what the long one is run for")]
fn run(seed: u64, acts: usize) {
    let mut chaos = Chaos::new(seed);
    for _ in 0..acts {
        chaos.act();
    }
    let kills = chaos.kills;
    let (sent, failed) = chaos.end();
    println!("| {seed} | {acts} | {kills} | {sent} | {failed} |");
}

#[test]
fn whatever_happens_intent_and_reality_agree() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    run(number("CHAOS_SEED").unwrap_or(1), number("CHAOS_ACTS").unwrap_or(25) as usize);
}

#[test]
#[ignore = "takes some minutes: scripts/deploys"]
fn whatever_happens_for_long_intent_and_reality_agree() {
    let fails = |seed: &u64| std::panic::catch_unwind(|| run(*seed, 60)).is_err();
    assert_eq!((1..=10).filter(fails).collect::<Vec<_>>(), [0; 0], "these seeds failed");
}
