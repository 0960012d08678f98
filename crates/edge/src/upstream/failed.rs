//! Attempts that failed: how far the request had come, what that counts as, and who is to blame. What
//! follows is for `retry` to say.

use model::RetryCondition;
use wire::body::Error;

use crate::exchange::fault::Fault;
use crate::upstream::Unsent;
use crate::upstream::relay::Side;

/// How far a request got before its attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// Nothing was sent: it certainly did not run.
    Nothing,
    /// Something was sent: it may have run.
    Sent,
    /// The client has seen the beginning of an answer.
    Answer,
}

/// An attempt that did not answer the client.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) fault: Fault,
    pub(crate) reached: Reached,
    /// What it counts as when it is asked whether a retry may follow.
    pub(crate) condition: Option<RetryCondition>,
    /// Whether the instance is to blame.
    pub(crate) blames_instance: bool,
    /// The connection was kept from before and had been closed: nobody's fault.
    pub(crate) was_stale: bool,
}

impl Failed {
    pub(crate) fn by_client(fault: Fault, reached: Reached) -> Self {
        Self { fault, reached, condition: None, blames_instance: false, was_stale: false }
    }

    /// A failure of this machine's own. The instance bears no blame; another may be reached over a
    /// connection that is open already.
    pub(crate) fn by_us(fault: Fault, reached: Reached) -> Self {
        let condition = Some(RetryCondition::Connect);
        Self { fault, reached, condition, blames_instance: false, was_stale: false }
    }

    pub(crate) fn by_instance(fault: Fault, reached: Reached, condition: RetryCondition) -> Self {
        let condition = Some(condition);
        Self { fault, reached, condition, blames_instance: true, was_stale: false }
    }
}

/// The instance did nothing with the request: as if it could not be reached.
pub(crate) fn unprocessed() -> Failed {
    Failed::by_instance(Fault::ConnectFailed, Reached::Nothing, RetryCondition::Connect)
}

/// The head did not leave. What cannot be said is the client's, which is to be refused before; a
/// connection that was gone is nobody's.
pub(crate) fn not_sent(unsent: Unsent) -> Failed {
    match unsent {
        Unsent::Unsayable => Failed::by_client(Fault::BadRequest, Reached::Nothing),
        Unsent::Gone => Failed { blames_instance: false, was_stale: true, ..unprocessed() },
    }
}

/// The client could not be written to.
pub(crate) fn client_gone(_: Error) -> Failed {
    Failed::by_client(Fault::ClientGone, Reached::Answer)
}

/// What it means that this side broke off in the middle of a response.
pub(crate) fn broken_off(side: Side) -> Fault {
    match side {
        Side::Client => Fault::ClientGone,
        Side::Instance => Fault::UpstreamTruncated,
    }
}

/// An answer that broke off after it had begun.
pub(crate) fn cut(side: Side, fault: Fault) -> Failed {
    match side {
        Side::Client => Failed::by_client(fault, Reached::Answer),
        Side::Instance => Failed::by_instance(fault, Reached::Answer, RetryCondition::Reset),
    }
}
