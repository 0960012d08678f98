//! Checks by a program and by the instance's own word, and what warms an instance up: with real instances.

use std::fs;

use rustix::process::Signal;

use super::{PROGRAM, deploy, is_begun, until};
use crate::sandbox::Sandbox;

/// A service `api` whose instances are checked so.
fn sandbox(command: &str, health: &str, more: &str) -> Sandbox {
    let command = command.replace("PROGRAM", PROGRAM);
    Sandbox::new(&format!(
        "drain = \"5s\"\n[log]\naccess = \"off\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [[routes]]\nto = \"api\"\n\
         [services.api]\ncommand = {{ shell = {command:?} }}\nversion = \"1\"\n\
         health = {health}\nstop = {{ timeout = \"5s\" }}\n{more}"
    ))
}

fn reason(service: &serde_json::Value) -> &str {
    service["instances"][0]["reason"].as_str().unwrap_or_default()
}

#[test]
fn a_program_says_whether_an_instance_is_well_and_requests_warm_it_up() {
    const CHECK: &str = "{ command = { shell = \"[ -e well ] || { echo $INSTANCE is not well; exit 4; }\" }, \
                         interval = \"100ms\", timeout = \"10s\", unhealthy = 2 }";
    let warm_up = "deploy = { bake = \"100ms\", warm_up = [\"GET /\", \"HEAD /other\"] }\n";
    let sandbox = sandbox("exec PROGRAM sample", CHECK, warm_up);
    let _running = sandbox.run();
    until(&sandbox, "it is asked", |service| !service["run"]["waiting"][0].is_null());
    assert!(!super::run(&sandbox)["run"]["deploy"].is_null(), "it is not well yet");
    fs::write(sandbox.path().join("well"), "").unwrap();
    is_begun(&sandbox);
    let (code, receipt) = deploy(&sandbox, &["2"]);
    assert_eq!(code, Some(0), "{receipt:#}");
    let lines = receipt["lines"].as_array().unwrap();
    let warmed = lines.iter().find(|line| line["event"] == "warm-up").expect("it is warmed up");
    let text = warmed["text"].as_str().unwrap();
    assert!(text.starts_with("api-2 is warmed up by 2 requests in "), "{text}");
    until(&sandbox, "it passes", |service| reason(service).starts_with("checks pass: exit code 0"));
    fs::remove_file(sandbox.path().join("well")).unwrap();
    let service = until(&sandbox, "it is found to be unwell", |service| {
        service["instances"][0]["state"] == "unhealthy"
    });
    let reason = reason(&service);
    assert!(reason.ends_with("exit code 4: api-2 is not well"), "{reason}");
}

/// Says its arguments to the socket that listens, once the file of that name is there.
const NOTIFY: &str = "say() { until [ -e $1 ]; do sleep 0.02; done; shift; python3 -c 'import os, socket, sys; \
     socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(\"\\n\".join(sys.argv[1:]).encode(), \
     b\"\\0\" + os.environ[\"NOTIFY_SOCKET\"][1:].encode())' \"$@\"; }\n\
     (say ready READY=1 STATUS=serving; say leave STOPPING=1 STATUS=leaving) &\n\
     exec PROGRAM sample";

#[test]
fn an_instance_says_by_itself_how_it_is_also_after_a_restart_of_plimsoll() {
    let bake = "deploy = { bake = \"100ms\" }\n";
    let sandbox = sandbox(NOTIFY, "{ notify = true }", bake);
    let mut running = sandbox.run();
    until(&sandbox, "it is waited for", |service| !service["run"]["waiting"][0].is_null());
    assert!(!super::run(&sandbox)["run"]["deploy"].is_null(), "it has not said that it is ready");
    fs::write(sandbox.path().join("ready"), "").unwrap();
    is_begun(&sandbox);
    until(&sandbox, "its word is taken", |service| {
        reason(service) == "checks pass: READY=1 (serving)"
    });
    running.signal(Signal::KILL);
    running.wait();
    let _running = sandbox.run();
    is_begun(&sandbox);
    until(&sandbox, "it is believed", |service| {
        service["instances"][0]["state"] == "healthy"
            && reason(service).contains("earlier Plimsoll")
    });
    fs::write(sandbox.path().join("leave"), "").unwrap();
    until(&sandbox, "it leaves", |service| {
        service["instances"][0]["state"] == "unhealthy"
            && reason(service).ends_with("STOPPING=1 (leaving)")
    });
}
