//! `plimsoll logs`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;

use super::{begin, sandbox};
use crate::sandbox::Sandbox;

#[test]
fn logs_are_told_with_who_wrote_them() {
    let sandbox = sandbox("replicas = 2\n");
    let _running = begin(&sandbox);
    let logs = sandbox.plimsoll(&["logs", "api"]);
    assert_eq!(logs.code, Some(0), "{logs:#?}");
    for part in ["api-1 | api-1 of 1 serves on port", "api-2 | api-2 of 1 serves on port"] {
        assert!(logs.stdout.contains(part), "{}", logs.stdout);
    }
    let json = sandbox.plimsoll(&["logs", "api", "api-1", "--json"]).stdout;
    let line: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(line["instance"], "api-1");
    assert!(line["text"].as_str().unwrap().starts_with("api-1 of 1 serves on port"), "{line}");
    let one = sandbox.plimsoll(&["logs", "api", "api-2"]);
    assert!(!one.stdout.contains("api-1"), "{}", one.stdout);
    let none = sandbox.plimsoll(&["logs", "api", "api-9"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(3), ""), "{none:#?}");
    let known = "service api has no instance api-9: api-1, api-2";
    assert!(none.stderr.contains(known), "{}", none.stderr);
    let unknown = sandbox.plimsoll(&["logs", "nope"]);
    assert!(unknown.stderr.contains("there is no service nope: api"), "{}", unknown.stderr);

    // Those that are gone are told of when they are asked for, and the last ten of them are kept.
    let deploy = |version: &str| {
        let ended = sandbox.plimsoll(&["deploy", "api", version, "--bake", "0s"]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    };
    deploy("2");
    let of = |arguments: &[&str]| sandbox.plimsoll(&[&["logs", "api"], arguments].concat()).stdout;
    let says = |text: &str, parts: [&str; 2]| parts.map(|part| text.contains(part));
    let latest = sandbox.plimsoll(&["logs", "api"]);
    assert_eq!(says(&latest.stdout, ["api-1 of 1", "api-3 of 2"]), [false, true]);
    let hint = "hint: 2 logs of earlier instances left out; `plimsoll logs api --all` shows all\n";
    assert_eq!(latest.stderr, hint);
    assert_eq!(says(&of(&["--all"]), ["api-1 of 1", "api-3 of 2"]), [true, true]);
    assert_eq!(says(&of(&["api-1"]), ["api-1 of 1", "api-3 of 2"]), [true, false]);
    for version in ["3", "4", "5", "6", "7"] {
        deploy(version);
    }
    let swept = || says(&of(&["--all"]), ["api-1 of 1", "api-3 of 2"]) == [false, true];
    testkit::eventually("the oldest are removed", swept);
}

#[test]
fn lines_have_their_time_and_older_ones_can_be_left_out() {
    let sandbox = sandbox("replicas = 1\n");
    let _running = begin(&sandbox);
    let of = |arguments: &[&str]| sandbox.plimsoll(&[&["logs", "api"], arguments].concat()).stdout;
    let stamped = of(&["-t"]);
    let (at, rest) = stamped.split_once(' ').unwrap();
    let at: jiff::Timestamp = at.parse().unwrap_or_else(|error| panic!("{error}: {stamped}"));
    let age = jiff::Timestamp::now().duration_since(at).as_secs();
    assert!((-1..60).contains(&age) && rest.starts_with("api-1 | "), "{stamped}");
    let json = of(&["--json"]);
    let line: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(line["at"], at.to_string());
    assert!(!of(&[]).contains(&at.to_string()), "only when it is asked for");

    assert!(of(&["--since", "1h"]).contains("api-1 of 1 serves"));
    // As if it had been written an hour ago.
    let log = sandbox.path().join("state/logs/api/api-1.log");
    let times = log.with_extension("log.times");
    let noted = || std::fs::metadata(&times).is_ok_and(|it| it.len() > 0);
    testkit::eventually("the times are noted", noted);
    let mut bytes = std::fs::read(&times).unwrap();
    for record in bytes.chunks_exact_mut(16) {
        let millis = u64::from_be_bytes(record[8..].try_into().unwrap()) - 3_600_000;
        record[8..].copy_from_slice(&millis.to_be_bytes());
    }
    std::fs::write(&times, bytes).unwrap();
    assert_eq!(of(&["--since", "10m"]), "");
    assert!(of(&["--since", "2h"]).contains("api-1 of 1 serves"));
}

#[test]
fn logs_of_servers_that_somebody_else_runs_are_not_to_be_had() {
    let sandbox = Sandbox::serving(&["127.0.0.1:9".parse().unwrap()]);
    let none = sandbox.plimsoll(&["logs", "api"]);
    let said = "Plimsoll does not run the instances of api";
    assert!(none.code == Some(3) && none.stderr.contains(said), "{none:#?}");
}

#[test]
fn logs_that_are_followed_have_all_that_a_new_instance_says() {
    let sandbox = sandbox("replicas = 1\n");
    let running = begin(&sandbox);
    let mut following = sandbox.command(&["logs", "api", "-f"]);
    let mut following = following.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(following.stdout.take().unwrap()).lines();
    let (tell, lines) = mpsc::channel();
    std::thread::spawn(move || said.map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let says = |part: &str| {
        let next = || lines.recv_timeout(testkit::DEADLINE).ok();
        std::iter::from_fn(next).any(|line| line.contains(part))
    };
    assert!(says("api-1 | api-1 of 1 serves on port"));
    let ended = sandbox.plimsoll(&["deploy", "api", "many", "--bake", "0s"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for part in ["line 1 of 100", "line 100 of 100", "api-2 of many serves on port"] {
        assert!(says(part), "{part}");
    }
    drop(running);
    let ended = following.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success() && said.starts_with("plimsoll has ended"), "{said}");
}
