//! What the judge finds, and what is done about it.

use std::time::Duration;

use model::{ClientErrors, Deploy, LittleData, Step, Strategy};
use rollout::{DeployAction, Fate};

use crate::{Talk, canary, deploy, of};

#[test]
fn a_failure_that_both_share_is_found_to_be_shared_and_the_bake_goes_on() {
    Talk::new(deploy(Strategy::BlueGreen), 2, 2)
        .ready(3)
        .ready(4)
        .does(&["start api-3", "start api-4", "traffic api-3 api-4"])
        .unreachable(1)
        .sample(of(80, 60), of(0, 0))
        .does(&["traffic api-1 api-2 api-3 api-4 0.5 to the new"])
        .sample(of(80, 60), of(80, 61))
        .does(&[])
        .waits(15)
        .does(&["traffic api-3 api-4"])
        .waits(30)
        .does(&["commit"])
        .unreachable(1)
        .unreachable(2)
        .does(&["stop api-1", "stop api-2"])
        .gone(1)
        .gone(2)
        .does(&["promoted"]);
}

#[test]
fn one_bad_instance_is_replaced_and_the_release_stays() {
    let deploy = Deploy {
        steps: vec![Step::Shift { share: 0.5, watch: Duration::from_secs(20) }],
        ..deploy(Strategy::Canary)
    };
    let replaced = Talk::new(deploy, 3, 2)
        .ready(3)
        .ready(4)
        .ready(5)
        .does(&[
            "start api-3",
            "start api-4",
            "start api-5",
            "traffic api-1 api-2 api-3 api-4 api-5 0.5 to the new",
        ])
        .hears_of(Fate::Failed, 4, &[4])
        .does(&["start api-6", "traffic api-1 api-2 api-3 api-5 0.5 to the new"])
        .hears_of(Fate::Failed, 4, &[])
        .unreachable(4)
        .does(&["stop api-4"])
        .gone(4)
        .waits(20)
        // The step lasts until the one that comes instead serves.
        .does(&[])
        .ready(6);
    replaced.does(&[
        "traffic api-1 api-2 api-3 api-5 api-6 0.5 to the new",
        "traffic api-3 api-5 api-6",
    ]);
}

#[test]
fn the_first_of_a_rolling_deploy_is_replaced_before_the_release_is_to_blame() {
    let first_is_bad = || {
        Talk::new(deploy(Strategy::Rolling), 2, 2)
            .ready(3)
            .does(&["start api-3", "start api-4", "traffic api-2 api-3"])
            .hears_of(Fate::Failed, 4, &[3])
            // The old release is whole again; the next one was on its way.
            .does(&["traffic api-1 api-2"])
            .unreachable(3)
            .does(&["stop api-3"])
            .gone(3)
            .ready(4)
            .does(&["start api-5", "traffic api-2 api-4"])
    };
    first_is_bad().hears_of(Fate::Failed, 4, &[]).ready(5).does(&["traffic api-4 api-5"]);
    first_is_bad().hears_of(Fate::Failed, 4, &[4]).does(&["traffic api-1 api-2", "stop api-5"]);
}

#[test]
fn a_release_of_one_instance_is_to_blame_for_it() {
    Talk::new(deploy(Strategy::Rolling), 1, 2)
        .ready(3)
        .does(&["start api-3", "traffic api-3"])
        .sample(of(80, 60), of(0, 0))
        .does(&["traffic api-1 api-2 api-3 0.5 to the new"])
        .hears_of(Fate::Failed, 4, &[3])
        .does(&["traffic api-1 api-2"]);
}

#[test]
fn where_all_instances_are_bad_none_is_replaced() {
    let deploy = Deploy {
        steps: vec![Step::Shift { share: 0.5, watch: Duration::from_secs(20) }],
        ..deploy(Strategy::Canary)
    };
    Talk::new(deploy, 3, 2)
        .ready(3)
        .ready(4)
        .ready(5)
        .does(&[
            "start api-3",
            "start api-4",
            "start api-5",
            "traffic api-1 api-2 api-3 api-4 api-5 0.5 to the new",
        ])
        .hears_of(Fate::Failed, 4, &[3, 4, 5])
        .does(&["traffic api-1 api-2"]);
}

