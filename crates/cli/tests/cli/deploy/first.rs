//! The first release: tried until it stays, and why it does not yet is told wherever one looks.

use std::net::TcpListener;

use serde_json::Value;

use super::{PROGRAM, run, until};
use crate::sandbox::{Running, Sandbox};

/// A service whose instances run `script`, with `more` of it.
fn sandbox(script: &str, more: &str) -> Sandbox {
    let command = script.replace("PROGRAM", &format!("exec {PROGRAM} sample"));
    Sandbox::new(&format!(
        "drain = \"5s\"\n[log]\naccess = \"off\"\n[listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [[routes]]\nto = \"api\"\n\
         [services.api]\ncommand = {{ shell = {command:?} }}\nversion = \"1\"\n\
         restart = {{ backoff = \"50ms\", max_backoff = \"200ms\" }}\n\
         queue = {{ timeout = \"100ms\" }}\nstop = {{ timeout = \"5s\" }}\n{more}"
    ))
}

fn runs(sandbox: &Sandbox, version: &str) -> Value {
    until(sandbox, "the release", |service| {
        service["run"]["release"] == version && service["run"]["deploy"].is_null()
    })
}

fn history(sandbox: &Sandbox) -> Vec<Value> {
    let history = sandbox.plimsoll(&["history", "api", "--json"]).stdout;
    let history: Value = serde_json::from_str(&history).unwrap();
    history["deploys"].as_array().unwrap().clone()
}

fn edit(sandbox: &Sandbox, from: &str, to: &str) {
    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
}

#[test]
fn it_is_tried_again_until_it_stays_and_status_says_why_it_does_not() {
    let script = "[ -e db ] || { echo no database yet; exit 1; }; PROGRAM";
    let sandbox = sandbox(script, "");
    let mut running: Running = sandbox.run();
    let error = running.wait_for("first release does not run, retrying");
    assert!(error.contains("ERROR") && error.contains("exited with code 1"), "{error}");
    let tried = until(&sandbox, "three tries", |service| {
        service["run"]["first"]["tries"].as_u64() >= Some(3)
    });
    assert_eq!(tried["run"]["last"]["id"], 1, "all tries are one deploy: {tried:#}");
    let logs = sandbox.plimsoll(&["logs", "api"]).stdout;
    assert!(logs.matches("| no database yet").count() >= 3, "of each that died: {logs}");
    let status = sandbox.plimsoll(&["status"]).stdout;
    let said = "api: deploy 1 of release 1 was rolled back: api-";
    assert!(status.contains(said) && status.contains("tries the next attempt is"), "{status}");
    let answer = running.get("/");
    assert!(answer.contains("503") && answer.contains("No server is available"), "{answer}");

    std::fs::write(sandbox.path().join("db"), "").unwrap();
    let service = runs(&sandbox, "1");
    assert!(service["run"]["first"].is_null(), "{service:#}");
    assert!(running.get("/").contains("200 OK"));
    let history = history(&sandbox);
    assert_eq!((history.len(), &history[0]["outcome"]), (1, &"promoted".into()), "{history:#?}");
}

#[test]
fn what_cannot_even_begin_is_tried_again_too() {
    let sandbox = sandbox("PROGRAM", "directory = \"later\"\n");
    let _running = sandbox.run();
    let tried = until(&sandbox, "a try", |service| !service["run"]["first"].is_null());
    let why = tried["run"]["first"]["why"].as_str().unwrap();
    assert!(why.contains("cannot run in the directory"), "{why}");
    std::fs::create_dir(sandbox.path().join("later")).unwrap();
    runs(&sandbox, "1");
}

#[test]
fn it_gives_way_to_a_deploy_and_is_not_tried_any_more() {
    let script = "[ {version} = 2 ] || exec sleep 1000; PROGRAM";
    let sandbox = sandbox(script, "deploy = { ready_timeout = \"1h\" }\n");
    let _running = sandbox.run();
    until(&sandbox, "the first try", |service| service["run"]["deploy"]["id"] == 1);
    let deploy = sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(deploy.code, Some(0), "{deploy:#?}");
    runs(&sandbox, "2");
    let history = history(&sandbox);
    assert_eq!(history[1]["receipt"]["reason"], "2 is deployed instead of it", "{history:#?}");
}

