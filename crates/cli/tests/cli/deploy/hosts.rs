//! Instances on other hosts: two of them, with a real sshd and a real engine each, in networks that the test makes.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testkit::{DockerEngine, Image, SshHosts};

use super::containers::{import, instances};
use super::{Visitors, deploy, run, until};
use crate::sandbox::{Running, Sandbox};

/// Two hosts, with images of the sample server by the names of these releases; this thread is where they are reached from.
fn hosts(releases: &[&str]) -> Option<SshHosts> {
    let mut hosts = SshHosts::start(2)?;
    hosts.enter();
    import(hosts.engine(0), releases);
    let names: Vec<_> = releases.iter().map(|release| format!("shop:{release}")).collect();
    hosts.share_images(&names.iter().map(String::as_str).collect::<Vec<_>>());
    Some(hosts)
}

/// A service `api` of containers on both, with `more` of it.
fn sandbox(hosts: &SshHosts, more: &str) -> Sandbox {
    Sandbox::new(&format!(
        "drain = \"5s\"\n[log]\naccess = \"off\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [[routes]]\nto = \"api\"\n\
         [services.api]\nimage = \"shop:{{version}}\"\nport = 3000\nversion = \"1\"\nhosts = {:?}\n\
         health = {{ path = \"/health\", interval = \"200ms\" }}\n\
         stop = {{ timeout = \"2s\" }}\n{more}",
        hosts.names()
    ))
}

fn start(sandbox: &Sandbox, hosts: &SshHosts) -> Running {
    let path = std::env::var("PATH").unwrap();
    sandbox.run_with_variable("PATH", format!("{}:{path}", hosts.programs().display()))
}

fn begin(sandbox: &Sandbox, hosts: &SshHosts) -> Running {
    let running = start(sandbox, hosts);
    until(sandbox, "the first release", |service| {
        service["run"]["release"] == "1" && service["run"]["deploy"].is_null()
    });
    running
}

