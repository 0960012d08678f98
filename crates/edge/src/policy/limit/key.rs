//! What a request is known by to a limit. A part that it lacks is one that all such requests share.

use std::net::IpAddr;

use model::KeyPart;
use policy::limit::{Fingerprint, KeyHasher};

use super::Asking;
use crate::peer::ClientKey;
use crate::routing::query_values;

/// The fingerprint of `parts` of a request, which `hasher` begins.
#[inline]
pub(super) fn fingerprint(
    parts: &[KeyPart],
    mut hasher: KeyHasher,
    asking: Asking<'_>,
) -> Fingerprint {
    parts.iter().for_each(|part| add(part, &mut hasher, asking));
    hasher.finish()
}

#[inline]
fn add(part: &KeyPart, hasher: &mut KeyHasher, Asking { request, caller, .. }: Asking<'_>) {
    match part {
        KeyPart::Ip => match ClientKey::of(request.client).address() {
            IpAddr::V4(address) => hasher.part(Some(&address.octets())),
            IpAddr::V6(address) => hasher.part(Some(&address.octets())),
        },
        KeyPart::Subject => {
            let subject = caller.and_then(|caller| caller.subject.as_deref());
            hasher.part(subject.map(str::as_bytes));
        }
        KeyPart::Claim(path) => {
            let claim = caller.and_then(|caller| caller.claims.at(path)?.as_word());
            hasher.part(claim.as_ref().map(|word| word.as_bytes()));
        }
        KeyPart::Path => hasher.part(Some(&request.path)),
        // The instance may go by any of several: together they are another key.
        KeyPart::Header(name) => several(hasher, request.head.fields.named(name.as_bytes())),
        KeyPart::Cookie(name) => hasher.part(request.head.cookie(name.as_bytes())),
        KeyPart::Query(name) => {
            several(hasher, query_values(request.head.query().unwrap_or_default(), name));
        }
    }
}

fn several(hasher: &mut KeyHasher, values: impl Iterator<Item = impl AsRef<[u8]>>) {
    let mut is_absent = true;
    for value in values {
        hasher.part(Some(value.as_ref()));
        is_absent = false;
    }
    if is_absent {
        hasher.part(None);
    }
}
