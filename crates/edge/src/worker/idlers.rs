//! Which of a worker's connections have been idle, and for how long, so that the one that has been for
//! longest makes room for a new one where its listener has as many as it may. (It is the longest of the
//! worker that the new one came to, as long as that has any: the kernel spreads connections evenly.)
//!
//! A connection is entered once it has been idle for a while, so one that is asked all the time never
//! is. What becomes of one that has to go is its own to know: a parked one is closed, and a task is
//! woken and looks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::live::listener::ListenerLive;

const NONE: usize = usize::MAX;

/// The idle connections of one worker, in the order in which they became so.
#[derive(Default)]
pub(crate) struct Idlers(RefCell<Line>);

struct Line {
    places: slab::Slab<Place>,
    oldest: usize,
    newest: usize,
}

struct Place {
    /// Whose connection it is, by address: as long as it has one, a listener stays where it is.
    listener: usize,
    idler: Idler,
    older: usize,
    newer: usize,
}

/// A connection that is idle.
pub(crate) enum Idler {
    /// Parked, under this key.
    Parked(usize),
    /// A task that waits.
    Task(Called),
}

impl Default for Line {
    fn default() -> Self {
        Self { places: slab::Slab::new(), oldest: NONE, newest: NONE }
    }
}

fn identity(listener: &Arc<ListenerLive>) -> usize {
    Arc::as_ptr(listener) as usize
}

impl Idlers {
    /// It is idle from now on; [`Idlers::leave`] wants the key back.
    pub(crate) fn enter(&self, listener: &Arc<ListenerLive>, idler: Idler) -> usize {
        let mut line = self.0.borrow_mut();
        let older = line.newest;
        let place = Place { listener: identity(listener), idler, older, newer: NONE };
        let key = line.places.insert(place);
        match older {
            NONE => line.oldest = key,
            older => line.places[older].newer = key,
        }
        line.newest = key;
        key
    }

    /// It is idle no more.
    pub(crate) fn leave(&self, key: usize) {
        self.0.borrow_mut().remove(key);
    }

    /// Takes out the connection of `listener` that has been idle for longest.
    pub(crate) fn take_oldest(&self, listener: &Arc<ListenerLive>) -> Option<Idler> {
        let mut line = self.0.borrow_mut();
        let wanted = identity(listener);
        let mut key = line.oldest;
        while key != NONE && line.places[key].listener != wanted {
            key = line.places[key].newer;
        }
        line.remove(key).map(|place| place.idler)
    }
}

impl Line {
    fn remove(&mut self, key: usize) -> Option<Place> {
        let place = self.places.try_remove(key)?;
        match place.older {
            NONE => self.oldest = place.newer,
            older => self.places[older].newer = place.newer,
        }
        match place.newer {
            NONE => self.newest = place.older,
            newer => self.places[newer].older = place.older,
        }
        if self.places.is_empty() {
            self.places.shrink_to_fit();
        }
        Some(place)
    }
}

/// How a task is told to make room.
pub(crate) struct Called {
    waker: Waker,
    is_called: Rc<Cell<bool>>,
}

impl Called {
    /// Tells it.
    pub(crate) fn call(self) {
        self.is_called.set(true);
        self.waker.wake();
    }
}

/// A task whose connection is idle, as long as it is.
pub(crate) struct Idling {
    idlers: Rc<Idlers>,
    key: usize,
    is_called: Rc<Cell<bool>>,
}

impl Idling {
    /// The task of `cx` is idle from now on, and has a connection of `listener`.
    pub(crate) fn begin(
        idlers: &Rc<Idlers>,
        listener: &Arc<ListenerLive>,
        cx: &Context<'_>,
    ) -> Self {
        let is_called = Rc::<Cell<bool>>::default();
        let called = Called { waker: cx.waker().clone(), is_called: is_called.clone() };
        let key = idlers.enter(listener, Idler::Task(called));
        Self { idlers: idlers.clone(), key, is_called }
    }

    /// Ready when it has to make room.
    pub(crate) fn poll_called(&self) -> Poll<()> {
        match self.is_called.get() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Idling {
    fn drop(&mut self) {
        // Who was called is out already, and its key may be another's.
        if !self.is_called.get() {
            self.idlers.leave(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oldest(idlers: &Idlers, listener: &Arc<ListenerLive>) -> Option<usize> {
        idlers.take_oldest(listener).map(|idler| match idler {
            Idler::Parked(key) => key,
            Idler::Task(_) => panic!("none is a task"),
        })
    }

    #[test]
    fn the_one_that_has_been_idle_for_longest_goes_first_of_its_listener() {
        let (one, other) = (Arc::<ListenerLive>::default(), Arc::<ListenerLive>::default());
        let idlers = Idlers::default();
        let keys: Vec<_> = (0..6)
            .map(|n| idlers.enter(if n == 2 { &other } else { &one }, Idler::Parked(n)))
            .collect();
        [keys[0], keys[3], keys[5]].into_iter().for_each(|key| idlers.leave(key));
        assert_eq!(oldest(&idlers, &one), Some(1));
        assert_eq!(oldest(&idlers, &one), Some(4));
        assert_eq!(oldest(&idlers, &one), None);
        idlers.enter(&one, Idler::Parked(7));
        assert_eq!(oldest(&idlers, &other), Some(2));
        assert_eq!(oldest(&idlers, &one), Some(7));
        assert_eq!(idlers.0.borrow().places.len(), 0);
    }

    #[test]
    fn a_task_is_called_once_and_one_that_left_is_not() {
        let listener = Arc::<ListenerLive>::default();
        let idlers = Rc::<Idlers>::default();
        let cx = Context::from_waker(Waker::noop());
        let (first, second) =
            (Idling::begin(&idlers, &listener, &cx), Idling::begin(&idlers, &listener, &cx));
        let Some(Idler::Task(called)) = idlers.take_oldest(&listener) else { panic!("a task") };
        called.call();
        assert!(first.poll_called().is_ready() && second.poll_called().is_pending());
        drop((first, second));
        assert!(idlers.take_oldest(&listener).is_none());
    }
}
