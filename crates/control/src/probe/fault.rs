//! Why a check did not pass, in words, and whether the instance is to blame.

use std::fmt;
use std::io;
use std::time::Duration;

use edge::OwnFault;
use wire::system;

/// Why a check did not pass.
#[derive(Debug)]
pub(crate) enum ProbeFault {
    /// It was not made, for want of something of ours: it says nothing of the instance.
    NotMade(String),
    /// It was not made, as it is not known of the instance what that takes: yet, or until it is started again.
    Unknown(String),
    /// No connection could be opened.
    Connect(io::Error),
    /// No connection was there in time.
    TooSlow(Duration),
    /// There was no whole response, or none that may be passed on.
    Response(OwnFault),
    /// The response has a status that does not pass.
    Status(u16),
    /// The status is one by which servers refuse hosts that they do not know, and the check named none.
    UnknownHost(u16),
    /// The response lacks the text.
    Body,
    /// The instance said, in its own way, that it is not well.
    Said(String),
}

impl ProbeFault {
    /// Whether it says nothing of the instance.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::NotMade(_) | Self::Unknown(_))
    }
}

impl From<OwnFault> for ProbeFault {
    fn from(fault: OwnFault) -> Self {
        match fault {
            fault if fault.is_ours() => Self::NotMade(fault.to_string()),
            OwnFault::Connect(error) => Self::Connect(error),
            fault => Self::Response(fault),
        }
    }
}

impl fmt::Display for ProbeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMade(why) | Self::Unknown(why) | Self::Said(why) => f.write_str(why),
            Self::Connect(error) => f.write_str(&system::words(error)),
            Self::TooSlow(limit) => write!(f, "no connection within {} ms", limit.as_millis()),
            Self::Response(fault) => fault.fmt(f),
            Self::Status(status) => write!(f, "status {status}"),
            Self::UnknownHost(status) => write!(
                f,
                "status {status} to a check that asked for the instance's own address; if it serves only hosts that it \
                 knows, name one in health.host"
            ),
            Self::Body => f.write_str("the response lacks the text"),
        }
    }
}