/// Waits until `condition` holds, longer than a host that is cut off goes unnoticed.
fn at_last(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The processes `ssh` of a sandbox.
fn connections(sandbox: &Sandbox) -> Vec<Pid> {
    let place = sandbox.path().join("state/ssh").canonicalize().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is_ours = |it: &std::fs::DirEntry| {
        std::fs::read_link(it.path().join("cwd")).is_ok_and(|cwd| cwd == place)
    };
    let pid = |it: std::fs::DirEntry| Pid::from_raw(it.file_name().to_str()?.parse().ok()?);
    entries.filter(is_ours).filter_map(pid).collect()
}

#[test]
fn a_release_on_two_hosts_is_rolled_and_rolled_back_and_loses_nothing() {
    let Some(mut hosts) = hosts(&["1", "2"]) else { return };
    let sandbox = sandbox(&hosts, "replicas = 4\ndeploy = { bake = \"500ms\" }\n");
    let mut running = begin(&sandbox, &hosts);
    assert_eq!(instances(hosts.engine(0)), ["api-2", "api-4"]);
    assert_eq!(instances(hosts.engine(1)), ["api-1", "api-3"]);
    let status = run(&sandbox);
    let address = status["instances"][0]["address"].as_str().unwrap();
    assert!(address.starts_with("10.77."), "{status:#}");
    let visitors = Visitors::of(&running, 50);
    let (code, receipt) = deploy(&sandbox, &["2"]);
    assert_eq!((code, &receipt["outcome"]), (Some(0), &"promoted".into()), "{receipt:#}");
    assert_eq!(receipt["failed"], 0, "{receipt:#}");
    for host in 0..2 {
        assert_eq!(instances(hosts.engine(host)).len(), 2, "they stay spread");
    }
    let back = sandbox.plimsoll(&["rollback", "api", "--json"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    let tally = visitors.leave();
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures());
    assert!(tally.answered_by("1") > 0 && tally.answered_by("2") > 0);
    let logs = sandbox.plimsoll(&["logs", "api"]);
    assert!(logs.stdout.contains("api-12 of 1 serves on port 3000"), "{logs:#?}");
    assert_eq!(connections(&sandbox).len(), 2, "one a host");
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    for host in 0..2 {
        hosts.engine(host).until("nothing is left", |engine| engine.containers().is_empty());
    }
    at_last("no connection is left", || connections(&sandbox).is_empty());
}

#[test]
fn a_deploy_waits_for_connections_that_are_lost_meanwhile_and_loses_nothing() {
    let Some(mut hosts) = hosts(&["1", "2"]) else { return };
    let sandbox = sandbox(&hosts, "replicas = 2\n");
    let running = begin(&sandbox, &hosts);
    let visitors = Visitors::of(&running, 50);
    let (code, receipt) = std::thread::scope(|scope| {
        let deploying = scope.spawn(|| deploy(&sandbox, &["2", "--strategy", "blue-green"]));
        hosts.engine(1).until("something of the new release is there", |engine| {
            engine.containers().len() == 2
        });
        for connection in connections(&sandbox) {
            kill_process(connection, Signal::KILL).unwrap();
        }
        deploying.join().unwrap()
    });
    assert_eq!((code, &receipt["outcome"]), (Some(0), &"promoted".into()), "{receipt:#}");
    let tally = visitors.leave();
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures());
    for host in 0..2 {
        let engine = hosts.engine(host);
        engine.until("the old release is gone", |engine| engine.containers().len() == 1);
    }
}

#[test]
fn a_host_that_is_cut_off_in_a_deploy_has_it_rolled_back_and_is_cleared_when_it_is_back() {
    let Some(mut hosts) = hosts(&["1"]) else { return };
    // What is new is never ready.
    let image = Image { changes: &[r#"CMD ["/bin/sleep", "1000"]"#], ..Image::default() };
    hosts.engine(0).import("shop:deaf", &image);
    hosts.share_images(&["shop:deaf"]);
    let sandbox = sandbox(&hosts, "deploy = { ready_timeout = \"12s\" }\nreplicas = 2\n");
    let running = begin(&sandbox, &hosts);
    let deploying = std::thread::scope(|scope| {
        let deploying = scope.spawn(|| deploy(&sandbox, &["deaf", "--strategy", "blue-green"]));
        let runs =
            |engine: &mut DockerEngine| engine.docker(&["ps", "--quiet"]).lines().count() == 2;
        hosts.engine(1).until("the new release runs there", runs);
        hosts.cut(1);
        deploying.join().unwrap()
    });
    let (code, receipt) = deploying;
    assert_eq!((code, &receipt["outcome"]), (Some(1), &"rolled-back".into()), "{receipt:#}");
    let told = "could not be stopped, since its host does not answer";
    assert!(receipt.to_string().contains(told), "{receipt:#}");
    assert_eq!(instances(hosts.engine(0)).len(), 1, "it is rolled back where it is reached");
    let status = run(&sandbox);
    assert_eq!(status["run"]["unreached"][0]["host"], hosts.names()[1], "{status:#}");
    let text = sandbox.plimsoll(&["status"]).stdout;
    assert!(text.contains(&format!("the host {} does not answer", hosts.names()[1])), "{text}");
    until(&sandbox, "its instance gets nothing", |service| {
        let states = service["instances"].as_array().unwrap().iter().map(|it| &it["state"]);
        states.filter(|state| **state == "healthy").count() == 1
    });
    let visitors = Visitors::of(&running, 50);
    // Before anything starts every host is asked.
    let refused = sandbox.plimsoll(&["deploy", "api", "deaf"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    assert!(refused.stderr.contains(&format!("the host {}", hosts.names()[1])), "{refused:#?}");
    hosts.join(1);
    at_last("what was left there is gone", || hosts.engine(1).containers().len() == 1);
    until(&sandbox, "both serve", |service| {
        let states = service["instances"].as_array().unwrap().iter().map(|it| &it["state"]);
        states.filter(|state| **state == "healthy").count() == 2
    });
    let tally = visitors.leave();
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures());
    assert!(run(&sandbox)["run"]["unreached"].is_null());
}

#[test]
fn after_a_kill_what_runs_on_hosts_is_found_again_and_what_was_lost_there_is_removed() {
    let Some(mut hosts) = hosts(&["1"]) else { return };
    let sandbox = sandbox(&hosts, "replicas = 2\n");
    let mut running = begin(&sandbox, &hosts);
    let of_engine = |hosts: &mut SshHosts| {
        [0, 1].map(|host| hosts.engine(host).docker(&["ps", "--quiet", "--no-trunc"]))
    };
    let before = of_engine(&mut hosts);
    running.signal(Signal::KILL);
    running.wait();
    at_last("connections end with it", || connections(&sandbox).is_empty());
    let state = std::fs::read_to_string(sandbox.path().join("state/docker/state-id")).unwrap();
    let label = format!("plimsoll.state={}", state.trim());
    hosts.engine(1).docker(&["create", "--name", "orphan", "--label", &label, "shop:1"]);
    // A host that is away is no reason not to serve.
    hosts.cut(0);
    let running = start(&sandbox, &hosts);
    hosts.engine(1).until("the orphan is gone", |engine| engine.containers().len() == 1);
    at_last("one serves", || running.get("/").contains("hello from api-"));
    hosts.join(0);
    until(&sandbox, "both serve", |service| {
        let instances = service["instances"].as_array().unwrap();
        instances.len() == 2 && instances.iter().all(|it| it["state"] == "healthy")
    });
    assert_eq!(of_engine(&mut hosts), before, "the same containers");
}

#[test]
fn what_one_host_lacks_is_told_of_that_host_before_anything_starts() {
    let Some(mut hosts) = hosts(&["1", "2"]) else { return };
    let volume = "volumes = [\"/run/assets:/assets:ro\"]\nreplicas = 2\n";
    let sandbox = sandbox(&hosts, "replicas = 2\n");
    let _running = begin(&sandbox, &hosts);
    let text = std::fs::read_to_string(sandbox.path().join("plimsoll.toml")).unwrap();
    let text = text.replace("replicas = 2\n", volume);
    std::fs::write(sandbox.path().join("plimsoll.toml"), text).unwrap();
    hosts.engine(1).docker(&["rmi", "shop:2"]);
    let refused = sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let said = &refused.stderr;
    assert!(said.contains("there is no /run/assets for the volume"), "{refused:#?}");
    assert_eq!(said.matches("/run/assets for").count(), 1, "both lack it: {refused:#?}");
    let on_one = format!("on {}: ", hosts.names()[1]);
    assert!(said.contains(&on_one) && said.contains("shop:2"), "{refused:#?}");
    assert_eq!(instances(hosts.engine(0)).len(), 1);
}
