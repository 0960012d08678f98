//! The keys of those who sign: each key stands for one of them, by its id.

use crate::jwt::{Keys, KeysError, Provenance};

use super::Algorithm;

/// The keys in a file of ours, for `algorithms`: a JWK Set where it begins as JSON does, otherwise PEM with a line `Key-Id: NAME` before each key.
///
/// # Errors
/// When it cannot be read, has a key that cannot be used (of a JWK Set: none that can), or has several of which one has no id: nobody could say
/// whose signature it was.
pub fn keys(text: &str, algorithms: &[Algorithm]) -> Result<Keys, KeysError> {
    let algorithms: Vec<_> = algorithms.iter().map(|it| it.jose()).collect();
    let keys = if text.trim_start().starts_with('{') {
        Keys::from_jwks(text.as_bytes(), Provenance::Own, &algorithms)
    } else {
        Keys::from_pem_with_ids(text, &algorithms)
    }?;
    match keys.without_id() {
        unnamed if unnamed > 0 && keys.count() > 1 => Err(KeysError::Unnamed(unnamed)),
        _ => Ok(keys),
    }
}
