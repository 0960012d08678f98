//! The secrets that sign, compiled once. None is ever shown.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;

use super::{KEY_ID_BYTES_MAX, Refusal};

/// How many bytes a secret must have: as many as the hash (RFC 2104 section 3).
pub const SECRET_BYTES_MIN: usize = 32;

/// One secret, or several by their ids: a sender goes over from one to the next in its own time.
pub struct Secrets(Kept);

enum Kept {
    /// On the heap: a key that is ready has more than a kilobyte.
    One(Box<hmac::Key>),
    ById(BTreeMap<Box<str>, hmac::Key>),
}

/// Why secrets cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// It is shorter than the hash.
    #[error(
        "the secret has {0} bytes, and needs at least {SECRET_BYTES_MIN}; `openssl rand -hex 32` makes one"
    )]
    TooShort(usize),
    /// There is none.
    #[error("there is no secret")]
    None,
    /// An id that no header can have, or that is too long.
    #[error("a key's id is 1 to {KEY_ID_BYTES_MAX} visible ASCII characters")]
    Id,
}

impl Secrets {
    /// The one secret that signs everything; `X-Key-Id` is not looked at.
    ///
    /// # Errors
    /// When it is shorter than [`SECRET_BYTES_MIN`].
    pub fn one(secret: &[u8]) -> Result<Self, SecretFault> {
        key(secret).map(|key| Self(Kept::One(Box::new(key))))
    }

    /// Several, each for requests with its id in `X-Key-Id`.
    ///
    /// # Errors
    /// When there is none, one is shorter than [`SECRET_BYTES_MIN`], or an id could not be sent.
    pub fn by_id<'a>(
        secrets: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, SecretFault> {
        let mut keys = BTreeMap::new();
        for (id, secret) in secrets {
            let is_sent = (1..=KEY_ID_BYTES_MAX).contains(&id.len());
            if !is_sent || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(SecretFault::Id);
            }
            keys.insert(Box::from(id), key(secret)?);
        }
        if keys.is_empty() { Err(SecretFault::None) } else { Ok(Self(Kept::ById(keys))) }
    }

    /// The one that a request says it was signed with. Ids are no secrets: they are found as in any map.
    pub(super) fn find(&self, id: Option<&[u8]>) -> Result<Found<'_>, Refusal> {
        match &self.0 {
            Kept::One(key) => Ok(Found { id: None, key }),
            Kept::ById(keys) => {
                let id = id.filter(|id| id.len() <= KEY_ID_BYTES_MAX);
                let id = id.and_then(|id| std::str::from_utf8(id).ok());
                let found = id.and_then(|id| keys.get_key_value(id));
                let (id, key) = found.ok_or(Refusal::KeyUnknown)?;
                Ok(Found { id: Some(id), key })
            }
        }
    }
}

/// A secret that is there.
pub(super) struct Found<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) key: &'a hmac::Key,
}

fn key(secret: &[u8]) -> Result<hmac::Key, SecretFault> {
    if secret.len() < SECRET_BYTES_MIN {
        return Err(SecretFault::TooShort(secret.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, secret))
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}
