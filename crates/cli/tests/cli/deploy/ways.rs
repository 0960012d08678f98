//! The way back, and steps that wait for a person.

use crate::deploy::{begin, deploy, receipt, run, sandbox, until};

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
