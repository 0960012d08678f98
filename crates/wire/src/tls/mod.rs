//! TLS towards clients: certificates from files or issued meanwhile, the choice among them by name, sessions that
//! survive a reload, and what clients' certificates are checked by. And how it is set towards servers.
//!
//! Knows no listener, no route and no service: who loads, who accepts and who connects passes plain paths and protocols in.
//! A private key is read here, given to rustls and never printed.

mod authorities;
mod certificate;
mod clients;
mod distinguished;
mod fault;
mod names;
mod ordered;
mod outgoing;
mod server;
mod session;
mod shown;

pub use authorities::Authorities;
pub use certificate::{Certificate, Files};
pub use clients::{ClientFiles, ClientTrust, Demand};
pub use fault::{TlsError, Warning};
pub use names::Certificates;
pub use ordered::{Ordered, OrderedHosts, Proof};
pub use outgoing::{client_config, for_one_server};
pub use server::{Alpn, Resumption, server_config};
pub use session::Session;
pub use shown::ClientCertificate;

#[cfg(test)]
mod tests;
