//! `plimsoll status`.

use serde_json::Value;

use crate::origin::Origin;
use crate::sandbox::Sandbox;

#[test]
fn every_instance_is_told() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let running = sandbox.run();
    running.get("/");
    let ended = sandbox.plimsoll(&["status"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for part in ["LISTENER", "WHY", &running.address.to_string(), &origin.address.to_string()] {
        assert!(ended.stdout.contains(part), "{part} in\n{}", ended.stdout);
    }
    let ended = sandbox.plimsoll(&["status", "--json"]);
    let status: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(status["pid"], running.pid());
    assert_eq!(status["services"][0]["instances"][0]["totals"]["ok"], 1);
}

#[test]
fn a_file_that_somebody_is_editing_hides_nothing() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let _running = sandbox.run();
    sandbox.write("[listeners.web\nbind = ");
    assert_eq!(sandbox.plimsoll(&["status"]).code, Some(0));
}

#[test]
fn one_service_alone_can_be_asked_for() {
    let origin = Origin::start();
    let sandbox = Sandbox::serving(&[origin.address]);
    let _running = sandbox.run();
    assert_eq!(sandbox.plimsoll(&["ps", "api"]).code, Some(0));
    let ended = sandbox.plimsoll(&["status", "apo"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.starts_with("error: there is no service apo: api\n"), "{}", ended.stderr);
}
