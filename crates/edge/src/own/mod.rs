//! Requests of our own, to one instance: health checks and what warms a new instance up.
//!
//! They are written and their responses read by what carries clients' requests ([`Upstream`](crate::upstream)),
//! so that no response passes here that would be 502 there. What a response means is for those who ask; no claim,
//! no retry and no counter of the instance has to do with it.

mod ask;
mod fault;
mod thread;

use std::net::SocketAddr;
use std::time::Duration;

use model::{UpstreamProtocol, Violations};

pub use fault::{OwnFault, Stage};
pub use thread::Asker;

use crate::instance::tls::InstanceTls;

/// A request of our own.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnRequest {
    /// Whom it goes to.
    pub address: SocketAddr,
    /// What is spoken there.
    pub protocol: UpstreamProtocol,
    /// How TLS is spoken there; `None` for clear text.
    pub tls: Option<InstanceTls>,
    /// What becomes of a response that is not what it should be.
    pub violations: Violations,
    /// The method, in capitals.
    pub method: &'static str,
    /// The target in origin form.
    pub target: String,
    /// The `Host`, or `:authority`.
    pub host: String,
    /// Further fields, none of which frames the message or belongs to one connection only.
    pub fields: Vec<(String, String)>,
    /// The body; `None` for none at all.
    pub body: Option<Vec<u8>>,
    /// How much of the response's body is read and kept. A body that is longer is whole enough.
    pub kept: usize,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// A connection that is opened, over TLS where that is spoken, and closed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Whom it goes to.
    pub address: SocketAddr,
    /// How TLS is spoken there; `None` for clear text.
    pub tls: Option<InstanceTls>,
    /// What would be spoken over it.
    pub protocol: UpstreamProtocol,
    /// How long it may take.
    pub timeout: Duration,
}

/// Values of fields may be secrets, so only their names are shown.
impl std::fmt::Debug for OwnRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnRequest")
            .field("address", &self.address)
            .field("method", &self.method)
            .field("target", &self.target)
            .field("fields", &self.fields.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A whole response to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnResponse {
    /// The status.
    pub status: u16,
    /// The beginning of the body, as much as was to be kept.
    pub body: Vec<u8>,
    /// The head's fields, then the trailers.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl OwnResponse {
    /// The last value of the field `name`: the trailer's, if there is one.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let named = |(field, _): &&(Vec<u8>, _)| field.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().rfind(named).map(|(_, value)| &**value)
    }
}
