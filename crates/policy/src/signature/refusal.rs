//! Why a signed request is not believed: a word for our log. Its sender is told none of them.

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// Why a signed request is not believed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word for it, in the access log and in metrics.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

refusals! {
    /// It is not signed.
    Missing = "signature_missing";
    /// `Signature-Input` or `Signature` is not what it must be, has a label, a component or a parameter twice, or more than is read.
    Malformed = "signature_malformed";
    /// No signature has the demanded `tag`.
    Tag = "signature_tag";
    /// It covers less than is demanded.
    Incomplete = "signature_incomplete";
    /// It covers something that the request does not have, or that cannot be read in one way only.
    Component = "signature_component";
    /// It does not say when it was made.
    NoCreated = "signature_no_created";
    /// It was made longer ago than the window allows.
    Stale = "signature_stale";
    /// It was made further in the future than the window allows.
    Early = "signature_early";
    /// Its `expires` is over.
    Expired = "signature_expired";
    /// Its `alg` is not among the configured algorithms, or does not fit the key.
    Algorithm = "signature_algorithm";
    /// No key has its `keyid`.
    KeyUnknown = "signature_key_unknown";
    /// No key that it could be of made it.
    Forged = "signature_forged";
    /// A nonce is demanded, and it has none or one that is too long.
    Nonce = "signature_nonce";
    /// Its nonce was used before.
    Replayed = "signature_replayed";
    /// `Content-Digest` cannot be read, or has no algorithm that is good.
    DigestUnknown = "signature_digest_unknown";
    /// The body is not what was signed.
    Digest = "signature_digest";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_word_of_its_own() {
        let words: BTreeSet<_> = Refusal::ALL.iter().map(|it| it.word()).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
        assert!(words.iter().all(|it| it.starts_with("signature_")));
    }
}
