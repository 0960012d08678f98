//! What a service's workers hand over while one of its releases is judged: single attempts, with which client's they were.
//! All that failed, as far as there is room, and of the others a uniform sample.
//!
//! One listens at a time, the last that began ([`Hearing`]). While nothing is judged a request pays one branch. While something is, what is handed over in one period is
//! bounded: nobody waits, and what has no room is counted.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::live::Live;
use crate::live::by_route::RouteSlot;
use crate::live::fate::{Assignment, Fate};

/// Attempts that failed and are handed over, between two looks.
pub const FAILED_MAX: u32 = 512;
/// Others that are, between two looks.
pub const SAMPLED_MAX: u32 = 512;

/// An attempt that was handed over.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it ended.
    pub at: Instant,
    /// By which route it came.
    pub route: RouteSlot,
    /// The instance that was asked.
    pub instance: Arc<Live>,
    /// What decided for it.
    pub assignment: Assignment,
    /// A hash of the client's address, of IPv6 of its first 64 bits, with a key of this process.
    pub client: u64,
    /// What became of it.
    pub fate: Fate,
    /// The response's status, if it had one.
    pub status: Option<u16>,
    /// From its beginning to the response's head, or to where it failed or its client gave up.
    pub latency: Duration,
    /// As the access log has it.
    pub request_id: Box<str>,
}

/// What was handed over since the last look.
#[derive(Debug, Default)]
pub struct Samples {
    /// In the order in which they were handed over.
    pub all: Vec<Sample>,
    /// Failed attempts for which there was no room.
    pub lost: u64,
}

/// What entitles to be handed attempts: the last that began does, and no other.
#[derive(Debug, PartialEq, Eq)]
pub struct Hearing(u64);

/// Whether a service is judged, and what is handed over for that.
#[derive(Debug)]
pub struct Judged {
    is_on: AtomicBool,
    /// How many have listened.
    hearings: AtomicU64,
    /// In microseconds, how long a client owes an instance its patience; the greatest for ever.
    patience: AtomicU64,
    /// Of 2^32 others so many are handed over.
    chance: AtomicU32,
    room_failed: AtomicU32,
    room_others: AtomicU32,
    lost: AtomicU64,
    queue: OnceLock<Queue>,
}

/// As long as all that there is room for, so that it is never full.
#[derive(Debug)]
struct Queue {
    put: SyncSender<Sample>,
    take: Mutex<Receiver<Sample>>,
}

impl Default for Queue {
    fn default() -> Self {
        let (put, take) = sync_channel((FAILED_MAX + SAMPLED_MAX) as usize);
        Self { put, take: Mutex::new(take) }
    }
}

impl Default for Judged {
    fn default() -> Self {
        Self {
            is_on: AtomicBool::new(false),
            hearings: AtomicU64::new(0),
            patience: AtomicU64::new(u64::MAX),
            chance: AtomicU32::new(u32::MAX),
            room_failed: AtomicU32::new(FAILED_MAX),
            room_others: AtomicU32::new(SAMPLED_MAX),
            lost: AtomicU64::new(0),
            queue: OnceLock::new(),
        }
    }
}

impl Judged {
    /// From now on attempts are handed over, to nobody who listened before. What was left behind is forgotten. A client that gives up after
    /// `patience` or later tells of an instance that hangs; without one, none does.
    pub fn begin(&self, patience: Option<Duration>) -> Hearing {
        let hearing = Hearing(self.hearings.fetch_add(1, Ordering::Relaxed) + 1);
        self.empty(0);
        self.expect(patience.unwrap_or(Duration::MAX));
        self.is_on.store(true, Ordering::Relaxed);
        hearing
    }

    /// Whether it is this one that listens.
    pub fn hears(&self, hearing: &Hearing) -> bool {
        self.is_on() && self.hearings.load(Ordering::Relaxed) == hearing.0
    }

    /// A client that gives up after `patience` or later tells of an instance that hangs from now on.
    pub fn expect(&self, patience: Duration) {
        let micros = u64::try_from(patience.as_micros()).unwrap_or(u64::MAX);
        self.patience.store(micros, Ordering::Relaxed);
    }

    /// Nothing is handed over any more, unless another listens by now.
    pub fn end(&self, hearing: Hearing) {
        if !self.hears(&hearing) {
            return;
        }
        self.is_on.store(false, Ordering::Relaxed);
        self.patience.store(u64::MAX, Ordering::Relaxed);
    }

    /// What was handed over since the last look; nothing if another listens by now. Of as many attempts that did not fail as there were since then, `others`, no
    /// more are handed over until the next than there is room for, each with the same chance.
    pub fn take(&self, hearing: &Hearing, others: u64) -> Samples {
        match self.hears(hearing) {
            true => self.empty(others),
            false => Samples::default(),
        }
    }

    fn empty(&self, others: u64) -> Samples {
        let all = match self.queue.get() {
            None => Vec::new(),
            Some(queue) => {
                queue.take.lock().unwrap_or_else(PoisonError::into_inner).try_iter().collect()
            }
        };
        // Half of the room, for what may come more than came.
        let share = f64::from(SAMPLED_MAX / 2) / (others.max(1) as f64);
        self.chance.store((share.min(1.0) * f64::from(u32::MAX)) as u32, Ordering::Relaxed);
        // Only what was taken makes room, so that the queue is never longer than it may be.
        let failed = all.iter().filter(|sample| sample.fate.is_failed()).count() as u32;
        self.room_failed.fetch_add(failed, Ordering::Relaxed);
        self.room_others.fetch_add(all.len() as u32 - failed, Ordering::Relaxed);
        Samples { all, lost: self.lost.swap(0, Ordering::Relaxed) }
    }

