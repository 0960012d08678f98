//! What is asked, with its bounds, and what came.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use model::Url;

use crate::standing::Standing;
use crate::trust::Trust;

/// A request, and how far it may go.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// Its fields. `Host`, `Connection`, `Content-Length` and, where there is none, `User-Agent` are added.
    pub fields: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// By which authorities the server is believed.
    pub trust: Trust,
    /// How long all of it may take, from the lookup of the name to the last byte, redirects included.
    pub within: Duration,
    /// How many bytes of a response's body are taken.
    pub bytes_max: usize,
    /// Whether redirects are followed.
    pub redirects: Redirects,
    /// How near the server may be: `Here` where an operator wrote the URL, the standing of the server that did otherwise.
    pub nearest: Standing,
}

/// What becomes of a response that redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// It is the response.
    Returned,
    /// A GET follows it, at most so often in a row; never to what is nearer than the server that redirects, and never from TLS to none.
    /// To another server the request's own fields do not go with it.
    Followed(usize),
}

impl Request {
    /// A GET of `url`, which an operator wrote, that may take so long and whose response may be so large.
    pub fn get(url: Url, within: Duration, bytes_max: usize) -> Self {
        Self {
            method: Method::GET,
            url,
            fields: HeaderMap::new(),
            body: Bytes::new(),
            trust: Trust::System,
            within,
            bytes_max,
            redirects: Redirects::Returned,
            nearest: Standing::Here,
        }
    }

    /// With this field, in the place of others of its name.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.insert(name, value);
        self
    }
}

/// Without fields and body, which may be secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// A response.
#[derive(Clone)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
    /// Where it came from, after redirects.
    pub url: Url,
    /// How near the farthest of those is that led to it: what it names may be no nearer.
    pub standing: Standing,
}

/// Without fields and body, which may be secret.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.status, self.url)
    }
}
