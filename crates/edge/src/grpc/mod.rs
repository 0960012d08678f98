//! gRPC as a proxy sees it: which requests are calls, how long their clients wait, how a call ended,
//! and how its client is told of a fault of ours. What a message says is not known here.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>,
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>

pub(crate) mod web;

use std::time::Duration;

use telemetry::GrpcStatus;
use wire::h1::framing::parse_length;
use wire::head::{Fields, Method, RequestHead, ResponseHead};

use crate::fields::FieldSink;
use crate::wheel::{TICK, Wheel};

pub(crate) const MEDIA_TYPE: &[u8] = b"application/grpc";
pub(crate) const STATUS: &[u8] = b"grpc-status";

/// A timeout has so many digits at the most.
const TIMEOUT_DIGITS_MAX: usize = 8;

/// What a call is spoken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// gRPC: the status stands in the trailers, or in a head that is all of the response.
    Native,
    /// grpc-web: the status stands in the body's last frame, or in the head. Its client looks at the status
    /// of HTTP first.
    Web,
}

impl Dialect {
    /// Which of the two has messages of this media type.
    pub(crate) fn of(media: &[u8]) -> Option<Self> {
        let (head, rest) = media.split_at_checked(MEDIA_TYPE.len())?;
        if !head.eq_ignore_ascii_case(MEDIA_TYPE) {
            return None;
        }
        let begins =
            |text: &[u8]| rest.get(..text.len()).is_some_and(|it| it.eq_ignore_ascii_case(text));
        match rest {
            [] | [b'+' | b';' | b' ' | b'\t', ..] => Some(Self::Native),
            _ if begins(b"-web") => Some(Self::Web),
            _ => None,
        }
    }

    fn of_fields(fields: &Fields) -> Option<Self> {
        fields.named(b"content-type").next().and_then(Self::of)
    }

    /// That of a request, if it is a call.
    #[inline]
    pub(crate) fn of_request(head: &RequestHead) -> Option<Self> {
        match head.method() {
            Method::Post => Self::of_fields(&head.fields),
            _ => None,
        }
    }
}

/// What a request is beside being one of HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) dialect: Dialect,
    /// When its client gives it up, in the time of the worker's wheel.
    until: Option<Duration>,
}

impl Call {
    /// The call that begins with `head`, if it is one. Any request but a POST pays one comparison.
    #[inline]
    pub(crate) fn begin(head: &RequestHead, wheel: &Wheel) -> Option<Self> {
        let dialect = Dialect::of_request(head)?;
        let timeout = head.fields.named(b"grpc-timeout").next().and_then(timeout);
        Some(Self { dialect, until: timeout.map(|timeout| wheel.now() + timeout) })
    }

    /// What is left of the time that its client waits.
    pub(crate) fn left(&self, now: Duration) -> Duration {
        self.until.map_or(Duration::MAX, |until| until.saturating_sub(now))
    }

    /// Whether that time is over, to the tick.
    pub(crate) fn is_overdue(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now + TICK >= until)
    }

    /// Whether its client may have nothing to say for long and go on later. One of grpc-web sends one
    /// message.
    pub(crate) fn is_stream(&self) -> bool {
        self.dialect == Dialect::Native
    }
}

/// What came of a response beside its head, once it is whole.
#[derive(Default)]
pub(crate) struct Ended {
    /// The fields after its body.
    pub(crate) trailers: Option<Fields>,
    /// What its body told, where that is of grpc-web.
    pub(crate) in_body: Option<GrpcStatus>,
}

/// The status of HTTP that refuses what this one refuses; `None` where it says that the server failed, or nothing failed.
pub(crate) fn refusal(status: GrpcStatus) -> Option<u16> {
    Some(match status {
        GrpcStatus::InvalidArgument => 400,
        GrpcStatus::Unauthenticated => 401,
        GrpcStatus::PermissionDenied => 403,
        GrpcStatus::NotFound => 404,
        GrpcStatus::ResourceExhausted => 429,
        _ => return None,
    })
}

/// How a response that is whole says that its call ended. One that is no gRPC says nothing of it: a client
/// must not make a failure of a good response by what it calls its request.
pub(crate) fn told(head: &ResponseHead, ended: &Ended) -> Option<GrpcStatus> {
    let status = |fields: &Fields| fields.named(STATUS).next().map(read_status);
    let told = ended.trailers.as_ref().and_then(status).or_else(|| status(&head.fields));
    let is_native = || Dialect::of_fields(&head.fields) == Some(Dialect::Native);
    told.or_else(|| match head.status() {
        // One that ends without a status is unknown to its client.
        200 if is_native() => Some(GrpcStatus::Unknown),
        200 => ended.in_body,
        _ => None,
    })
}

