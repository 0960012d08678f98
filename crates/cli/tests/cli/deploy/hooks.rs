//! What a deploy runs once: `before` and `after`.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::{begin, deploy, is_begun, run, sandbox, until};
use crate::sandbox::Sandbox;

/// `[services.api.deploy]` with this of its hooks, and nothing that takes time.
fn hooks(of: &str) -> String {
    format!("env = {{ COLOUR = \"blue\" }}\n[services.api.deploy]\nbake = \"0s\"\n{of}")
}

/// A hook that notes what it is run for.
fn noting(word: &str) -> String {
    format!(
        "{{ shell = \"echo {word} {{version}} $SERVICE $COLOUR >> notes; echo said by {word}\" }}"
    )
}

fn notes(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path().join("notes")).unwrap_or_default()
}

fn lines<'a>(receipt: &'a Value, event: &str) -> Vec<&'a str> {
    let lines = receipt["lines"].as_array().unwrap_or_else(|| panic!("{receipt:#}"));
    let lines = lines.iter().filter(|line| line["event"] == event);
    lines.map(|line| line["text"].as_str().unwrap()).collect()
}

#[test]
fn each_is_run_once_a_deploy_with_the_new_release_s_environment_and_its_output_is_kept() {
    let (before, after) = (noting("before"), noting("after"));
    let sandbox = sandbox(&hooks(&format!("before = {before}\nafter = {after}\n")));
    let _running = begin(&sandbox);
    assert_eq!(notes(&sandbox), "before 1 api blue\nafter 1 api blue\n");
    let (code, receipt) = deploy(&sandbox, &["2"]);
    assert_eq!(code, Some(0), "{receipt:#}");
    assert_eq!(lines(&receipt, "output"), ["said by before", "said by after"], "{receipt:#}");
    assert_eq!(lines(&receipt, "hook"), ["`before` is running", "`after` is running"]);
    assert_eq!(lines(&receipt, "hook-done").len(), 2, "{receipt:#}");
    let shown = sandbox.plimsoll(&["history", "api", "2"]).stdout;
    let (migrates, starts) = (shown.find("said by before"), shown.find("is starting"));
    assert!(migrates.is_some() && migrates < starts, "{shown}");
    let logs = sandbox.plimsoll(&["logs", "api"]).stdout;
    assert!(logs.contains("| said by after"), "{logs}");
    assert_eq!(sandbox.plimsoll(&["rollback", "api"]).code, Some(0));
    assert_eq!(
        notes(&sandbox),
        "before 1 api blue\nafter 1 api blue\nbefore 2 api blue\nafter 2 api blue\nafter 1 api blue\n",
        "what changed data for the new release is not run for the old one"
    );
}

#[test]
fn a_hook_that_fails_first_ends_the_deploy_and_no_instance_was_started() {
    let before = "{ shell = \"echo no such table; test {version} = 1\" }";
    let sandbox = sandbox(&hooks(&format!("before = {before}\n")));
    let _running = begin(&sandbox);
    let instances = sandbox.instances();
    let (code, receipt) = deploy(&sandbox, &["2"]);
    assert_eq!((code, &receipt["outcome"]), (Some(1), &"rolled-back".into()), "{receipt:#}");
    assert_eq!(receipt["reason"], "`before` failed: it exited with code 1");
    assert_eq!(lines(&receipt, "output"), ["no such table"]);
    assert_eq!(lines(&receipt, "starting"), [""; 0], "{receipt:#}");
    assert_eq!(sandbox.instances(), instances);
    assert_eq!(run(&sandbox)["run"]["release"], "1");
}

#[test]
fn a_hook_that_takes_too_long_is_ended_with_all_that_it_started() {
    let before = "{ shell = \"[ {version} = 1 ] || { sleep 1000 & sleep 1000; }\" }";
    let sandbox = sandbox(&hooks(&format!("before = {before}\nhook_timeout = \"300ms\"\n")));
    let _running = begin(&sandbox);
    let instances = sandbox.instances();
    let (code, receipt) = deploy(&sandbox, &["2"]);
    assert_eq!(code, Some(1), "{receipt:#}");
    assert_eq!(receipt["reason"], "`before` failed: it did not end within 300ms, and was stopped");
    assert_eq!(sandbox.instances(), instances);
}

