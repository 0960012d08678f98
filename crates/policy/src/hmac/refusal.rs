//! Why a signed request is not believed: a word for our log. Its sender is told none of them.

/// Why a signed request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is not signed.
    Missing,
    /// A header of its signature is missing, is there twice, or is not what it must be.
    Malformed,
    /// It was signed longer ago than the window allows.
    Stale,
    /// It was signed further in the future than the window allows.
    Early,
    /// There are several secrets, and it names none of them.
    KeyUnknown,
    /// The secret did not sign this method, target, time, nonce and body.
    Signature,
    /// Its nonce was used before.
    Replayed,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Malformed,
        Self::Stale,
        Self::Early,
        Self::KeyUnknown,
        Self::Signature,
        Self::Replayed,
    ];

    /// The word for it, in the access log and in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "hmac_missing",
            Self::Malformed => "hmac_malformed",
            Self::Stale => "hmac_stale",
            Self::Early => "hmac_early",
            Self::KeyUnknown => "hmac_key_unknown",
            Self::Signature => "hmac_signature",
            Self::Replayed => "hmac_replayed",
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
        assert!(words.iter().all(|it| it.starts_with("hmac_")));
    }
}
