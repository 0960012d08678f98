//! What a request took of limits, kept until its exchange has ended.

use std::cell::Cell;

use policy::limit::{Fingerprint, Grains};
use smallvec::SmallVec;
use telemetry::LimitOutcome;

use crate::live::limit::OpenRequest;

/// What a request took, of each limit that was asked, in their order. What it holds is given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Taken(SmallVec<[One; 2]>);

/// What a request took of one limit.
#[derive(Debug)]
pub(crate) struct One {
    pub(super) key: Fingerprint,
    pub(super) outcome: LimitOutcome,
    /// That took it, and takes what follows.
    pub(super) worker: u32,
    pub(super) standing: Cell<Standing>,
    /// Where requests that are open are counted, and it is.
    pub(super) _open: Option<OpenRequest>,
}

/// How a key stands with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// So much is gone of its bucket.
    Spent(Grains),
    /// So many of its requests are open.
    Open(u64),
}

impl Taken {
    #[inline]
    pub(super) fn push(&mut self, one: One) {
        self.0.push(one);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &One> {
        self.0.iter()
    }
}
