//! What it means for an exchange that a message could not be read.

use telemetry::Ending;
use wire::body::Error;
use wire::h1::Fault;

/// What reading a request, its head or its body, failed with.
pub(crate) fn request_failed(error: &Error) -> Ending {
    let fault = match error {
        Error::Fault(fault) => fault,
        // Such as a body that is not as long as it was announced (RFC 9113 §8.1.1).
        Error::H2(_) if error.is_nonsense() => return Ending::BadRequest,
        Error::H2(_) | Error::Io(_) => return Ending::ClientClosed,
    };
    match fault {
        Fault::TargetTooLong => Ending::UriTooLong,
        Fault::HeadTooLarge | Fault::TooManyFields => Ending::HeaderTooLarge,
        Fault::Tls => Ending::TlsOnPlain,
        Fault::Tunnel => Ending::MethodNotAllowed,
        Fault::NoMemory => Ending::Overloaded,
        Fault::Truncated => Ending::ClientClosed,
        _ => Ending::BadRequest,
    }
}

/// What reading a response failed with before it began.
pub(crate) fn response_failed(error: &Error) -> Ending {
    match error {
        // That we have no room for it says nothing of the instance.
        Error::Fault(Fault::NoMemory) => Ending::Overloaded,
        error if error.is_nonsense() => Ending::UpstreamProtocol,
        _ => Ending::UpstreamReset,
    }
}

#[cfg(test)]
mod tests {
    use telemetry::Blame;

    use super::*;

    #[test]
    fn want_of_memory_is_nobody_else_s_fault() {
        let error = Error::Fault(Fault::NoMemory);
        for ending in [request_failed(&error), response_failed(&error)] {
            assert_eq!(ending.blame(), Blame::Edge);
        }
    }

    #[test]
    fn one_that_breaks_the_rules_is_told_from_one_that_went_away() {
        let (broken, gone) = (Error::Fault(Fault::Chunk), Error::Fault(Fault::Truncated));
        assert_eq!(request_failed(&broken), Ending::BadRequest);
        assert_eq!(request_failed(&gone), Ending::ClientClosed);
        assert_eq!(response_failed(&broken), Ending::UpstreamProtocol);
        assert_eq!(response_failed(&gone), Ending::UpstreamReset);
    }
}
