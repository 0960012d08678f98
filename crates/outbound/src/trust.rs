//! By which authorities a server's certificate is believed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::fault::Fault;

/// The system's authorities are read again after so long: an update of them needs no restart.
const READ_AGAIN: Duration = Duration::from_secs(3600);

/// By which authorities a server's certificate is believed.
#[derive(Clone, Default)]
pub enum Trust {
    /// Those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    #[default]
    System,
    /// These and no others.
    Given(Arc<ClientConfig>),
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Given(_) => "Given",
        })
    }
}

/// Why a file gives no authorities.
#[derive(Debug, thiserror::Error)]
pub enum BadAuthorities {
    /// There is no certificate.
    #[error("there is no certificate in PEM in it")]
    None,
    /// A section is broken.
    #[error("certificate {0} is broken")]
    Broken(usize),
    /// One is no certificate of an authority.
    #[error("certificate {0} cannot be used to check others")]
    Unusable(usize),
}

impl Trust {
    /// Those whose certificates stand in `pem`. Each must be usable.
    ///
    /// # Errors
    /// When there is none, or one that cannot be used.
    pub fn of_pem(pem: &str) -> Result<Self, BadAuthorities> {
        let mut roots = RootCertStore::empty();
        for (read, number) in CertificateDer::pem_slice_iter(pem.as_bytes()).zip(1..) {
            let certificate = read.map_err(|_| BadAuthorities::Broken(number))?;
            roots.add(certificate).map_err(|_| BadAuthorities::Unusable(number))?;
        }
        if roots.is_empty() { Err(BadAuthorities::None) } else { Ok(Self::Given(config(roots))) }
    }
}

/// How TLS is spoken with servers whose certificates `roots` have issued: 1.2 or 1.3, and HTTP/1.1 in it.
fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The system's authorities, as they were read last.
#[derive(Default)]
pub(crate) struct SystemTrust(Mutex<Option<(Instant, Arc<ClientConfig>)>>);

impl SystemTrust {
    /// How TLS is spoken by `trust`.
    ///
    /// # Errors
    /// When the system has no authorities at all.
    pub(crate) async fn config(&self, trust: &Trust) -> Result<Arc<ClientConfig>, Fault> {
        if let Trust::Given(config) = trust {
            return Ok(config.clone());
        }
        if let Some(config) = self.kept() {
            return Ok(config);
        }
        // Hundreds of files, perhaps.
        let read = tokio::task::spawn_blocking(read).await;
        let config =
            read.unwrap_or_else(|_| Err(Fault::NoAuthorities("reading them failed".into())))?;
        *self.lock() = Some((Instant::now(), config.clone()));
        Ok(config)
    }

    fn kept(&self) -> Option<Arc<ClientConfig>> {
        let kept = self.lock();
        let (_, config) = kept.as_ref().filter(|(read, _)| read.elapsed() < READ_AGAIN)?;
        Some(config.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<ClientConfig>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read() -> Result<Arc<ClientConfig>, Fault> {
    system_authorities().map(config).map_err(|NoAuthorities(why)| Fault::NoAuthorities(why))
}

/// The system has no authorities, for this reason.
#[derive(Debug, thiserror::Error)]
#[error("the system has no certificates of authorities ({0})")]
pub struct NoAuthorities(pub String);

/// The system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, read now: hundreds of files, perhaps.
///
/// # Errors
/// When there is none.
pub fn system_authorities() -> Result<RootCertStore, NoAuthorities> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // One that is malformed is no reason to do without the others.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or("there are none".to_owned(), ToString::to_string);
        return Err(NoAuthorities(why));
    }
    Ok(roots)
}
