//! A release keeps the command and the environment that it was deployed with.

use std::sync::atomic::{AtomicBool, Ordering};

use testkit::RawClient;

use super::house::House;

const FIRST: &str = "MARK = \"first\"";
const SECOND: &str = "MARK = \"second\"";
const WAITS: &str = "! service api: 1 runs with another command or environment than the file says";

#[test]
fn a_release_is_started_again_as_it_was_deployed_and_comes_back_so() {
    let mut house = House::new("restart = { backoff = \"50ms\" }\n");
    assert_eq!(house.mark(), "first");
    assert!(house.change(FIRST, SECOND).contains(WAITS));
    house.loses_its_instance();
    assert_eq!(house.mark(), "first", "it is the same release");

    let (address, is_over) = (house.running.address, AtomicBool::new(false));
    let deploy = std::thread::scope(|scope| {
        // A judge needs requests.
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                RawClient::connect(address).get("/");
            }
        });
        let deploy = house.deploy(&["500-on-all", "--strategy", "replace", "--bake", "60s"]);
        is_over.store(true, Ordering::Relaxed);
        deploy
    });
    assert_eq!(deploy.1["outcome"], "rolled-back", "{:#}", deploy.1);
    assert_eq!(house.mark(), "first", "it came back as it was");

    house.restart_with(&[]);
    house.loses_its_instance();
    assert_eq!(house.mark(), "first", "the journal knows");

    house.promoted(&["2", "--bake", "0s"]);
    assert_eq!(house.mark(), "second", "the deploy took the file up");
    assert!(!house.change(SECOND, SECOND).contains(WAITS));
    let rollback = ["rollback", "api", "--bake", "0s"];
    house.done(&rollback);
    assert_eq!((house.settled().as_str(), house.mark().as_str()), ("1", "first"));
    // The same version by what the file has now.
    house.promoted(&["1", "--bake", "0s"]);
    assert_eq!(house.mark(), "second");

    // Cut short, a deploy of the same version is told from the release that runs.
    house.change(SECOND, FIRST);
    house.done(&["deploy", "api", "1", "--no-wait", "--steps", "50% 1h"]);
    house.until("both serve", |service| service["instances"].as_array().unwrap().len() == 2);
    house.restart_with(&[]);
    house.until("one is left", |_| house.sandbox.instances().len() == 1);
    assert_eq!((house.settled().as_str(), house.mark().as_str()), ("1", "second"));
}

#[test]
fn a_secret_that_is_new_in_the_file_is_not_taken_from_a_release_that_inherits_it() {
    // Any variable that this test inherited and hands on.
    let mut house = House::new("restart = { backoff = \"50ms\" }\n");
    let before = given(&house, "PATH");
    house.change("restart =", "secrets = [\"PATH\"]\nrestart =");
    house.loses_its_instance();
    assert_eq!(given(&house, "PATH"), before);
}

/// What the only instance has under this name in its environment.
fn given(house: &House, name: &str) -> Option<String> {
    let [pid] = house.sandbox.instances()[..] else { panic!("there is one") };
    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let pairs = environment.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
}
