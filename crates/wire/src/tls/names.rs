//! Which certificate is shown to a client that asks for a name (RFC 6066 §3).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::{Certificate, Files};
use super::fault::TlsError;
use super::ordered::{OrderedHosts, is_proof};

/// Certificates by the names that they are for.
///
/// A name is looked up as it is, then under the wildcard that takes the place of its first label
/// (RFC 9525 §6.3). Clients that ask for no name, or for one that no certificate has, get the
/// first. Where several have the name, as of an RSA and an ECDSA key, it is the first that the
/// client can verify.
///
/// A host that has an ordered certificate, or is to get one, and is in none of these gets that one, and until it has come none at all:
/// never another host's. One that names no host gets the first from a file, too; without any, that of the host that is named for it, where one is.
#[derive(Clone)]
pub struct Certificates {
    certificates: Vec<Certificate>,
    /// Places in `certificates`, in their order.
    by_name: HashMap<Box<str>, Vec<usize>>,
    in_order: Vec<usize>,
    ordered: Option<OrderedHosts>,
}

impl Certificates {
    /// Reads and checks all `files` at the time `now`.
    ///
    /// # Errors
    /// All that is wrong, of each certificate the first.
    pub fn load(files: &[Files], now: SystemTime) -> Result<Self, Vec<TlsError>> {
        let (mut certificates, mut errors) = (Vec::new(), Vec::new());
        for files in files {
            match Certificate::load(files, now) {
                Ok(certificate) => certificates.push(certificate),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self::new(certificates)) } else { Err(errors) }
    }

    fn new(certificates: Vec<Certificate>) -> Self {
        let mut by_name = HashMap::<Box<str>, Vec<usize>>::new();
        for (index, certificate) in certificates.iter().enumerate() {
            for name in certificate.names() {
                let places = by_name.entry(name.into()).or_default();
                if places.last() != Some(&index) {
                    places.push(index);
                }
            }
        }
        let in_order = (0..certificates.len()).collect();
        Self { certificates, by_name, in_order, ordered: None }
    }

    /// The same, for a listener of which `hosts` have ordered certificates.
    #[must_use]
    pub fn with_ordered(mut self, hosts: OrderedHosts) -> Self {
        self.ordered = Some(hosts);
        self
    }

    /// Whether one of them is for `host`.
    pub fn names(&self, host: &str) -> bool {
        self.named(host).is_some()
    }

    /// The certificates in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.iter()
    }

    /// The certificate for a client that asks for `name` and verifies `schemes`. `None` only when
    /// there are no certificates.
    pub(super) fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Certificate> {
        let places = name.and_then(|name| self.named(name)).unwrap_or(&self.in_order);
        let candidates = || places.iter().map(|place| &self.certificates[*place]);
        let verifies =
            |certificate: &&Certificate| certificate.key.key.choose_scheme(schemes).is_some();
        candidates().find(verifies).or_else(|| candidates().next())
    }

    fn named(&self, name: &str) -> Option<&Vec<usize>> {
        let name = normal(name);
        let exact = self.by_name.get(&*name);
        exact.or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&*format!("*.{parent}"))
        })
    }
}

/// As names are compared: only those without a dot at the end are allowed on the wire, but some clients send it.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.certificates).finish()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(ordered) = &self.ordered {
            let name = hello.server_name().map(normal);
            if is_proof(hello.alpn()) {
                return ordered.proof(&name?);
            }
            if name.is_none() && self.certificates.is_empty() {
                return ordered.nameless();
            }
            let name = name.filter(|name| self.named(name).is_none());
            if let Some(found) = name.and_then(|name| ordered.find(&name)) {
                return found;
            }
        }
        let chosen = self.choose(hello.server_name(), hello.signature_schemes())?;
        Some(chosen.key.clone())
    }
}
