//! What keeps certificates apart that were ordered together.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use crate::machine::CertificateId;

/// A number from 0 to 1 that is a certificate's own for as long as there is the same one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    own: u64,
    now: f64,
}

impl Share {
    /// That of `id`, of which there is none.
    pub(crate) fn of(seed: u64, id: &CertificateId) -> Self {
        let own = hash((seed, id));
        Self { own, now: between(own) }
    }

    /// Another one, for the certificate that is good until `not_after`.
    pub(crate) fn of_next(self, not_after: SystemTime) -> Self {
        Self { now: between(hash((self.own, not_after))), ..self }
    }

    /// This share of `length`.
    pub(crate) fn of_length(self, length: Duration) -> Duration {
        length.mul_f64(self.now)
    }
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// As many bits as a double has exactly.
fn between(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
impl Share {
    /// This one.
    pub(crate) fn exactly(now: f64) -> Self {
        Self { own: 0, now }
    }
}
