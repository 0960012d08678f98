//! Whether what is shared can be reached, for those that call and for people.

use std::sync::Arc;
use std::time::SystemTime;

/// How the store stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does what it is asked for.
    Up,
    /// It does not.
    Down(Down),
}

/// The store is down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is down: {why}")]
pub struct Down {
    /// Since when.
    pub since: SystemTime,
    /// Why, in words that have no secret.
    pub why: Arc<str>,
}

impl Health {
    /// Why it is down, if it is.
    pub fn down(&self) -> Option<&Down> {
        match self {
            Self::Up => None,
            Self::Down(down) => Some(down),
        }
    }
}
