//! What a client sends of its requests' bodies before anything takes it: held by the `h2` crate, and
//! counted here.
//!
//! `h2` takes in whatever its windows allow, so the windows are what is charged: for each stream whose
//! body is still open its own, and for all of them never more than the connection's. A connection
//! begins with small windows; they are widened for good once a body has moved through them and
//! where there is memory. Small frames cost more than the bytes that windows count, and are counted by
//! themselves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::account::{Account, Charge};

/// What a stream may send ahead: as much as every client may before it was told otherwise (RFC 9113
/// §6.9.2).
pub const STREAM_WINDOW: u32 = 65_535;
/// The same on a connection whose bodies are long.
pub const STREAM_WINDOW_WIDE: u32 = 256 * 1024;
/// Windows of streams that make up the connection's: so many bodies may stand still before they
/// hold up the others.
const WINDOWS: u32 = 4;
/// What all streams of a connection may send ahead.
pub const CONNECTION_WINDOW: u32 = WINDOWS * STREAM_WINDOW;
/// The same on a connection whose bodies are long.
pub const CONNECTION_WINDOW_WIDE: u32 = WINDOWS * STREAM_WINDOW_WIDE;

/// A frame with less than this is small: what `h2` keeps beside its bytes weighs more than they do.
const SMALL_FRAME: usize = 256;
/// What `h2` allows small frames of one connection to lack of that, before they are read. As
/// many as fill a window with 30 bytes each: a client that is held up by its window is no flood.
pub const SMALL_FRAMES_MAX: usize = 512 * 1024;
/// What small frames hold is charged in steps.
const STEP: usize = 16 * 1024;
/// Frames of this size and above are a body that a wider window makes faster.
const LARGE_FRAME: usize = 1024;

/// What is sent ahead on one connection.
#[derive(Clone, Debug)]
pub struct Ahead(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Streams whose bodies are open.
    bodies: Cell<usize>,
    is_wide: Cell<bool>,
    /// A body has moved that wider windows would make faster.
    is_long: Cell<bool>,
    account: Account,
    /// For the windows of open bodies.
    windows: RefCell<Charge>,
    /// What small frames hold, and what is charged for it.
    small: Cell<usize>,
    covered: RefCell<Charge>,
}

impl Default for Ahead {
    /// One that is counted nowhere.
    fn default() -> Self {
        Self::new(&Account::default())
    }
}

impl Ahead {
    /// Of a connection that is counted in `account`, and on which nothing was sent.
    pub fn new(account: &Account) -> Self {
        Self(Rc::new(Inner {
            bodies: Cell::new(0),
            is_wide: Cell::new(false),
            is_long: Cell::new(false),
            account: account.clone(),
            windows: RefCell::new(account.hold(0)),
            small: Cell::new(0),
            covered: RefCell::new(account.hold(0)),
        }))
    }

    /// A stream begins whose body may be sent ahead, until what is returned is dropped. `None` where
    /// there is no room for that.
    pub fn open(&self) -> Option<Body> {
        let Inner { bodies, windows, .. } = &*self.0;
        let more = self.due(bodies.get() + 1) - self.due(bodies.get());
        windows.borrow_mut().grow(more).then(|| {
            bodies.set(bodies.get() + 1);
            Body { ahead: self.clone(), moved: 0 }
        })
    }

    /// Gives the connection wider windows, if that is worth while and there is memory. `set` is to say
    /// so to the peer, window of a stream first; where it cannot yet, it is asked again later.
    pub fn widen(&self, set: impl FnOnce(u32, u32) -> bool) {
        let Inner { is_wide, is_long, bodies, account, windows, .. } = &*self.0;
        if is_wide.get() || !is_long.get() || !account.is_roomy() {
            return;
        }
        let before = self.due(bodies.get());
        is_wide.set(true);
        let more = self.due(bodies.get()) - before;
        let mut windows = windows.borrow_mut();
        if !windows.grow(more) {
            is_wide.set(false);
        } else if !set(STREAM_WINDOW_WIDE, CONNECTION_WINDOW_WIDE) {
            is_wide.set(false);
            windows.shrink(more);
        }
    }

    /// DATA of so many bytes has come. False where it is small and there is no memory for another.
    #[inline]
    pub(super) fn received(&self, bytes: u32) -> bool {
        !is_small(bytes as usize) || self.received_small()
    }

    fn received_small(&self) -> bool {
        let Inner { small, covered, .. } = &*self.0;
        // What is thrown away with its stream is not seen to go.
        small.set((small.get() + SMALL_FRAME).min(SMALL_FRAMES_MAX));
        let mut covered = covered.borrow_mut();
        small.get() <= covered.bytes() || covered.grow(STEP)
    }

