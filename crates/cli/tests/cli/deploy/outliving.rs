//! Instances outlive whoever started them, and their own ends.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::{begin, is_begun, run, sandbox, until};

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
