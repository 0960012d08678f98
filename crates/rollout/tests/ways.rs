//! The ways that a rollout takes, told as a conversation: what happened, and what is done about it.

use std::fmt::Write;
use std::time::Duration;

use model::{ClientErrors, Deploy, InstanceName, LittleData, Step, Strategy};
use rollout::{
    Assignment, Block, Count, DeployAction, Direction, Effect, Event, Fate, Fates, Outcome, Past,
    Phase, Place, Plan, Rollout, Side, Tally,
};

/// Tells a rollout what happens, and writes down what it does.
struct Talk {
    rollout: Rollout,
    now: Duration,
    said: String,
    /// Why nothing can be written down, if it cannot.
    is_full: Option<&'static str>,
}

/// In so many blocks a sample is told.
const BLOCKS: u64 = 10;

impl Talk {
    fn new(deploy: Deploy, replicas: u32, stable: u32) -> Self {
        Self::plan(Direction::Forward, deploy, replicas, stable)
    }

    /// A person rolls back.
    fn back(deploy: Deploy, replicas: u32, stable: u32) -> Self {
        Self::plan(Direction::Back, deploy, replicas, stable)
    }

    fn plan(direction: Direction, deploy: Deploy, replicas: u32, stable: u32) -> Self {
        let stable = (1..=stable).map(|number| name("api", number)).collect();
        let (service, past) = ("api".into(), Past::default());
        let plan = Plan { service, deploy, direction, replicas, stable, past, next_number: 3 };
        let (rollout, effects) = Rollout::begin(plan, Duration::ZERO);
        let mut talk = Self { rollout, now: Duration::ZERO, said: String::new(), is_full: None };
        talk.write(effects);
        talk
    }

    fn hears(mut self, event: Event) -> Self {
        let effects = self.rollout.step(self.now, event);
        self.write(effects);
        self
    }

    /// From now on nothing can be written down.
    fn full(self, why: &'static str) -> Self {
        Self { is_full: Some(why), ..self }
    }

    /// From now on it can be again.
    fn room(self) -> Self {
        Self { is_full: None, ..self }
    }

    /// What is done about it.
    fn does(mut self, expected: &[&str]) -> Self {
        let said = std::mem::take(&mut self.said);
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
        self
    }

    fn ready(self, number: u32) -> Self {
        self.hears(Event::Ready(name("api", number)))
    }

    fn unreachable(self, number: u32) -> Self {
        self.hears(Event::Unreachable(name("api", number)))
    }

    fn gone(self, number: u32) -> Self {
        self.hears(Event::Gone(name("api", number)))
    }

    fn failed(self, number: u32) -> Self {
        self.hears(Event::Failed(name("api", number), "exited with code 1".into()))
    }

    fn unhealthy(self, number: u32) -> Self {
        self.hears(Event::Unhealthy(name("api", number), "2 checks failed: status 503".into()))
    }

    fn action(self, action: DeployAction) -> Self {
        self.hears(Event::Action(action))
    }

    /// What became of requests, told in some blocks: no single one condemns a release.
    fn sample(self, canary: (u64, u64), stable: (u64, u64)) -> Self {
        let part = |count: u64, part: u64| count * (part + 1) / BLOCKS - count * part / BLOCKS;
        (0..BLOCKS).fold(self, |talk, block| {
            let tally = |(requests, errors)| Tally {
                requests: part(requests, block),
                errors: part(errors, block),
                ..Tally::default()
            };
            let share = talk.rollout.overview().share;
            let mut told = Block { share, ..Block::default() };
            told.add_tally(&name("api", 3), Side::Canary, &tally(canary));
            told.add_tally(&name("api", 1), Side::Stable, &tally(stable));
            talk.hears(Event::Sample(told))
        })
    }

    /// What became of the requests of each instance, told in some blocks: of so many all of `bad` fail, or respond 404.
    fn hears_of(self, fate: Fate, of_each: u64, bad: &[u32]) -> Self {
        (0..BLOCKS).fold(self, |talk, _| {
            let overview = talk.rollout.overview();
            let mut told = Block { share: overview.share, ..Block::default() };
            let serving = overview.instances.iter().filter(|(_, _, it)| *it == Phase::Serving);
            for (instance, side, _) in serving {
                let is_bad = bad.iter().any(|number| name("api", *number) == **instance);
                let place = Place {
                    route: None,
                    instance: (*instance).clone(),
                    side: *side,
                    assignment: Assignment::Drawn,
                };
                let mut fates = Fates::default();
                *fates.of_mut(if is_bad { fate } else { Fate::Ok }) = of_each;
                told.counts.push(Count { place, fates });
            }
            talk.hears(Event::Sample(told))
        })
    }

    /// Time goes on, to the deadline that the rollout named.
    fn waits(mut self, seconds: u64) -> Self {
        self.now += Duration::from_secs(seconds);
        assert_eq!(self.rollout.next_deadline(), Some(self.now));
        self.hears(Event::Tick)
    }

    /// Nothing is done, and nothing will be by itself.
    fn rests(self) -> Self {
        self.does(&[])
    }

    fn write(&mut self, effects: Vec<Effect>) {
        let mut written = None;
        for effect in effects {
            let line = match effect {
                Effect::Start(name, Side::Canary) => format!("start {name}"),
                Effect::Start(name, Side::Stable) => format!("start {name} of the old"),
                Effect::Traffic(traffic) => {
                    let names: Vec<_> = traffic.serving.iter().map(InstanceName::as_str).collect();
                    let share = traffic.share.map(|share| format!(" {share} to the new"));
                    format!("traffic {}{}", names.join(" "), share.unwrap_or_default())
                }
                Effect::Stop(name) => format!("stop {name}"),
                Effect::Commit => {
                    written = Some(match self.is_full {
                        Some(why) => Event::NotCommitted(why.into()),
                        None => Event::Committed,
                    });
                    "commit".into()
                }
                Effect::Tell(_) => continue,
                Effect::End(Outcome::Promoted) => "promoted".into(),
                Effect::End(Outcome::RolledBack(reason)) => format!("rolled back: {reason}"),
                Effect::End(Outcome::Broken(reason)) => format!("broken: {reason}"),
            };
            writeln!(self.said, "{line}").expect("a string takes everything");
        }
        if let Some(written) = written {
            let effects = self.rollout.step(self.now, written);
            self.write(effects);
        }
    }
}

