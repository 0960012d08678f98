//! What a configuration demands of signatures, and a request's held against it.

use std::time::Duration;

use model::NonceRule;

use crate::jwt::Keys;
use crate::time::UnixTime;

use super::signer::{nonce_key, signer};
use super::{Algorithm, Component, ContentDigest, Input, Message, Pending, Refusal, base, inputs};

/// The longest window: nonces are remembered for two to three of it.
pub const WINDOW_MAX: Duration = Duration::from_secs(3_600);

/// How long a nonce may be, in bytes.
pub const NONCE_BYTES_MAX: usize = 256;

/// How many signatures of one request are held against keys: so much work can one forged request make.
const CHECKED_MAX: usize = 4;

/// The step at which a signature has been held against keys.
const CHECKED: u8 = 8;

/// What is demanded of a request's signatures: one of them must have it all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// What it must cover. `content-digest` only of requests that have a body; then the body is held against it.
    pub covered: Vec<Component>,
    /// By what it may be made: one of these that fits the key.
    pub algorithms: Vec<Algorithm>,
    /// How far its `created` may be from our time, to both sides; counted in whole seconds, both ends included.
    pub window: Duration,
    /// What its `tag` must be; not looked at where there is none.
    pub tag: Option<String>,
    /// What becomes of its `nonce`.
    pub nonce: NonceRule,
}

/// Whether a request has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPresence {
    /// Its head says that it has none.
    Absent,
    /// It has one, which may be empty.
    Present,
}

impl Verifier {
    /// Holds `message` against `keys` and what is demanded, at the time `now`, as far as that goes without its body. Of several
    /// signatures the first counts that is right.
    ///
    /// # Errors
    /// Why none is; of several reasons that of the signature that came furthest.
    pub fn verify(
        &self,
        keys: &Keys,
        message: &Message<'_>,
        body: BodyPresence,
        now: UnixTime,
    ) -> Result<Pending, Refusal> {
        let mut furthest = Attempt { refusal: Refusal::Missing, step: 0 };
        let mut checked = 0;
        for input in inputs(message)? {
            let attempt = match self.one(keys, message, body, &input, now) {
                Ok(pending) => return Ok(pending),
                Err(attempt) => attempt,
            };
            checked += usize::from(attempt.step == CHECKED);
            if attempt.step > furthest.step {
                furthest = attempt;
            }
            if checked == CHECKED_MAX {
                break;
            }
        }
        Err(furthest.refusal)
    }

    fn one(
        &self,
        keys: &Keys,
        message: &Message<'_>,
        body: BodyPresence,
        input: &Input,
        now: UnixTime,
    ) -> Result<Pending, Attempt> {
        let at = |step| move |refusal| Attempt { refusal, step };
        if self.tag.is_some() && input.tag != self.tag {
            return Err(at(1)(Refusal::Tag));
        }
        let created = input.created.ok_or(Refusal::NoCreated).map_err(at(2))?;
        in_time(created, input.expires, self.window, now).map_err(at(3))?;
        self.is_covered(input, body).map_err(at(4))?;
        let nonce = self.nonce(input).map_err(at(5))?;
        let digest = self.digest(input, message).map_err(at(6))?;
        let base = base(message, input).map_err(at(7))?;
        let (signer, algorithm) =
            signer(keys, &self.algorithms, input, &base).map_err(at(CHECKED))?;
        Ok(Pending {
            key_id: signer.id().map(Box::from),
            algorithm,
            created,
            expires: input.expires,
            window: self.window,
            nonce: nonce.map(|nonce| nonce_key(&signer, nonce)),
            digest,
        })
    }

    fn is_covered(&self, input: &Input, body: BodyPresence) -> Result<(), Refusal> {
        let is_due = |demanded: &&Component| {
            body == BodyPresence::Present || **demanded != Component::content_digest()
        };
        let is_met = |demanded: &Component| input.components.iter().any(|it| it.covers(demanded));
        let all = self.covered.iter().filter(is_due).all(is_met);
        if all { Ok(()) } else { Err(Refusal::Incomplete) }
    }

    fn nonce<'a>(&self, input: &'a Input) -> Result<Option<&'a str>, Refusal> {
        match (self.nonce, input.nonce.as_deref()) {
            (NonceRule::Ignored, _) => Ok(None),
            (NonceRule::Required, Some(nonce)) if (1..=NONCE_BYTES_MAX).contains(&nonce.len()) => {
                Ok(Some(nonce))
            }
            (NonceRule::Required, _) => Err(Refusal::Nonce),
        }
    }

    /// What the body must be, where that is demanded and signed.
    fn digest(
        &self,
        input: &Input,
        message: &Message<'_>,
    ) -> Result<Option<ContentDigest>, Refusal> {
        let digest = Component::content_digest();
        let is_signed = input.components.iter().any(|it| it.covers(&digest));
        (is_signed && self.covered.contains(&digest))
            .then(|| ContentDigest::of(message))
            .transpose()
    }
}

/// How far a signature came that is not right.
struct Attempt {
    refusal: Refusal,
    step: u8,
}

/// `created` and `expires`: both ends of the window are in it, and the second of `expires`, too.
pub(super) fn in_time(
    created: UnixTime,
    expires: Option<UnixTime>,
    window: Duration,
    now: UnixTime,
) -> Result<(), Refusal> {
    match expires {
        _ if created > now.after(window) => Err(Refusal::Early),
        _ if created.after(window) < now => Err(Refusal::Stale),
        Some(expires) if expires < created => Err(Refusal::Malformed),
        Some(expires) if expires < now => Err(Refusal::Expired),
        _ => Ok(()),
    }
}
