//! How a gRPC call ended: the status codes, and which of them say that the server failed. The access log,
//! the metrics, passive ejection and the judge all ask here, so that they never differ.
//!
//! <https://grpc.io/docs/guides/status-codes/>

/// Declares the codes with their names, in the order of their numbers, from 0.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)*) => {
        /// The status of a gRPC call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GrpcStatus {
            $($(#[doc = $doc])+ $name,)*
        }

        impl GrpcStatus {
            /// Every code, by its number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name, as the specification writes it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// It succeeded.
    Ok = "OK",
    /// Its client gave it up.
    Cancelled = "CANCELLED",
    /// The server does not say what went wrong.
    Unknown = "UNKNOWN",
    /// What the client asked for is wrong.
    InvalidArgument = "INVALID_ARGUMENT",
    /// It took too long.
    DeadlineExceeded = "DEADLINE_EXCEEDED",
    /// What it is about is not there.
    NotFound = "NOT_FOUND",
    /// What it would make is there.
    AlreadyExists = "ALREADY_EXISTS",
    /// The client may not do that.
    PermissionDenied = "PERMISSION_DENIED",
    /// A quota or another limit is used up.
    ResourceExhausted = "RESOURCE_EXHAUSTED",
    /// The system is not in a state for it.
    FailedPrecondition = "FAILED_PRECONDITION",
    /// It lost a race with another.
    Aborted = "ABORTED",
    /// It went beyond what is there.
    OutOfRange = "OUT_OF_RANGE",
    /// No server has this method.
    Unimplemented = "UNIMPLEMENTED",
    /// The server is broken.
    Internal = "INTERNAL",
    /// The server cannot serve at the moment.
    Unavailable = "UNAVAILABLE",
    /// Data is lost or corrupted.
    DataLoss = "DATA_LOSS",
    /// The client did not say who it is.
    Unauthenticated = "UNAUTHENTICATED",
}

impl GrpcStatus {
    /// The code of this number; a number that is not assigned is unknown.
    pub fn of(number: u64) -> Self {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        Self::ALL.get(place).copied().unwrap_or(Self::Unknown)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self as u64
    }

    /// Whether it says that the server failed, rather than something of what it was asked for. The same
    /// codes as linkerd counts
    /// (<https://github.com/linkerd/linkerd2-proxy/blob/main/linkerd/app/core/src/classify.rs>).
    /// Envoy's outlier detection counts `UNIMPLEMENTED` too, which is the client's mistake as often.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::DeadlineExceeded
                | Self::Internal
                | Self::Unavailable
                | Self::DataLoss
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_numbers_of_the_specification() {
        for (number, name) in
            [(0, "OK"), (5, "NOT_FOUND"), (14, "UNAVAILABLE"), (16, "UNAUTHENTICATED")]
        {
            assert_eq!(GrpcStatus::of(number).as_str(), name);
            assert_eq!(GrpcStatus::of(number).number(), number);
        }
        assert_eq!(GrpcStatus::of(17), GrpcStatus::Unknown);
        assert_eq!(GrpcStatus::of(u64::MAX), GrpcStatus::Unknown);
    }

    #[test]
    fn a_failure_is_the_servers() {
        let failures = GrpcStatus::ALL.iter().filter(|it| it.is_failure());
        assert_eq!(failures.map(|it| it.number()).collect::<Vec<_>>(), [2, 4, 13, 14, 15]);
    }
}
