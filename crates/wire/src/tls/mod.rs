//! TLS towards clients: certificates from files, the choice among them by name, and sessions that
//! survive a reload.
//!
//! Knows no listener and no route: who loads and who accepts passes plain paths and protocols in.
//! A private key is read here, given to rustls and never printed. Connecting to servers over TLS
//! is not done here.

mod certificate;
mod fault;
mod names;
mod server;
mod session;

pub use certificate::{Certificate, Files};
pub use fault::{TlsError, Warning};
pub use names::Certificates;
pub use server::{Alpn, Resumption, server_config};
pub use session::Session;

#[cfg(test)]
mod tests;
