//! Which key made a signature, and what its nonces are remembered under.

use aws_lc_rs::digest;

use crate::jwt::{Keys, Signer};

use super::{Algorithm, Input, NonceKey, Refusal};

/// What stands before a nonce where it is made the key under which it is remembered.
const NONCE_LABEL: &[u8] = b"nonce of a message signature\n";

/// Who made `input`'s signature over `base`, by one of `algorithms`: the first that is right. It must name its key where there are several.
pub(super) fn signer<'a>(
    keys: &'a Keys,
    algorithms: &[Algorithm],
    input: &Input,
    base: &[u8],
) -> Result<(Signer<'a>, Algorithm), Refusal> {
    // Nobody tries all keys for one that names none.
    if input.key_id.is_none() && keys.count() > 1 {
        return Err(Refusal::KeyUnknown);
    }
    let said = input.algorithm.as_deref();
    let mut refusal = Refusal::Algorithm;
    let candidates = algorithms.iter().filter(|it| said.is_none_or(|said| it.as_str() == said));
    for algorithm in candidates {
        match keys.signer(algorithm.jose(), input.key_id.as_deref(), base, &input.signature) {
            Ok(signer) => return Ok((signer, *algorithm)),
            Err(crate::jwt::Refusal::KeyUnknown) => return Err(Refusal::KeyUnknown),
            // Another algorithm may fit the key.
            Err(crate::jwt::Refusal::Algorithm) => {}
            Err(_) => refusal = Refusal::Forged,
        }
    }
    Err(refusal)
}

/// The same nonce of the same key gives the same, whatever the key is called and whichever edge asks.
pub(super) fn nonce_key(signer: &Signer<'_>, nonce: &str) -> NonceKey {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(NONCE_LABEL);
    context.update(&signer.fingerprint(NONCE_LABEL));
    context.update(nonce.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&context.finish().as_ref()[..16]);
    NonceKey(bytes)
}
