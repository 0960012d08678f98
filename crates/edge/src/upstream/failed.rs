//! Attempts that failed: how far the request had come, what that counts as, and who is to blame. What
//! follows is for `retry` to say.

use model::RetryCondition;
use telemetry::{Blame, Ending};
use wire::body::Error;

use crate::upstream::Unsent;
use crate::upstream::relay::Party;

/// How far a request got before its attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// Nothing was sent: it certainly did not run.
    Nothing,
    /// Something was sent: it may have run.
    Sent,
    /// The client has seen the beginning of a response.
    Response,
}

/// An attempt that did not answer the client.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) ending: Ending,
    pub(crate) reached: Reached,
    /// What it counts as when it is asked whether a retry may follow.
    pub(crate) condition: Option<RetryCondition>,
    /// The connection was kept from before and had been closed.
    pub(crate) was_stale: bool,
}

/// What comes after an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Another.
    Retry,
    /// Nothing: its failure is how the exchange ends.
    End,
}

impl Failed {
    pub(crate) fn by_client(ending: Ending, reached: Reached) -> Self {
        Self { ending, reached, condition: None, was_stale: false }
    }

    /// A failure of this machine's own. The instance bears no blame; another may be reached over a
    /// connection that is open already.
    pub(crate) fn by_us(ending: Ending, reached: Reached) -> Self {
        let condition = Some(RetryCondition::Connect);
        Self { ending, reached, condition, was_stale: false }
    }

    /// Who is to blame: as for the exchange that would end so, but that a kept connection was closed is
    /// nobody's fault as long as no client feels it.
    pub(crate) fn blame(&self, then: Then) -> Blame {
        match (self.was_stale, then) {
            (true, Then::Retry) => Blame::Nobody,
            _ => self.ending.blame(),
        }
    }

    pub(crate) fn by_instance(ending: Ending, reached: Reached, condition: RetryCondition) -> Self {
        let condition = Some(condition);
        Self { ending, reached, condition, was_stale: false }
    }
}

/// The instance did nothing with the request: as if it could not be reached.
pub(crate) fn unprocessed() -> Failed {
    Failed::by_instance(Ending::ConnectFailed, Reached::Nothing, RetryCondition::Connect)
}

/// The head did not leave. What cannot be said is the client's, which is to be refused before; a
/// connection that was gone is nobody's.
pub(crate) fn not_sent(unsent: Unsent) -> Failed {
    match unsent {
        Unsent::Unsayable => Failed::by_client(Ending::BadRequest, Reached::Nothing),
        Unsent::Gone => Failed { was_stale: true, ..unprocessed() },
    }
}

/// The client could not be written to.
pub(crate) fn client_gone(_: Error) -> Failed {
    Failed::by_client(Ending::ClientClosed, Reached::Response)
}

/// What it means that this side broke off in the middle of a response.
pub(crate) fn broken_off(party: Party) -> Ending {
    match party {
        Party::Client => Ending::ClientClosed,
        Party::Instance => Ending::UpstreamTruncated,
    }
}

/// A response that broke off after it had begun.
pub(crate) fn cut(party: Party, ending: Ending) -> Failed {
    match party {
        Party::Client => Failed::by_client(ending, Reached::Response),
        Party::Instance => Failed::by_instance(ending, Reached::Response, RetryCondition::Reset),
    }
}
