//! What a deploy runs once, before anything starts and when the new release has come to stay.

use std::time::Duration;

use model::{Command, Deploy, Hook, Strategy};
use rollout::{DeployAction, Event, HookEnd};

use crate::{Talk, deploy, rolling};

fn hook() -> Hook {
    Hook { command: Command::Line("./migrate".into()), timeout: Duration::from_secs(60) }
}

fn before(strategy: Strategy) -> Deploy {
    Deploy { before: Some(hook()), bake: Duration::ZERO, ..deploy(strategy) }
}

fn after() -> Deploy {
    Deploy { after: Some(hook()), bake: Duration::ZERO, ..rolling() }
}

fn failed() -> Event {
    Event::HookEnded(HookEnd::Failed("exit code 3".into()))
}

fn done() -> Event {
    Event::HookEnded(HookEnd::Done)
}

/// The new release has taken over, and the old one is gone.
fn stays(deploy: Deploy) -> Talk {
    let stays = Talk::new(deploy, 1, 1).ready(3).unreachable(1).gone(1);
    stays.does(&[
        "start api-3",
        "traffic api-3",
        "commit",
        "stop api-1",
        "run after as api-after-4",
    ])
}

#[test]
fn nothing_starts_and_nothing_stops_before_what_is_run_first_has_ended() {
    for (strategy, then) in [
        (Strategy::Rolling, "start api-4"),
        (Strategy::Replace, "traffic "),
        (Strategy::BlueGreen, "start api-4"),
    ] {
        Talk::new(before(strategy), 1, 1)
            .does(&["run before as api-before-3"])
            .hears(Event::Tick)
            .rests()
            .hears(done())
            .does(&[then]);
    }
}

#[test]
fn a_hook_that_fails_first_ends_the_deploy_and_nothing_was_touched() {
    for stable in [0, 2] {
        Talk::new(before(Strategy::Rolling), 2, stable)
            .does(&["run before as api-before-3"])
            .hears(failed())
            .does(&["rolled back: `before` failed: exit code 3"]);
    }
}

#[test]
fn an_abort_ends_the_hook_and_the_deploy_waits_until_it_is_gone() {
    for end in [failed(), done()] {
        Talk::new(before(Strategy::Replace), 1, 1)
            .does(&["run before as api-before-3"])
            .action(DeployAction::Abort)
            .does(&["end the hook"])
            .hears(Event::Tick)
            .rests()
            .hears(end)
            .does(&["rolled back: aborted by hand"]);
    }
}

#[test]
fn a_pause_does_not_end_the_hook_and_holds_what_follows() {
    Talk::new(before(Strategy::Rolling), 1, 1)
        .action(DeployAction::Pause)
        .does(&["run before as api-before-3"])
        .hears(done())
        .rests()
        .action(DeployAction::Resume)
        .does(&["start api-4"]);
}

#[test]
fn what_is_run_at_the_end_changes_nothing_whatever_comes_of_it() {
    for end in [failed(), done()] {
        stays(after()).hears(end).does(&["promoted"]);
    }
}

#[test]
fn an_abort_at_the_end_ends_the_hook_and_the_release_stays() {
    stays(after())
        .action(DeployAction::Promote)
        .rests()
        .action(DeployAction::Abort)
        .does(&["end the hook"])
        .hears(failed())
        .does(&["promoted"]);
}

#[test]
fn a_deploy_that_is_rolled_back_runs_nothing_at_its_end() {
    Talk::new(after(), 1, 1)
        .failed(3)
        .does(&["start api-3", "rolled back: api-3 exited with code 1"]);
}
