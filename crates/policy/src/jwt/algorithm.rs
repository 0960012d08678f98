//! What the algorithms of `model` demand of the secrets that they take.

use model::JwtAlgorithm as Algorithm;

/// How many bytes a secret must have: as many as the hash (RFC 7518 section 3.2); `None` for public keys.
pub const fn secret_bytes_min(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::Hs256 => Some(32),
        Algorithm::Hs384 => Some(48),
        Algorithm::Hs512 => Some(64),
        _ => None,
    }
}

/// The algorithm that a header's or a key's `alg` says. Names are compared as they are: `rs256` is none, as `none` is in
/// every spelling. `Ed25519` is what RFC 9864 calls EdDSA over that curve.
pub(super) fn named(text: &str) -> Option<Algorithm> {
    if text == "Ed25519" { Some(Algorithm::EdDsa) } else { Algorithm::named(text) }
}

#[cfg(test)]
mod tests {
    use model::KeyKind;

    use super::*;

    #[test]
    fn names_are_taken_as_they_are() {
        for algorithm in Algorithm::ALL {
            assert_eq!(named(algorithm.as_str()), Some(*algorithm));
            assert_eq!(named(&algorithm.as_str().to_lowercase()), None);
        }
        for text in [
            "none", "None", "NONE", "nOnE", "", " RS256", "RS256 ", "RS256\0", "ES256K", "HS1",
            "RS1",
        ] {
            assert_eq!(named(text), None, "{text:?}");
        }
        assert_eq!(named("Ed25519"), Some(Algorithm::EdDsa));
    }

    #[test]
    fn each_algorithm_that_takes_a_secret_says_how_long() {
        for algorithm in Algorithm::ALL {
            let takes_secret = algorithm.kind() == KeyKind::Secret;
            assert_eq!(secret_bytes_min(*algorithm).is_some(), takes_secret, "{algorithm:?}");
        }
    }
}
