//! What happens, as typed events: each kind a struct with its fields, one [`Events::emit`], from which the line of the
//! program's own log is made and which others can follow (the admin API's stream first).
//!
//! A kind's message is constant and its level fixed; what differs is in fields. `docs/reference/events.md` is made of
//! the table in `kinds`. What a request does is not told here: that is the access log's ([`crate::access`]). Nothing
//! here knows a format of the outside: what events look like in JSON is for `admin` to say.

mod declare;
mod field;
mod follow;
mod kinds;
mod ring;
#[cfg(test)]
mod tests;

pub use field::{Field, Value};
pub use follow::{Followed, Follower, Gap};
pub use kinds::*;
pub use ring::{Close, EVENTS_BYTES_MAX, EVENTS_MAX, EventId, Events, NotAnId, Recorded};
/// How grave an event is: an error means that a person must act.
pub use tracing::Level;

/// The word for a level, as the log's settings have it.
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}
