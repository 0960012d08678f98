//! What a limit decides on a request: one word for the metrics and for all who ask.

/// What a limit decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum LimitOutcome {
    /// There was enough.
    Passed,
    /// There was not, and the request was refused.
    Limited,
    /// There was not, and the limit only observes.
    Observed,
}

impl LimitOutcome {
    /// Every one, each at the place that is its number.
    pub const ALL: [Self; 3] = [Self::Passed, Self::Limited, Self::Observed];

    /// The word that the metrics have.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Limited => "limited",
            Self::Observed => "observed",
        }
    }
}
