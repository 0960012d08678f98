//! How long a connection to an instance is kept between two requests.
//!
//! A server that closes an idle connection just as a request arrives on it fails that request, and one
//! that must not run twice cannot be sent again. So Plimsoll closes first: after the configured time,
//! or earlier where the instance says that it will.

use std::time::Duration;

use model::KeepAlive;
use wire::head::{Fields, list};
use wire::name::Name;

/// How much earlier than the instance would: time for a request to reach it, and for its clock and
/// ours to disagree. Of a time shorter than twice this, half.
const MARGIN: Duration = Duration::from_secs(1);

/// How long the connection may be idle after a response with these fields; `None` where it is not
/// worth keeping.
pub(crate) fn idle_for(wanted: &KeepAlive, fields: &Fields) -> Option<Duration> {
    let hinted = match wanted.honour_hint && fields.has(Name::KeepAlive) {
        true => fields.all(Name::KeepAlive).flat_map(list).find_map(timeout),
        false => None,
    };
    let idle =
        hinted.map_or(wanted.idle, |hinted| wanted.idle.min(hinted - MARGIN.min(hinted / 2)));
    (!idle.is_zero()).then_some(idle)
}

/// The time that a parameter `timeout=N` gives (RFC 2068 §19.7.1.1), in seconds.
fn timeout(parameter: &[u8]) -> Option<Duration> {
    let equals = parameter.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
    if !name.trim_ascii().eq_ignore_ascii_case(b"timeout") {
        return None;
    }
    let value = value.trim_ascii();
    let bare = value.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\"")).unwrap_or(value);
    wire::h1::framing::parse_length(bare).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::head::HeadBuilder;

    use super::*;

    fn idle(hints: &[&str], honour_hint: bool) -> Option<u64> {
        let mut head = HeadBuilder::new(&Pool::default());
        hints.iter().for_each(|hint| head.field(b"keep-alive", hint.as_bytes()));
        let wanted = KeepAlive { idle: Duration::from_secs(50), honour_hint };
        idle_for(&wanted, &head.trailers()).map(|idle| idle.as_millis() as u64)
    }

    #[test]
    fn a_hint_shortens_the_time_by_a_margin_and_never_lengthens_it() {
        assert_eq!(idle(&["timeout=5"], true), Some(4000));
        assert_eq!(idle(&["max=100, Timeout = \"20\""], true), Some(19_000));
        assert_eq!(idle(&["max=1", "timeout=7"], true), Some(6000));
        assert_eq!(idle(&["timeout=1"], true), Some(500));
        assert_eq!(idle(&["timeout=2"], true), Some(1000));
        assert_eq!(idle(&["timeout=600"], true), Some(50_000));
        assert_eq!(idle(&["timeout=0"], true), None);
    }

    #[test]
    fn without_a_hint_or_where_none_is_wanted_the_configured_time_holds() {
        for hint in ["", "max=5", "timeout=", "timeout=x", "timeouts=5", "timeout=-1", "timeout"] {
            assert_eq!(idle(&[hint], true), Some(50_000), "{hint:?}");
        }
        assert_eq!(idle(&[], true), Some(50_000));
        assert_eq!(idle(&["timeout=5"], false), Some(50_000));
    }
}
