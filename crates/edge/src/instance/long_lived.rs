//! What lasts, as one worker knows it: uploads, event streams and tunnels on an instance, and
//! clients' connections over HTTP/2.
//!
//! An instance that is to go waits for its requests and uploads, but a stream or a tunnel need not
//! ever end; nor does a connection when the edge itself is to go. So these are called to leave, one
//! after another over the time that they have, for their clients all come back. Who is called knows
//! where it can stop: an event stream between two events, a WebSocket between two frames, a
//! connection with a GOAWAY, after which its streams end as they will.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use model::{Drain, ExchangeKind};

use crate::instance::WorkerInstance;
use crate::instance::open::Open;
use crate::live::Bar;

/// Where the time allows for it, no more than ten leave in a second.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// The last is called when so much of the time is over, so that it can leave in peace.
const LAST_CALL: f64 = 0.8;

/// What lasts on one instance, or in one worker.
#[derive(Default)]
pub(crate) struct LongLivedRegistry {
    places: RefCell<slab::Slab<Place>>,
    departure: Cell<Option<Departure>>,
}

struct Place {
    kind: ExchangeKind,
    /// In the time of the worker's wheel.
    leaves_at: Option<Duration>,
    is_called: bool,
    waker: Option<Waker>,
}

/// Which of the two is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaver {
    /// The instance. It may be told to stay after all.
    Instance,
    /// The edge itself, whether or not the instance is: that is final.
    Edge,
}

/// What an instance is to do, as things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// It is to go.
    Leaves,
    /// It serves.
    Stays,
}

/// The instance is to go.
#[derive(Clone, Copy)]
struct Departure {
    since: Duration,
    drain: Drain,
    leaver: Leaver,
}

impl Departure {
    /// Called to leave: all others are waited for.
    fn calls(kind: ExchangeKind) -> bool {
        matches!(kind, ExchangeKind::Stream | ExchangeKind::Tunnel)
    }

    /// When the one with `before` others of its kind before it is to leave, of `all`.
    fn turn(&self, kind: ExchangeKind, before: u32, all: u32) -> Duration {
        let pause = self.drain.of(kind).mul_f64(LAST_CALL) / all.max(1);
        self.since + pause.min(PAUSE_MAX) * before
    }

    /// When one is to leave that comes after the others have been told.
    fn late_turn(&self, kind: ExchangeKind, now: Duration) -> Duration {
        now.max(self.since + self.drain.of(kind).mul_f64(LAST_CALL))
    }
}

impl LongLivedRegistry {
    /// How many of each kind there are.
    pub(crate) fn count(&self) -> Open {
        let mut open = Open::default();
        self.places.borrow().iter().for_each(|(_, place)| open.count(place.kind));
        open
    }

    /// Says to each when it is to leave.
    pub(crate) fn depart(&self, now: Duration, drain: Drain, leaver: Leaver) {
        let departure = Departure { since: now, drain, leaver };
        self.departure.set(Some(departure));
        let all = self.count();
        let mut told = Open::default();
        for (_, place) in &mut *self.places.borrow_mut() {
            if Departure::calls(place.kind) && !place.is_called {
                let turn = departure.turn(place.kind, told.of(place.kind), all.of(place.kind));
                place.leaves_at = Some(turn);
                told.count(place.kind);
            }
        }
    }

    /// Calls those whose turn it is by `now`, or lets all stay if the instance stays after all.
    /// Whether the instance is still to go.
    pub(crate) fn call(&self, now: Duration, course: Course) -> bool {
        let Some(departure) = self.departure.get() else { return false };
        let stays = departure.leaver == Leaver::Instance && course == Course::Stays;
        let mut woken = Vec::new();
        for (_, place) in &mut *self.places.borrow_mut() {
            if stays {
                place.leaves_at = None;
            } else if place.leaves_at.is_some_and(|at| at <= now) && !place.is_called {
                place.is_called = true;
                woken.extend(place.waker.take());
            }
        }
        if stays {
            self.departure.set(None);
        }
        // Outside the borrow: waking may run code that looks here.
        woken.into_iter().for_each(Waker::wake);
        !stays
    }

