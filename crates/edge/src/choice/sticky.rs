//! The cookie that keeps a client with its instance.
//!
//! It names the instance by a hash and is signed, so that nobody can choose an instance or learn
//! how many there are: `base64(hash(instance) || HMAC-SHA256(key, use || service || hash)[..16])`. What a
//! token is used for is signed with it: one that names an instance is no client's number, and the other
//! way round.

use std::time::Duration;

use aws_lc_rs::hmac;
use balance::Key;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{CookieSecurity, InstanceName, SameSite, Service, ServiceName, Sticky};
use wire::head::RequestHead;

use crate::choice::Claim;
use crate::choice::split;
use crate::fields::FieldSink;
use crate::upstream::outbound::Outbound;

const ID_BYTES: usize = 8;
const MAC_BYTES: usize = 16;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
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
    /// The key that these bytes are. Whoever should honour each other's cookies shares it.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn sign(&self, of: Use, service: &ServiceName, id: [u8; ID_BYTES]) -> String {
        let mut token = id.to_vec();
        token.extend_from_slice(&self.mac(of, service, id).as_ref()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(token)
    }

    fn verify(&self, of: Use, service: &ServiceName, cookie: &[u8]) -> Option<[u8; ID_BYTES]> {
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

fn id_of(name: &InstanceName) -> [u8; ID_BYTES] {
    Key::of_bytes(name.as_str().as_bytes()).hash().to_be_bytes()
}

/// The instance that the client's cookie names, by its hash.
pub(crate) fn named(key: &StickyKey, service: &Service, head: &RequestHead) -> Option<InstanceId> {
    let sticky = service.sticky.as_ref()?;
    key.verify(Use::Instance, &service.name, head.cookie(sticky.cookie.as_bytes())?).map(InstanceId)
}

/// The number that the client keeps in `cookie`.
pub(crate) fn number(
    key: &StickyKey,
    service: &Service,
    head: &RequestHead,
    cookie: &str,
) -> Option<u64> {
    key.verify(Use::Release, &service.name, head.cookie(cookie.as_bytes())?).map(u64::from_be_bytes)
}

/// Whether `id` is the hash of `name`.
pub(crate) fn is_named(id: InstanceId, name: &InstanceName) -> bool {
    id_of(name) == id.0
}

/// The hash of an instance's name, from a cookie that was signed here.
#[derive(Clone, Copy)]
pub(crate) struct InstanceId([u8; ID_BYTES]);

/// The cookies that a response carries, where the client is to stay with a new instance or release.
pub(crate) struct Affinity<'a> {
    key: &'a StickyKey,
    request: &'a Outbound<'a>,
    claim: &'a Claim,
}

impl<'a> Affinity<'a> {
    /// The client of `request` came to what was claimed.
    pub(crate) fn new(key: &'a StickyKey, request: &'a Outbound<'a>, claim: &'a Claim) -> Self {
        Self { key, request, claim }
    }

    /// Writes the cookies, if there are any to be written.
    #[inline]
    pub(crate) fn write_cookies(&self, out: &mut impl FieldSink) {
        let service = &*self.claim.service.service;
        if let Some(number) = self.claim.drawn {
            let token = self.key.sign(Use::Release, &service.name, number.to_be_bytes());
            let cookie = format!("{}={token}", split::cookie_of(&service.name));
            // Only for as long as a deploy may last.
            self.put(service.sticky.as_ref(), None, &cookie, out);
        }
        if let Some(sticky) = service.sticky.as_ref().filter(|_| !self.claim.is_known) {
            let token =
                self.key.sign(Use::Instance, &service.name, id_of(&self.claim.member.live.name));
            self.put(Some(sticky), sticky.ttl, &format!("{}={token}", sticky.cookie), out);
        }
    }

    /// Writes a cookie that travels as the service's own does.
    fn put(
        &self,
        sticky: Option<&Sticky>,
        ttl: Option<Duration>,
        pair: &str,
        out: &mut impl FieldSink,
    ) {
        let same_site = sticky.map(|it| it.same_site).unwrap_or_default();
        let is_secure = match sticky.map(|it| it.secure).unwrap_or_default() {
            CookieSecurity::Always => true,
            CookieSecurity::Never => false,
            // Browsers take no cookie of other sites that is not secure.
            CookieSecurity::Auto => same_site == SameSite::None || self.request.is_secure(),
        };
        let path = sticky.map_or("/", |it| &it.path);
        let domain = sticky.and_then(|it| it.domain.as_deref());
        let domain = domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        let age = ttl.map(|ttl| format!("; Max-Age={}", ttl.as_secs())).unwrap_or_default();
        let secure = if is_secure { "; Secure" } else { "" };
        let cookie =
            format!("{pair}; Path={path}; HttpOnly; SameSite={same_site}{secure}{domain}{age}");
        out.put(b"Set-Cookie", cookie.as_bytes());
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
