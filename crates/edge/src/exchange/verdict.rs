//! What a gRPC call that has ended says of the instance that was asked: by its own status where it has one, and by
//! that of HTTP where not.

use std::time::Duration;

use telemetry::GrpcStatus;

use crate::grpc::Call;
use crate::live::fate::Fate;

/// What became of a call that ended with this status of HTTP at `now`, in the time of the worker's wheel, and with
/// this one of its own, if any was told. `None` where it came too late for its client alone: nothing is known.
pub(crate) fn of_call(
    call: &Call,
    status: u16,
    told: Option<GrpcStatus>,
    now: Duration,
) -> Option<Fate> {
    match told {
        Some(GrpcStatus::DeadlineExceeded) if call.is_overdue(now) => None,
        Some(told) if told.is_failure() => Some(Fate::ServerError),
        Some(GrpcStatus::Ok) | None => Some(Fate::of_status(status)),
        Some(_) => Some(Fate::of_status(status.max(400))),
    }
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::head::HeadBuilder;

    use super::*;
    use crate::wheel::Wheel;

    fn call(timeout: &str) -> Call {
        let mut head = HeadBuilder::new(&Pool::default());
        head.field(b"content-type", b"application/grpc");
        head.field(b"grpc-timeout", timeout.as_bytes());
        Call::begin(&head.request(b"POST", b"a", b"/s/m"), &Wheel::new()).expect("it is a call")
    }

    #[test]
    fn a_call_fails_by_its_own_status_or_by_that_of_http() {
        let fate = |status, told| of_call(&call("1H"), status, told, Duration::ZERO).unwrap();
        assert_eq!(fate(200, Some(GrpcStatus::Ok)), Fate::Ok);
        assert_eq!(fate(200, Some(GrpcStatus::NotFound)), Fate::ClientError);
        assert_eq!(fate(503, Some(GrpcStatus::NotFound)), Fate::ServerError);
        assert_eq!(fate(200, Some(GrpcStatus::Internal)), Fate::ServerError);
        assert_eq!(fate(200, Some(GrpcStatus::DeadlineExceeded)), Fate::ServerError);
        assert_eq!(fate(503, None), Fate::ServerError);
        assert_eq!(fate(404, None), Fate::ClientError);
    }

    #[test]
    fn no_instance_is_blamed_for_the_deadline_of_its_client() {
        let late = Some(GrpcStatus::DeadlineExceeded);
        let fate = |told, now| of_call(&call("1S"), 200, told, Duration::from_millis(now));
        assert_eq!(fate(late, 1000), None);
        assert_eq!(fate(late, 500), Some(Fate::ServerError), "it was another deadline");
        assert_eq!(fate(Some(GrpcStatus::Internal), 1000), Some(Fate::ServerError));
    }
}
