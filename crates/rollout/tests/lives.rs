//! What single events mean in the life of an instance, where a simulation could not say why.

use std::time::Duration;

use model::{Drain, InstanceName};
use rollout::instance::restart::{Pace, RestartState};
use rollout::instance::{
    Demand, Effect, End, Event, Exposure, Force, Lifecycle, News, OnEnd, Origin, Phase, Port,
    Scale, Start, Then, Wait, scale,
};

const PACE: Pace = Pace {
    backoff: Duration::from_millis(100),
    backoff_max: Duration::from_secs(1),
    stable: Duration::from_secs(10),
};
const DRAIN: Drain = Drain {
    requests: Duration::from_secs(1),
    uploads: Duration::from_secs(1),
    streams: Duration::from_secs(1),
    tunnels: Duration::from_secs(1),
};

/// An instance, the time, and the number of the last process.
struct Life {
    lifecycle: Lifecycle<u32>,
    now: Duration,
    pid: u32,
}

impl Life {
    fn start() -> Self {
        let (lifecycle, effects) = Lifecycle::start(Duration::ZERO, PACE);
        assert_eq!(effects, [Effect::Launch(lifecycle.last_start())]);
        Self { lifecycle, now: Duration::ZERO, pid: 0 }
    }

    fn live() -> Self {
        let mut life = Self::start();
        life.launched();
        life.tell(Event::Ready(life.last()));
        life
    }

    fn serving() -> Self {
        let mut life = Self::live();
        assert_eq!(life.demand(Demand::Serve), [Effect::Publish]);
        life
    }

    fn last(&self) -> Start {
        self.lifecycle.last_start()
    }

    fn tell(&mut self, event: Event<u32>) -> Vec<Effect<u32>> {
        self.lifecycle.step(self.now, event)
    }

    fn demand(&mut self, demand: Demand) -> Vec<Effect<u32>> {
        self.tell(Event::Demand(demand))
    }

    fn launched(&mut self) -> Vec<Effect<u32>> {
        self.pid += 1;
        self.tell(Event::Launched(self.last(), self.pid))
    }

    fn ends(&mut self, port: Port, then: OnEnd) -> Vec<Effect<u32>> {
        let words = vec!["bye".to_owned()];
        let end = End { why: "exited".into(), words, port, then, chance: 1.0 };
        self.tell(Event::Ended(self.last(), end))
    }

    /// Lets the pause pass, and takes what is done then.
    fn after_pause(&mut self) -> Vec<Effect<u32>> {
        self.now = self.lifecycle.next_deadline().expect("there is a pause");
        self.tell(Event::Tick)
    }

    fn wait_of(effects: &[Effect<u32>]) -> Wait {
        let wait = effects.iter().find_map(|effect| match effect {
            Effect::Drain(wait, drain) if *drain == DRAIN => Some(*wait),
            _ => None,
        });
        wait.expect("it drains")
    }
}

#[test]
fn one_is_started_checked_published_drained_and_stopped_in_this_order() {
    let mut life = Life::start();
    let start = life.last();
    assert_eq!(life.launched(), [Effect::Probe(start, 1, Origin::Started)]);
    assert_eq!(life.demand(Demand::Serve), [], "nothing is published before its checks pass");
    let failed = News::CheckFailed("refused".into());
    let told = life.tell(Event::CheckFailed(start, "refused".into()));
    assert_eq!(told, [Effect::Tell(failed)]);
    assert_eq!(life.lifecycle.phase(), Phase::Warming { why: Some("refused") });
    let ready = life.tell(Event::Ready(start));
    assert_eq!(ready, [Effect::Publish, Effect::Tell(News::Ready)]);

    let dismissed = life.demand(Demand::Dismiss(DRAIN));
    let wait = Life::wait_of(&dismissed);
    assert_eq!(dismissed, [Effect::Publish, Effect::Drain(wait, DRAIN)]);
    assert_eq!(life.lifecycle.exposure(), Exposure::Barred);
    assert_eq!(life.tell(Event::Unreachable(wait)), [Effect::Publish, Effect::Stop(1)]);
    let gone = life.tell(Event::Gone(start, Force::Killed));
    assert_eq!(gone, [Effect::Tell(News::Forced(Force::Killed)), Effect::Tell(News::Gone)]);
    assert!(life.lifecycle.is_gone());
}

#[test]
fn a_start_that_is_called_off_stops_its_process_when_it_is_there() {
    for demand in [Demand::Stop, Demand::Dismiss(DRAIN)] {
        let mut life = Life::start();
        assert_eq!(life.demand(demand), []);
        assert_eq!(life.lifecycle.phase(), Phase::Starting);
        assert_eq!(life.launched(), [Effect::Stop(1)]);
        assert_eq!(life.lifecycle.phase(), Phase::Stopping);
    }
}

#[test]
fn a_start_that_is_called_off_and_fails_is_gone() {
    let mut life = Life::start();
    life.demand(Demand::Stop);
    let effects = life.ends(Port::Own, OnEnd::Restart);
    let [Effect::Tell(News::Ended { then: Then::Stops, .. }), Effect::Tell(News::Gone)] =
        &effects[..]
    else {
        panic!("{effects:?}");
    };
}

