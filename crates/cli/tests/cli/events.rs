//! `plimsoll events`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::origin::Origin;
use crate::sandbox::{Sandbox, serving};

fn events(sandbox: &Sandbox) -> Vec<Value> {
    let ended = sandbox.plimsoll(&["events", "--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn events_are_the_lines_of_the_log_in_their_order() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let running = sandbox.run();
    sandbox.plimsoll(&["reload"]);
    let name = origin.address.to_string();
    sandbox.plimsoll(&["drain", "api", &name]);
    sandbox.plimsoll(&["enable", "api", &name]);
    sandbox.write("[listeners.web]\nbnid = 1\n");
    sandbox.plimsoll(&["reload"]);
    let mut log = String::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !log.contains("configuration rejected") {
        assert!(Instant::now() < deadline, "{log}");
        running.said().iter().for_each(|line| log.push_str(&format!("{line}\n")));
        std::thread::yield_now();
    }
    let told = events(&sandbox);
    let kinds: Vec<_> = told.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let wanted = [
        "serving",
        "config_applied",
        "instance_drained",
        "service_down",
        "instance_enabled",
        "service_recovered",
        "config_rejected",
    ];
    assert_eq!(kinds, wanted);
    let mut rest = log.as_str();
    for event in &told[1..] {
        let message = event["message"].as_str().unwrap();
        let at = rest.find(message).unwrap_or_else(|| panic!("{message} comes later: {log}"));
        rest = &rest[at + message.len()..];
    }
    assert_eq!(told[2]["fields"]["instance"], name.as_str());
    let of_one = sandbox.plimsoll(&["events", "-s", "api"]).stdout;
    assert_eq!(of_one.lines().count(), 4, "{of_one}");
    assert!(of_one.contains(" INFO instance is drained "), "{of_one}");
    let nobody = sandbox.plimsoll(&["events", "-s", "apo"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(3), ""), "{nobody:#?}");
}

#[test]
fn events_are_followed_until_plimsoll_stops() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let mut running = sandbox.run();
    let mut command = sandbox.command(&["events", "-f", "--json", "--level", "debug"]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || -> Option<Value> {
        lines.next().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
    };
    assert_eq!(next().unwrap()["kind"], "serving");
    sandbox.write(&format!("{}# as before\n", serving(&[origin.address])));
    sandbox.plimsoll(&["reload"]);
    let applied = next().unwrap();
    assert_eq!(
        (&applied["kind"], &applied["fields"]["unchanged"]),
        (&"config_applied".into(), &true.into())
    );
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0));
    assert_eq!(next().unwrap()["kind"], "stopping");
    assert!(next().is_none());
    assert!(follower.wait().unwrap().success());
}
