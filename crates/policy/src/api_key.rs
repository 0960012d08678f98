//! API keys: names, and the SHA-256 of each one's key. Keys are long and drawn by chance, so that a quick hash is enough:
//! nobody can guess at them.

use std::fmt;
use std::hash::BuildHasher;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::lines::{self, Entry, LineError, LineFault};

/// The keys that are known.
#[derive(Clone, Default)]
pub struct ApiKeys {
    /// Its own, so that nobody can tell by how long it takes how much of a digest is right.
    hasher: DefaultHashBuilder,
    table: HashTable<Known>,
}

#[derive(Clone)]
struct Known {
    digest: [u8; SHA256_OUTPUT_LEN],
    name: Box<str>,
}

impl fmt::Debug for ApiKeys {
    /// Digests are nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} API keys", self.table.len())
    }
}

impl ApiKeys {
    /// Reads a file: on each line a name, a colon and the SHA-256 of a key in hexadecimal digits. A name may have several keys, of
    /// which one is about to go.
    ///
    /// # Errors
    /// Every line that is not taken.
    pub fn parse(text: &str) -> Result<Self, Vec<LineFault>> {
        lines::read(text, Self::default(), |keys, Entry { name, rest }| {
            let digest = digest_of(rest.trim()).ok_or(LineError::Digest)?;
            if let Some(known) = keys.find(&digest) {
                return Err(LineError::SameKey(known.name.to_string(), name.to_owned()));
            }
            let (hash, hasher) = (keys.hasher.hash_one(digest), &keys.hasher);
            let known = Known { digest, name: name.into() };
            keys.table.insert_unique(hash, known, |it| hasher.hash_one(it.digest));
            Ok(())
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Whose key `key` is, if it is anybody's.
    pub fn name_of(&self, key: &[u8]) -> Option<&str> {
        let digest = digest(&SHA256, key);
        self.find(digest.as_ref().try_into().ok()?).map(|known| &*known.name)
    }

    fn find(&self, digest: &[u8; SHA256_OUTPUT_LEN]) -> Option<&Known> {
        let is_same = |it: &Known| verify_slices_are_equal(&it.digest, digest).is_ok();
        self.table.find(self.hasher.hash_one(digest), is_same)
    }
}

fn digest_of(text: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let text = Some(text.as_bytes()).filter(|text| text.len() == 2 * SHA256_OUTPUT_LEN)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut digest = [0; SHA256_OUTPUT_LEN];
    for (byte, [high, low]) in digest.iter_mut().zip(text.as_chunks::<2>().0) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `one` and of `two`, as `sha256sum` says them.
    const ONE: &str = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    const TWO: &str = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3";

    #[test]
    fn a_key_is_its_name_s() {
        let upper = TWO.to_uppercase();
        let keys =
            ApiKeys::parse(&format!("# partners\nacme:{ONE}\r\n\nacme: {upper} \n")).unwrap();
        assert_eq!(keys.name_of(b"one"), Some("acme"));
        assert_eq!(keys.name_of(b"two"), Some("acme"), "one key is exchanged for the next");
        for key in ["", "One", "one ", ONE, "three"] {
            assert_eq!(keys.name_of(key.as_bytes()), None, "{key}");
        }
        let none = ApiKeys::parse("").unwrap();
        assert!(none.is_empty() && none.name_of(b"one").is_none());
    }

    #[test]
    fn every_line_that_is_not_taken_is_told_without_what_is_secret() {
        let short = &ONE[1..];
        let text = format!("acme:{ONE}\nb:{short}\nc:one\n:{TWO}\nd\ne:{ONE}\nf:{short}g");
        let faults = ApiKeys::parse(&text).unwrap_err();
        let lines: Vec<usize> = faults.iter().map(|it| it.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7], "{faults:?}");
        assert_eq!(faults[4].error.to_string(), "`acme` and `e` have the same key");
        assert!(faults.iter().all(|it| !it.error.to_string().contains(short)), "{faults:?}");
    }
}
