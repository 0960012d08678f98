//! The cookie that keeps a client with its instance.
//!
//! It names the instance by a hash and is signed, so that nobody can choose an instance or learn
//! how many there are: `base64(hash(instance) || HMAC-SHA256(key, service || hash)[..16])`.

use std::time::Duration;

use aws_lc_rs::hmac;
use balance::Key;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{InstanceName, Service, Sticky};
use wire::head::RequestHead;

use crate::fields::FieldSink;
use crate::snapshot::LocalService;
use crate::split;

const ID_BYTES: usize = 8;
const MAC_BYTES: usize = 16;

/// Signs the cookies of all services.
#[derive(Clone)]
pub struct StickyKey(hmac::Key);

impl StickyKey {
    /// The key that these bytes are. Whoever should honour each other's cookies shares it.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn sign(&self, service: &Service, id: [u8; ID_BYTES]) -> String {
        let mut token = id.to_vec();
        token.extend_from_slice(&self.mac(service, id).as_ref()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(token)
    }

    fn verify(&self, service: &Service, cookie: &[u8]) -> Option<[u8; ID_BYTES]> {
        let token = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let (id, mac) = token.split_first_chunk::<ID_BYTES>()?;
        let wanted = self.mac(service, *id);
        let same =
            aws_lc_rs::constant_time::verify_slices_are_equal(mac, &wanted.as_ref()[..MAC_BYTES]);
        same.is_ok().then_some(*id)
    }

    fn mac(&self, service: &Service, id: [u8; ID_BYTES]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(service.name.as_str().as_bytes());
        context.update(&[0]);
        context.update(&id);
        context.sign()
    }
}

fn id_of(name: &InstanceName) -> [u8; ID_BYTES] {
    Key::of_bytes(name.as_str().as_bytes()).hash().to_be_bytes()
}

/// The place of the instance that the client's cookie names.
pub(crate) fn preferred(
    key: &StickyKey,
    service: &LocalService,
    head: &RequestHead,
) -> Option<usize> {
    let id = named(key, &service.service, head)?;
    service.members.iter().position(|member| is_named(id, &member.live.name))
}

/// The instance that the client's cookie names, by its hash.
pub(crate) fn named(key: &StickyKey, service: &Service, head: &RequestHead) -> Option<InstanceId> {
    let sticky = service.sticky.as_ref()?;
    key.verify(service, head.cookie(sticky.cookie.as_bytes())?).map(InstanceId)
}

/// The number that the client keeps in `cookie`.
pub(crate) fn number(
    key: &StickyKey,
    service: &Service,
    head: &RequestHead,
    cookie: &str,
) -> Option<u64> {
    key.verify(service, head.cookie(cookie.as_bytes())?).map(u64::from_be_bytes)
}

/// Whether `id` is the hash of `name`.
pub(crate) fn is_named(id: InstanceId, name: &InstanceName) -> bool {
    id_of(name) == id.0
}

/// The hash of an instance's name, from a cookie that was signed here.
#[derive(Clone, Copy)]
pub(crate) struct InstanceId([u8; ID_BYTES]);

/// The cookie that an answer carries, where the client is to stay with a new instance.
pub(crate) struct Stay<'a> {
    key: &'a StickyKey,
    service: &'a Service,
    instance: Option<(&'a Sticky, &'a InstanceName)>,
    /// The number by which it stays with a release.
    number: Option<u64>,
}

impl<'a> Stay<'a> {
    /// The client came to `instance`, and its cookie names it or not; it was drawn a `number`, or
    /// needs none.
    pub(crate) fn new(
        key: &'a StickyKey,
        service: &'a Service,
        instance: &'a InstanceName,
        is_known: bool,
        number: Option<u64>,
    ) -> Self {
        let sticky = service.sticky.as_ref().filter(|_| !is_known);
        Self { key, service, instance: sticky.map(|sticky| (sticky, instance)), number }
    }

    /// Writes the cookies, if there are any to be written.
    pub(crate) fn write_cookies(&self, out: &mut impl FieldSink) {
        if let Some(number) = self.number {
            let token = self.key.sign(self.service, number.to_be_bytes());
            let cookie = format!("{}={token}; Path=/; HttpOnly; SameSite=Lax", split::COOKIE);
            out.put(b"Set-Cookie", cookie.as_bytes());
        }
        let Some((sticky, instance)) = self.instance else { return };
        let token = self.key.sign(self.service, id_of(instance));
        let age = sticky.ttl.map(|ttl: Duration| format!("; Max-Age={}", ttl.as_secs()));
        let age = age.unwrap_or_default();
        let cookie = format!("{}={token}; Path=/; HttpOnly; SameSite=Lax{age}", sticky.cookie);
        out.put(b"Set-Cookie", cookie.as_bytes());
    }
}
