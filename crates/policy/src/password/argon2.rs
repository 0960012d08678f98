//! Argon2 (RFC 9106), as a PHC string has it.

use argon2::{Algorithm, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::hash::HashError;

/// The most memory that one hash may take, in KiB: twice what RFC 9106 recommends where memory is short. So much is
/// held by each thread that checks passwords.
pub(super) const MEMORY_KIB_MAX: u32 = 128 * 1024;
/// The most work: passes over memory, in KiB. It takes about a second.
pub(super) const WORK_KIB_MAX: u32 = 512 * 1024;
/// Lanes: they are computed one after another, whatever their number.
const LANES_MAX: u32 = 64;

/// A password's hash.
#[derive(Clone)]
pub(super) struct Argon2 {
    context: argon2::Argon2<'static>,
    salt: Box<[u8]>,
    digest: Box<[u8]>,
}

impl Argon2 {
    /// Reads what stands behind `$argon2id$` or another name of `algorithm`.
    pub(super) fn parse(algorithm: Algorithm, text: &str) -> Result<Self, HashError> {
        let malformed = HashError::Malformed("Argon2");
        let (version, rest) = match text.strip_prefix("v=") {
            Some(rest) => rest.split_once('$').ok_or(malformed)?,
            // Before there was a second version, none was written.
            None => ("16", text),
        };
        let version: u32 = version.parse().map_err(|_| malformed)?;
        let version = Version::try_from(version).map_err(|_| malformed)?;
        let mut parts = rest.split('$');
        let (Some(costs), Some(salt), Some(digest), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let bytes = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| malformed);
        let (salt, digest) = (bytes(salt)?, bytes(digest)?);
        let Costs { memory, passes, lanes } = Costs::parse(costs).ok_or(malformed)?;
        let work = u64::from(memory) * u64::from(passes);
        if memory > MEMORY_KIB_MAX || work > u64::from(WORK_KIB_MAX) || lanes > LANES_MAX {
            return Err(HashError::Argon2Cost { memory, passes });
        }
        // Shorter ones can be guessed or met by chance.
        if salt.len() < 8 || !(16..=64).contains(&digest.len()) {
            return Err(malformed);
        }
        let params = Params::new(memory, passes, lanes, Some(digest.len()));
        let context = argon2::Argon2::new(algorithm, version, params.map_err(|_| malformed)?);
        Ok(Self { context, salt: salt.into(), digest: digest.into() })
    }

    /// Whether it is the hash of `password`.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut digest = vec![0; self.digest.len()];
        // It fails for passwords of 4 GiB only: the parameters were checked.
        self.context.hash_password_into(password, &self.salt, &mut digest).is_ok()
            && verify_slices_are_equal(&digest, &self.digest).is_ok()
    }
}

/// What `m=65536,t=3,p=4` says.
struct Costs {
    /// In KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Costs {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let mut next = |name: &str| {
            let number = parts.next()?.strip_prefix(name)?;
            number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
        };
        let costs = Self { memory: next("m=")?, passes: next("t=")?, lanes: next("p=")? };
        parts.next().is_none().then_some(costs)
    }
}