/// The status that a value of `grpc-status` stands for.
pub(crate) fn read_status(text: &[u8]) -> GrpcStatus {
    parse_length(text).map_or(GrpcStatus::Unknown, GrpcStatus::of)
}

/// `1H`, `20S`, `100m`: what a client grants, as a `grpc-timeout` writes it.
fn timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    let amount = parse_length(digits).filter(|_| digits.len() <= TIMEOUT_DIGITS_MAX)?;
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// A status of ours with its message, as the head of a response has them.
pub(crate) struct Told {
    pub(crate) status: GrpcStatus,
    message: Vec<u8>,
}

impl Told {
    pub(crate) fn new(status: GrpcStatus, message: &str) -> Self {
        Self { status, message: percent_encoded(message) }
    }

    pub(crate) fn write(&self, out: &mut impl FieldSink) {
        out.put(b"Grpc-Status", itoa::Buffer::new().format(self.status.number()).as_bytes());
        out.put(b"Grpc-Message", &self.message);
    }
}

/// As a `grpc-message` has it: all but printable ASCII is escaped, and `%` is.
fn percent_encoded(text: &str) -> Vec<u8> {
    let digit = |value: u8| {
        char::from_digit(value.into(), 16).map_or(b'0', |it| it.to_ascii_uppercase() as u8)
    };
    let mut out = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' => out.extend_from_slice(b"%25"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0xf)]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::head::HeadBuilder;

    use super::*;

    fn head(method: &str, name: &str, value: &str) -> RequestHead {
        let mut head = HeadBuilder::new(&Pool::default());
        head.field(name.as_bytes(), value.as_bytes());
        head.request(method.as_bytes(), b"a", b"/s/m")
    }

    #[test]
    fn a_call_is_known_by_its_method_and_type() {
        for (media, dialect) in [
            ("application/grpc", Some(Dialect::Native)),
            ("Application/gRPC+proto", Some(Dialect::Native)),
            ("application/grpc; x=y", Some(Dialect::Native)),
            ("application/grpc-web", Some(Dialect::Web)),
            ("application/grpc-web-text+proto", Some(Dialect::Web)),
            ("application/grpcs", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(
                Dialect::of_request(&head("POST", "Content-Type", media)),
                dialect,
                "{media}"
            );
            assert_eq!(Dialect::of_request(&head("GET", "Content-Type", media)), None, "{media}");
        }
    }

    #[test]
    fn a_timeout_has_a_unit_and_at_most_eight_digits() {
        let read = |text: &str| timeout(text.as_bytes());
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("100m"), Some(Duration::from_millis(100)));
        assert_eq!(read("99999999u"), Some(Duration::from_micros(99_999_999)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(359_999_996_400)));
        for bad in ["", "5", "m", "-1S", "1s", "100000000S", "1 S", "18446744073709551615H"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_call_is_overdue_when_its_clients_time_is_over() {
        let wheel = Wheel::new();
        let head = |timeout| {
            let mut head = HeadBuilder::new(&Pool::default());
            head.field(b"content-type", b"application/grpc");
            head.field(b"grpc-timeout", timeout);
            head.request(b"POST", b"a", b"/s/m")
        };
        let call = Call::begin(&head(b"1S"), &wheel).unwrap();
        assert_eq!(call.left(Duration::from_millis(400)), Duration::from_millis(600));
        assert!(!call.is_overdue(Duration::from_millis(900)));
        assert!(
            call.is_overdue(Duration::from_secs(1)) && call.left(Duration::from_secs(2)).is_zero()
        );
        let patient = Call::begin(&head(b"some time"), &wheel).unwrap();
        assert!(!patient.is_overdue(Duration::from_secs(1_000_000)));
        assert_eq!(patient.left(Duration::ZERO), Duration::MAX);
    }

    #[test]
    fn a_message_of_ours_is_escaped_as_the_protocol_says() {
        assert_eq!(percent_encoded("No server's there."), b"No server's there.");
        assert_eq!(percent_encoded("100 %\n\u{fc}~"), b"100 %25%0A%C3%BC~");
    }
}
