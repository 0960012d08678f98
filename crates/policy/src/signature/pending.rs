//! A request whose signature is right, before its body has come.

use std::time::Duration;

use crate::time::UnixTime;

use super::verifier::in_time;
use super::{Algorithm, ContentDigest, Refusal};

/// A request that its key's owner signed, as far as that can be said without its body.
#[derive(Clone, Debug)]
pub struct Pending {
    pub(super) key_id: Option<Box<str>>,
    pub(super) algorithm: Algorithm,
    pub(super) created: UnixTime,
    pub(super) expires: Option<UnixTime>,
    pub(super) window: Duration,
    pub(super) nonce: Option<NonceKey>,
    pub(super) digest: Option<ContentDigest>,
}

/// A request that is as it was signed, and whose nonce has yet to be used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed {
    /// The id of the key that signed it, as our own file has it; none where that key has none.
    pub key_id: Option<Box<str>>,
    /// By what it was signed.
    pub algorithm: Algorithm,
    /// When it was signed.
    pub signed_at: UnixTime,
    /// What must not have been used before, where nonces are demanded.
    pub nonce: Option<NonceKey>,
    /// How long that must be remembered from now on.
    pub lifetime: Duration,
}

/// Under what a nonce is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NonceKey(pub [u8; 16]);

impl Pending {
    /// Whether [`Self::complete`] looks at the body.
    pub fn asks_for_body(&self) -> bool {
        self.digest.is_some()
    }

    /// Holds it against its body, which came in these pieces; `now` is the time at which it had come, and what has run out of time since
    /// [`super::Verifier::verify`] is over.
    ///
    /// # Errors
    /// [`Refusal::Digest`] when the body is not what was signed, or what time has made of it.
    pub fn complete<'a>(
        self,
        body: impl Iterator<Item = &'a [u8]> + Clone,
        now: UnixTime,
    ) -> Result<Believed, Refusal> {
        in_time(self.created, self.expires, self.window, now)?;
        if self.digest.as_ref().is_some_and(|digest| !digest.is_of(body)) {
            return Err(Refusal::Digest);
        }
        // Its own end, and one window more for an edge whose clock is behind or is set back.
        let end = self.created.after(self.window).after(self.window).as_secs() + 1;
        let lifetime = Duration::from_secs(end.saturating_sub(now.as_secs()));
        let Self { key_id, algorithm, created, nonce, .. } = self;
        Ok(Believed { key_id, algorithm, signed_at: created, nonce, lifetime })
    }
}
