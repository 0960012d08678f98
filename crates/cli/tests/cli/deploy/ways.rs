//! The way back, steps that wait for a person, and what a release has to stand before it gets requests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::deploy::{Visitors, begin, deploy, receipt, run, sandbox, until};

#[test]
fn a_rollback_is_at_once_whatever_the_way_forth_was() {
    let sandbox = sandbox("deploy = { steps = [\"10% 10m\"], bake = \"0s\" }\n");
    let _running = begin(&sandbox);
    let (code, forth) = deploy(&sandbox, &["2", "--strategy", "blue-green"]);
    assert_eq!(code, Some(0), "{forth:#}");
    let back = sandbox.plimsoll(&["rollback", "api", "--json"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    let back = receipt(&back);
    assert_eq!(back["strategy"], "blue-green", "{back:#}");
    let lines = back["lines"].as_array().unwrap();
    assert!(lines.iter().all(|line| line["event"] != "step"), "{back:#}");
    assert_eq!(run(&sandbox)["run"]["release"], "1");
}

#[test]
fn a_step_of_hold_waits_for_a_person() {
    let sandbox = sandbox("deploy = { bake = \"0s\" }\n");
    let _running = begin(&sandbox);
    let steps = ["deploy", "api", "2", "--steps", "0% 50ms, hold, 20% 50ms, hold", "--no-wait"];
    assert_eq!(sandbox.plimsoll(&steps).code, Some(0));
    let is_paused = |share: &str| {
        let what = format!("a hold at {share}");
        let service = until(&sandbox, &what, |service| {
            let deploy = &service["run"]["deploy"];
            deploy["is_paused"] == true && deploy["stage"].to_string().contains(share)
        });
        assert_eq!(service["run"]["release"], "1", "{service:#}");
    };
    is_paused("0 %");
    assert_eq!(sandbox.plimsoll(&["resume", "api"]).code, Some(0));
    is_paused("20 %");
    assert_eq!(sandbox.plimsoll(&["resume", "api"]).code, Some(0));
    until(&sandbox, "the promotion", |service| service["run"]["release"] == "2");
}

#[test]
fn a_release_can_be_looked_at_before_it_is_for_everybody() {
    let judge = "judge = { min_requests = 1, little_data = \"go_on\" }";
    let sandbox = sandbox(&format!(
        "deploy = {{ steps = [\"hold\"], bake = \"0s\", preview = \"header:x-look\", {judge} }}\n"
    ));
    let running = begin(&sandbox);
    let steps = ["deploy", "api", "bad", "--no-wait"];
    assert_eq!(sandbox.plimsoll(&steps).code, Some(0));
    let held = until(&sandbox, "the hold", |service| service["run"]["deploy"]["is_paused"] == true);
    assert_eq!(held["run"]["deploy"]["preview"], "-H 'x-look: bad'", "{held:#}");
    let status = sandbox.plimsoll(&["status"]).stdout;
    assert!(status.contains("look at bad with: curl -H 'x-look: bad'"), "{status}");

    let answered_by = |headers: &str, release: &str| {
        let answer = running.get_with("/", headers).to_ascii_lowercase();
        assert!(answer.contains(&format!("x-release: {release}\r\n")), "{headers}: {answer}");
    };
    // Half of these fail: users see none of it, and the judge goes by none of it.
    (0..40).for_each(|_| answered_by("x-look: bad\r\n", "bad"));
    (0..10).for_each(|_| answered_by("x-look: 1\r\n", "1"));
    answered_by("", "1");
    let explained =
        sandbox.plimsoll(&["explain", "GET", "http://test/", "-H", "x-look: bad"]).stdout;
    assert!(explained.contains("of the new release, for which the request asks"), "{explained}");
    assert_eq!(run(&sandbox)["run"]["deploy"]["is_paused"], true, "it was not judged by that");

    assert_eq!(sandbox.plimsoll(&["abort", "api"]).code, Some(0));
    until(&sandbox, "the end", |service| service["run"]["deploy"].is_null());
    answered_by("x-look: bad\r\n", "1");
    let history = sandbox.plimsoll(&["history", "api", "--json"]).stdout;
    let history: Value = serde_json::from_str(&history).unwrap();
    let receipt = &history["deploys"][0]["receipt"];
    assert_eq!(receipt["reason"], "aborted by hand", "{receipt:#}");
    let looked_at = &receipt["releases"][1];
    assert_eq!((&looked_at["requests"], &looked_at["previewed"]), (&40.into(), &40.into()));
    let lines = receipt["lines"].as_array().unwrap();
    let told = lines.iter().find(|line| line["event"] == "preview").expect("it is told");
    assert_eq!(told["text"], "look at release bad with: curl -H 'x-look: bad'");
}

#[test]
fn a_release_that_fails_its_smoke_requests_gets_none() {
    let sandbox =
        sandbox("deploy = { bake = \"0s\", smoke = [\"HEAD /health\", \"GET / 200\"] }\n");
    let _running = begin(&sandbox);
    let (code, passed) = deploy(&sandbox, &["2"]);
    assert_eq!(code, Some(0), "{passed:#}");
    let lines = passed["lines"].as_array().unwrap();
    let told = lines.iter().find(|line| line["event"] == "smoke").expect("it is told");
    assert!(told["text"].as_str().unwrap().contains("passed 2 smoke requests"), "{passed:#}");

    let file = sandbox.path().join("plimsoll.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("GET / 200", "GET / 201-204")).unwrap();
    let (code, failed) = deploy(&sandbox, &["3"]);
    assert_eq!(code, Some(1), "{failed:#}");
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.ends_with("failed the smoke request `GET / 201-204`: status 200"), "{reason}");
    assert_eq!(run(&sandbox)["run"]["release"], "2");
}

#[test]
fn a_deploy_that_is_over_can_be_judged_by_other_rules() {
    let judge = "judge = { max_slowdown = 1000.0 }";
    let sandbox = sandbox(&format!("deploy = {{ bake = \"30s\", {judge} }}\n"));
    let running = begin(&sandbox);
    let visitors = Visitors::of(&running, 100);
    let (code, receipt) = deploy(&sandbox, &["bad"]);
    assert_eq!(code, Some(1), "{receipt:#}");
    drop(visitors.leave());
    let id = receipt["id"].to_string();

    let as_it_was = sandbox.plimsoll(&["judge", "api", &id]);
    assert!(as_it_was.stdout.contains("as it was: worse after "), "{as_it_was:#?}");
    let other = ["judge", "api", &id, "--set", "confidence=0.999999", "--json"];
    let other: Value = serde_json::from_str(&sandbox.plimsoll(&other).stdout).unwrap();
    let after = |of: &str| other[of]["worse_after_s"].as_f64().unwrap_or(f64::INFINITY);
    assert!(after("had") <= other["had"]["record_s"].as_f64().unwrap(), "{other:#}");
    assert!(after("with_set") >= after("had"), "to be surer takes longer: {other:#}");

    let wrong = sandbox.plimsoll(&["judge", "api", &id, "--set", "max_eror_rate=5%"]);
    assert_eq!(wrong.code, Some(3), "{wrong:#?}");
    assert!(wrong.stderr.contains("max_error_rate"), "{wrong:#?}");
    let unknown = sandbox.plimsoll(&["judge", "api", "99"]);
    assert!(unknown.stderr.contains("there is no deploy 99"), "{unknown:#?}");
}

/// A webhook that responds with these statuses, one after the other and the last for good, and what it was told.
fn webhook(statuses: &'static [u16]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = told.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let (mut text, mut bytes) = (String::new(), [0; 4096]);
            while !text.contains("\r\n\r\n{") || !text.ends_with('}') {
                let read = stream.read(&mut bytes).unwrap();
                text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            tells.lock().unwrap().push(text);
            let status = statuses[number.min(statuses.len() - 1)];
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\ntests").unwrap();
        }
    });
    (address, told)
}

