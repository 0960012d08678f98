//! How a certificate stands, for people.

use std::time::{Duration, SystemTime};

use crate::held::Held;
use crate::machine::DirectoryUrl;

/// How a certificate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The one that is there.
    pub held: Option<Held>,
    /// When the next one is ordered, by the wall's clock; `None` while one is.
    pub next: Option<SystemTime>,
    /// Why then.
    pub why: Why,
    /// What fails, if it does.
    pub trouble: Option<Trouble>,
}

/// Why a certificate is ordered when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is none yet.
    New,
    /// A third of its lifetime is left.
    ThirdLeft,
    /// Its CA suggests it.
    Suggested,
    /// What failed is tried again.
    Again,
    /// The one that is there has only just come.
    TooSoon,
}

/// Orders that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: SystemTime,
    /// How often.
    pub times: u32,
    /// Whom the last one was asked of.
    pub directory: DirectoryUrl,
    /// What went wrong the last time.
    pub problem: String,
}

impl Status {
    /// How long the certificate is good still; nothing where there is none.
    pub fn left(&self, wall: SystemTime) -> Duration {
        self.held.as_ref().map_or(Duration::ZERO, |held| held.left(wall))
    }
}
