//! Where a request came in, as all that serves it has it in hand.

use std::rc::Rc;

use wire::account::Account;

use crate::peer::Peer;
use crate::snapshot::ListenerPlan;
use crate::upstream::own_lines::OwnLines;
use crate::wheel::Timer;
use crate::worker::Worker;

/// Where a request came in.
#[derive(Clone, Copy)]
pub(crate) struct Entrance<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) listener: &'a ListenerPlan,
    pub(crate) peer: &'a Peer,
    pub(crate) own_lines: &'a OwnLines,
    pub(crate) timer: &'a Timer,
    /// Where what is held for the client is counted.
    pub(crate) account: &'a Account,
}
