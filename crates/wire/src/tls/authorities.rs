//! Authorities that sign certificates: those of a file, or others that were read already.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;

use super::certificate::{parse_chain, read, read_chain, system_time};
use super::fault::{TlsError, Warning};

/// Authorities by which certificates are checked. Two are the same when they believe the same.
#[derive(Clone, Debug)]
pub struct Authorities {
    warnings: Vec<Warning>,
    pub(super) roots: Arc<RootCertStore>,
    /// Each one's name, as certificates have it, in the order of the file.
    pub(super) subjects: Vec<Subject>,
}

/// An authority's name.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// As it stands in certificates.
    pub(super) raw: Vec<u8>,
    /// As RFC 4514 writes it.
    pub(super) text: String,
}

impl Authorities {
    /// Those in `file`, as PEM. Each must be usable; what is doubtful at the time `now` is told by [`Authorities::warnings`].
    ///
    /// # Errors
    /// When the file cannot be read or is not what it should be.
    pub fn load(file: &Path, now: SystemTime) -> Result<Self, TlsError> {
        let authorities = read_chain(file, &read(file)?)?;
        let parsed = parse_chain(file, &authorities)?;
        let mut roots = RootCertStore::empty();
        for (position, authority) in (1..).zip(&authorities) {
            roots.add(authority.clone()).map_err(|source| TlsError::UnusableAuthority {
                file: file.to_owned(),
                position,
                source,
            })?;
        }
        let mut warnings = Vec::new();
        for (position, authority) in (1..).zip(&parsed) {
            let ago = now.duration_since(system_time(authority.validity().not_after));
            let expired = |ago| Warning::Expired { file: file.to_owned(), position, ago };
            warnings.extend(ago.map(expired));
        }
        let subject = |authority: &x509_parser::certificate::X509Certificate<'_>| Subject {
            raw: authority.subject().as_raw().to_vec(),
            text: super::distinguished::text(authority.subject()),
        };
        let subjects = parsed.iter().map(subject).collect();
        Ok(Self { warnings, roots: Arc::new(roots), subjects })
    }

    /// Those that `roots` holds, such as the system's.
    pub fn of(roots: RootCertStore) -> Self {
        Self { warnings: Vec::new(), roots: Arc::new(roots), subjects: Vec::new() }
    }

    /// What was doubtful when they were loaded.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.roots.roots == other.roots.roots
    }
}
