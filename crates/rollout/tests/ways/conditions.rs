//! What has to hold outside for a rollout to go on.

use std::num::NonZeroU32;
use std::time::Duration;

use model::{Asks, Bounds, Condition, Deploy, Host, Scheme, Step, Strategy, Unknown, Url};
use rollout::{DeployAction, Event, Measurement};

use crate::{Talk, deploy};

fn url() -> Url {
    let host = Host::Address([127, 0, 0, 1].into());
    Url { scheme: Scheme::Http, host, port: 9090, target: "/".to_owned() }
}

fn prometheus() -> Condition {
    let bounds = Bounds { min: None, max: Some(0.25) };
    Condition {
        name: "p99".to_owned(),
        asks: Asks::Prometheus { url: url(), query: "p99".to_owned(), bounds },
        ca: None,
        every: Duration::from_secs(8),
        timeout: Duration::from_secs(2),
        failures: NonZeroU32::MIN,
        token_env: None,
        unknown: Unknown::Hold,
    }
}

fn webhook() -> Condition {
    Condition { name: "ci".to_owned(), asks: Asks::Webhook { url: url() }, ..prometheus() }
}

/// One step of 20 s, no bake.
fn with(conditions: Vec<Condition>) -> Deploy {
    let steps = vec![Step::Shift { share: 0.5, watch: Duration::from_secs(20) }];
    Deploy { steps, conditions, bake: Duration::ZERO, ..deploy(Strategy::Canary) }
}

/// The step has begun.
fn at_step(conditions: Vec<Condition>) -> Talk {
    let begun = Talk::new(with(conditions), 1, 1).ready(3);
    begun.does(&["start api-3", "traffic api-1 api-3 0.5 to the new"])
}

trait Measured {
    fn measured(self, number: u64, measurement: Measurement) -> Self;
}

impl Measured for Talk {
    fn measured(self, number: u64, measurement: Measurement) -> Self {
        self.hears(Event::Measured { condition: 0, number, measurement })
    }
}

fn met() -> Measurement {
    Measurement::Met("0.2 <= 0.25".to_owned())
}

fn breached() -> Measurement {
    Measurement::Breached("0.31 > 0.25".to_owned())
}

fn unknown() -> Measurement {
    Measurement::Unknown("the query has no sample".to_owned())
}

#[test]
fn a_step_ends_with_what_was_asked_for_after_its_time() {
    at_step(vec![prometheus()])
        .waits(8)
        .does(&["ask 0, time 1"])
        .measured(1, met())
        .does(&[])
        .waits(8)
        .does(&["ask 0, time 2"])
        .measured(2, met())
        .waits(4)
        .does(&["ask 0, time 3"])
        .measured(2, met())
        .does(&[])
        .measured(3, met())
        .does(&["traffic api-3", "commit"]);
}

#[test]
fn a_breach_is_rolled_back_at_once_and_says_what_was_found() {
    at_step(vec![prometheus()])
        .waits(8)
        .measured(1, breached())
        .does(&["ask 0, time 1", "traffic api-1"])
        .unreachable(3)
        .gone(3)
        .does(&["stop api-3", "rolled back: condition p99: 0.31 > 0.25"]);
}

#[test]
fn as_many_breaches_as_are_allowed_do_not_end_it_and_do_not_let_it_go_on() {
    let two = Condition { failures: NonZeroU32::new(2).unwrap(), ..prometheus() };
    let once = at_step(vec![two]).waits(8).measured(1, breached());
    let good = once.waits(8).measured(2, met()).waits(4).measured(3, breached());
    good.does(&["ask 0, time 1", "ask 0, time 2", "ask 0, time 3"])
        .waits(8)
        .does(&["ask 0, time 4"])
        .measured(4, breached())
        .does(&["traffic api-1"]);
}

#[test]
fn what_is_not_known_holds_and_goes_on_by_itself_once_it_is() {
    let mut talk = at_step(vec![prometheus()]).waits(8);
    for number in 1..5 {
        talk = talk.measured(number, unknown());
        let paused = talk.rollout.overview().paused;
        assert_eq!(paused, None, "{number}");
        let wait = talk.rollout.next_deadline().unwrap() - talk.now;
        talk = talk.waits(wait.as_secs());
    }
    let mut held = talk.measured(5, unknown());
    assert!(held.rollout.overview().paused.is_some());
    held.said.clear();
    held.waits(5).does(&["ask 0, time 6"]).measured(6, met()).does(&["traffic api-3", "commit"]);
}

