//! The client with which Plimsoll itself asks other servers, over HTTP or HTTPS: for keys of issuers, for a word of
//! monitoring, and for what comes.
//!
//! Everything about a request has a bound: how long all of it may take, how large the response may be, how often it is
//! redirected, and how near a server may be that others name. A name is resolved and its addresses are checked at the moment of connecting, so
//! that none can change between the check and the use. Certificates are checked with the system's authorities or with those that are given.
//!
//! Nothing here knows what it is asked for; nothing keeps a response or reads a proxy from the environment, and nothing tries again but a
//! connection that had been kept and turns out to be closed ([`PooledClient`]); no error and no `Debug` ever shows a header, a body or a query. What is
//! forwarded to instances does not go this way: that is `edge`'s.

mod client;
mod connect;
mod exchange;
mod fault;
mod pooled;
mod request;
mod standing;
mod trust;
mod url;

pub use client::Client;
pub use connect::{Names, Stream};
pub use fault::{CertificateFault, Fault, Stage};
pub use pooled::{Excess, PooledClient};
pub use request::{Redirects, Request, Response};
pub use standing::Standing;
pub use trust::{BadAuthorities, NoAuthorities, Trust, system_authorities};
pub use url::{BadUrl, join, parse};
