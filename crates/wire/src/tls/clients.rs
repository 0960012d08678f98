//! Which certificates of clients are believed: whose authority is known, and which of them were revoked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::SectionKind;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::authorities::Authorities;
use super::certificate::{Section, describe, not_pem, read, sections, system_time, whole};
use super::fault::{TlsError, Warning};

/// Where it is said which certificates of clients are believed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientFiles {
    /// PEM: the authorities whose certificates are believed.
    pub ca: PathBuf,
    /// PEM: a list of what each of them revoked.
    pub crl: Option<PathBuf>,
}

/// Whether a client may come without a certificate. One that it shows is always checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// It may not: its handshake fails.
    Required,
    /// It may.
    Optional,
}

/// Which certificates of clients are believed.
#[derive(Clone)]
pub struct ClientTrust {
    warnings: Vec<Warning>,
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
}

impl std::fmt::Debug for ClientTrust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTrust").finish_non_exhaustive()
    }
}

impl ClientTrust {
    /// Reads and checks `files`. What is doubtful at the time `now`, but may be used, is told by
    /// [`ClientTrust::warnings`].
    ///
    /// With lists of revoked certificates each certificate of a chain must be known not to be on its
    /// authority's: one of an authority without a list is refused. A list that should have been replaced
    /// goes on to be asked, since what it names stays revoked.
    ///
    /// # Errors
    /// When a file cannot be read or is not what it should be.
    pub fn load(files: &ClientFiles, demand: Demand, now: SystemTime) -> Result<Self, TlsError> {
        let authorities = Authorities::load(&files.ca, now)?;
        let mut warnings = authorities.warnings().to_vec();
        let provider = Arc::new(default_provider());
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(authorities.roots.clone(), provider);
        if demand == Demand::Optional {
            builder = builder.allow_unauthenticated();
        }
        if let Some(file) = &files.crl {
            let lists = read_lists(file)?;
            let by = parse_lists(file, &lists, now, &mut warnings)?;
            let lacking = authorities.subjects.iter().filter(|it| !by.contains(&it.raw));
            warnings.extend(lacking.map(|authority| Warning::NoRevocationsOf {
                file: file.clone(),
                authority: authority.text.clone(),
            }));
            builder = builder.with_crls(lists);
        }
        let unusable = |source| TlsError::UnusableRevocations {
            file: files.crl.clone().unwrap_or_else(|| files.ca.clone()),
            source,
        };
        Ok(Self { warnings, verifier: builder.build().map_err(unusable)? })
    }

    /// Whether `other` is this one, and not another that may believe the same.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.verifier, &other.verifier)
    }

    /// Whether the first of `chain` is believed at `now`, by the others. That the client has its key is not asked: that is its
    /// handshake's.
    pub fn believes(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> bool {
        let Some((leaf, others)) = chain.split_first() else { return false };
        let Ok(now) = now.duration_since(SystemTime::UNIX_EPOCH) else { return false };
        self.verifier.verify_client_cert(leaf, others, UnixTime::since_unix_epoch(now)).is_ok()
    }

    /// What was doubtful when it was loaded.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

fn read_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let text = read(file)?;
    let sections = sections(file, &text)?;
    let holds = describe(&text, &sections);
    let is_list = |(kind, _): &Section| *kind == SectionKind::Crl;
    let lists: Vec<_> = sections.into_iter().filter(is_list).map(|(_, der)| der.into()).collect();
    match (lists.is_empty(), holds) {
        (false, _) => Ok(lists),
        (true, Some(holds)) => Err(TlsError::NoRevocations { file: file.to_owned(), holds }),
        (true, None) => Err(not_pem(file, &text)),
    }
}

/// The authorities that made `lists`, as they are named in certificates.
fn parse_lists(
    file: &Path,
    lists: &[CertificateRevocationListDer<'_>],
    now: SystemTime,
    warnings: &mut Vec<Warning>,
) -> Result<BTreeSet<Vec<u8>>, TlsError> {
    let mut by = BTreeSet::new();
    for (position, list) in (1..).zip(lists) {
        let parsed = whole(CertificateRevocationList::from_der(list));
        let list = parsed.map_err(|source| TlsError::MalformedRevocations {
            file: file.to_owned(),
            position,
            source,
        })?;
        by.insert(list.issuer().as_raw().to_vec());
        let ago = list.next_update().and_then(|next| now.duration_since(system_time(next)).ok());
        let old = |ago| Warning::OldRevocations { file: file.to_owned(), position, ago };
        warnings.extend(ago.map(old));
    }
    Ok(by)
}
