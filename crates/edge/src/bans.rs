//! Who is banned, as one worker has it: the same set for all workers, replaced whole when it changes. Whom it refuses is the
//! crate `policy`'s to say; while nobody is banned a request pays one branch.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::Bans;
use policy::bans::Ban;
use policy::time::UnixTime;

/// Whether a client may ask for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Good,
    /// Its address is banned.
    Banned,
}

/// What a worker looks at.
#[derive(Debug, Default)]
pub(crate) struct BanBoard {
    bans: RefCell<Arc<Bans>>,
    has_networks: Cell<bool>,
    has_callers: Cell<bool>,
}

impl BanBoard {
    /// One with these bans.
    pub(crate) fn of(bans: Arc<Bans>) -> Self {
        let board = Self::default();
        board.set(bans);
        board
    }

    /// These hold from now on, and no others.
    pub(crate) fn set(&self, bans: Arc<Bans>) {
        self.has_networks.set(bans.has_networks());
        self.has_callers.set(bans.has_callers());
        self.bans.replace(bans);
    }

    /// The ban that `find` finds, for people.
    pub(crate) fn which(&self, find: impl FnOnce(&Bans) -> Option<Ban>) -> Option<Ban> {
        find(&self.bans.borrow())
    }

    /// How a client at `address` stands.
    #[inline]
    pub(crate) fn standing(&self, address: IpAddr, now: impl FnOnce() -> UnixTime) -> Standing {
        let refuses = |now| self.bans.borrow().refuses_address(address, since_1970(now));
        match self.has_networks.get() && refuses(now()) {
            true => Standing::Banned,
            false => Standing::Good,
        }
    }

    /// Whether a caller is banned, as `is_banned` finds in the bans at `now`; asked only where any could be.
    #[inline]
    pub(crate) fn refuses(
        &self,
        now: UnixTime,
        is_banned: impl FnOnce(&Bans, Duration) -> bool,
    ) -> bool {
        self.has_callers.get() && is_banned(&self.bans.borrow(), since_1970(now))
    }
}

/// Time since 1970, by which bans end: they hold over restarts and machines. It is the worker's calendar that is asked, and only where
/// there are bans.
pub(crate) fn since_1970(time: UnixTime) -> Duration {
    Duration::from_secs(time.as_secs())
}
