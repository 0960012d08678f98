//! One key, and the checks that it can do. A check is made of an algorithm and a key of its kind, so that there is no
//! way to use the bytes of a public key as a secret, whatever a token says.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};

use super::{Algorithm, KeyFault};

/// The elliptic curves of ES256, ES384 and ES512.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(super) const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::P521 => Algorithm::Es512,
        }
    }

    /// How many bytes each coordinate of a point has.
    pub(super) const fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::P521 => &signature::ECDSA_P521_SHA512_FIXED,
        }
    }
}

/// A key: its id, and its checks by algorithm; never without one.
pub(super) struct Key {
    id: Option<Box<str>>,
    checks: Box<[(Algorithm, Check)]>,
}

/// The key that signed something.
pub(crate) struct Signer<'a>(pub(super) &'a Key);

impl<'a> Signer<'a> {
    /// Its id.
    pub(crate) fn id(&self) -> Option<&'a str> {
        self.0.id()
    }

    /// What tells it from every other key, and tells nothing of a secret: another one for each `purpose`.
    pub(crate) fn fingerprint(&self, purpose: &[u8]) -> Vec<u8> {
        match self.0.checks.first() {
            Some((_, Check::Secret(key))) => hmac::sign(key, purpose).as_ref().to_vec(),
            Some((_, Check::Public(key))) => key.as_ref().to_vec(),
            None => Vec::new(),
        }
    }
}

enum Check {
    /// On the heap: a key that is ready has more than a kilobyte.
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Key {
    /// A secret, for those of `algorithms` that take one.
    pub(super) fn secret(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyFault> {
        let mut checks = Vec::new();
        for algorithm in algorithms {
            let kind = match algorithm {
                Algorithm::Hs256 => hmac::HMAC_SHA256,
                Algorithm::Hs384 => hmac::HMAC_SHA384,
                Algorithm::Hs512 => hmac::HMAC_SHA512,
                _ => continue,
            };
            let least = super::secret_bytes_min(*algorithm).unwrap_or_default();
            if secret.len() < least {
                let (algorithm, has) = (*algorithm, secret.len());
                return Err(KeyFault::SecretTooShort { algorithm, least, has });
            }
            checks.push((*algorithm, Check::Secret(Box::new(hmac::Key::new(kind, secret)))));
        }
        Self::of(checks)
    }

    /// An RSA key, its numbers in big-endian order.
    pub(super) fn rsa(
        modulus: &[u8],
        exponent: &[u8],
        algorithms: &[Algorithm],
    ) -> Result<Self, KeyFault> {
        let (n, e) = (without_zeros(modulus), without_zeros(exponent));
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !(2048..=8192).contains(&bits) {
            return Err(KeyFault::RsaSize(bits));
        }
        // An exponent of 1 would make every message its own signature. aws-lc takes none of more than 33 bits.
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if !is_odd(e) || e == [1] || e.len() > 5 || (e.len() == 5 && e[0] > 1) {
            return Err(KeyFault::RsaExponent);
        }
        if !is_odd(n) {
            return Err(KeyFault::Rejected);
        }
        let mut checks = Vec::new();
        for algorithm in algorithms {
            let Some(parameters) = rsa_parameters(*algorithm) else { continue };
            let parsed = RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters);
            checks.push((*algorithm, Check::Public(parsed.map_err(|_| KeyFault::Rejected)?)));
        }
        Self::of(checks)
    }

    /// A point on an elliptic curve, uncompressed: 4, x, y.
    pub(super) fn ec(
        curve: Curve,
        point: &[u8],
        algorithms: &[Algorithm],
    ) -> Result<Self, KeyFault> {
        if point.first() != Some(&4) || point.len() != 1 + 2 * curve.coordinate_bytes() {
            return Err(KeyFault::Malformed("the point is not an uncompressed one of its curve"));
        }
        Self::public(curve.algorithm(), curve.verification(), point, algorithms)
    }

    /// A key of Ed25519.
    pub(super) fn ed25519(key: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyFault> {
        if key.len() != signature::ED25519_PUBLIC_KEY_LEN {
            return Err(KeyFault::Malformed("a key of Ed25519 has 32 bytes"));
        }
        Self::public(Algorithm::EdDsa, &signature::ED25519, key, algorithms)
    }

    fn public(
        algorithm: Algorithm,
        verification: &'static dyn VerificationAlgorithm,
        bytes: &[u8],
        algorithms: &[Algorithm],
    ) -> Result<Self, KeyFault> {
        let parsed = ParsedPublicKey::new(verification, bytes).map_err(|_| KeyFault::Rejected)?;
        let is_asked = algorithms.contains(&algorithm);
        Self::of(is_asked.then_some((algorithm, Check::Public(parsed))).into_iter().collect())
    }

    fn of(checks: Vec<(Algorithm, Check)>) -> Result<Self, KeyFault> {
        if checks.is_empty() {
            return Err(KeyFault::NotAsked);
        }
        Ok(Self { id: None, checks: checks.into() })
    }

    pub(super) fn named(self, id: Option<Box<str>>) -> Self {
        Self { id, ..self }
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.checks.iter().any(|(it, _)| *it == algorithm)
    }

    /// Whether it signed `message` by `algorithm`. Secrets are compared in constant time.
    pub(super) fn signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let check = self.checks.iter().find(|(it, _)| *it == algorithm);
        check.is_some_and(|(_, check)| match check {
            Check::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Check::Public(key) => key.verify_sig(message, signature).is_ok(),
        })
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}
