//! The ways back to the old release, for reasons that no judge has to find.

use std::time::Duration;

use model::{Deploy, Strategy};
use rollout::Event;

use crate::{Talk, deploy, name, of, rolling};

#[test]
fn one_that_fails_its_checks_while_it_serves_is_taken_back() {
    Talk::new(deploy(Strategy::BlueGreen), 2, 2)
        .does(&["start api-3", "start api-4"])
        .ready(4)
        .unhealthy(4)
        .does(&[])
        .ready(3)
        .does(&["traffic api-3 api-4"])
        .unhealthy(1)
        .does(&[])
        .unhealthy(4)
        .does(&["traffic api-1 api-2"])
        .unhealthy(3)
        .does(&[])
        .unreachable(3)
        .unreachable(4)
        .gone(3)
        .gone(4)
        .does(&[
            "stop api-3",
            "stop api-4",
            "rolled back: api-4 is unhealthy: 2 checks failed: status 503",
        ]);
}

#[test]
fn replace_lets_the_old_ones_go_first_on_both_ways() {
    Talk::new(deploy(Strategy::Replace), 1, 1)
        .does(&["traffic "])
        .unreachable(1)
        .does(&["stop api-1"])
        .gone(1)
        .does(&["start api-3"])
        .failed(3)
        .does(&["start api-4 of the old"])
        .ready(4)
        .does(&["traffic api-4", "rolled back: api-3 exited with code 1"]);
}

#[test]
fn an_instance_that_is_never_ready_ends_the_deploy() {
    Talk::new(rolling(), 2, 2)
        .ready(3)
        .unreachable(1)
        .does(&["start api-3", "start api-4", "traffic api-2 api-3"])
        .waits(60)
        .does(&["traffic api-1 api-2", "stop api-4"])
        .unreachable(3)
        .gone(3)
        .gone(4)
        .does(&["stop api-3", "rolled back: api-4 passed no check within 60s"]);
}

#[test]
fn an_instance_that_is_never_ready_takes_the_last_checks_word_with_it() {
    let status = |status| Event::CheckFailed(name("api", 3), format!("status {status}"));
    Talk::new(rolling(), 2, 2).hears(status(503)).hears(status(404)).waits(60).gone(3).does(&[
        "start api-3",
        "stop api-3",
        "rolled back: api-3 passed no check within 60s: status 404",
    ]);
    // What a check said before one passed is no reason for what comes later.
    Talk::new(rolling(), 1, 1).hears(status(503)).ready(3).failed(3).does(&[
        "start api-3",
        "traffic api-3",
        "traffic api-1",
        "rolled back: api-3 exited with code 1",
    ]);
}

#[test]
fn the_smallest_healthy_time_comes_on_top_of_the_time_to_get_ready() {
    let patient = Deploy { min_healthy: Duration::from_secs(10), ..rolling() };
    Talk::new(patient, 1, 1)
        .hears(Event::CheckFailed(name("api", 3), "status 503 after 4 s".into()))
        .waits(70)
        .gone(3)
        .does(&[
            "start api-3",
            "stop api-3",
            "rolled back: api-3 was not healthy for 10s on end within 70s: status 503 after 4 s",
        ]);
}

#[test]
fn what_cannot_be_written_down_does_not_stay() {
    Talk::new(deploy(Strategy::BlueGreen), 1, 1)
        .ready(3)
        .does(&["start api-3", "traffic api-3"])
        .unreachable(1)
        .sample(of(100, 0), of(100, 0))
        .full("disk full")
        .waits(30)
        .does(&["commit", "traffic api-1"])
        .unreachable(3)
        .does(&["stop api-3"])
        .gone(3)
        .does(&["rolled back: it cannot be recorded that it runs: disk full"]);
}

#[test]
fn an_old_release_that_cannot_come_back_is_said_to_be_broken() {
    let mut talk = Talk::new(deploy(Strategy::Replace), 1, 1).unreachable(1).gone(1).failed(3);
    for number in 4..9 {
        talk = talk.failed(number);
    }
    talk.does(&[
        "traffic ",
        "stop api-1",
        "start api-3",
        "start api-4 of the old",
        "start api-5 of the old",
        "start api-6 of the old",
        "start api-7 of the old",
        "start api-8 of the old",
        "broken: api-3 exited with code 1",
    ]);
}

#[test]
fn a_release_whose_instance_responds_otherwise_than_it_should_does_not_come() {
    Talk::new(rolling(), 2, 2)
        .does(&["start api-3"])
        .hears(Event::Refused(
            name("api", 3),
            "failed the smoke request `GET /`: status 500".into(),
        ))
        .does(&["stop api-3"])
        .gone(3)
        .does(&["rolled back: api-3 failed the smoke request `GET /`: status 500"]);
}

#[test]
fn where_the_old_release_is_gone_what_runs_serves_on_until_it_is_written_down() {
    Talk::new(deploy(Strategy::Replace), 1, 1)
        .unreachable(1)
        .gone(1)
        .ready(3)
        .sample(of(100, 0), of(0, 0))
        .full("disk full")
        .does(&["traffic ", "stop api-1", "start api-3", "traffic api-3"])
        .waits(30)
        .does(&["commit"])
        .waits(1)
        .does(&["commit"])
        .room()
        .waits(1)
        .does(&["commit", "promoted"]);
}