#[test]
fn a_process_that_nobody_waits_for_is_stopped() {
    let mut life = Life::live();
    assert_eq!(life.tell(Event::Launched(life.last(), 9)), [Effect::Stop(9)]);
    assert_eq!(life.lifecycle.phase(), Phase::Live);

    let first = life.last();
    life.ends(Port::Own, OnEnd::Restart);
    life.after_pause();
    assert_eq!(life.tell(Event::Launched(first, 9)), [Effect::Stop(9)]);
    assert_eq!(life.lifecycle.phase(), Phase::Starting);
}

#[test]
fn word_of_an_earlier_start_means_nothing() {
    let mut life = Life::live();
    let first = life.last();
    life.ends(Port::Own, OnEnd::Restart);
    life.after_pause();
    life.launched();
    assert!(first < life.last());
    assert_eq!(life.tell(Event::Ready(first)), []);
    assert_eq!(life.tell(Event::CheckFailed(first, "late".into())), []);
    assert_eq!(life.tell(Event::Gone(first, Force::Killed)), []);
    let (words, port, then) = (Vec::new(), Port::Own, OnEnd::Restart);
    let end = End { why: "late".into(), words, port, then, chance: 0.0 };
    assert_eq!(life.tell(Event::Ended(first, end)), []);
    assert_eq!(life.lifecycle.phase(), Phase::Warming { why: None });
}

#[test]
fn what_an_earlier_wait_proved_means_nothing() {
    let mut life = Life::serving();
    let first = Life::wait_of(&life.demand(Demand::Retire(DRAIN)));
    assert_eq!(life.demand(Demand::Serve), [Effect::Publish]);
    assert_eq!(life.tell(Event::Unreachable(first)), []);
    let second = Life::wait_of(&life.demand(Demand::Retire(DRAIN)));
    assert_eq!(life.tell(Event::Unreachable(first)), []);
    assert_eq!(life.tell(Event::Unreachable(second)), [Effect::Tell(News::Unreachable)]);
    assert_eq!(life.lifecycle.phase(), Phase::Live, "it stays, and can serve again");
}

#[test]
fn what_is_to_go_is_not_started_again() {
    let mut life = Life::serving();
    life.ends(Port::Own, OnEnd::Restart);
    let wait = Life::wait_of(&life.demand(Demand::Dismiss(DRAIN)));
    assert_eq!(life.lifecycle.next_deadline(), None);
    life.now += PACE.backoff_max;
    assert_eq!(life.tell(Event::Tick), []);
    assert_eq!(life.demand(Demand::Serve), []);
    assert_eq!(life.tell(Event::Unreachable(wait)), [Effect::Tell(News::Gone)]);
}

#[test]
fn a_lost_port_before_it_was_ready_is_no_fault_and_after_it_is_one() {
    let mut life = Life::start();
    life.launched();
    let effects = life.ends(Port::Taken, OnEnd::GiveUp);
    let [Effect::Tell(News::Ended { words, then: Then::Restarts(next), .. })] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert!(words.is_empty() && next.pause.is_zero());
    assert_eq!(life.after_pause(), [Effect::Launch(life.last())]);

    let mut life = Life::live();
    let effects = life.ends(Port::Taken, OnEnd::GiveUp);
    let [Effect::Tell(News::Ended { words, then: Then::GivenUp, .. })] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(words, &["bye".to_owned()]);
    assert!(life.lifecycle.is_gone());
}

#[test]
fn a_crash_loop_is_named_and_what_serves_comes_back_serving() {
    let mut life = Life::serving();
    for run in 1..=6 {
        assert!(life.lifecycle.serves(), "in run {run}");
        let effects = life.ends(Port::Own, OnEnd::Restart);
        let Some(Effect::Tell(News::Ended { then: Then::Restarts(next), .. })) = effects.last()
        else {
            panic!("{effects:?}");
        };
        let is_loop = matches!(next.state, RestartState::CrashLoop { .. });
        assert_eq!(is_loop, run >= 5, "in run {run}");
        life.after_pause();
        life.launched();
    }
    let ready = life.tell(Event::Ready(life.last()));
    assert_eq!(ready, [Effect::Publish, Effect::Tell(News::Ready)]);
    assert_eq!(life.lifecycle.exposure(), Exposure::Serving);
}

#[test]
fn one_that_runs_already_serves_or_is_stopped() {
    let (lifecycle, effects) = Lifecycle::adopt(Duration::ZERO, PACE, 7);
    assert_eq!(effects, [Effect::Probe(lifecycle.last_start(), 7, Origin::Adopted)]);
    assert!(lifecycle.serves() && lifecycle.exposure() == Exposure::Hidden);
    let (lifecycle, effects) = Lifecycle::reject(Duration::ZERO, PACE, 7);
    assert_eq!(effects, [Effect::Stop(7)]);
    assert!(!lifecycle.stays() && !lifecycle.is_gone());
}

#[test]
fn those_that_are_to_be_there_count_whether_or_not_they_serve() {
    let names = ["api-1", "api-2", "api-3"].map(InstanceName::from);
    let mut dismissed = Life::serving();
    dismissed.demand(Demand::Dismiss(DRAIN));
    let mut down = Life::serving();
    down.ends(Port::Own, OnEnd::Restart);
    let lives = [dismissed, down, Life::start()].map(|life| life.lifecycle);
    let scaled = |replicas| scale(names.iter().zip(&lives), replicas);
    assert_eq!(scaled(4), Scale::Up(2));
    assert_eq!(scaled(2), Scale::Even);
    assert_eq!(scaled(1), Scale::Down(vec![names[2].clone()]));
}
