//! bcrypt (Provos and Mazières, 1999), as `htpasswd -B` writes it.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use blowfish::Blowfish;

use super::hash::HashError;

/// The largest cost that is taken: each is twice the work of the one before, and this one takes about a second.
pub(super) const COST_MAX: u32 = 14;
const COST_MIN: u32 = 4;
/// What is read of a password.
const PASSWORD_BYTES: usize = 72;

/// Of the last character of a salt some bits mean nothing, and not everybody leaves them out.
const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, CONFIG);
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::RequireNone);

/// A password's hash.
#[derive(Clone)]
pub(super) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
}

impl Bcrypt {
    /// Reads what stands behind `$2b$`: the cost, the salt and the digest.
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let malformed = HashError::Malformed("bcrypt");
        let (cost, rest) = text.split_once('$').ok_or(malformed)?;
        let is_plain = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
        let cost: u32 =
            Some(cost).filter(|_| is_plain).and_then(|it| it.parse().ok()).ok_or(malformed)?;
        if cost > COST_MAX {
            return Err(HashError::BcryptCost(cost));
        }
        let (salt, digest) = rest.split_at_checked(22).ok_or(malformed)?;
        if cost < COST_MIN || digest.len() != 31 {
            return Err(malformed);
        }
        let bytes = |text: &str| BASE64.decode(text).map_err(|_| malformed);
        let salt = bytes(salt)?.try_into().map_err(|_| malformed)?;
        let digest = bytes(digest)?.try_into().map_err(|_| malformed)?;
        Ok(Self { cost, salt, digest })
    }

    /// Whether it is the hash of `password`, of which 72 bytes count.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let password = &password[..password.len().min(PASSWORD_BYTES)];
        let mut key = password.to_vec();
        if key.len() < PASSWORD_BYTES {
            key.push(0);
        }
        let mut state = Blowfish::bc_init_state();
        state.salted_expand_key(&self.salt, &key);
        for _ in 0..1u32 << self.cost {
            state.bc_expand_key(&key);
            state.bc_expand_key(&self.salt);
        }
        let mut digest = Vec::with_capacity(24);
        for block in b"OrpheanBeholderScryDoubt".as_chunks::<8>().0 {
            let [a, b, c, d, e, f, g, h] = *block;
            let mut words = [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])];
            for _ in 0..64 {
                words = state.bc_encrypt(words);
            }
            digest.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        }
        verify_slices_are_equal(&digest[..23], &self.digest).is_ok()
    }
}
