//! Why an exchange did not end with an instance's answer: what kind, whose fault, and the one
//! table that turns it into a status.

use telemetry::{Ending, GrpcStatus};
use wire::h1;

/// Why an exchange did not end as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request is not HTTP, or could be read two ways.
    BadRequest,
    /// TLS was spoken where plain HTTP is.
    TlsOnPlain,
    /// The request was here before: it goes in a circle.
    Loop,
    /// The head has too many fields or bytes.
    HeaderTooLarge,
    /// The target alone is too long.
    TargetTooLong,
    /// The body is over the limit.
    BodyTooLarge,
    /// The head came too slowly.
    HeaderTimeout,
    /// The body came too slowly.
    BodyTimeout,
    /// The client's own time for its gRPC call is over.
    ClientDeadline,
    /// The client went away.
    ClientGone,
    /// The client did not read its answer.
    WriteTimeout,
    /// `CONNECT` and `TRACE`, which a gateway does not serve.
    MethodNotAllowed,
    /// There is no memory for it: its client, or all of them together, hold what they may.
    Overloaded,
    /// The route denies the client's address.
    Denied,
    /// No route matches.
    NoRoute,
    /// No instance may serve.
    NoInstance,
    /// All instances and the queue are full.
    QueueFull,
    /// It waited too long for an instance.
    QueueTimeout,
    /// This machine could not open a connection: it has run out of descriptors, ports or memory.
    Shortage,
    /// No connection to the instance could be opened.
    ConnectFailed,
    /// The instance took too long to accept a connection.
    ConnectTimeout,
    /// The instance broke the connection before it answered.
    UpstreamReset,
    /// The instance answered with something that is not HTTP.
    UpstreamNonsense,
    /// The instance took too long to answer.
    UpstreamTimeout,
    /// The instance broke off in the middle of its answer.
    UpstreamTruncated,
}

impl Fault {
    /// What the client is told; `None` where there is nobody to be told.
    pub(crate) fn status(self) -> Option<u16> {
        Some(match self {
            Self::BadRequest | Self::TlsOnPlain => 400,
            Self::Denied => 403,
            Self::NoRoute => 404,
            Self::MethodNotAllowed => 405,
            Self::HeaderTimeout | Self::BodyTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::HeaderTooLarge => 431,
            Self::ConnectFailed
            | Self::UpstreamReset
            | Self::UpstreamNonsense
            | Self::UpstreamTruncated => 502,
            Self::Overloaded
            | Self::NoInstance
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::Shortage => 503,
            Self::ConnectTimeout | Self::UpstreamTimeout | Self::ClientDeadline => 504,
            Self::Loop => 508,
            Self::ClientGone | Self::WriteTimeout => return None,
        })
    }

    /// What the client of a gRPC call is told, as gRPC itself reads the status of HTTP
    /// (<https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>), except where it has a word
    /// for what happened and would read none. `UNAVAILABLE` invites clients to try again.
    pub(crate) fn grpc_status(self) -> Option<GrpcStatus> {
        Some(match self {
            Self::BadRequest | Self::TlsOnPlain => GrpcStatus::Internal,
            Self::Denied => GrpcStatus::PermissionDenied,
            Self::NoRoute | Self::MethodNotAllowed => GrpcStatus::Unimplemented,
            // Too large or too long: as gRPC's own servers say of messages and metadata.
            Self::BodyTooLarge | Self::TargetTooLong | Self::HeaderTooLarge => {
                GrpcStatus::ResourceExhausted
            }
            // Too slow, whoever was.
            Self::HeaderTimeout
            | Self::BodyTimeout
            | Self::UpstreamTimeout
            | Self::ClientDeadline => GrpcStatus::DeadlineExceeded,
            Self::ConnectFailed
            | Self::UpstreamReset
            | Self::UpstreamNonsense
            | Self::UpstreamTruncated
            | Self::Overloaded
            | Self::NoInstance
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::Shortage
            // It did not run, and may on another instance.
            | Self::ConnectTimeout => GrpcStatus::Unavailable,
            // To try again leads into the same circle.
            Self::Loop => GrpcStatus::Internal,
            Self::ClientGone | Self::WriteTimeout => return None,
        })
    }