#[test]
fn an_abort_ends_the_hook_and_with_it_the_deploy() {
    let before = "{ shell = \"[ {version} = 1 ] || exec sleep 1000\" }";
    let sandbox = sandbox(&hooks(&format!("before = {before}\n")));
    let _running = begin(&sandbox);
    let instances = sandbox.instances();
    assert_eq!(sandbox.plimsoll(&["deploy", "api", "2", "--no-wait"]).code, Some(0));
    until(&sandbox, "the hook", |service| {
        service["run"]["deploy"]["stage"] == "running `before`"
            && sandbox.instances().len() > instances.len()
    });
    assert_eq!(sandbox.plimsoll(&["abort", "api"]).code, Some(0));
    let service = until(&sandbox, "the end", |service| service["run"]["deploy"].is_null());
    assert_eq!(service["run"]["last"]["reason"], "aborted by hand", "{service:#}");
    assert_eq!(sandbox.instances(), instances);
}

#[test]
fn what_fails_afterwards_is_told_and_the_release_stays() {
    let after = "{ shell = \"test {version} = 1\" }";
    let sandbox = sandbox(&hooks(&format!("after = {after}\n")));
    let _running = begin(&sandbox);
    let (code, receipt) = deploy(&sandbox, &["2"]);
    assert_eq!((code, &receipt["outcome"]), (Some(0), &"promoted".into()), "{receipt:#}");
    let failed = lines(&receipt, "hook-failed");
    assert_eq!(failed, ["`after` failed, which changes nothing: it exited with code 1"]);
    assert_eq!(run(&sandbox)["run"]["release"], "2");
}

#[test]
fn a_program_that_is_not_there_is_told_before_a_deploy_begins() {
    let sandbox = sandbox(&hooks("before = \"./migrate-{version}\"\n"));
    fs::write(sandbox.path().join("migrate-1"), "#!/bin/sh\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(sandbox.path().join("migrate-1"), mode).unwrap();
    let _running = begin(&sandbox);
    let refused = sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let said = &refused.stderr;
    assert!(said.contains("`before`: ") && said.contains("migrate-2"), "{said}");
}

#[test]
fn a_first_release_that_is_tried_again_runs_it_once() {
    let before = "{ shell = \"echo once >> notes\" }";
    let sandbox = sandbox(&hooks(&format!("ready_timeout = \"300ms\"\nbefore = {before}\n")));
    let file = sandbox.path().join("plimsoll.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("version = \"1\"", "version = \"deaf\"")).unwrap();
    let _running = sandbox.run();
    until(&sandbox, "some tries", |service| service["run"]["first"]["tries"].as_u64() >= Some(2));
    assert_eq!(notes(&sandbox), "once\n");
}

#[test]
fn what_a_crash_leaves_of_a_hook_is_ended_by_the_next_start_and_said() {
    let before = "{ shell = \"[ {version} = 1 ] || exec sleep 1000\" }";
    let sandbox = sandbox(&hooks(&format!("before = {before}\n")));
    let mut running = begin(&sandbox);
    let instances = sandbox.instances();
    assert_eq!(sandbox.plimsoll(&["deploy", "api", "2", "--no-wait"]).code, Some(0));
    until(&sandbox, "the hook", |_| sandbox.instances().len() > instances.len());
    running.signal(Signal::KILL);
    running.wait();
    let mut running = sandbox.run();
    is_begun(&sandbox);
    until(&sandbox, "its end", |_| sandbox.instances() == instances);
    let shown = sandbox.plimsoll(&["history", "api", "2"]).stdout;
    let said =
        "Plimsoll ended in the middle of it (`before` is running: what is left of it is stopped)";
    assert!(shown.contains(said), "{shown}");
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(sandbox.instances(), [0; 0]);
}
