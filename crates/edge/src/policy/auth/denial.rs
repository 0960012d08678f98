//! What the client of a refused request is told by the service that refused it: the status, and the few fields by which it gets any
//! further. Everything else of the response stays behind.

use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::HeaderEdits;

use crate::fields::FieldSink;
use crate::policy::headers::is_edited;

/// What is told: how to prove who one is, where to do so, and what is to be remembered meanwhile.
const TOLD: [HeaderName; 4] = [WWW_AUTHENTICATE, LOCATION, SET_COOKIE, CACHE_CONTROL];

/// A refusal by a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(super) status: u16,
    fields: Box<[(HeaderName, HeaderValue)]>,
}

impl Denial {
    /// Whether a response with this status refuses a request, and says so to its client: 401, 403, and redirects to where one logs in.
    pub(super) fn is_one(status: u16) -> bool {
        matches!(status, 301..=303 | 307 | 308 | 401 | 403)
    }

    /// That of a response.
    pub(super) fn new(status: u16, fields: &HeaderMap) -> Self {
        let told = |name: &HeaderName| {
            let name = name.clone();
            fields.get_all(&name).iter().map(move |value| (name.clone(), value.clone()))
        };
        let mut told: Vec<_> = TOLD.iter().flat_map(told).collect();
        if !fields.contains_key(CACHE_CONTROL) {
            // A browser would remember a redirect to the login, and be logged out for good.
            told.push((CACHE_CONTROL, HeaderValue::from_static("no-store")));
        }
        Self { status, fields: told.into() }
    }

    /// Whether the client is to keep something that another must not have.
    pub(super) fn sets_cookies(&self) -> bool {
        self.fields.iter().any(|(name, _)| name == SET_COOKIE)
    }

    /// Writes what it tells beside challenges.
    pub(super) fn write(&self, edits: &HeaderEdits, out: &mut impl FieldSink) {
        for (name, value) in self.fields.iter().filter(|(name, _)| name != WWW_AUTHENTICATE) {
            if !is_edited(edits, name.as_str().as_bytes()) {
                out.put(canonical(name).as_bytes(), value.as_bytes());
            }
        }
    }

    /// How one proves who one is, as far as it says so.
    pub(super) fn challenges(&self) -> impl Iterator<Item = &[u8]> {
        let challenges = self.fields.iter().filter(|(name, _)| name == WWW_AUTHENTICATE);
        challenges.map(|(_, value)| value.as_bytes())
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let of_each = |(name, value): &(HeaderName, HeaderValue)| {
            size_of::<(HeaderName, HeaderValue)>() + name.as_str().len() + value.len()
        };
        size_of::<Self>() + self.fields.iter().map(of_each).sum::<usize>()
    }
}

/// As HTTP/1 has it.
fn canonical(name: &HeaderName) -> &str {
    match name.as_str() {
        "location" => "Location",
        "set-cookie" => "Set-Cookie",
        "cache-control" => "Cache-Control",
        other => other,
    }
}