#[test]
fn a_file_that_is_mended_is_tried_at_once_and_an_abort_ends_the_tries() {
    let sandbox = sandbox("exec sleep 1000", "deploy = { ready_timeout = \"1h\" }\n");
    let _running = sandbox.run();
    until(&sandbox, "the first try", |service| service["run"]["deploy"]["id"] == 1);
    assert_eq!(sandbox.plimsoll(&["abort", "api"]).code, Some(0));
    until(&sandbox, "the end", |service| service["run"]["deploy"].is_null());
    let service = run(&sandbox);
    assert_eq!(service["run"]["last"]["reason"], "aborted by hand", "{service:#}");
    assert!(service["run"]["first"].is_null(), "{service:#}");

    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    until(&sandbox, "another try", |service| service["run"]["deploy"]["id"] == 2);
    edit(&sandbox, "exec sleep 1000", &format!("exec {PROGRAM} sample"));
    assert_eq!(sandbox.plimsoll(&["reload"]).code, Some(0));
    runs(&sandbox, "1");
}

#[test]
fn a_program_that_listens_elsewhere_is_told_with_both_ports() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = format!("[ {{version}} = 1 ] || export PORT={elsewhere}; PROGRAM");
    let sandbox = sandbox(&script, "deploy = { ready_timeout = \"2s\" }\n");
    let _running = sandbox.run();
    runs(&sandbox, "1");
    let deploy = sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(deploy.code, Some(1), "{deploy:#?}");
    let said = format!("api-2 listens on 127.0.0.1:{elsewhere}, not on its $PORT ");
    let with_cure = |text: &str| text.contains(&said) && text.contains(": pass --port $PORT");
    assert!(with_cure(&deploy.stdout), "{}", deploy.stdout);
    let reason = history(&sandbox)[0]["receipt"]["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.starts_with("api-2 passed no check within 2s: connection refused on"),
        "{reason}"
    );
    assert!(with_cure(&reason) && with_cure(&sandbox.plimsoll(&["status"]).stdout));
}

#[test]
fn a_check_that_fails_is_told_while_it_does_and_when_it_is_given_up() {
    let sandbox = sandbox(
        "PROGRAM --faulty 2 --fails 1",
        "health = { path = \"/\" }\ndeploy = { ready_timeout = \"3s\" }\n",
    );
    let _running = sandbox.run();
    runs(&sandbox, "1");
    assert_eq!(sandbox.plimsoll(&["deploy", "api", "2", "--no-wait"]).code, Some(0));
    let why = |service: &Value| service["run"]["waiting"][0]["why"] == "status 500";
    until(&sandbox, "why it is not ready", why);
    let over = until(&sandbox, "the end", |service| service["run"]["deploy"].is_null());
    let reason = over["run"]["last"]["reason"].as_str().unwrap();
    assert_eq!(reason, "api-2 passed no check within 3s: status 500");
}

#[test]
fn an_instance_counts_only_when_it_was_healthy_for_long_enough() {
    let sandbox = sandbox("PROGRAM", "deploy = { min_healthy = \"700ms\", bake = \"0s\" }\n");
    let _running = sandbox.run();
    runs(&sandbox, "1");
    let deploy = sandbox.plimsoll(&["deploy", "api", "2", "--json"]);
    assert_eq!(deploy.code, Some(0), "{deploy:#?}");
    let mut lines = deploy.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ready = lines.find(|line| line["event"] == "ready").unwrap();
    assert!(ready["at_s"].as_f64().unwrap() >= 0.7, "{ready}");
}

