//! JWK Sets (RFC 7517): keys as issuers publish them. What is not for signatures, or of a kind that is not known, is
//! skipped as section 5 has it, so that an issuer can bring in new kinds of keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::json::{Json, Object};

use super::fault::FirstFault;
use super::key::{Curve, Key};
use super::{Algorithm, KEYS_MAX, KeyFault, Keys, KeysError, Skipped};

/// How large a JWK Set may be: a thousand keys with a chain of certificates each.
pub const JWKS_BYTES_MAX: usize = 4 << 20;

/// How long a key's id may be, in bytes. Tokens whose header is small enough have no longer one.
const ID_BYTES_MAX: usize = 1 << 10;

/// Where a JWK Set is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// Everybody can read it: what is secret in it is none any more.
    Published,
    /// A file of ours: it may have secrets (`oct`).
    Own,
}

impl Keys {
    /// The keys of a JWK Set that fit one of `algorithms`. Several may have the same id.
    ///
    /// # Errors
    /// When it is larger than [`JWKS_BYTES_MAX`], has more than [`KEYS_MAX`] keys, is no JWK Set, or has keys of which none
    /// can be used. A set without any key is no error: an issuer may have withdrawn them all.
    pub fn from_jwks(
        document: &[u8],
        provenance: Provenance,
        algorithms: &[Algorithm],
    ) -> Result<Self, KeysError> {
        if document.len() > JWKS_BYTES_MAX {
            return Err(KeysError::TooLarge);
        }
        let document = Json::parse(document)?;
        let Some(Json::List(members)) = document.as_object().and_then(|it| it.get("keys")) else {
            return Err(KeysError::NotJwks);
        };
        if members.len() > KEYS_MAX {
            return Err(KeysError::TooMany);
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for member in members {
            let Some(jwk) = member.as_object() else { return Err(KeysError::NotJwks) };
            match id(jwk).and_then(|id| Ok(key(jwk, provenance, algorithms)?.named(id))) {
                Ok(key) => keys.push(key),
                Err(fault) => skipped.push(Skipped { id: id(jwk).ok().flatten(), fault }),
            }
        }
        if keys.is_empty() && !members.is_empty() {
            let first = skipped.into_iter().next().map(|it| it.fault);
            return Err(KeysError::NoneUsable(members.len(), FirstFault(first)));
        }
        Ok(Self::of(keys, skipped))
    }
}

fn id(jwk: &Object) -> Result<Option<Box<str>>, KeyFault> {
    match jwk.get("kid") {
        None => Ok(None),
        Some(Json::Text(id)) if id.len() <= ID_BYTES_MAX => Ok(Some(id.clone())),
        Some(_) => Err(KeyFault::Malformed("`kid` is not a short string")),
    }
}

fn key(jwk: &Object, provenance: Provenance, algorithms: &[Algorithm]) -> Result<Key, KeyFault> {
    if !is_for_signatures(jwk) {
        return Err(KeyFault::NotForSignatures);
    }
    let kind = text(jwk, "kty")?;
    if provenance == Provenance::Published && (kind == "oct" || jwk.get("d").is_some()) {
        return Err(KeyFault::Published);
    }
    let only;
    let algorithms = match jwk.get("alg") {
        None => algorithms,
        Some(name) => {
            let algorithm = name.as_text().and_then(super::algorithm::named);
            only = algorithm.filter(|it| algorithms.contains(it));
            only.as_slice()
        }
    };
    match kind {
        "RSA" => Key::rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?, algorithms),
        "EC" => {
            let curve = match text(jwk, "crv")? {
                "P-256" => Curve::P256,
                "P-384" => Curve::P384,
                "P-521" => Curve::P521,
                "secp256k1" => return Err(KeyFault::Secp256k1),
                other => return Err(KeyFault::Curve(other.to_owned())),
            };
            let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
            if [&x, &y].iter().any(|it| it.len() != curve.coordinate_bytes()) {
                return Err(KeyFault::Malformed("`x` or `y` has not the length of the curve"));
            }
            Key::ec(curve, &[&[4][..], &x, &y].concat(), algorithms)
        }
        "OKP" => match text(jwk, "crv")? {
            "Ed25519" => Key::ed25519(&bytes(jwk, "x")?, algorithms),
            other => Err(KeyFault::Curve(other.to_owned())),
        },
        "oct" => secret(&bytes(jwk, "k")?, algorithms),
        other => Err(KeyFault::Kind(other.to_owned())),
    }
}

/// A secret that does not say what it is for is for all that it is long enough for.
fn secret(secret: &[u8], algorithms: &[Algorithm]) -> Result<Key, KeyFault> {
    let is_enough =
        |it: &&Algorithm| super::secret_bytes_min(**it).is_some_and(|least| secret.len() >= least);
    let enough: Vec<_> = algorithms.iter().filter(is_enough).copied().collect();
    Key::secret(secret, if enough.is_empty() { algorithms } else { &enough })
}

fn is_for_signatures(jwk: &Object) -> bool {
    let by_use = jwk.get("use").is_none_or(|it| it.as_text() == Some("sig"));
    let by_operations = match jwk.get("key_ops") {
        None => true,
        Some(Json::List(operations)) => operations.iter().any(|it| it.as_text() == Some("verify")),
        Some(_) => false,
    };
    by_use && by_operations
}

fn text<'a>(jwk: &'a Object, name: &str) -> Result<&'a str, KeyFault> {
    jwk.get(name)
        .and_then(Json::as_text)
        .ok_or(KeyFault::Malformed("`kty`, `crv` or a number of the key is missing"))
}

fn bytes(jwk: &Object, name: &str) -> Result<Vec<u8>, KeyFault> {
    let text = text(jwk, name)?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| KeyFault::Malformed("a number of the key is not base64url"))
}
