//! Why a request of our own got no whole response, in words, and whose fault that is.

use std::fmt;
use std::io;
use std::time::Duration;

use wire::body::Error;
use wire::h1;
use wire::h1::fault::Part;
use wire::system;

use crate::instance::tls::{HandshakeFault, Unconnected, late_refusal};

/// How far a request of our own got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No connection was there yet.
    Connecting,
    /// No final head of a response had come.
    Waiting,
    /// The response had begun.
    Reading,
}

/// Why there was no whole response.
#[derive(Debug)]
pub enum OwnFault {
    /// We had not what it takes to ask: descriptors, ports, memory. It says nothing of the instance.
    Shortage(io::Error),
    /// It cannot be written for what the instance speaks, or we are ending. Nothing of the instance either.
    Unasked(String),
    /// No connection could be opened.
    Connect(io::Error),
    /// There is no TLS with it.
    Tls(HandshakeFault),
    /// The time was over.
    Timeout(Stage, Duration),
    /// The connection, or the stream, ended before the response did; with what is known of why.
    Broken(Stage, Option<String>),
    /// What came is not what may be passed on to a client; with the reason.
    Nonsense(String),
}

impl OwnFault {
    /// Whether it says nothing of the instance.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Shortage(_) | Self::Unasked(_))
    }

    fn of_connect(error: io::Error) -> Self {
        match system::is_shortage(&error) {
            true => Self::Shortage(error),
            // Over HTTP/2 a connection is there once both sides have greeted.
            false => match error.downcast::<h2::Error>() {
                Ok(error) => Self::of_h2(error, Stage::Connecting),
                Err(error) => Self::Connect(error),
            },
        }
    }

    pub(super) fn of(error: Error, stage: Stage) -> Self {
        match error {
            Error::Io(error) if system::is_shortage(&error) => Self::Shortage(error),
            Error::Io(error) if stage == Stage::Waiting && late_refusal(&error).is_some() => {
                late_refusal(&error).map_or(Self::Broken(stage, None), Self::Tls)
            }
            Error::Io(error) => Self::Broken(stage, Some(system::words(&error))),
            Error::Fault(h1::Fault::Truncated) => Self::Broken(stage, None),
            Error::Fault(fault) => Self::of_h1(fault),
            Error::H2(error) => Self::of_h2(error, stage),
        }
    }

    fn of_h1(fault: h1::Fault) -> Self {
        use h1::Fault::{BareLf, Malformed, TargetTooLong, Version};
        Self::Nonsense(match fault {
            Malformed(Part::FirstLine) | TargetTooLong | Version => NOT_HTTP.to_owned(),
            BareLf => format!("{NOT_HTTP}: {fault}"),
            fault => format!("not a response that may be passed on: {fault}"),
        })
    }

    fn of_h2(error: h2::Error, stage: Stage) -> Self {
        if let Some(io) = error.get_io() {
            return match system::is_shortage(io) {
                true => Self::Shortage(io::Error::new(io.kind(), system::words(io))),
                false => Self::Broken(stage, Some(system::words(io))),
            };
        }
        let reason = error.reason().unwrap_or(h2::Reason::INTERNAL_ERROR);
        match error.is_library() {
            true => Self::Nonsense(format!("not an HTTP/2 response: {}", reason.description())),
            false if error.is_reset() => {
                Self::Broken(stage, Some(format!("stream reset: {}", reason.description())))
            }
            false => Self::Broken(stage, Some(reason.description().to_owned())),
        }
    }
}

pub(super) const NOT_HTTP: &str = "not an HTTP response";

impl From<Unconnected> for OwnFault {
    fn from(why: Unconnected) -> Self {
        match why {
            Unconnected::Io(error) => Self::of_connect(error),
            Unconnected::Tls(fault) => Self::Tls(fault),
        }
    }
}

impl fmt::Display for OwnFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shortage(error) | Self::Connect(error) => f.write_str(&system::words(error)),
            Self::Unasked(why) | Self::Nonsense(why) => f.write_str(why),
            Self::Tls(fault) => fault.fmt(f),
            Self::Timeout(stage, limit) => {
                let missing = match stage {
                    Stage::Connecting => "no connection",
                    Stage::Waiting => "no response",
                    Stage::Reading => "no whole response",
                };
                write!(f, "{missing} within {} ms", limit.as_millis())
            }
            Self::Broken(stage, why) => {
                f.write_str(match stage {
                    Stage::Connecting | Stage::Waiting => "connection closed without a response",
                    Stage::Reading => "connection closed in the middle of the response",
                })?;
                why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
            }
        }
    }
}

impl std::error::Error for OwnFault {}
