//! The certificate that a client has shown in its handshake, as long as its connection lasts: it is believed by whom the listener trusts now,
//! and not by whom it trusted then (decision 0108).

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use policy::time::UnixTime;
use rustls::pki_types::CertificateDer;
use wire::tls::{ClientCertificate, ClientTrust};

/// A client's certificate, which its handshake has verified.
pub(crate) struct PeerCertificate {
    leaf: ClientCertificate,
    /// It, and what it was shown with.
    chain: Box<[CertificateDer<'static>]>,
    last: RefCell<Looked>,
}

/// The last look at it.
struct Looked {
    /// Who was trusted.
    trust: ClientTrust,
    is_believed: bool,
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificate").field("leaf", &self.leaf).finish_non_exhaustive()
    }
}

impl PeerCertificate {
    /// The first of `chain`, which a handshake has verified that trusted `trust`. `None` where it cannot be read: it proves nothing then.
    pub(crate) fn new(chain: &[CertificateDer<'static>], trust: &ClientTrust) -> Option<Rc<Self>> {
        let leaf = ClientCertificate::parse(chain.first()?);
        let leaf =
            leaf.inspect_err(|error| tracing::debug!(%error, "a client's certificate")).ok()?;
        let last = Looked { trust: trust.clone(), is_believed: true };
        Some(Rc::new(Self { leaf, chain: chain.into(), last: last.into() }))
    }

    /// It, if `trust` believes it, whom its listener trusts now. The chain is verified once for each change of that.
    pub(crate) fn believed(
        &self,
        trust: Option<&ClientTrust>,
        now: UnixTime,
    ) -> Option<&ClientCertificate> {
        let trust = trust?;
        let mut last = self.last.borrow_mut();
        if !last.trust.is_same(trust) {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
            *last = Looked { trust: trust.clone(), is_believed: trust.believes(&self.chain, now) };
        }
        last.is_believed.then_some(&self.leaf)
    }
}