#[test]
fn a_condition_outside_decides_on_a_release_and_its_word_stands_in_the_receipt() {
    for (statuses, code) in [(&[200u16][..], 0), (&[503, 200, 409][..], 1)] {
        let (address, told) = webhook(statuses);
        let sandbox = sandbox(&format!(
            "[services.api.deploy]\nstrategy = \"blue-green\"\nbake = \"3s\"\n\
             conditions = [{{ name = \"ci\", webhook = \"http://{address}/ok\", every = \"1s\", token_env = \"CI_TOKEN\" }}]\n"
        ));
        let _running = sandbox.run_with_variable("CI_TOKEN", "s3cret");
        until(&sandbox, "the first release", |service| {
            service["run"]["release"] == "1" && service["run"]["deploy"].is_null()
        });
        assert!(told.lock().unwrap().is_empty(), "a first release is not watched");
        let (ended, receipt) = deploy(&sandbox, &["2"]);
        assert_eq!(ended, Some(code), "{receipt:#}");
        let lines = receipt["lines"].as_array().unwrap();
        let said = lines.iter().filter(|line| line["event"] == "condition");
        let said: Vec<&str> = said.map(|line| line["text"].as_str().unwrap()).collect();
        match code {
            0 => {
                assert!(said.iter().all(|text| *text == "condition ci: status 200"), "{said:?}");
                assert!(!said.is_empty());
            }
            _ => {
                assert_eq!(receipt["reason"], "condition ci: status 409: tests", "{receipt:#}");
                let expected = ["not known, status 503: tests", "status 200", "status 409: tests"];
                assert_eq!(said, expected.map(|what| format!("condition ci: {what}")));
                assert_eq!(run(&sandbox)["run"]["release"], "1");
            }
        }
        let told = told.lock().unwrap().clone();
        let (head, body) = told[0].split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("authorization: bearer s3cret"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["version"], &body["stage"]), (&"2".into(), &"bake".into()), "{body:#}");
        assert_eq!(body["deploy"], receipt["id"], "{body:#}");
        assert!(!receipt.to_string().contains("s3cret"));
    }
}

#[test]
fn a_deploy_whose_condition_lacks_its_token_is_refused_before_it_begins() {
    let sandbox = sandbox(
        "deploy = { conditions = [{ webhook = \"http://127.0.0.1:1/\", token_env = \"CI_TOKEN_THAT_IS_NOT_SET\" }] }\n",
    );
    let _running = begin(&sandbox);
    let refused = sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let why = "condition 1: the variable CI_TOKEN_THAT_IS_NOT_SET holds no token";
    assert!(refused.stderr.contains(why), "{refused:#?}");
}
