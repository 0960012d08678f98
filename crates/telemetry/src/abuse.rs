//! What a rule of abuse makes of a refusal: one word for the metrics and for all who ask.

/// What came of a refusal that a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum AbuseOutcome {
    /// It was counted.
    Counted,
    /// It was one too many: its client or subject is banned.
    Banned,
    /// It was one too many, and the rule only observes.
    Observed,
}

impl AbuseOutcome {
    /// Every one, each at the place that is its number.
    pub const ALL: [Self; 3] = [Self::Counted, Self::Banned, Self::Observed];

    /// The word that the metrics have.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Banned => "banned",
            Self::Observed => "observed",
        }
    }
}
