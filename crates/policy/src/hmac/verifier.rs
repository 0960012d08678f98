//! A signed request held against the secrets and the time.

use std::time::Duration;

use aws_lc_rs::hmac;
use model::HmacSecrets;

use crate::time::UnixTime;

use super::presented::Read;
use super::secrets::Found;
use super::{Presented, Refusal, SecretFault, Secrets, Signed, canonical};

/// The longest window: nonces are remembered for two to three of it.
pub const WINDOW_MAX: Duration = Duration::from_secs(3_600);

/// What stands before a nonce where it is made the key under which it is remembered. No canonical form begins so: no method
/// has a space.
const NONCE_LABEL: &[u8] = b"nonce of a signed request\n";

/// What a signature must be.
#[derive(Debug)]
pub struct Verifier {
    /// What signs.
    pub secrets: Secrets,
    /// How far the time of the signature may be from ours, to both sides; counted in whole seconds, both ends included.
    pub window: Duration,
}

/// A request that was signed as it came, and whose nonce has yet to be used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed {
    /// Which secret signed it; `None` where there is only one.
    pub key_id: Option<Box<str>>,
    /// When it was signed.
    pub signed_at: UnixTime,
    /// What must not have been used before.
    pub nonce: NonceKey,
    /// How long that must be remembered from now on.
    pub lifetime: Duration,
}

/// Under what a nonce is remembered: a keyed digest of it. The same nonce under the same secret gives the same, whatever
/// that secret is called and whichever edge asks; another secret gives another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NonceKey(pub [u8; 16]);

impl Verifier {
    /// What `wanted` says.
    ///
    /// # Errors
    /// When a secret is too short, or none is there that could be named.
    pub fn configured(wanted: &model::Hmac) -> Result<Self, SecretFault> {
        let secrets = match &wanted.secrets {
            HmacSecrets::One(secret) => Secrets::one(secret.expose()),
            HmacSecrets::ById(secrets) => {
                Secrets::by_id(secrets.iter().map(|(id, secret)| (&**id, secret.expose())))
            }
        };
        Ok(Self { secrets: secrets?, window: wanted.window })
    }

    /// Whether a request may be good: what can be said without its body.
    ///
    /// # Errors
    /// Why it is not, whatever its body is.
    pub fn admit(&self, presented: &Presented<'_>, now: UnixTime) -> Result<(), Refusal> {
        self.read(presented, now).map(|_| ())
    }

    /// Holds a request against everything. `now` is the time at which its body had come: a window that ends while it comes is
    /// over, so that nobody can keep a request open until its nonce is forgotten.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(
        &self,
        presented: &Presented<'_>,
        signed: &Signed<'_>,
        now: UnixTime,
    ) -> Result<Believed, Refusal> {
        let (read, found) = self.read(presented, now)?;
        // What has a line in it could be read as another request's five.
        if [signed.method, signed.target].iter().any(|part| part.iter().any(u8::is_ascii_control)) {
            return Err(Refusal::Malformed);
        }
        let mut message = Vec::with_capacity(128 + signed.target.len() + read.nonce.len());
        canonical(signed, read.timestamp, read.nonce, &mut message);
        // Compares in constant time.
        hmac::verify(found.key, &message, &read.tag).map_err(|_| Refusal::Signature)?;
        Ok(Believed {
            key_id: found.id.map(Box::from),
            signed_at: read.time,
            nonce: nonce_key(found.key, read.nonce),
            lifetime: self.lifetime(read.time, now),
        })
    }

    fn read<'a>(
        &'a self,
        presented: &Presented<'a>,
        now: UnixTime,
    ) -> Result<(Read<'a>, Found<'a>), Refusal> {
        let read = presented.read()?;
        if read.time > now.after(self.window) {
            return Err(Refusal::Early);
        }
        if read.time.after(self.window) < now {
            return Err(Refusal::Stale);
        }
        let found = self.secrets.find(read.key_id)?;
        Ok((read, found))
    }

    /// From now until the request is out of every edge's window: its own end, and one window more for an edge whose clock is
    /// behind or is set back.
    fn lifetime(&self, signed_at: UnixTime, now: UnixTime) -> Duration {
        let end = signed_at.after(self.window).after(self.window).as_secs() + 1;
        Duration::from_secs(end.saturating_sub(now.as_secs()))
    }
}

fn nonce_key(key: &hmac::Key, nonce: &[u8]) -> NonceKey {
    let mut context = hmac::Context::with_key(key);
    context.update(NONCE_LABEL);
    context.update(nonce);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&context.sign().as_ref()[..16]);
    NonceKey(bytes)
}
