//! The keys of an issuer, and which of them a token could be for.

use std::collections::BTreeMap;
use std::fmt;

use super::key::Key;
pub(crate) use super::key::Signer;
use super::{Algorithm, KeyFault, KeysError, Refusal};

/// How many keys are kept of one issuer.
pub const KEYS_MAX: usize = 1_000;

/// How many keys are tried for one token: so much work can one forged token make. More of a kind without an id, or with
/// the same one, no issuer has.
const TRIED_MAX: usize = 16;

/// What signatures of an issuer's tokens are checked with: compiled once, for the algorithms that are configured.
pub struct Keys {
    keys: Box<[Key]>,
    by_id: BTreeMap<Box<str>, Vec<usize>>,
    without_id: Vec<usize>,
    skipped: Box<[Skipped]>,
}

/// A key of a JWK Set that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its id.
    pub id: Option<Box<str>>,
    /// Why it is not used.
    pub fault: KeyFault,
}

impl Keys {
    pub(super) fn of(keys: Vec<Key>, skipped: Vec<Skipped>) -> Self {
        let mut by_id: BTreeMap<Box<str>, Vec<usize>> = BTreeMap::new();
        let mut without_id = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            match key.id() {
                Some(id) => by_id.entry(id.into()).or_default().push(at),
                None => without_id.push(at),
            }
        }
        Self { keys: keys.into(), by_id, without_id, skipped: skipped.into() }
    }

    /// A secret that the issuer has, too.
    ///
    /// # Errors
    /// When it is shorter than one of `algorithms` demands, or none of them takes a secret.
    pub fn from_secret(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeysError> {
        let key = Key::secret(secret, algorithms).map_err(KeysError::Secret)?;
        Ok(Self::of(vec![key], Vec::new()))
    }

    /// How many keys are used.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// The keys of the document that are not used, with the reason for each.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Which key signed `message`. Those with the id that the token names are tried, and those that have none.
    pub(super) fn check(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Option<&str>, Refusal> {
        let signer = self.signer(algorithm, id, message, signature)?;
        Ok(signer.id())
    }

    /// The key that signed `message`, as [`Self::check`] finds it.
    pub(crate) fn signer(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<Signer<'_>, Refusal> {
        let mut refusal = Refusal::KeyUnknown;
        let mut tried = 0;
        for key in self.candidates(id) {
            if !key.fits(algorithm) {
                if tried == 0 {
                    refusal = Refusal::Algorithm;
                }
                continue;
            }
            if tried == TRIED_MAX {
                return Err(Refusal::KeyUnknown);
            }
            if key.signed(algorithm, message, signature) {
                return Ok(Signer(key));
            }
            tried += 1;
            refusal = Refusal::Signature;
        }
        Err(refusal)
    }

    /// How many keys have no id.
    pub(crate) fn without_id(&self) -> usize {
        self.without_id.len()
    }

    fn candidates(&self, id: Option<&str>) -> impl Iterator<Item = &Key> {
        let named = id.and_then(|id| self.by_id.get(id)).map(Vec::as_slice).unwrap_or_default();
        let (named, unnamed, all) = match id {
            Some(_) => (named, self.without_id.as_slice(), &[][..]),
            None => (named, &[][..], &*self.keys),
        };
        named.iter().chain(unnamed).map(|at| &self.keys[*at]).chain(all)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("count", &self.count()).finish_non_exhaustive()
    }
}
