//! Seals what must be read and written by edges alone: keys of certificates, accounts, what CAs look for. Whoever has the store sees how much there is and
//! under which names, and can take it away; it can neither read nor make any of it.
//!
//! AES-256-GCM with a random nonce for each text (NIST SP 800-38D section 8.2.2: good for far more texts than are ever sealed here), and the name of a
//! record as associated data, so that none can be put in the place of another. The key is derived from the secret by HKDF with SHA-256 (RFC 5869), which
//! makes no strong key of a weak secret: its least length is the file's to check.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// Seals, and opens what was sealed by the same secret.
pub struct Sealer {
    key: RandomizedNonceKey,
    id: String,
}

impl fmt::Debug for Sealer {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Sealer {
    /// The one of `secret`, for the edges of one `prefix`.
    pub fn new(secret: &[u8], prefix: &str) -> Self {
        let made = Salt::new(HKDF_SHA256, b"plimsoll store").extract(secret);
        let key = derived(&made, &[b"seal", prefix.as_bytes()]);
        let id = derived(&made, &[b"id", prefix.as_bytes()]);
        let id = id[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).expect("a key has 32 bytes");
        Self { key, id }
    }

    /// What tells it from those of other secrets, and says nothing of its own.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals `text` as the record of this name.
    pub fn seal(&self, name: &str, text: &str) -> String {
        let mut sealed = text.as_bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed);
        let nonce = nonce.expect("the system has randomness, and the text is short");
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        BASE64_STANDARD_NO_PAD.encode(whole)
    }

    /// What was sealed as the record of this name; `None` where it was not by this secret, not as this, or is not whole.
    pub fn open(&self, name: &str, sealed: &str) -> Option<String> {
        let mut whole = BASE64_STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = whole.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key.open_in_place(nonce, Aad::from(name.as_bytes()), rest).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

fn derived(made: &Prk, info: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    let filled = made.expand(info, HKDF_SHA256).and_then(|it| it.fill(&mut key));
    filled.expect("32 bytes are what SHA-256 gives at once");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_the_same_secret_under_the_same_name_alone() {
        let sealer = Sealer::new(b"0123456789abcdef0123456789abcdef", "plimsoll");
        let sealed = sealer.seal("certificate/a", "a key");
        assert!(!sealed.contains("a key"));
        assert_ne!(sealed, sealer.seal("certificate/a", "a key"), "each has a nonce of its own");
        assert_eq!(sealer.open("certificate/a", &sealed).as_deref(), Some("a key"));
        assert_eq!(sealer.open("certificate/b", &sealed), None);
        for (secret, prefix) in [
            ("0123456789abcdef0123456789abcdeF", "plimsoll"),
            ("0123456789abcdef0123456789abcdef", "shop"),
        ] {
            let other = Sealer::new(secret.as_bytes(), prefix);
            assert_ne!(other.id(), sealer.id());
            assert_eq!(other.open("certificate/a", &sealed), None, "{secret} {prefix}");
        }
    }

    #[test]
    fn what_is_changed_or_is_not_whole_is_not_opened_and_nothing_panics() {
        let sealer = Sealer::new(b"0123456789abcdef0123456789abcdef", "plimsoll");
        let sealed = sealer.seal("n", "text");
        let whole = BASE64_STANDARD_NO_PAD.decode(&sealed).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open("n", &BASE64_STANDARD_NO_PAD.encode(changed)), None, "{at}");
            assert_eq!(sealer.open("n", &BASE64_STANDARD_NO_PAD.encode(&whole[..at])), None);
        }
        for garbage in ["", "!", "AAAA", "soup soup"] {
            assert_eq!(sealer.open("n", garbage), None);
        }
    }
}