#[test]
fn a_service_without_a_release_says_so_wherever_one_looks() {
    let sandbox = sandbox("PROGRAM", "");
    edit(&sandbox, "version = \"1\"\n", "");
    let checked = sandbox.plimsoll(&["check"]);
    let warning = "it has no release yet: nothing runs, and requests get 503";
    assert!(checked.stdout.contains(warning), "{}", checked.stdout);
    assert_eq!(checked.code, Some(0), "it can be served");
    let _running = sandbox.run();
    let events = sandbox.plimsoll(&["events", "--json"]).stdout;
    let event = events.lines().find(|line| line.contains("no_release_yet")).unwrap_or_default();
    assert!(event.contains("plimsoll deploy api VERSION"), "{events}");
    let said = "api: no release yet, requests get 503: plimsoll deploy api VERSION";
    let status = sandbox.plimsoll(&["status"]).stdout;
    assert!(status.contains(said), "{status}");
    let explained = sandbox.plimsoll(&["explain", "GET", "/"]).stdout;
    assert!(
        explained.contains("! api: no release yet: plimsoll deploy api VERSION"),
        "{explained}"
    );

    assert_eq!(sandbox.plimsoll(&["deploy", "api", "7"]).code, Some(0));
    assert!(!sandbox.plimsoll(&["status"]).stdout.contains("no release yet"));
    assert!(!sandbox.plimsoll(&["check"]).stdout.contains(warning), "a release runs");
}

#[test]
fn the_log_has_what_the_program_wrote_and_further_attempts_are_a_line_each() {
    let sandbox = sandbox("echo the port is odd >&2; exit 3", "replicas = 2\n");
    let mut running: Running = sandbox.run();
    let wrote = running.wait_for("instance wrote");
    assert!(wrote.contains("WARN") && wrote.contains("the port is odd"), "{wrote}");
    let error = running.wait_for("first release does not run, retrying");
    assert!(error.contains("plimsoll logs api"), "{error}");
    running.wait_for("first release does not run, retrying");
    let before = running.said();
    assert!(!before.iter().any(|line| line.contains("the port is odd")), "once: {before:#?}");
    let until = |tries| {
        until(&sandbox, "tries", |service| service["run"]["first"]["tries"].as_u64() >= Some(tries))
    };
    let tries = until(5)["run"]["first"]["tries"].as_u64().unwrap();
    until(tries + 5);
    let further = running.said();
    let is_try = |line: &&String| line.contains("first release does not run, retrying");
    assert!(further.iter().all(|line| is_try(&line)), "{further:#?}");
    assert!(further.len() >= 5, "{further:#?}");
}

#[test]
fn a_first_release_that_listens_elsewhere_is_told_of_in_the_log_within_seconds() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = format!("export PORT={elsewhere}; PROGRAM");
    let sandbox = sandbox(&script, "deploy = { ready_timeout = \"1h\" }\n");
    let mut running = sandbox.run();
    let line = running.wait_for("instance is not ready yet");
    let said = format!("listens on 127.0.0.1:{elsewhere}, not on its $PORT");
    assert!(line.contains("WARN") && line.contains(&said), "{line}");
}

#[test]
fn a_release_that_differs_by_its_name_alone_is_told_to_and_one_with_its_own_files_is_not() {
    let sandbox = sandbox("PROGRAM", "deploy = { bake = \"0s\" }\n");
    let note = "only $VERSION tells the releases of api apart";
    assert!(sandbox.plimsoll(&["check"]).stdout.contains(note));
    let _running = sandbox.run();
    runs(&sandbox, "1");
    for command in [&["deploy", "api", "2"][..], &["rollback", "api"]] {
        let ended = sandbox.plimsoll(command);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(ended.stdout.contains("only $VERSION tells release"), "{}", ended.stdout);
    }
    let receipt = history(&sandbox)[0]["receipt"].to_string();
    assert!(
        receipt.contains("\"in-place\"") && receipt.contains("from 2: both run what lies in"),
        "{receipt}"
    );

    edit(&sandbox, "command = ", "env = { TAG = \"{version}\" }\ncommand = ");
    assert!(!sandbox.plimsoll(&["check"]).stdout.contains(note));
    for version in ["3", "4"] {
        let ended = sandbox.plimsoll(&["deploy", "api", version]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(!ended.stdout.contains("only $VERSION tells"), "{}", ended.stdout);
    }
}
