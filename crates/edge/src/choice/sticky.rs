//! The cookie that keeps a client with its instance.
//!
//! It names the instance by a hash and is signed ([`StickyKey`]), so that nobody can choose an instance or learn
//! how many there are.

use std::time::Duration;

use balance::Key;
use model::{CookieSecurity, InstanceName, SameSite, Service, Sticky};
use wire::head::RequestHead;

use crate::choice::Claim;
use crate::fields::FieldSink;
use crate::peer::Approach;
use crate::snapshot::split;
use crate::sticky_key::{ID_BYTES, StickyKey, Use};

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
    approach: Approach<'a>,
    claim: &'a Claim,
}

impl<'a> Affinity<'a> {
    /// The client of a request that came by `approach` came to what was claimed.
    pub(crate) fn new(key: &'a StickyKey, approach: Approach<'a>, claim: &'a Claim) -> Self {
        Self { key, approach, claim }
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
            CookieSecurity::Auto => same_site == SameSite::None || self.approach.is_secure(),
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
