//! Certificates that come, and are replaced, while clients connect: what a CA has issued, and the proofs that it looks for before
//! it does (RFC 8737).
//!
//! Handshakes read without a lock; a writer replaces a table whole, which is rare. Nothing here is kept on a disk, and nothing knows
//! when a certificate is due.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::server::Alpn;

type Table = HashMap<Box<str>, Arc<CertifiedKey>>;

/// The certificates that were ordered, by the host that each is for, and the proofs that a CA may ask for: one for all listeners.
#[derive(Default)]
pub struct Ordered {
    issued: ArcSwap<Table>,
    proofs: ArcSwap<Table>,
}

impl Ordered {
    /// New connections to these hosts, in lower case and `*.` for a wildcard, are served with these certificates.
    pub fn put<'a>(&self, issued: impl IntoIterator<Item = (&'a str, &'a Certificate)>) {
        let issued: Vec<_> = issued.into_iter().map(|(host, it)| (host, it.key.clone())).collect();
        self.issued.rcu(|table| {
            let mut table = Table::clone(table);
            table.extend(issued.iter().map(|(host, key)| (Box::from(*host), key.clone())));
            table
        });
    }

    /// Forgets the certificates of all hosts that `is_wanted` does not want.
    pub fn retain(&self, is_wanted: impl Fn(&str) -> bool) {
        if self.issued.load().keys().all(|host| is_wanted(host)) {
            return;
        }
        self.issued.rcu(|table| {
            let kept = table.iter().filter(|(host, _)| is_wanted(host));
            kept.map(|(host, key)| (host.clone(), key.clone())).collect::<Table>()
        });
    }

    /// Shows this certificate to a CA that asks for a proof that `host` is ours: to a client that speaks [`Alpn::Proof`] alone.
    ///
    /// # Errors
    /// When the key, in PKCS#8, cannot be used.
    pub fn prove(&self, host: &str, proof: Proof) -> Result<(), rustls::Error> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(proof.key));
        let chain = vec![CertificateDer::from(proof.certificate)];
        let key = Arc::new(CertifiedKey::new(chain, any_supported_type(&key)?));
        self.proofs.rcu(|table| {
            let mut table = Table::clone(table);
            table.insert(host.into(), key.clone());
            table
        });
        Ok(())
    }

    /// Shows it no longer.
    pub fn withdraw(&self, host: &str) {
        self.proofs.rcu(|table| {
            let mut table = Table::clone(table);
            table.remove(host);
            table
        });
    }
}

impl std::fmt::Debug for Ordered {
    /// Without keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (issued, proofs) = (self.issued.load(), self.proofs.load());
        f.debug_struct("Ordered")
            .field("issued", &issued.len())
            .field("proofs", &proofs.len())
            .finish()
    }
}

/// A certificate that a CA looks for, with its key.
pub struct Proof {
    /// In DER.
    pub certificate: Vec<u8>,
    /// In DER, as PKCS#8.
    pub key: Vec<u8>,
}

/// The hosts of one listener that have ordered certificates, or are to get them.
#[derive(Clone, Debug)]
pub struct OrderedHosts {
    hosts: Arc<HashSet<Box<str>>>,
    /// The one of them whose certificate clients get that ask for no name.
    nameless: Option<Box<str>>,
    all: Arc<Ordered>,
}

impl OrderedHosts {
    /// These hosts, in lower case and `*.` for a wildcard.
    pub fn new<'a>(hosts: impl IntoIterator<Item = &'a str>, all: Arc<Ordered>) -> Self {
        Self { hosts: Arc::new(hosts.into_iter().map(Box::from).collect()), nameless: None, all }
    }

    /// The same, where clients that ask for no name get the certificate of `host`.
    #[must_use]
    pub fn with_nameless(mut self, host: Option<&str>) -> Self {
        self.nameless = host.map(Box::from);
        self
    }

    /// What a client is shown that asks for no name.
    pub(super) fn nameless(&self) -> Option<Arc<CertifiedKey>> {
        self.all.issued.load().get(self.nameless.as_deref()?).cloned()
    }

    /// What a client is shown that asks for `name`, in lower case: `None` where the name is none of these, and then nothing while
    /// its certificate has not come.
    pub(super) fn find(&self, name: &str) -> Option<Option<Arc<CertifiedKey>>> {
        let wildcard;
        let host = match name.split_once('.') {
            _ if self.hosts.contains(name) => name,
            Some((_, parent)) => {
                wildcard = format!("*.{parent}");
                self.hosts.contains(&*wildcard).then_some(&*wildcard)?
            }
            None => return None,
        };
        Some(self.all.issued.load().get(host).cloned())
    }

    /// What a CA is shown that asks for a proof of `name`, in lower case.
    pub(super) fn proof(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.all.proofs.load().get(name).cloned()
    }
}

/// Whether a client that offers these protocols looks for a proof, and for nothing else.
pub(super) fn is_proof<'a>(offered: Option<impl Iterator<Item = &'a [u8]>>) -> bool {
    let Some(mut offered) = offered else { return false };
    offered.next() == Some(Alpn::Proof.id()) && offered.next().is_none()
}