    fn enter(&self, kind: ExchangeKind, now: Duration) -> usize {
        let departure = self.departure.get().filter(|_| Departure::calls(kind));
        let leaves_at = departure.map(|departure| departure.late_turn(kind, now));
        let place = Place { kind, leaves_at, is_called: false, waker: None };
        self.places.borrow_mut().insert(place)
    }
}

/// What lasts, as long as it does.
pub(crate) struct LongLived {
    register: Rc<LongLivedRegistry>,
    key: usize,
}

impl LongLived {
    /// An exchange of this kind begins at `now`.
    pub(crate) fn begin(
        register: &Rc<LongLivedRegistry>,
        kind: ExchangeKind,
        now: Duration,
    ) -> Self {
        Self { key: register.enter(kind, now), register: register.clone() }
    }

    /// A client's connection begins at `now`, which leaves as a tunnel does.
    pub(crate) fn connection(register: &Rc<LongLivedRegistry>, now: Duration) -> Self {
        Self::begin(register, ExchangeKind::Tunnel, now)
    }

    /// What it is.
    pub(crate) fn kind(&self) -> ExchangeKind {
        self.register.places.borrow()[self.key].kind
    }

    /// Ready once it is to leave.
    pub(crate) fn poll_called(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut places = self.register.places.borrow_mut();
        let place = &mut places[self.key];
        if place.is_called {
            return Poll::Ready(());
        }
        if !place.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            place.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for LongLived {
    fn drop(&mut self) {
        self.register.places.borrow_mut().remove(self.key);
    }
}

impl WorkerInstance {
    /// Calls whose turn it is to leave. Whether the instance is still to go.
    pub(crate) fn call(&self, now: Duration) -> bool {
        let course = if self.live.has(Bar::Drained) { Course::Leaves } else { Course::Stays };
        self.lasting.call(now, course)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn filled(tunnels: usize) -> LongLivedRegistry {
        let register = LongLivedRegistry::default();
        for _ in 0..tunnels {
            register.enter(ExchangeKind::Tunnel, Duration::ZERO);
        }
        register.enter(ExchangeKind::Upload, Duration::ZERO);
        register
    }

    /// How many are called by each of these seconds.
    fn called(register: &LongLivedRegistry, seconds: &[u64]) -> Vec<usize> {
        let at = |seconds: &u64| {
            register.call(SECOND * *seconds as u32, Course::Leaves);
            register.places.borrow().iter().filter(|(_, place)| place.is_called).count()
        };
        seconds.iter().map(at).collect()
    }

    #[test]
    fn many_leave_spread_over_the_time_and_few_soon() {
        let many = filled(1000);
        many.depart(SECOND * 10, Drain::all(SECOND * 30), Leaver::Instance);
        assert_eq!(called(&many, &[9, 10, 16, 22, 34]), [0, 1, 251, 501, 1000], "evenly");
        let few = filled(5);
        few.depart(SECOND * 10, Drain::all(SECOND * 30), Leaver::Instance);
        assert_eq!(called(&few, &[10, 11]), [1, 5]);
    }

    #[test]
    fn without_time_all_leave_at_once_and_uploads_are_waited_for() {
        let register = filled(7);
        register.depart(SECOND, Drain::all(Duration::ZERO), Leaver::Instance);
        assert_eq!(called(&register, &[1, 100]), [7, 7]);
    }

    #[test]
    fn who_comes_late_is_told_as_well() {
        let register = filled(1);
        register.depart(SECOND, Drain::all(SECOND * 10), Leaver::Instance);
        register.enter(ExchangeKind::Stream, SECOND * 2);
        assert_eq!(called(&register, &[2, 8, 9]), [1, 1, 2]);
        register.enter(ExchangeKind::Stream, SECOND * 50);
        assert_eq!(called(&register, &[50]), [3]);
    }

    #[test]
    fn when_the_instance_stays_so_do_those_who_were_not_called() {
        let register = filled(100);
        register.depart(SECOND, Drain::all(SECOND * 10), Leaver::Instance);
        assert!(register.call(SECOND, Course::Leaves));
        assert!(!register.call(SECOND * 2, Course::Stays), "it stays");
        assert_eq!(called(&register, &[100]), [1]);
        register.depart(SECOND * 100, Drain::all(SECOND), Leaver::Edge);
        assert!(register.call(SECOND * 101, Course::Stays), "the edge goes");
        assert_eq!(called(&register, &[101]), [100]);
    }
}
