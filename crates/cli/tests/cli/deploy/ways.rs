//! The way back, steps that wait for a person, and what a release has to stand before it gets requests.

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
