//! How certificates stand, as plain data.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How a certificate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// The hosts that it is for.
    pub hosts: Vec<String>,
    /// Where it comes from.
    pub source: CertificateSource,
    /// The one that is served; `None` while none has come.
    pub held: Option<HeldStatus>,
}

/// A certificate that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldStatus {
    /// Who issued it, for people.
    pub issuer: String,
    /// What kind of key it is for, for people.
    pub key: String,
    /// Until when it is good.
    pub not_after: SystemTime,
}

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// From this file; something else renews it.
    File(PathBuf),
    /// It is ordered of a CA.
    Ordered(Renewal),
}

/// When a certificate is ordered next, and what fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// When; `None` while it is being ordered.
    pub next: Option<SystemTime>,
    /// Why then.
    pub why: RenewalReason,
    /// The edge that orders it, where that is another.
    pub edge: Option<String>,
    /// What fails, if it does.
    pub trouble: Option<RenewalTrouble>,
}

/// Why a certificate is ordered when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalReason {
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
    /// Another edge orders it.
    Elsewhere,
    /// It waits for the store, by which edges agree on who orders it.
    Store,
}

impl RenewalReason {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::ThirdLeft => "third_left",
            Self::Suggested => "suggested",
            Self::Again => "again",
            Self::TooSoon => "too_soon",
            Self::Elsewhere => "elsewhere",
            Self::Store => "store",
        }
    }

    /// The same for people: the certificate is ordered then because ...
    pub fn meaning(self) -> &'static str {
        match self {
            Self::New => "there is none yet",
            Self::ThirdLeft => "a third of its life is left then",
            Self::Suggested => "its CA suggests it",
            Self::Again => "the last order failed",
            Self::TooSoon => "the last one has only just come",
            Self::Elsewhere => "another edge orders it",
            Self::Store => "it waits for the store, by which edges agree on who orders it",
        }
    }
}

impl From<certificates::Why> for RenewalReason {
    fn from(why: certificates::Why) -> Self {
        use certificates::Why;
        match why {
            Why::New => Self::New,
            Why::ThirdLeft => Self::ThirdLeft,
            Why::Suggested => Self::Suggested,
            Why::Again => Self::Again,
            Why::TooSoon => Self::TooSoon,
        }
    }
}

/// Orders that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalTrouble {
    /// Since when.
    pub since: SystemTime,
    /// How often.
    pub times: u32,
    /// The directory that was asked last.
    pub directory: String,
    /// What went wrong then, in the CA's words where it has any.
    pub problem: String,
    /// What may mend it.
    pub advice: String,
}

impl CertificateStatus {
    /// How long it is good still; nothing where there is none.
    pub fn left(&self, now: SystemTime) -> Duration {
        let left = self.held.as_ref().map(|it| it.not_after.duration_since(now));
        left.and_then(Result::ok).unwrap_or_default()
    }

    /// What fails, where it is ordered and that fails.
    pub fn trouble(&self) -> Option<&RenewalTrouble> {
        match &self.source {
            CertificateSource::Ordered(renewal) => renewal.trouble.as_ref(),
            CertificateSource::File(_) => None,
        }
    }
}
