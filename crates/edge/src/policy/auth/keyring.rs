//! Keys that are fetched: those that there are, and the word that a token names one that is not among them.
//!
//! Control fetches them before it publishes, for all authentications. Nothing here waits for any.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{AuthName, Jwt, JwtKeys};
use policy::jwt::{Keys, Reason, Refusal, Verified, Verifier};
use policy::time::UnixTime;
use tokio::sync::mpsc;

use super::prover::Refused;

/// That a key is missing is said once in so many seconds by all workers: forged tokens have as many ids as one likes.
const SAID_EVERY: u64 = 1;

/// The keys that were fetched, by the authentication that goes by them.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Those of each authentication of which any were fetched. Where the same `Arc` is published again, workers still know whom
    /// they have believed by it.
    pub keys: BTreeMap<AuthName, Arc<Keys>>,
    /// Told of an authentication for which a token came whose key is not among them: the issuer may have a new one.
    pub unknown: Option<mpsc::UnboundedSender<AuthName>>,
}

/// What one authentication checks signatures with.
#[derive(Debug)]
pub(super) struct Held {
    /// `None` where they are not there yet.
    keys: Option<Arc<Keys>>,
    /// `None` where they stand in the configuration.
    fetched: Option<Fetched>,
}

#[derive(Debug)]
struct Fetched {
    name: AuthName,
    unknown: Option<mpsc::UnboundedSender<AuthName>>,
    /// When it was said last that a key is missing, in seconds since 1970.
    said: AtomicU64,
}

impl Held {
    /// What `jwt`, the proof of the authentication `name`, goes by.
    pub(super) fn of(name: &AuthName, jwt: &Jwt, keyring: &Keyring) -> Self {
        if let JwtKeys::Fetched(_) = &jwt.keys {
            let (name, unknown) = (name.clone(), keyring.unknown.clone());
            let keys = keyring.keys.get(&name).cloned();
            return Self {
                keys,
                fetched: Some(Fetched { name, unknown, said: AtomicU64::new(0) }),
            };
        }
        // It was checked that they can be used.
        let keys = Keys::configured(jwt).and_then(Result::ok).map(Arc::new);
        Self { keys, fetched: None }
    }

    /// Whether they are those in `keyring`, where they are fetched.
    pub(super) fn are_of(&self, keyring: &Keyring) -> bool {
        let Some(Fetched { name, .. }) = &self.fetched else { return true };
        match (&self.keys, keyring.keys.get(name)) {
            (Some(here), Some(there)) => Arc::ptr_eq(here, there),
            (here, there) => here.is_none() && there.is_none(),
        }
    }

    /// The same as [`Held::verify`] for people, of which nobody else is told; `None` where there are no keys.
    pub(super) fn explain(
        &self,
        verifier: &Verifier,
        credential: &[u8],
        now: UnixTime,
    ) -> Option<Result<Verified, Reason>> {
        self.keys.as_deref().map(|keys| verifier.explain(keys, credential, now))
    }

    /// What `credential` says, if `verifier` believes it.
    pub(super) fn verify(
        &self,
        verifier: &Verifier,
        credential: &[u8],
        now: UnixTime,
    ) -> Result<Verified, Refused> {
        let keys = self.keys.as_deref().ok_or(Refused::Unready)?;
        verifier.verify(keys, credential, now).map_err(|refusal| {
            if let (Refusal::KeyUnknown, Some(fetched)) = (refusal, &self.fetched) {
                fetched.lacks_one(now);
            }
            refusal.into()
        })
    }
}

impl Fetched {
    fn lacks_one(&self, now: UnixTime) {
        let now = now.as_secs();
        let said = self.said.load(Ordering::Relaxed);
        // A clock that goes back must not silence it.
        if now.abs_diff(said) < SAID_EVERY {
            return;
        }
        self.said.store(now, Ordering::Relaxed);
        if let Some(unknown) = &self.unknown {
            // The writer has ended: nobody fetches any more.
            let _ = unknown.send(self.name.clone());
        }
    }
}