#[test]
fn a_person_goes_on_without_knowing_and_a_breach_still_counts() {
    let held = |rule| {
        let condition = Condition { unknown: rule, every: Duration::from_secs(1), ..prometheus() };
        let mut talk = at_step(vec![condition]);
        for number in 1..=5 {
            talk = talk.waits(1).measured(number, unknown());
        }
        talk.said.clear();
        talk
    };
    let resumed = held(Unknown::Hold).action(DeployAction::Resume);
    assert_eq!(resumed.rollout.overview().paused, None);
    resumed.waits(1).does(&["ask 0, time 6"]).measured(6, breached()).does(&["traffic api-1"]);

    let mut talk = held(Unknown::Hold).action(DeployAction::Resume);
    let mut number = 5;
    while talk.now < Duration::from_secs(20) {
        number += 1;
        talk = talk.waits(1).measured(number, unknown());
    }
    assert!(talk.said.ends_with("traffic api-3\ncommit\n"), "{}", talk.said);

    let why = "not known 5 times in a row: the query has no sample";
    let rolled_back = held(Unknown::Rollback).unreachable(3).gone(3);
    rolled_back.does(&["stop api-3", &format!("rolled back: condition p99: {why}")]);
}

#[test]
fn one_that_never_responds_is_no_infinite_wait() {
    let rule = Condition { unknown: Unknown::Rollback, ..prometheus() };
    let mut talk = at_step(vec![rule]);
    while talk.rollout.overview().share.is_some() {
        let wait = talk.rollout.next_deadline().expect("it waits for a time") - talk.now;
        talk = talk.waits(wait.as_secs());
    }
    assert!(talk.said.ends_with("traffic api-1\n"), "{}", talk.said);
    assert!(talk.now < Duration::from_secs(120), "{:?}", talk.now);
}

#[test]
fn a_release_without_requests_is_not_measured_and_a_webhook_is_asked_all_the_same() {
    let steps = vec![Step::Shift { share: 0.0, watch: Duration::from_secs(20) }];
    let at_nothing = |condition| {
        let deploy = Deploy { steps: steps.clone(), ..with(vec![condition]) };
        Talk::new(deploy, 1, 1).ready(3).does(&["start api-3", "traffic api-1 api-3 0 to the new"])
    };
    at_nothing(prometheus()).waits(20).does(&["traffic api-3", "commit"]);
    at_nothing(webhook())
        .waits(8)
        .does(&["ask 0, time 1"])
        .measured(1, breached())
        .does(&["traffic api-1"]);
}

#[test]
fn a_rollback_by_hand_a_first_release_and_a_promotion_by_hand_ask_nobody() {
    let begun = || ["start api-3", "traffic api-1 api-3 0.5 to the new"];
    let back = Talk::back(with(vec![prometheus()]), 1, 1).ready(3).does(&begun());
    back.waits(20).does(&["traffic api-3", "commit"]);
    let first = Talk::new(with(vec![prometheus()]), 1, 0).ready(3);
    assert!(!first.said.contains("ask"), "{}", first.said);
    at_step(vec![prometheus()]).action(DeployAction::Promote).does(&["traffic api-3", "commit"]);
}

#[test]
fn a_hold_asks_and_a_breach_in_it_rolls_back() {
    let shift = Step::Shift { share: 0.5, watch: Duration::from_secs(8) };
    let deploy = Deploy { steps: vec![shift, Step::Hold], ..with(vec![prometheus()]) };
    let held = Talk::new(deploy, 1, 1).ready(3).waits(8).measured(1, met());
    held.does(&["start api-3", "traffic api-1 api-3 0.5 to the new", "ask 0, time 1"])
        .waits(8)
        .does(&["ask 0, time 2"])
        .measured(2, breached())
        .does(&["traffic api-1"]);
}

#[test]
fn the_bake_waits_for_them_too() {
    let deploy = Deploy { conditions: vec![prometheus()], ..deploy(Strategy::BlueGreen) };
    let baking = Talk::new(Deploy { bake: Duration::from_secs(8), ..deploy }, 1, 1).ready(3);
    baking
        .does(&["start api-3", "traffic api-3"])
        .waits(8)
        .does(&["ask 0, time 1"])
        .measured(1, met())
        .does(&["commit"]);
}
