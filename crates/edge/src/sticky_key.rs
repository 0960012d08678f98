//! The key that signs clients' cookies: `base64(id || HMAC-SHA256(key, use || service || id)[..16])`. What a token is used
//! for is signed with it: one that names an instance is no client's number, and the other way round.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::ServiceName;

pub(crate) const ID_BYTES: usize = 8;
const MAC_BYTES: usize = 16;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It names an instance.
    Instance,
    /// It is a client's number, which says which of two releases answers it.
    Release,
}

impl Use {
    fn tag(self) -> &'static [u8] {
        match self {
            Self::Instance => b"instance\0",
            Self::Release => b"release\0",
        }
    }
}

/// Signs the cookies of all services.
#[derive(Clone)]
pub struct StickyKey(hmac::Key);

impl StickyKey {
    /// The key that these bytes are. Edges that honour each other's cookies share it.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(crate) fn sign(&self, of: Use, service: &ServiceName, id: [u8; ID_BYTES]) -> String {
        let mut token = id.to_vec();
        token.extend_from_slice(&self.mac(of, service, id).as_ref()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(token)
    }

    pub(crate) fn verify(
        &self,
        of: Use,
        service: &ServiceName,
        cookie: &[u8],
    ) -> Option<[u8; ID_BYTES]> {
        let token = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let (id, mac) = token.split_first_chunk::<ID_BYTES>()?;
        let wanted = self.mac(of, service, *id);
        let same =
            aws_lc_rs::constant_time::verify_slices_are_equal(mac, &wanted.as_ref()[..MAC_BYTES]);
        same.is_ok().then_some(*id)
    }

    fn mac(&self, of: Use, service: &ServiceName, id: [u8; ID_BYTES]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(of.tag());
        context.update(service.as_str().as_bytes());
        context.update(&[0]);
        context.update(&id);
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_use_and_one_service() {
        let key = StickyKey::new(b"secret");
        let (api, shop) = (ServiceName::from("api"), ServiceName::from("shop"));
        let token = key.sign(Use::Instance, &api, [7; ID_BYTES]);
        let verify = |of, service| key.verify(of, service, token.as_bytes());
        assert_eq!(verify(Use::Instance, &api), Some([7; ID_BYTES]));
        assert_eq!(verify(Use::Release, &api), None, "an instance's is no client's number");
        assert_eq!(verify(Use::Instance, &shop), None);
        let other = StickyKey::new(b"another").sign(Use::Instance, &api, [7; ID_BYTES]);
        assert_eq!(key.verify(Use::Instance, &api, other.as_bytes()), None);
    }
}
