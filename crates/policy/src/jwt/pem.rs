//! PEM files: public keys (`PUBLIC KEY`, `RSA PUBLIC KEY`) and certificates, of which only the key is used. Each key of such a file
//! must be usable: it is ours, and what it says is not ignored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::{PublicKey, RSAPublicKey};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::key::{Curve, Key};
use super::{Algorithm, JWKS_BYTES_MAX, KEYS_MAX, KeyFault, Keys, KeysError};

impl Keys {
    /// The public keys of a PEM file, in its order. They have no ids: each is tried for every token of its kind.
    ///
    /// # Errors
    /// When it is larger than [`JWKS_BYTES_MAX`], has no key or more than [`KEYS_MAX`], or has one that cannot be used: a
    /// private one, a weak one, or one that fits none of `algorithms`.
    pub fn from_pem(text: &str, algorithms: &[Algorithm]) -> Result<Self, KeysError> {
        Self::read_pem(text, algorithms, |_| Ok(None))
    }

    /// The same, each with the id that stands before it: in a line `Key-Id: NAME`, which other readers pass over (RFC 7468 section 2).
    ///
    /// # Errors
    /// As [`Self::from_pem`], and when there are two such lines for one key, or one without a name.
    pub(crate) fn from_pem_with_ids(
        text: &str,
        algorithms: &[Algorithm],
    ) -> Result<Self, KeysError> {
        Self::read_pem(text, algorithms, id)
    }

    fn read_pem(
        text: &str,
        algorithms: &[Algorithm],
        id: impl Fn(&Block<'_>) -> Result<Option<Box<str>>, KeyFault>,
    ) -> Result<Self, KeysError> {
        if text.len() > JWKS_BYTES_MAX {
            return Err(KeysError::TooLarge);
        }
        let mut keys = Vec::new();
        for block in blocks(text)? {
            let number = keys.len() + 1;
            if number > KEYS_MAX {
                return Err(KeysError::TooMany);
            }
            let key = id(&block).and_then(|id| Ok(key(&block, algorithms)?.named(id)));
            keys.push(key.map_err(|fault| KeysError::Key { number, fault })?);
        }
        if keys.is_empty() {
            return Err(KeysError::NotPem("no `-----BEGIN PUBLIC KEY-----` in it"));
        }
        Ok(Self::of(keys, Vec::new()))
    }
}

/// What stands between one `BEGIN` and its `END`.
struct Block<'a> {
    /// What stands before it.
    before: &'a str,
    label: &'a str,
    der: Vec<u8>,
}

fn blocks(text: &str) -> Result<Vec<Block<'_>>, KeysError> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((before, begun)) = rest.split_once("-----BEGIN ") {
        let (label, begun) =
            begun.split_once("-----").ok_or(KeysError::NotPem("a BEGIN line without an end"))?;
        let end = format!("-----END {label}-----");
        let (body, after) =
            begun.split_once(end.as_str()).ok_or(KeysError::NotPem("a BEGIN without its END"))?;
        let body: String = body.split_ascii_whitespace().collect();
        // Private keys may have headers, and are refused by their label.
        let der = STANDARD.decode(body);
        let der = if label.ends_with("PRIVATE KEY") {
            der.unwrap_or_default()
        } else {
            der.map_err(|_| KeysError::NotPem("what is between BEGIN and END is not base64"))?
        };
        blocks.push(Block { before, label, der });
        rest = after;
    }
    Ok(blocks)
}

fn id(block: &Block<'_>) -> Result<Option<Box<str>>, KeyFault> {
    let named = block.before.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("key-id").then_some(value.trim())
    });
    match named.collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [id] if !id.is_empty() => Ok(Some(id.into())),
        _ => Err(KeyFault::Malformed("there is not one name behind `Key-Id:`")),
    }
}

fn key(block: &Block<'_>, algorithms: &[Algorithm]) -> Result<Key, KeyFault> {
    let der = block.der.as_slice();
    match block.label {
        "PUBLIC KEY" => public_key(&whole(SubjectPublicKeyInfo::from_der(der).ok())?, algorithms),
        "CERTIFICATE" => {
            public_key(whole(X509Certificate::from_der(der).ok())?.public_key(), algorithms)
        }
        "RSA PUBLIC KEY" => rsa(&whole(RSAPublicKey::from_der(der).ok())?, algorithms),
        label if label.ends_with("PRIVATE KEY") => Err(KeyFault::Private),
        label => Err(KeyFault::Kind(label.to_owned())),
    }
}

/// What was read, where it was all that is there.
fn whole<T>(read: Option<(&[u8], T)>) -> Result<T, KeyFault> {
    match read {
        Some(([], value)) => Ok(value),
        _ => Err(KeyFault::Malformed("not a key in DER")),
    }
}

fn rsa(key: &RSAPublicKey<'_>, algorithms: &[Algorithm]) -> Result<Key, KeyFault> {
    Key::rsa(key.modulus, key.exponent, algorithms)
}

fn public_key(info: &SubjectPublicKeyInfo<'_>, algorithms: &[Algorithm]) -> Result<Key, KeyFault> {
    const ED25519: &str = "1.3.101.112";
    match info.parsed().map_err(|_| KeyFault::Malformed("not a key in DER"))? {
        PublicKey::RSA(key) => rsa(&key, algorithms),
        PublicKey::EC(point) => Key::ec(curve(info)?, point.data(), algorithms),
        PublicKey::Unknown(key) if info.algorithm.algorithm.to_id_string() == ED25519 => {
            Key::ed25519(key, algorithms)
        }
        _ => Err(KeyFault::Kind(info.algorithm.algorithm.to_id_string())),
    }
}

fn curve(info: &SubjectPublicKeyInfo<'_>) -> Result<Curve, KeyFault> {
    let named = info.algorithm.parameters.as_ref().and_then(|it| it.as_oid().ok());
    match named.map(|it| it.to_id_string()).as_deref() {
        Some("1.2.840.10045.3.1.7") => Ok(Curve::P256),
        Some("1.3.132.0.34") => Ok(Curve::P384),
        Some("1.3.132.0.35") => Ok(Curve::P521),
        Some("1.3.132.0.10") => Err(KeyFault::Secp256k1),
        other => Err(KeyFault::Curve(other.unwrap_or("without a name").to_owned())),
    }
}
