//! Full load while the configuration is reloaded, instances die and come back, and others are
//! drained: nothing may be lost, mixed up or leaked.
//!
//! Every answer says which request it answers, so that one that went to another client is seen.
//! What may not run twice is not asked of an instance that dies: its loss would be right.

mod account;
mod clients;
mod instance;

use std::time::{Duration, Instant};

use crate::process::Usage;
use crate::sandbox::{Running, Sandbox};
use account::Account;
use clients::Clients;
use instance::Instance;

/// From one disturbance to the next.
const BEAT: Duration = Duration::from_millis(250);
/// Memory that may come and go with the load, whatever its length: pools, and what the allocator
/// keeps.
const SWING_BYTES: u64 = 16 * 1024 * 1024;

#[test]
fn a_short_soak_loses_nothing() {
    soak(Duration::from_secs(5));
}

#[test]
#[ignore = "takes two minutes: scripts/soak"]
fn a_long_soak_loses_nothing_and_leaks_nothing() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    soak(Duration::from_secs(seconds.unwrap_or(120)));
}

fn soak(length: Duration) {
    let sandbox = Sandbox::new("");
    let mut scene = Scene::new(&sandbox);
    let running = sandbox.run();
    let idle = Usage::of(running.pid());
    let account = Account::default();
    let clients = Clients::start(running.address, &account);
    let begun = Instant::now();
    let mut warm = None;
    while begun.elapsed() < length {
        scene.disturb();
        if warm.is_none() && begun.elapsed() > length / 4 {
            warm = Some(Usage::of(running.pid()));
        }
        std::thread::sleep(BEAT);
    }
    let end = Usage::of(running.pid());
    let took = begun.elapsed();
    clients.stop();
    scene.report(&account, took, [idle, warm.expect("a quarter has passed"), end]);
    account.assert_nothing_failed();
    let warm = warm.expect("a quarter has passed");
    assert!(end.memory < warm.memory + SWING_BYTES, "memory grows: {warm:?}, then {end:?}");
    assert_nothing_is_held(&running, idle);
}

/// Connections to instances are kept for a while, those of clients are gone.
fn assert_nothing_is_held(running: &Running, idle: Usage) {
    let kept = 256;
    testkit::eventually("descriptors are given back", || {
        Usage::of(running.pid()).descriptors <= idle.descriptors + kept
    });
    assert!(running.get("/last").ends_with("GET /last 0"), "it still serves");
}

/// What happens around the program.
struct Scene<'a> {
    sandbox: &'a Sandbox,
    instances: Vec<Instance>,
    /// Never dies: tunnels end with their instance.
    steady: Instance,
    beat: usize,
    reloads: usize,
    deaths: usize,
    drains: usize,
}

impl<'a> Scene<'a> {
    fn new(sandbox: &'a Sandbox) -> Self {
        let instances = (0..3).map(|_| Instance::start()).collect();
        let scene = Self {
            sandbox,
            instances,
            steady: Instance::start(),
            beat: 0,
            reloads: 0,
            deaths: 0,
            drains: 0,
        };
        scene.write();
        scene
    }

    /// One thing after the other. Of three instances one is dead or drained at the most.
    fn disturb(&mut self) {
        let turn = self.beat / 6 % self.instances.len();
        match self.beat % 6 {
            0 | 3 => {
                self.write();
                assert_eq!(self.sandbox.plimsoll(&["reload"]).code, Some(0));
                self.reloads += 1;
            }
            1 => {
                self.instances[turn].die();
                self.deaths += 1;
            }
            2 => self.instances[turn].rise(),
            4 => {
                self.command("drain", turn);
                self.drains += 1;
            }
            _ => self.command("enable", turn),
        }
        self.beat += 1;
    }

    fn command(&self, command: &str, instance: usize) {
        let name = self.instances[instance].address().to_string();
        let ended = self.sandbox.plimsoll(&[command, "api", &name]);
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.stderr);
    }

    /// Another configuration each time.
    fn write(&self) {
        let targets = self.instances.iter().enumerate().map(|(place, instance)| {
            let weight = 1 + (self.reloads + place) % 3;
            format!("{{ address = \"{}\", weight = {weight} }}", instance.address())
        });
        let targets = targets.collect::<Vec<_>>().join(", ");
        let routes = (0..self.reloads % 5)
            .map(|n| format!("[[routes]]\npath = \"/unused/{n}\"\nrespond = {{ status = 204 }}\n"));
        let text = format!(
            "[server]\nstate_dir = \"state\"\nworkers = 2\ndrain = \"15s\"\n\
             [log]\naccess = \"off\"\n\
             [listeners.web]\nbind = \"127.0.0.1:0\"\n\
             [services.api]\ntargets = [{targets}]\n\
             health = {{ path = \"/health\", interval = \"250ms\", timeout = \"200ms\" }}\n\
             [services.steady]\ntargets = [\"{}\"]\n\
             {}[[routes]]\npath = \"/tunnel\"\nto = \"steady\"\n[[routes]]\nto = \"api\"\n",
            self.steady.address(),
            routes.collect::<String>(),
        );
        std::fs::write(self.sandbox.path().join("plimsoll.toml"), text).unwrap();
    }

    #[expect(clippy::print_stdout, reason = "what was counted is what the long one is run for")]
    fn report(&self, account: &Account, took: Duration, usage: [Usage; 3]) {
        let Self { reloads, deaths, drains, .. } = self;
        let seconds = took.as_secs_f64();
        println!("{seconds:.0} s; {reloads} reloads, {deaths} deaths, {drains} drains");
        print!("{account}");
        for (when, usage) in ["idle", "after a quarter", "at the end"].iter().zip(usage) {
            let Usage { memory, descriptors } = usage;
            println!("{when}: {} KiB resident, {descriptors} descriptors", memory / 1024);
        }
    }
}