    fn took_small(&self) {
        let Inner { small, covered, .. } = &*self.0;
        small.set(small.get().saturating_sub(SMALL_FRAME));
        let mut covered = covered.borrow_mut();
        if covered.bytes() >= small.get() + 2 * STEP {
            covered.shrink(STEP);
        }
    }

    /// What so many open bodies may have sent ahead.
    fn due(&self, bodies: usize) -> usize {
        let window = if self.0.is_wide.get() { STREAM_WINDOW_WIDE } else { STREAM_WINDOW };
        bodies.min(WINDOWS as usize) * window as usize
    }

    fn close(&self) {
        let Inner { bodies, windows, small, covered, .. } = &*self.0;
        let left = bodies.get() - 1;
        windows.borrow_mut().shrink(self.due(left + 1) - self.due(left));
        bodies.set(left);
        if left == 0 {
            // Nothing is kept of a body whose stream is gone.
            small.set(0);
            let mut covered = covered.borrow_mut();
            let all = covered.bytes();
            covered.shrink(all);
        }
    }
}

fn is_small(bytes: usize) -> bool {
    (1..SMALL_FRAME).contains(&bytes)
}

/// A body that its client may send ahead, until this is dropped.
#[derive(Debug)]
pub struct Body {
    ahead: Ahead,
    /// Bytes that came in large frames.
    moved: usize,
}

impl Body {
    /// So many bytes, of one frame, were taken.
    #[inline]
    pub(super) fn took(&mut self, bytes: usize) {
        if is_small(bytes) {
            self.ahead.took_small();
        } else if bytes >= LARGE_FRAME {
            self.moved += bytes;
            if self.moved >= STREAM_WINDOW as usize {
                self.ahead.0.is_long.set(true);
            }
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.ahead.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: usize = STREAM_WINDOW as usize;

    #[test]
    fn each_open_body_is_charged_its_window_and_all_of_them_the_connections() {
        let account = Account::new(10 * ONE);
        let ahead = Ahead::new(&account);
        let mut bodies: Vec<_> = (0..7).map(|_| ahead.open().expect("there is room")).collect();
        assert_eq!(account.used(), 4 * ONE);
        bodies.truncate(2);
        assert_eq!(account.used(), 2 * ONE);
        let others = account.charge(7 * ONE + 1).expect("there is room");
        assert!(ahead.open().is_none(), "less than a window is left");
        assert_eq!(account.used(), 9 * ONE + 1, "and nothing has changed");
        drop(bodies);
        drop(others);
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn a_body_that_moves_widens_the_windows_where_there_is_memory() {
        let account = Account::new(8 * 1024 * 1024);
        let ahead = Ahead::new(&account);
        let mut body = ahead.open().unwrap();
        body.took(ONE - 1);
        ahead.widen(|_, _| panic!("too little has moved"));
        (0..10_000).for_each(|_| body.took(500));
        ahead.widen(|_, _| panic!("what comes in small pieces is no faster for it"));
        body.took(16_384);
        let others = account.charge(5 * 1024 * 1024).unwrap();
        ahead.widen(|_, _| panic!("memory is short"));
        drop(others);
        ahead.widen(|_, _| false);
        assert_eq!(account.used(), ONE, "the peer was not told");
        ahead.widen(|stream, connection| {
            assert_eq!((stream, connection), (STREAM_WINDOW_WIDE, CONNECTION_WINDOW_WIDE));
            true
        });
        assert_eq!(account.used(), STREAM_WINDOW_WIDE as usize);
        ahead.widen(|_, _| panic!("it is wide"));
        drop(body);
        assert_eq!(account.used(), 0);
        let _next = ahead.open().unwrap();
        assert_eq!(account.used(), STREAM_WINDOW_WIDE as usize, "what was granted stays so");
    }

    #[test]
    fn small_frames_are_counted_until_they_are_taken() {
        let account = Account::new(ONE + 4 * STEP);
        let ahead = Ahead::new(&account);
        let mut body = ahead.open().unwrap();
        assert!((0..1000).all(|_| ahead.received(0) && ahead.received(256)));
        assert_eq!(account.used(), ONE, "windows count them");
        let per_step = STEP / SMALL_FRAME;
        assert!((0..4 * per_step).all(|_| ahead.received(1)));
        assert_eq!(account.used(), account.limit());
        assert!(!ahead.received(1), "there is no memory for another");
        (0..=4 * per_step).for_each(|_| body.took(1));
        assert!(account.used() <= ONE + 2 * STEP);
        assert!(ahead.received(1));
        drop(body);
        assert_eq!(account.used(), 0);
    }
}
