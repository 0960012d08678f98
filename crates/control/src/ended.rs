//! That there is nothing left to ask.

/// The control loop has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Plimsoll is shutting down")]
pub struct Ended;
