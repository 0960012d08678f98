//! The process driver with real processes. Each test has a [`ground::Ground`] of its own and leaves
//! no process behind: that is checked at its end.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod adopt;
mod examine;
mod exit;
mod ground;
mod hidden;
mod notify;
mod output;
mod record_line;
mod start;
mod stop;
mod terms;
