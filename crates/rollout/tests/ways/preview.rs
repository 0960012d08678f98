//! A new release that can be looked at before it is for everybody.

use model::{Deploy, Preview, Step, Strategy};
use rollout::{DeployAction, Effect, Event, News};

use crate::{Talk, deploy, name};

fn previewed(strategy: Strategy) -> Deploy {
    Deploy { preview: Some(Preview::Header("x-release".to_owned())), ..deploy(strategy) }
}

#[test]
fn before_the_switch_those_that_are_ready_serve_whom_asks_for_them() {
    Talk::new(previewed(Strategy::BlueGreen), 2, 2)
        .ready(3)
        .does(&["start api-3", "start api-4", "traffic api-1 api-2 api-3 0 to the new"])
        .ready(4)
        .does(&["traffic api-3 api-4"]);
}

#[test]
fn a_pause_before_the_switch_leaves_time_to_look() {
    Talk::new(previewed(Strategy::BlueGreen), 2, 2)
        .action(DeployAction::Pause)
        .ready(3)
        .ready(4)
        .does(&[
            "start api-3",
            "start api-4",
            "traffic api-1 api-2 api-3 0 to the new",
            "traffic api-1 api-2 api-3 api-4 0 to the new",
        ])
        .action(DeployAction::Resume)
        .does(&["traffic api-3 api-4"]);
}

#[test]
fn what_was_looked_at_and_is_not_wanted_goes_without_a_switch() {
    let steps = vec![Step::Hold];
    let held = Talk::new(Deploy { steps, ..previewed(Strategy::Canary) }, 1, 1).ready(3);
    held.does(&["start api-3", "traffic api-1 api-3 0 to the new"])
        .action(DeployAction::Abort)
        .does(&["traffic api-1"])
        .unreachable(3)
        .does(&["stop api-3"])
        .gone(3)
        .does(&["rolled back: aborted by hand"]);
}

#[test]
fn where_the_new_release_serves_all_as_it_comes_there_is_nothing_to_ask_for() {
    Talk::new(previewed(Strategy::Rolling), 1, 1).ready(3).does(&["start api-3", "traffic api-3"]);
    Talk::new(previewed(Strategy::BlueGreen), 2, 0).ready(3).does(&["start api-3", "start api-4"]);
}

#[test]
fn how_it_can_be_looked_at_is_told_once_and_only_where_there_is_time_to() {
    let told = |deploy: Deploy, replicas: u32| {
        let mut talk = Talk::new(deploy, replicas, 1);
        let ready = (3..3 + replicas).map(|number| Event::Ready(name("api", number)));
        let mut events: Vec<Event> = ready.collect();
        events.extend([DeployAction::Pause, DeployAction::Resume].map(Event::Action));
        let now = talk.now;
        let effects = events.into_iter().flat_map(|event| talk.rollout.step(now, event));
        effects.filter(|it| matches!(it, Effect::Tell(News::Preview(_)))).count()
    };
    assert_eq!(told(previewed(Strategy::Canary), 2), 1);
    assert_eq!(told(previewed(Strategy::BlueGreen), 2), 1);
    assert_eq!(told(previewed(Strategy::BlueGreen), 1), 0, "it has everything in that moment");
    assert_eq!(told(deploy(Strategy::Canary), 2), 0);
}
