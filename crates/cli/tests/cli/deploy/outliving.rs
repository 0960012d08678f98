//! Instances outlive whoever started them, and their own ends.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::{begin, is_begun, run, sandbox, until};
use crate::origin::Origin;

#[test]
fn instances_outlive_a_kill_and_are_taken_over() {
    let sandbox = sandbox("replicas = 2\n");
    let mut running = begin(&sandbox);
    let before = sandbox.instances();
    assert_eq!(before.len(), 2);
    running.signal(Signal::KILL);
    running.wait();
    assert_eq!(sandbox.instances(), before, "they serve on");
    let mut running = sandbox.run();
    until(&sandbox, "both", |service| service["instances"].as_array().unwrap().len() == 2);
    assert_eq!(sandbox.instances(), before);
    assert!(running.get("/").contains("hello from api-"));
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(sandbox.instances(), [0; 0]);
}

#[test]
fn a_deploy_that_is_cut_short_by_a_kill_ends_in_the_old_release() {
    let sandbox = sandbox("replicas = 2\ndeploy = { bake = \"1h\" }\n");
    let mut running = begin(&sandbox);
    assert_eq!(sandbox.plimsoll(&["deploy", "api", "2", "--no-wait"]).code, Some(0));
    until(&sandbox, "the bake", |service| service["run"]["deploy"]["stage"] == "baking");
    assert_eq!(sandbox.instances().len(), 4);
    running.signal(Signal::KILL);
    running.wait();
    let mut running = sandbox.run();
    let service = until(&sandbox, "the old release alone", |service| {
        let is_quiet = service["run"]["waiting"].as_array().unwrap().is_empty();
        service["instances"].as_array().unwrap().len() == 2 && is_quiet
    });
    assert!(service["instances"].as_array().unwrap().iter().all(|it| it["release"] == "1"));
    assert_eq!(sandbox.instances().len(), 2);
    let history = sandbox.plimsoll(&["history", "api"]);
    assert!(history.stdout.contains("1 → 2    interrupted"), "{}", history.stdout);
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(sandbox.instances(), [0; 0]);
}

#[test]
fn a_deploy_that_nobody_watches_any_more_goes_on_and_it_is_said_how_it_is_rolled_back() {
    let sandbox = sandbox("replicas = 1\ndeploy = { bake = \"1h\" }\n");
    let _running = begin(&sandbox);
    let mut watching = sandbox.command(&["deploy", "api", "2"]);
    let watching = watching.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until(&sandbox, "the bake", |service| service["run"]["deploy"]["stage"] == "baking");
    let locked = sandbox.plimsoll(&["deploy", "api", "3"]);
    assert!(
        locked.code == Some(3) && locked.stderr.contains("`plimsoll abort api`"),
        "{locked:#?}"
    );
    let pid = rustix::process::Pid::from_child(&watching);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let ended = watching.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.ends_with(" of api goes on; `plimsoll abort api` rolls it back\n"), "{said}");
    assert_eq!(run(&sandbox)["run"]["deploy"]["stage"], "baking");
}

#[test]
fn an_instance_that_dies_is_started_again() {
    let sandbox = sandbox("replicas = 2\n");
    let _running = begin(&sandbox);
    let before = sandbox.instances();
    let pid = rustix::process::Pid::from_raw(before[0] as i32).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    let is_whole = |service: &Value| {
        let now = sandbox.instances();
        now.len() == 2 && now != before && service["instances"].as_array().unwrap().len() == 2
    };
    until(&sandbox, "its successor", is_whole);
}

#[test]
fn instances_can_be_left_running() {
    let sandbox = sandbox("replicas = 1\n");
    let mut running = sandbox.run_with(&["--leave"]);
    is_begun(&sandbox);
    let before = sandbox.instances();
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(sandbox.instances(), before);
    let mut running = sandbox.run();
    until(&sandbox, "the instance", |service| service["instances"].as_array().unwrap().len() == 1);
    assert_eq!(sandbox.instances(), before);
    running.signal(Signal::TERM);
    running.wait();
    assert_eq!(sandbox.instances(), [0; 0]);
}

#[test]
fn a_second_signal_says_how_many_instances_are_left_running() {
    let origin = Origin::start();
    let slow = format!(
        "replicas = 2\n[services.slow]\ntargets = [\"{}\"]\n[[routes]]\npath = \"/slow\"\nto = \"slow\"\n",
        origin.address
    );
    let sandbox = sandbox(&slow);
    let mut running = begin(&sandbox);
    let before = sandbox.instances();
    // It keeps the drain open.
    let _slow = running.ask("/slow");
    origin.asked.recv().unwrap();
    running.signal(Signal::TERM);
    running.wait_for("draining");
    running.signal(Signal::TERM);
    let said = running.wait_for("second signal; instances are left running");
    assert!(said.contains("instances=2") && said.contains("next start takes them over"), "{said}");
    assert_eq!(running.wait(), Some(1));
    assert_eq!(sandbox.instances(), before);
    let mut running = sandbox.run();
    until(&sandbox, "both", |service| service["instances"].as_array().unwrap().len() == 2);
    assert_eq!(sandbox.instances(), before);
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
}

/// `KILLS=30 cargo test -p plimsoll --test cli a_kill_at_any_moment` is the long form, whose results
/// stand in docs/reliability.md.
#[test]
fn a_kill_at_any_moment_ends_in_the_old_release_or_the_new_one() {
    let kills = std::env::var("KILLS").map_or(4, |kills| kills.parse().unwrap());
    let mut chance = fastrand::Rng::with_seed(11);
    let sandbox = sandbox("replicas = 2\ndeploy = { bake = \"300ms\" }\n");
    let mut running = begin(&sandbox);
    let mut ends = [0, 0];
    for round in 0..kills {
        let before = run(&sandbox)["run"]["release"].as_str().unwrap().to_owned();
        let version = format!("r{round}");
        let strategy = ["rolling", "blue-green", "canary", "replace"][chance.usize(0..4)];
        let mut deploy = vec!["deploy", "api", &version, "--no-wait", "--strategy", strategy];
        if strategy == "canary" {
            deploy.extend(["--steps", "50% 200ms"]);
        }
        assert_eq!(sandbox.plimsoll(&deploy).code, Some(0));
        std::thread::sleep(Duration::from_millis(chance.u64(0..900)));
        running.signal(Signal::KILL);
        running.wait();
        running = sandbox.run();
        let service = until(&sandbox, "one release alone", |service| {
            let release = &service["run"]["release"];
            let instances = service["instances"].as_array().unwrap();
            instances.len() == 2
                && instances.iter().all(|instance| instance["release"] == *release)
                && service["run"]["waiting"].as_array().unwrap().is_empty()
        });
        let release = service["run"]["release"].as_str().unwrap();
        assert!(release == before || release == version, "{strategy}: {release}");
        ends[usize::from(release == version)] += 1;
        assert_eq!(sandbox.instances().len(), 2, "{strategy}: no orphan");
        assert!(running.get("/").contains(&format!(" of {release}\n")), "{strategy}");
    }
    println!("ended in the old release, in the new one: {ends:?}");
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(sandbox.instances(), [0; 0]);
}
