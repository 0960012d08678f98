//! Why a token is not believed: a word for our log, and what little its sender is told.

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is none.
    Missing,
    /// It is longer than [`super::TOKEN_BYTES_MAX`].
    TooLarge,
    /// It is not a token in the compact serialisation, or its header or claims are not what they must be.
    Malformed,
    /// Its `typ` says that it is for something else.
    Type,
    /// It demands by `crit` or `b64` what this reader does not do.
    Critical,
    /// Its `alg` is not among the configured ones, or fits none of the keys that it could be for.
    Algorithm,
    /// No key has its `kid`; or it has none, and there are more keys than are tried.
    KeyUnknown,
    /// No key of those that it could be for signed it.
    Signature,
    /// Its `exp` is over.
    Expired,
    /// Its `nbf` or its `iat` is yet to come.
    NotYet,
    /// It has no `exp`, which is demanded.
    NoExpiry,
    /// Its `iss` is not one of the configured ones.
    Issuer,
    /// None of its `aud` is one of the configured ones.
    Audience,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Missing,
        Self::TooLarge,
        Self::Malformed,
        Self::Type,
        Self::Critical,
        Self::Algorithm,
        Self::KeyUnknown,
        Self::Signature,
        Self::Expired,
        Self::NotYet,
        Self::NoExpiry,
        Self::Issuer,
        Self::Audience,
    ];

    /// The word for it, in the access log and in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::TooLarge => "token_too_large",
            Self::Malformed => "token_malformed",
            Self::Type => "token_type",
            Self::Critical => "token_critical",
            Self::Algorithm => "token_algorithm",
            Self::KeyUnknown => "token_key_unknown",
            Self::Signature => "token_signature",
            Self::Expired => "token_expired",
            Self::NotYet => "token_not_yet",
            Self::NoExpiry => "token_no_expiry",
            Self::Issuer => "token_issuer",
            Self::Audience => "token_audience",
        }
    }

    /// What `error=` says in `WWW-Authenticate` (RFC 6750 section 3.1): nothing to who sent no token, and to everybody
    /// else the same word, so that nobody learns how near a forged token was.
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::Missing => None,
            _ => Some("invalid_token"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_word_of_its_own() {
        let words: BTreeSet<_> = Refusal::ALL.iter().map(|it| it.word()).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
        assert!(words.iter().all(|it| it.starts_with("token_")));
        let silent: Vec<_> = Refusal::ALL.iter().filter(|it| it.error().is_none()).collect();
        assert_eq!(silent, [&Refusal::Missing]);
    }
}
