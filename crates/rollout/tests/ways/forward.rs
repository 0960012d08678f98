//! The ways to a new release: each strategy, and the hands of a person on it.

use std::time::Duration;

use model::{Deploy, Step, Strategy};
use rollout::DeployAction;

use crate::{Talk, canary, deploy, of, rolling};

#[test]
fn rolling_goes_instance_by_instance_and_keeps_the_old_ones_warm() {
    Talk::new(rolling(), 2, 2)
        .does(&["start api-3"])
        .ready(3)
        .does(&["start api-4", "traffic api-2 api-3"])
        .unreachable(1)
        .does(&[])
        .ready(4)
        .does(&["traffic api-3 api-4"])
        .unreachable(2)
        .sample(of(100, 0), of(100, 0))
        .does(&[])
        .waits(30)
        .does(&["commit", "stop api-1", "stop api-2"])
        .gone(1)
        .does(&[])
        .gone(2)
        .does(&["promoted"]);
}

#[test]
fn rolling_without_a_bake_stops_each_old_instance_when_its_successor_serves() {
    Talk::new(Deploy { bake: Duration::ZERO, ..rolling() }, 2, 2)
        .ready(3)
        .does(&["start api-3", "start api-4", "traffic api-2 api-3"])
        .unreachable(1)
        .does(&["stop api-1"])
        .ready(4)
        .does(&["traffic api-3 api-4", "commit"])
        .gone(1)
        .unreachable(2)
        .gone(2)
        .does(&["stop api-2", "promoted"]);
}

#[test]
fn rolling_works_with_one_replica_and_to_more_or_fewer() {
    Talk::new(rolling(), 1, 1)
        .ready(3)
        .does(&["start api-3", "traffic api-3"])
        .unreachable(1)
        .action(DeployAction::Promote)
        .does(&["commit", "stop api-1"]);
    Talk::new(rolling(), 1, 2).ready(3).does(&["start api-3", "traffic api-3"]);
    Talk::new(rolling(), 3, 1)
        .ready(3)
        .does(&["start api-3", "start api-4", "traffic api-1 api-3"])
        .ready(4)
        .does(&["start api-5", "traffic api-1 api-3 api-4"])
        .ready(5)
        .does(&["traffic api-3 api-4 api-5"]);
}

#[test]
fn blue_green_switches_at_once_and_back_at_once() {
    Talk::new(deploy(Strategy::BlueGreen), 2, 2)
        .does(&["start api-3", "start api-4"])
        .ready(4)
        .does(&[])
        .ready(3)
        .does(&["traffic api-3 api-4"])
        .unreachable(1)
        .sample(of(40, 0), of(0, 0))
        .sample(of(40, 30), of(0, 0))
        // Beside what is allowed it looks bad; how the old release does now, nobody knows.
        .does(&["traffic api-1 api-2 api-3 api-4 0.5 to the new"])
        .sample(of(40, 30), of(40, 0))
        .does(&["traffic api-1 api-2"])
        .unreachable(3)
        .does(&["stop api-3"])
        .gone(3)
        .unreachable(4)
        .gone(4)
        .does(&[
            "stop api-4",
            "rolled back: worse: it failed 15 of 28 requests (53.6 %), the old release 0 of 4 (0.0 %); \
             by chance 1 in 426",
        ]);
}

#[test]
fn canary_shifts_in_steps() {
    Talk::new(canary(), 1, 1)
        .does(&["start api-3"])
        .ready(3)
        .does(&["traffic api-1 api-3 0.1 to the new"])
        .sample(of(60, 0), of(500, 0))
        .waits(20)
        .does(&["traffic api-1 api-3 0.5 to the new"])
        .waits(30)
        .does(&["traffic api-3"])
        .unreachable(1)
        .waits(30)
        .does(&["commit", "stop api-1"])
        .gone(1)
        .does(&["promoted"]);
}

#[test]
fn a_first_release_is_there_as_soon_as_it_is_ready_or_nothing_is() {
    Talk::new(canary(), 2, 0).does(&["start api-3", "start api-4"]).ready(3).ready(4).does(&[
        "traffic api-3 api-4",
        "commit",
        "promoted",
    ]);
    Talk::new(rolling(), 1, 0)
        .failed(3)
        .does(&["start api-3", "rolled back: api-3 exited with code 1"]);
}

#[test]
fn pause_stops_steps_but_not_the_judge() {
    let paused = || {
        Talk::new(canary(), 1, 1)
            .ready(3)
            .action(DeployAction::Pause)
            .waits(20)
            .does(&["start api-3", "traffic api-1 api-3 0.1 to the new"])
    };
    paused().action(DeployAction::Resume).does(&["traffic api-1 api-3 0.5 to the new"]);
    paused().action(DeployAction::Promote).does(&["traffic api-3", "commit"]);
    paused().action(DeployAction::Abort).does(&["traffic api-1"]);
    paused().sample(of(0, 0), of(50, 0)).sample(of(9, 9), of(40, 0)).does(&["traffic api-1"]);
}

#[test]
fn once_decided_nobody_changes_it() {
    Talk::new(deploy(Strategy::BlueGreen), 1, 1)
        .ready(3)
        .action(DeployAction::Promote)
        .does(&["start api-3", "traffic api-3", "commit"])
        .action(DeployAction::Abort)
        .failed(3)
        .sample(of(100, 100), of(100, 0))
        .does(&[])
        .unreachable(1)
        .gone(1)
        .does(&["stop api-1", "promoted"]);
}

#[test]
fn a_hold_keeps_the_share_until_a_person_lets_it_go_on() {
    let shift = |share| Step::Shift { share, watch: Duration::from_secs(10) };
    let steps = vec![Step::Hold, shift(0.1), Step::Hold];
    let deploy = Deploy { steps, bake: Duration::ZERO, ..deploy(Strategy::Canary) };
    Talk::new(deploy, 1, 1)
        .does(&["start api-3"])
        .ready(3)
        .does(&["traffic api-1 api-3 0 to the new"])
        .rests()
        .action(DeployAction::Resume)
        .does(&["traffic api-1 api-3 0.1 to the new"])
        .sample(of(100, 0), of(900, 0))
        .waits(10)
        .rests()
        .action(DeployAction::Resume)
        .does(&["traffic api-3", "commit"]);
}