    /// Whether attempts are handed over.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// What it means that a client has given up after it had waited so long.
    pub(crate) fn given_up(&self, after: Duration) -> Fate {
        let patience = self.patience.load(Ordering::Relaxed);
        match patience < u64::MAX && after.as_micros() >= u128::from(patience) {
            true => Fate::Overdue,
            false => Fate::Abandoned,
        }
    }

    /// Hands an attempt over that came to this `fate`, if it is to be and there is room: one that failed, or one that
    /// `drawn`, a random number, chooses.
    pub(crate) fn hand_over(&self, fate: Fate, drawn: u32, sample: impl FnOnce() -> Sample) {
        let room = match fate {
            Fate::Abandoned => return,
            fate if fate.is_failed() => &self.room_failed,
            _ if drawn > self.chance.load(Ordering::Relaxed) => return,
            _ => &self.room_others,
        };
        let take = |left: u32| left.checked_sub(1);
        let has_room = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        let is_put =
            has_room && self.queue.get_or_init(Queue::default).put.try_send(sample()).is_ok();
        if !is_put && fate.is_failed() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Host;

    use super::*;
    use crate::live::Identity;

    fn live() -> Arc<Live> {
        let (address, host) = (([127, 0, 0, 1], 80).into(), Host::Address([127, 0, 0, 1].into()));
        let identity =
            Identity { service: "api".into(), name: "api-1".into(), address, host, release: None };
        Arc::new(Live::new(identity, 1))
    }

    fn sample(instance: &Arc<Live>, fate: Fate) -> Sample {
        Sample {
            at: Instant::now(),
            route: RouteSlot::REST,
            instance: instance.clone(),
            assignment: Assignment::Drawn,
            client: 7,
            fate,
            status: None,
            latency: Duration::ZERO,
            request_id: "id".into(),
        }
    }

    fn hand_over(judged: &Judged, fate: Fate, rng: &mut fastrand::Rng, times: u32) {
        let live = live();
        (0..times).for_each(|_| judged.hand_over(fate, rng.u32(..), || sample(&live, fate)));
    }

    #[test]
    fn what_has_no_room_is_dropped_and_failures_among_it_are_counted() {
        let (judged, mut rng) = (Judged::default(), fastrand::Rng::with_seed(1));
        let hearing = judged.begin(None);
        for _ in 0..3 {
            hand_over(&judged, Fate::Ok, &mut rng, SAMPLED_MAX + 9);
            hand_over(&judged, Fate::ServerError, &mut rng, FAILED_MAX + 5);
            hand_over(&judged, Fate::Abandoned, &mut rng, 3);
            let samples = judged.take(&hearing, 0);
            assert_eq!(samples.all.len() as u32, SAMPLED_MAX + FAILED_MAX);
            assert_eq!(samples.lost, 5);
        }
    }

    #[test]
    fn of_many_that_did_not_fail_a_sample_is_handed_over_and_every_failure() {
        let (judged, mut rng) = (Judged::default(), fastrand::Rng::with_seed(2));
        let hearing = judged.begin(None);
        judged.take(&hearing, 10_000);
        // In the middle of them: were the sample not uniform, none of these would be in it.
        hand_over(&judged, Fate::Ok, &mut rng, 5_000);
        hand_over(&judged, Fate::Redirect, &mut rng, 2_500);
        hand_over(&judged, Fate::Failure, &mut rng, 20);
        hand_over(&judged, Fate::ClientError, &mut rng, 2_500);
        let all = judged.take(&hearing, 0).all;
        let of = |fate: Fate| all.iter().filter(|sample| sample.fate == fate).count();
        assert_eq!(of(Fate::Failure), 20);
        assert!((90..170).contains(&of(Fate::Ok)), "128 are expected: {}", of(Fate::Ok));
        for quarter in [Fate::Redirect, Fate::ClientError] {
            assert!((35..95).contains(&of(quarter)), "64 are expected: {}", of(quarter));
        }
    }

    #[test]
    fn what_an_earlier_judge_left_is_not_the_next_ones() {
        let (judged, mut rng) = (Judged::default(), fastrand::Rng::with_seed(3));
        let first = judged.begin(None);
        hand_over(&judged, Fate::Failure, &mut rng, 2);
        judged.end(first);
        let second = judged.begin(None);
        assert_eq!(judged.take(&second, 0).all.len(), 0);
    }

    #[test]
    fn who_listened_before_takes_and_ends_nothing_of_the_next_one() {
        let (judged, mut rng) = (Judged::default(), fastrand::Rng::with_seed(4));
        let (first, second) = (judged.begin(None), judged.begin(None));
        hand_over(&judged, Fate::Failure, &mut rng, 2);
        assert_eq!(judged.take(&first, 0).all.len(), 0);
        judged.end(first);
        assert!(judged.is_on());
        assert_eq!(judged.take(&second, 0).all.len(), 2);
        judged.end(second);
        assert!(!judged.is_on());
    }

    #[test]
    fn a_client_that_gives_up_is_nobodys_fault_unless_it_waited_longer_than_it_need() {
        let judged = Judged::default();
        let given_up = |millis| judged.given_up(Duration::from_millis(millis));
        assert_eq!(given_up(u64::MAX), Fate::Abandoned);
        let hearing = judged.begin(Some(Duration::from_millis(20)));
        assert_eq!((given_up(19), given_up(20)), (Fate::Abandoned, Fate::Overdue));
        judged.end(hearing);
        assert_eq!(given_up(20), Fate::Abandoned);
    }
}
