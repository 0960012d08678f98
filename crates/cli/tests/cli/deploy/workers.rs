//! Services whose instances get no requests: `http = false`.

use std::fs;

use serde_json::Value;

use super::until;
use crate::sandbox::{Running, Sandbox};

/// A service `mailer` whose instances note their port and run `script`, with `more` of it.
fn sandbox(script: &str, more: &str) -> Sandbox {
    let command = format!("echo {{version}} ports $(env | grep -c ^PORT=) >> notes; {script}");
    Sandbox::new(&format!(
        "drain = \"5s\"\n[log]\naccess = \"off\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [[routes]]\nrespond = {{ status = 204 }}\n\
         [services.mailer]\ncommand = {{ shell = {command:?} }}\nversion = \"1\"\nhttp = false\n\
         stop = {{ timeout = \"5s\" }}\n{more}"
    ))
}

fn runs(sandbox: &Sandbox, version: &str) -> Value {
    until(sandbox, "the release", |service| {
        service["run"]["release"] == version && service["run"]["deploy"].is_null()
    })
}

fn begin(sandbox: &Sandbox) -> Running {
    let running = sandbox.run();
    runs(sandbox, "1");
    running
}

#[test]
fn a_worker_is_ready_when_it_has_lived_for_a_while_and_has_no_port() {
    let sandbox = sandbox("exec sleep 1000", "ready_after = \"300ms\"\nreplicas = 2\n");
    let _running = begin(&sandbox);
    let service = runs(&sandbox, "1");
    assert_eq!(service["run"]["worker"], true, "{service:#}");
    assert_eq!(service["instances"].as_array().unwrap().len(), 2, "{service:#}");
    assert_eq!(sandbox.instances().len(), 2);
    let status = sandbox.plimsoll(&["status"]).stdout;
    assert!(status.contains("running"), "{status}");
    assert!(!status.contains("traffic") && !status.contains("503"), "{status}");
    for strategy in ["rolling", "replace", "blue-green"] {
        let deploy = sandbox.plimsoll(&["deploy", "mailer", strategy, "--strategy", strategy]);
        assert_eq!(deploy.code, Some(0), "{deploy:#?}");
        let service = runs(&sandbox, strategy);
        let instances = service["instances"].as_array().unwrap();
        assert!(instances.iter().all(|it| it["release"] == strategy), "{service:#}");
        assert_eq!(sandbox.instances().len(), 2, "{strategy}");
    }
    let notes = fs::read_to_string(sandbox.path().join("notes")).unwrap();
    assert!(notes.lines().count() >= 8, "{notes}");
    assert!(notes.lines().all(|line| line.ends_with("ports 0")), "{notes}");
}

#[test]
fn a_worker_that_ends_before_it_is_ready_or_while_it_is_watched_is_rolled_back() {
    let script = "case {version} in dead) echo no licence; exit 3;; \
                  frail) sleep 0.7; exit 4;; esac; exec sleep 1000";
    let sandbox = sandbox(script, "ready_after = \"300ms\"\ndeploy = { bake = \"20s\" }\n");
    let _running = begin(&sandbox);
    for (version, code) in [("dead", 3), ("frail", 4)] {
        let deploy = sandbox.plimsoll(&["deploy", "mailer", version, "--json"]);
        assert_eq!(deploy.code, Some(1), "{deploy:#?}");
        assert!(deploy.stdout.contains(&format!("exited with code {code}")), "{deploy:#?}");
        let service = runs(&sandbox, "1");
        assert_eq!(service["instances"].as_array().unwrap().len(), 1, "{service:#}");
    }
}

#[test]
fn a_check_by_a_program_says_when_a_worker_is_ready() {
    let more = "health = { command = { shell = \"[ {version} = 1 ] || [ -e ready ]\" }, interval = \"200ms\" }\n\
                deploy = { ready_timeout = \"1s\" }\n";
    let sandbox = sandbox("exec sleep 1000", more);
    let _running = begin(&sandbox);
    let early = sandbox.plimsoll(&["deploy", "mailer", "2"]);
    assert_eq!(early.code, Some(1), "{early:#?}");
    assert!(early.stdout.contains("passed no check within 1s"), "{early:#?}");
    fs::write(sandbox.path().join("ready"), "").unwrap();
    let late = sandbox.plimsoll(&["deploy", "mailer", "2"]);
    assert_eq!(late.code, Some(0), "{late:#?}");
}
