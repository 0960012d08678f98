//! Project Wycheproof's vectors, held against the checks of the algorithms that sign tokens: edge cases of the arithmetic,
//! malleable encodings, wrong lengths and paddings, and keys as PEM has them.

use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::{Algorithm, Keys};

/// A vector, whatever its family.
struct Vector {
    id: usize,
    message: Vec<u8>,
    signature: Vec<u8>,
    result: TestResult,
}

/// The vectors of one family, as `Vector`s: each test of these has its message, its number and its result under one name.
macro_rules! vectors {
    ($tests:expr, $signature:ident) => {
        $tests.into_iter().map(|test| Vector {
            id: test.tc_id,
            message: test.msg.to_vec(),
            signature: test.$signature.to_vec(),
            result: test.result,
        })
    };
}

/// What was checked with one algorithm. A set that was left out is noticed.
struct Checked {
    algorithm: Algorithm,
    valid: usize,
    invalid: usize,
}

impl Checked {
    fn none(algorithm: Algorithm) -> Self {
        Self { algorithm, valid: 0, invalid: 0 }
    }

    /// Checks each with these keys, and holds what they say against its result.
    fn all(&mut self, keys: &Keys, vectors: impl Iterator<Item = Vector>) {
        let name = self.algorithm.as_str();
        for Vector { id, message, signature, result } in vectors {
            let checked = keys.check(self.algorithm, None, &message, &signature);
            match result {
                TestResult::Valid => {
                    self.valid += 1;
                    assert!(checked.is_ok(), "{name} {id}: is valid");
                }
                TestResult::Invalid => {
                    self.invalid += 1;
                    assert!(checked.is_err(), "{name} {id}: is not valid");
                }
                TestResult::Acceptable => {}
            }
        }
    }

    fn assert_some(&self) {
        let name = self.algorithm.as_str();
        assert!(self.valid > 0 && self.invalid > 0, "{name} has both kinds");
    }
}

#[test]
fn ecdsa_as_wycheproof_has_it() {
    use ecdsa::TestName::{
        EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363, EcdsaSecp521r1Sha512P1363,
    };
    for (name, algorithm) in [
        (EcdsaSecp256r1Sha256P1363, Algorithm::Es256),
        (EcdsaSecp384r1Sha384P1363, Algorithm::Es384),
        (EcdsaSecp521r1Sha512P1363, Algorithm::Es512),
    ] {
        let mut checked = Checked::none(algorithm);
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let keys = Keys::from_pem(&group.pem, &[algorithm]).unwrap();
            checked.all(&keys, vectors!(group.tests, sig));
        }
        checked.assert_some();
    }
}

#[test]
fn ed25519_as_wycheproof_has_it() {
    let mut checked = Checked::none(Algorithm::EdDsa);
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let keys = Keys::from_pem(&group.pem, &[Algorithm::EdDsa]).unwrap();
        checked.all(&keys, vectors!(group.tests, sig));
    }
    checked.assert_some();
}

#[test]
fn rsa_pkcs1_as_wycheproof_has_it() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha384, Rsa4096Sha512, Rsa8192Sha256};
    for (name, algorithm) in [
        (Rsa2048Sha256, Algorithm::Rs256),
        (Rsa3072Sha384, Algorithm::Rs384),
        (Rsa4096Sha512, Algorithm::Rs512),
        (Rsa8192Sha256, Algorithm::Rs256),
    ] {
        let mut checked = Checked::none(algorithm);
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let keys = Keys::from_pem(&group.pem, &[algorithm]).unwrap();
            checked.all(&keys, vectors!(group.tests, sig));
        }
        checked.assert_some();
    }
}

#[test]
fn rsa_pss_as_wycheproof_has_it() {
    use rsa_pss_verify::TestName;
    use wycheproof::HashFunction::{Sha2_256, Sha2_384, Sha2_512};
    for (algorithm, hash, salt) in [
        (Algorithm::Ps256, Sha2_256, 32),
        (Algorithm::Ps384, Sha2_384, 48),
        (Algorithm::Ps512, Sha2_512, 64),
    ] {
        let mut checked = Checked::none(algorithm);
        for name in TestName::all() {
            let Ok(set) = rsa_pss_verify::TestSet::load(name) else { continue };
            let ours = set.test_groups.into_iter().filter(|it| {
                it.hash == hash
                    && it.mgf_hash == Some(hash)
                    && it.salt_size == salt
                    && it.key_size >= 2048
            });
            for group in ours {
                // Keys that are bound to PSS by their own kind are not used for tokens.
                let Ok(keys) = Keys::from_pem(&group.pem, &[algorithm]) else { continue };
                checked.all(&keys, vectors!(group.tests, sig));
            }
        }
        checked.assert_some();
    }
}

#[test]
fn hmac_as_wycheproof_has_it() {
    use mac::TestName::{HmacSha256, HmacSha384, HmacSha512};
    for (name, algorithm) in [
        (HmacSha256, Algorithm::Hs256),
        (HmacSha384, Algorithm::Hs384),
        (HmacSha512, Algorithm::Hs512),
    ] {
        let mut checked = Checked::none(algorithm);
        let least = super::secret_bytes_min(algorithm).unwrap();
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let keys = Keys::from_secret(&test.key, &[algorithm]);
                assert_eq!(keys.is_ok(), test.key.len() >= least, "{} bytes", test.key.len());
                let Ok(keys) = keys else { continue };
                let vectors = vectors!([test], tag).map(|vector| {
                    // A tag that was cut short is right, and is not enough.
                    let is_whole = vector.signature.len() == least;
                    let result = if is_whole { vector.result } else { TestResult::Invalid };
                    Vector { result, ..vector }
                });
                checked.all(&keys, vectors);
            }
        }
        checked.assert_some();
    }
}
