//! A client's connection, from accept to close: what comes before HTTP (PROXY protocol, TLS), and
//! which version is spoken then.

mod h1;
mod h2;
mod idleness;
mod linger;
mod opening;

pub(crate) use opening::{resume, serve};

use std::time::Duration;

/// How long a connection may take to its first request once it is to be closed: it was accepted, so
/// its client has reason to expect a response.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
