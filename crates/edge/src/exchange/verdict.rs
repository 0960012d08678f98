//! What a whole response says of the instance that gave it: the one place that tells failures from the
//! rest, by the status of HTTP and, of a gRPC call, by its own. The instance's counters, passive
//! ejection, the judge of a deploy and retries all go by it.

use std::time::Duration;

use telemetry::GrpcStatus;

use crate::grpc::Call;

/// What a response says of its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The instance serves.
    Served,
    /// An error of the server's that says nothing of whether it is well, such as 501.
    Refused,
    /// What a client calls a failure of the server.
    Failed,
    /// It came too late for its client alone: nothing is known.
    Unknown,
}

impl Verdict {
    /// By the status of HTTP.
    #[inline]
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            ..500 => Self::Served,
            500 | 502 | 503 | 504 => Self::Failed,
            _ => Self::Refused,
        }
    }

    /// Of a call that ended with this status of HTTP at `now`, in the time of the worker's wheel, and with
    /// this one of its own, if any was told.
    pub(crate) fn of_call(
        call: &Call,
        status: u16,
        told: Option<GrpcStatus>,
        now: Duration,
    ) -> Self {
        match told {
            Some(GrpcStatus::DeadlineExceeded) if call.is_overdue(now) => Self::Unknown,
            Some(told) if told.is_failure() => Self::Failed,
            _ => Self::of_status(status),
        }
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
    fn errors_of_the_server_fail_and_what_it_refuses_does_not() {
        for (status, verdict) in [
            (0, Verdict::Served),
            (200, Verdict::Served),
            (499, Verdict::Served),
            (500, Verdict::Failed),
            (501, Verdict::Refused),
            (503, Verdict::Failed),
            (505, Verdict::Refused),
        ] {
            assert_eq!(Verdict::of_status(status), verdict, "{status}");
        }
    }

    #[test]
    fn a_call_fails_by_its_own_status_or_by_that_of_http() {
        let verdict = |status, told| Verdict::of_call(&call("1H"), status, told, Duration::ZERO);
        assert_eq!(verdict(200, Some(GrpcStatus::Ok)), Verdict::Served);
        assert_eq!(verdict(200, Some(GrpcStatus::NotFound)), Verdict::Served);
        assert_eq!(verdict(200, Some(GrpcStatus::Internal)), Verdict::Failed);
        assert_eq!(verdict(200, Some(GrpcStatus::DeadlineExceeded)), Verdict::Failed);
        assert_eq!(verdict(503, None), Verdict::Failed);
        assert_eq!(verdict(404, None), Verdict::Served);
    }

    #[test]
    fn no_instance_is_blamed_for_the_deadline_of_its_client() {
        let late = Some(GrpcStatus::DeadlineExceeded);
        let verdict =
            |told, now| Verdict::of_call(&call("1S"), 200, told, Duration::from_millis(now));
        assert_eq!(verdict(late, 1000), Verdict::Unknown);
        assert_eq!(verdict(late, 500), Verdict::Failed, "it was another deadline");
        assert_eq!(verdict(Some(GrpcStatus::Internal), 1000), Verdict::Failed);
    }
}