#[test]
fn a_jump_of_client_errors_is_held_or_rolled_back_or_told() {
    let answers = |client_errors| {
        let judge = model::Judge { client_errors, ..model::Judge::default() };
        Talk::new(Deploy { judge, ..canary() }, 1, 1)
            .ready(3)
            .does(&["start api-3", "traffic api-1 api-3 0.1 to the new"])
            .hears_of(Fate::ClientError, 6, &[3])
    };
    answers(ClientErrors::Rollback).does(&["traffic api-1"]);
    answers(ClientErrors::Tell).waits(20).does(&["traffic api-1 api-3 0.5 to the new"]);
    let held = answers(ClientErrors::Hold).waits(20).does(&[]);
    assert_eq!(held.rollout.overview().paused, Some(rollout::Pause::ClientErrors));
    held.action(DeployAction::Resume)
        .does(&["traffic api-1 api-3 0.5 to the new"])
        .hears_of(Fate::ClientError, 6, &[3])
        .waits(30)
        .does(&["traffic api-3"]);
}

#[test]
fn a_bad_canary_is_taken_back_before_its_time() {
    Talk::new(canary(), 1, 1)
        .ready(3)
        .does(&["start api-3", "traffic api-1 api-3 0.1 to the new"])
        .sample(of(0, 0), of(100, 0))
        .sample(of(10, 9), of(90, 0))
        .does(&["traffic api-1"])
        .unreachable(3)
        .gone(3)
        .does(&[
            "stop api-3",
            "rolled back: worse: it failed 5 of 5 requests (100.0 %), \
             the old release 0 of 45 (0.0 %); by chance 1 in 1,000",
        ]);
}

#[test]
fn with_too_little_data_it_goes_on_or_waits_or_holds_as_the_rule_says() {
    let bakes = |little_data| {
        let judge = model::Judge { little_data, ..model::Judge::default() };
        Talk::new(Deploy { judge, ..deploy(Strategy::BlueGreen) }, 1, 1)
            .ready(3)
            .unreachable(1)
            .sample(of(49, 0), of(0, 0))
            .waits(30)
    };
    let begun = ["start api-3", "traffic api-3"];
    let over = ["commit", "stop api-1"];
    bakes(LittleData::GoOn).does(&[&begun[..], &over].concat());
    bakes(LittleData::Wait).does(&begun).sample(of(1, 0), of(0, 0)).does(&over);
    bakes(LittleData::Hold)
        .sample(of(1, 0), of(0, 0))
        .does(&begun)
        .action(DeployAction::Resume)
        .does(&over);
}

#[test]
fn a_share_of_nothing_waits_for_no_requests() {
    let steps = vec![Step::Shift { share: 0.0, watch: Duration::from_secs(10) }];
    let mut deploy = Deploy { steps, bake: Duration::ZERO, ..deploy(Strategy::Canary) };
    deploy.judge.little_data = LittleData::Hold;
    Talk::new(deploy, 1, 1)
        .does(&["start api-3"])
        .ready(3)
        .does(&["traffic api-1 api-3 0 to the new"])
        .waits(10)
        .does(&["traffic api-3", "commit"]);
}

#[test]
fn a_rollback_that_is_worse_leaves_the_choice_to_a_person() {
    let deploy = || deploy(Strategy::BlueGreen);
    let worse = || {
        Talk::back(deploy(), 1, 1)
            .does(&["start api-3"])
            .sample(of(0, 0), of(200, 0))
            .ready(3)
            .does(&["traffic api-3"])
            .unreachable(1)
            .sample(of(100, 90), of(0, 0))
            .rests()
    };
    worse().action(DeployAction::Promote).does(&["commit", "stop api-1"]);
    worse().action(DeployAction::Resume).waits(30).does(&["commit", "stop api-1"]);
    worse().action(DeployAction::Abort).does(&["traffic api-1"]);
}