    /// The one word for the log.
    pub(crate) fn ending(self) -> Ending {
        match self {
            Self::BadRequest | Self::TlsOnPlain => Ending::BadRequest,
            Self::Loop => Ending::Loop,
            Self::HeaderTooLarge => Ending::HeaderTooLarge,
            Self::TargetTooLong => Ending::UriTooLong,
            Self::BodyTooLarge => Ending::BodyTooLarge,
            Self::HeaderTimeout => Ending::HeaderTimeout,
            Self::BodyTimeout => Ending::BodyTimeout,
            Self::ClientDeadline => Ending::ClientDeadline,
            Self::ClientGone => Ending::ClientClosed,
            Self::WriteTimeout => Ending::WriteTimeout,
            Self::MethodNotAllowed => Ending::MethodNotAllowed,
            Self::Overloaded => Ending::Overloaded,
            Self::Denied => Ending::Denied,
            Self::NoRoute => Ending::NoRoute,
            Self::NoInstance => Ending::NoInstance,
            Self::QueueFull => Ending::QueueFull,
            Self::QueueTimeout => Ending::QueueTimeout,
            Self::Shortage => Ending::Shortage,
            Self::ConnectFailed => Ending::ConnectFailed,
            Self::ConnectTimeout => Ending::ConnectTimeout,
            Self::UpstreamReset => Ending::UpstreamReset,
            Self::UpstreamNonsense => Ending::UpstreamProtocol,
            Self::UpstreamTimeout => Ending::UpstreamTimeout,
            Self::UpstreamTruncated => Ending::UpstreamTruncated,
        }
    }

    /// What the client reads: one sentence that tells nothing of the inside.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::BadRequest => "The request is malformed or ambiguous.",
            Self::TlsOnPlain => "TLS was spoken to a port that speaks plain HTTP.",
            Self::Loop => "The request came back to where it had been.",
            Self::HeaderTooLarge => "The request's headers are too large.",
            Self::TargetTooLong => "The request's target is too long.",
            Self::BodyTooLarge => "The request's body is too large.",
            Self::HeaderTimeout => "The request's headers came too slowly.",
            Self::BodyTimeout => "The request's body came too slowly.",
            Self::MethodNotAllowed => "This method is not served here.",
            Self::Overloaded => "Too much is going on at the moment.",
            Self::Denied => "You may not ask for this.",
            Self::NoRoute => "Nothing is served at this address.",
            Self::NoInstance => "No server is available at the moment.",
            Self::Shortage => "No server can be reached at the moment.",
            Self::QueueFull | Self::QueueTimeout => "All servers are busy at the moment.",
            Self::ConnectFailed | Self::UpstreamReset => "The server could not be reached.",
            Self::UpstreamNonsense | Self::UpstreamTruncated => "The server's answer was broken.",
            Self::ConnectTimeout | Self::UpstreamTimeout => "The server took too long to answer.",
            Self::ClientDeadline => "The time that you gave is over.",
            Self::ClientGone | Self::WriteTimeout => "",
        }
    }

    /// Whether the connection cannot serve another request: where the next one begins is not
    /// certain, or the client still sends what nobody wants.
    pub(crate) fn ends_connection(self) -> bool {
        self == Self::Overloaded || matches!(self.status(), Some(400 | 408 | 413 | 414 | 431))
    }

    /// Whether trying again soon may help.
    pub(crate) fn is_temporary(self) -> bool {
        self.status() == Some(503)
    }

    /// What reading a request's head failed with.
    pub(crate) fn of_head(error: &wire::body::Error) -> Self {
        match error {
            wire::body::Error::Fault(fault) => Self::of_request(*fault),
            _ => Self::ClientGone,
        }
    }

    /// What reading a request's body failed with.
    pub(crate) fn of_body(error: &wire::body::Error) -> Self {
        Self::of_head(error)
    }

    fn of_request(fault: h1::Fault) -> Self {
        match fault {
            h1::Fault::TargetTooLong => Self::TargetTooLong,
            h1::Fault::HeadTooLarge | h1::Fault::TooManyFields => Self::HeaderTooLarge,
            h1::Fault::Tls => Self::TlsOnPlain,
            h1::Fault::Tunnel => Self::MethodNotAllowed,
            h1::Fault::NoMemory => Self::Overloaded,
            h1::Fault::Truncated => Self::ClientGone,
            _ => Self::BadRequest,
        }
    }

    /// What reading an answer failed with before it began.
    pub(crate) fn of_answer(error: &wire::body::Error) -> Self {
        match error.is_nonsense() {
            true => Self::UpstreamNonsense,
            false => Self::UpstreamReset,
        }
    }
}
