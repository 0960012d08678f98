//! Ejection beside the judge: an instance that fails gets nothing for a while, as `balance::ejection` decides.
//!
//! It hides from the judge what an ejected instance would have failed, and moves its requests to the others at once: both have made
//! the judge err before.

use std::num::NonZeroU32;
use std::time::Duration;

use balance::ejection::{Cohort, Ejector, Event, Fitness, Outcomes, Transition};
use model::{InstanceName, Passive};
use rollout::Barred;

use crate::scene::{REPLICAS, Request, Stage};

/// Instances of both releases, the new ones last.
pub(crate) const SEATS: usize = 2 * REPLICAS;

/// Blocks from one look at the counters to the next: a second.
const LOOK_EVERY: u64 = 4;

/// Which instances are out.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    ejector: Ejector,
    names: [InstanceName; SEATS],
    stage: Option<Stage>,
    failures_in_a_row: [u32; SEATS],
    outcomes: [Outcomes; SEATS],
    is_out: [bool; SEATS],
    /// Which of them were out when the block before ended.
    were_out: [bool; SEATS],
    blocks: u64,
}

impl Seats {
    /// By the default rule.
    pub(crate) fn new() -> Self {
        let rule = Passive {
            max_fails: NonZeroU32::new(3).expect("it is not 0"),
            fail_timeout: Duration::from_secs(10),
            max_ejected: 0.5,
        };
        Self {
            ejector: Ejector::new(rule),
            names: std::array::from_fn(|seat| InstanceName::from(format!("api-{seat}"))),
            stage: None,
            failures_in_a_row: [0; SEATS],
            outcomes: [Outcomes::default(); SEATS],
            is_out: [false; SEATS],
            were_out: [false; SEATS],
            blocks: 0,
        }
    }

    /// Whether the instance of this seat is not ejected.
    pub(crate) fn is_in(&self, seat: usize) -> bool {
        !self.is_out[seat]
    }

    /// Instances of a stage that were out at the beginning or the end of the last block.
    pub(crate) fn barred(&self, stage: Stage) -> Barred {
        let is_out = |seat: &usize| self.is_out[*seat] || self.were_out[*seat];
        let [stable, canary] = stage.serving().map(|seats| seats.filter(is_out).count() as u32);
        Barred { canary, stable }
    }

    /// A block begins: which instances serve in it.
    pub(crate) fn begin(&mut self, now: Duration, stage: Stage) {
        self.were_out = self.is_out;
        if self.stage.is_none_or(|before| before.serving() != stage.serving()) {
            self.seat(now, stage);
        }
    }

    /// Takes up what became of the requests that ended until `now`.
    pub(crate) fn take(&mut self, now: Duration, ended: &[Request]) {
        for request in ended.iter().filter(|request| !request.is_given_up) {
            let seat = request.instance % REPLICAS + if request.is_canary { REPLICAS } else { 0 };
            let (in_a_row, outcomes) =
                (&mut self.failures_in_a_row[seat], &mut self.outcomes[seat]);
            match request.has_failed {
                false => (*in_a_row, outcomes.successes) = (0, outcomes.successes + 1),
                true => (*in_a_row, outcomes.failures) = (*in_a_row + 1, outcomes.failures + 1),
            }
            // Fewer need not be told.
            if *in_a_row >= 3 {
                let in_a_row = *in_a_row;
                let instance = &self.names[seat];
                let moved = self.ejector.step(now, Event::Failed { instance, in_a_row });
                self.apply(moved);
            }
        }
        self.blocks += 1;
        if self.blocks.is_multiple_of(LOOK_EVERY) {
            for seat in 0..SEATS {
                let (instance, outcomes) = (&self.names[seat], self.outcomes[seat]);
                let moved = self.ejector.step(now, Event::Sampled { instance, outcomes });
                self.apply(moved);
            }
        }
    }

    /// Those of the stage serve; the others wait, and get nothing anyway.
    fn seat(&mut self, now: Duration, stage: Stage) {
        self.stage = Some(stage);
        let [stable, canary] = stage.serving();
        // Those that get requests again do so before others get none.
        for fitness in [Fitness::Fit, Fitness::Unfit] {
            for seat in 0..SEATS {
                let is_fit = stable.contains(&seat) || canary.contains(&seat);
                if is_fit == (fitness == Fitness::Fit) {
                    let (instance, cohort) = (&self.names[seat], cohort_of(seat));
                    let present = Event::Present { instance, cohort, fitness };
                    let moved = self.ejector.step(now, present);
                    self.apply(moved);
                }
            }
        }
    }

    fn apply(&mut self, moved: Vec<Transition>) {
        for one in moved {
            let (instance, is_out) = match &one {
                Transition::Ejected { instance, .. } => (instance, true),
                Transition::Readmitted { instance, .. } => (instance, false),
            };
            let seat = self.names.iter().position(|name| name == instance);
            self.is_out[seat.expect("one of them")] = is_out;
        }
    }
}

fn cohort_of(seat: usize) -> Cohort {
    Cohort::of_release((seat / REPLICAS) as i64)
}

/// Instances of one release fail everything in a canary: half of them are out, and the other release's serve as before.
#[test]
fn no_release_is_ejected_as_a_whole() {
    let stage = Stage { seconds: 30.0, share: Some(0.05), canary: REPLICAS, stable: REPLICAS };
    for failing in [0..REPLICAS, REPLICAS..SEATS] {
        let mut seats = Seats::new();
        seats.begin(Duration::from_secs(1), stage);
        let requests: Vec<Request> = failing.clone().flat_map(|seat| [failed(seat); 9]).collect();
        seats.take(Duration::from_secs(2), &requests);
        let is_out = |seat: &usize| !seats.is_in(*seat);
        assert_eq!(failing.clone().filter(is_out).count(), REPLICAS / 2);
        assert_eq!((0..SEATS).filter(is_out).count(), REPLICAS / 2, "of the other none");
    }
}

fn failed(seat: usize) -> Request {
    Request {
        route: 0,
        instance: seat % REPLICAS,
        is_canary: seat >= REPLICAS,
        is_pinned: false,
        client: 0,
        has_failed: true,
        not_found: false,
        millis: 1.0,
        is_hurt: false,
        is_given_up: false,
    }
}
