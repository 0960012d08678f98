//! The ways that a rollout takes, told as a conversation: what happened, and what is done about it. This file owns the
//! conversation; each way has its own.

mod back;
mod conditions;
mod forward;
mod hooks;
mod judged;
mod preview;

use std::fmt::Write;
use std::time::Duration;

use model::{Deploy, InstanceName, Step, Strategy, Work};
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

/// So many requests, of which so many failed.
fn of(requests: u64, errors: u64) -> Tally {
    Tally { requests, errors, ..Tally::default() }
}

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
        let work = Work::Requests;
        let plan =
            Plan { service, work, deploy, direction, replicas, stable, past, next_number: 3 };
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
    fn sample(self, canary: Tally, stable: Tally) -> Self {
        let part = |count: u64, part: u64| count * (part + 1) / BLOCKS - count * part / BLOCKS;
        (0..BLOCKS).fold(self, |talk, block| {
            let tally = |of: &Tally| Tally {
                requests: part(of.requests, block),
                errors: part(of.errors, block),
                ..Tally::default()
            };
            let share = talk.rollout.overview().share;
            let mut told = Block { share, ..Block::default() };
            told.add_tally(&name("api", 3), Side::Canary, &tally(&canary));
            told.add_tally(&name("api", 1), Side::Stable, &tally(&stable));
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
                Effect::Measure { condition, number } => format!("ask {condition}, time {number}"),
                Effect::Hook(moment, name) => format!("run {moment} as {name}"),
                Effect::EndHook => "end the hook".into(),
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
