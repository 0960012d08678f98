//! What becomes of finding out who a request is from, where that takes a while: one word for the metrics and for all who ask.

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum InquiryOutcome {
    /// Another was asked.
    Asked,
    /// Another was being asked the same, and the request waited with the others.
    Shared,
    /// What was found before still held.
    Cached,
    /// Another was asked, and gave nothing that could be used, or there was no room to ask.
    Failed,
}

impl InquiryOutcome {
    /// Every one, each at the place that is its number.
    pub const ALL: [Self; 4] = [Self::Asked, Self::Shared, Self::Cached, Self::Failed];

    /// The word that the metrics have.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Shared => "shared",
            Self::Cached => "cached",
            Self::Failed => "failed",
        }
    }
}