fn name(service: &str, number: u32) -> InstanceName {
    format!("{service}-{number}").into()
}

fn deploy(strategy: Strategy) -> Deploy {
    Deploy { strategy, ..Deploy::default() }
}

fn rolling() -> Deploy {
    deploy(Strategy::Rolling)
}

fn canary() -> Deploy {
    let step = |share, seconds| Step::Shift { share, watch: Duration::from_secs(seconds) };
    Deploy { steps: vec![step(0.1, 20), step(0.5, 30)], ..deploy(Strategy::Canary) }
}

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
        .sample((100, 0), (100, 0))
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
        .sample((40, 0), (0, 0))
        .sample((40, 30), (0, 0))
        // Beside what is allowed it looks bad; how the old release does now, nobody knows.
        .does(&["traffic api-1 api-2 api-3 api-4 0.5 to the new"])
        .sample((40, 30), (40, 0))
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
fn a_failure_that_both_share_is_found_to_be_shared_and_the_bake_goes_on() {
    Talk::new(deploy(Strategy::BlueGreen), 2, 2)
        .ready(3)
        .ready(4)
        .does(&["start api-3", "start api-4", "traffic api-3 api-4"])
        .unreachable(1)
        .sample((80, 60), (0, 0))
        .does(&["traffic api-1 api-2 api-3 api-4 0.5 to the new"])
        .sample((80, 60), (80, 61))
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
fn canary_shifts_in_steps() {
    Talk::new(canary(), 1, 1)
        .does(&["start api-3"])
        .ready(3)
        .does(&["traffic api-1 api-3 0.1 to the new"])
        .sample((60, 0), (500, 0))
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
fn a_bad_canary_is_taken_back_before_its_time() {
    Talk::new(canary(), 1, 1)
        .ready(3)
        .does(&["start api-3", "traffic api-1 api-3 0.1 to the new"])
        .sample((0, 0), (100, 0))
        .sample((10, 9), (90, 0))
        .does(&["traffic api-1"])
        .unreachable(3)
        .gone(3)
        .does(&[
            "stop api-3",
            "rolled back: worse: it failed 5 of 6 requests (83.3 %), \
             the old release 0 of 154 (0.0 %); by chance 1 in 1,000",
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
    paused().sample((0, 0), (50, 0)).sample((9, 9), (40, 0)).does(&["traffic api-1"]);
}

#[test]
fn with_too_little_data_it_goes_on_or_waits_or_holds_as_the_rule_says() {
    let bakes = |little_data| {
        let judge = model::Judge { little_data, ..model::Judge::default() };
        Talk::new(Deploy { judge, ..deploy(Strategy::BlueGreen) }, 1, 1)
            .ready(3)
            .unreachable(1)
            .sample((49, 0), (0, 0))
            .waits(30)
    };
    let begun = ["start api-3", "traffic api-3"];
    let over = ["commit", "stop api-1"];
    bakes(LittleData::GoOn).does(&[&begun[..], &over].concat());
    bakes(LittleData::Wait).does(&begun).sample((1, 0), (0, 0)).does(&over);
    bakes(LittleData::Hold)
        .sample((1, 0), (0, 0))
        .does(&begun)
        .action(DeployAction::Resume)
        .does(&over);
}

#[test]
fn once_decided_nobody_changes_it() {
    Talk::new(deploy(Strategy::BlueGreen), 1, 1)
        .ready(3)
        .action(DeployAction::Promote)
        .does(&["start api-3", "traffic api-3", "commit"])
        .action(DeployAction::Abort)
        .failed(3)
        .sample((100, 100), (100, 0))
        .does(&[])
        .unreachable(1)
        .gone(1)
        .does(&["stop api-1", "promoted"]);
}

#[test]
fn what_cannot_be_written_down_does_not_stay() {
    Talk::new(deploy(Strategy::BlueGreen), 1, 1)
        .ready(3)
        .does(&["start api-3", "traffic api-3"])
        .unreachable(1)
        .sample((100, 0), (100, 0))
        .full("disk full")
        .waits(30)
        .does(&["commit", "traffic api-1"])
        .unreachable(3)
        .does(&["stop api-3"])
        .gone(3)
        .does(&["rolled back: it cannot be recorded that it runs: disk full"]);
}

#[test]
fn where_the_old_release_is_gone_what_runs_serves_on_until_it_is_written_down() {
    Talk::new(deploy(Strategy::Replace), 1, 1)
        .unreachable(1)
        .gone(1)
        .ready(3)
        .sample((100, 0), (0, 0))
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
        .sample((100, 0), (900, 0))
        .waits(10)
        .rests()
        .action(DeployAction::Resume)
        .does(&["traffic api-3", "commit"]);
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
            .sample((0, 0), (200, 0))
            .ready(3)
            .does(&["traffic api-3"])
            .unreachable(1)
            .sample((100, 90), (0, 0))
            .rests()
    };
    worse().action(DeployAction::Promote).does(&["commit", "stop api-1"]);
    worse().action(DeployAction::Resume).waits(30).does(&["commit", "stop api-1"]);
    worse().action(DeployAction::Abort).does(&["traffic api-1"]);
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
