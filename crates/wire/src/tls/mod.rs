//! TLS towards clients: certificates from files or issued meanwhile, the choice among them by name, sessions that
//! survive a reload, and what clients' certificates are checked by.
//!
//! Knows no listener and no route: who loads and who accepts passes plain paths and protocols in.
//! A private key is read here, given to rustls and never printed. Connecting to servers over TLS
//! is not done here.

mod certificate;
mod clients;
mod distinguished;
mod fault;
mod names;
mod ordered;
mod server;
mod session;

pub use certificate::{Certificate, Files};
pub use clients::{ClientFiles, ClientTrust, Demand};
pub use fault::{TlsError, Warning};
pub use names::Certificates;
pub use ordered::{Ordered, OrderedHosts, Proof};
pub use server::{Alpn, Resumption, server_config};
pub use session::Session;

#[cfg(test)]
mod tests;
