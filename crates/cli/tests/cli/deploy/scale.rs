//! `plimsoll scale`, `restart` and `exec`: what is done to a service without another release.

use std::fs;

use rustix::process::Signal;

use super::{Visitors, begin, deploy, is_begun, run, sandbox, until};
use crate::sandbox::Sandbox;

/// Waits until so many run.
fn has(sandbox: &Sandbox, count: usize) {
    until(sandbox, "as many", |service| {
        let instances = service["instances"].as_array().unwrap().len();
        instances == count && sandbox.instances().len() == count
    });
}

#[test]
fn what_is_scaled_stays_so_until_the_file_says_otherwise_and_no_request_is_lost() {
    let sandbox = sandbox("replicas = 2\ndeploy = { bake = \"0s\" }\n");
    let mut running = begin(&sandbox);
    let visitors = Visitors::of(&running, 100);
    let more = sandbox.plimsoll(&["scale", "api", "4", "--wait", "20s"]);
    assert_eq!(more.code, Some(0), "{more:#?}");
    assert!(more.stdout.contains("api: 4 instances; the file says 2"), "{more:#?}");
    has(&sandbox, 4);
    // A deploy at a peak does not halve what carries it.
    assert_eq!(deploy(&sandbox, &["2"]).0, Some(0));
    has(&sandbox, 4);
    let fewer = sandbox.plimsoll(&["scale", "api", "3", "--json"]);
    assert!(fewer.stdout.contains("\"replicas\": 3"), "{fewer:#?}");
    has(&sandbox, 3);
    assert_eq!(visitors.leave().failed(), 0);
    let status = sandbox.plimsoll(&["status"]).stdout;
    assert!(status.contains("3 instances by `plimsoll scale`; the file says 2"), "{status}");

    running.signal(Signal::TERM);
    running.wait();
    let _running = sandbox.run();
    has(&sandbox, 3);
    assert_eq!(run(&sandbox)["run"]["scaled_from"], 2);
    let file = sandbox.path().join("plimsoll.toml");
    let text = fs::read_to_string(&file).unwrap();
    for (replicas, expected) in [("1", 1), ("2", 2)] {
        fs::write(&file, text.replace("replicas = 2", &format!("replicas = {replicas}"))).unwrap();
        assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
        has(&sandbox, expected);
    }
    assert!(run(&sandbox)["run"]["scaled_from"].is_null());
    let none = sandbox.plimsoll(&["scale", "apy", "3"]);
    assert_eq!(none.code, Some(3), "{none:#?}");
    assert_eq!(sandbox.plimsoll(&["scale", "api", "0"]).code, Some(2));
}

#[test]
fn a_restart_replaces_each_instance_by_the_same_release_and_no_request_is_lost() {
    let sandbox = sandbox("replicas = 2\ndeploy = { bake = \"1h\", before = \"false\" }\n");
    let file = sandbox.path().join("plimsoll.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(", before = \"false\"", "")).unwrap();
    let running = begin(&sandbox);
    fs::write(&file, text).unwrap();
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    let (before, visitors) = (sandbox.instances(), Visitors::of(&running, 100));
    let restart = sandbox.plimsoll(&["restart", "api"]);
    assert_eq!(restart.code, Some(0), "{restart:#?}");
    assert!(restart.stdout.contains("a restart: 1 runs already"), "{restart:#?}");
    assert_eq!(visitors.leave().failed(), 0);
    has(&sandbox, 2);
    assert!(sandbox.instances().iter().all(|pid| !before.contains(pid)));
    is_begun(&sandbox);
    assert_eq!(sandbox.plimsoll(&["rollback", "api"]).code, Some(3), "there is none before it");
}

#[test]
fn a_command_runs_once_as_the_instances_do_and_its_exit_code_is_its_own() {
    let sandbox = sandbox("env = { COLOUR = \"blue\" }\ndirectory = \"place\"\n");
    fs::create_dir(sandbox.path().join("place")).unwrap();
    let _running = begin(&sandbox);
    let script = "echo $COLOUR $VERSION $SERVICE ${PORT-none}; pwd; exit 7";
    let ended = sandbox.plimsoll(&["exec", "api", "--", "sh", "-c", script]);
    assert_eq!(ended.code, Some(7), "{ended:#?}");
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "blue 1 api none", "{ended:#?}");
    assert!(lines[1].ends_with("/place"), "{ended:#?}");
    let missing = sandbox.plimsoll(&["exec", "api", "--", "./no-such-program"]);
    assert_eq!(missing.code, Some(3), "{missing:#?}");
    assert!(missing.stderr.contains("no-such-program"), "{missing:#?}");
    let unknown = sandbox.plimsoll(&["exec", "apy", "--", "true"]);
    assert_eq!(unknown.code, Some(3), "{unknown:#?}");
    assert_eq!(sandbox.plimsoll(&["exec", "api"]).code, Some(2));
}
