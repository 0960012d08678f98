//! Ordered certificates and accounts with CAs, as the state directory keeps them: readable by people, each in one file that is replaced whole.
//!
//! A key stands in one file with its chain (PEM, RFC 7468), since two files are never replaced at once: `certificates/hosts/HOST/certificate.pem`.
//! It can be named as both files of a certificate, here and in other servers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use acme::{Credentials, Issued};
use certificates::{DirectoryUrl, Held};
use model::{Acme, Intent};
use telemetry::{Event, event};
use wire::tls::{Certificate, Files, Ordered, TlsError};

use super::internal::{Internal, InternalError, Signing};
use crate::chain::chain;
use crate::state_dir::{self, StateDirError};
use crate::state_file;

/// What is larger is no certificate, and no account.
const BYTES_MAX: u64 = 1 << 20;

/// What says in the file of a certificate of whom it was ordered.
const DIRECTORY: &str = "# Directory: ";

/// A certificate that is there.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) held: Held,
    /// Who issued it, for people.
    pub(crate) issuer: String,
    /// What kind of key it is for, for people.
    pub(crate) key: String,
}

/// Why something cannot be kept, or read again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error(transparent)]
    Directory(#[from] StateDirError),
    #[error(transparent)]
    Write(#[from] io::Error),
    #[error(transparent)]
    Certificate(#[from] TlsError),
    #[error("it is not for {0}")]
    OtherHost(String),
}

/// Why the CA of our own issues nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    #[error(transparent)]
    Ca(#[from] InternalError),
    #[error(transparent)]
    Sign(#[from] acme::InternalCaError),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// The certificates that were ordered, as they are served and kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    served: Arc<Ordered>,
    inner: Mutex<Inner>,
    internal: Internal,
}

#[derive(Debug, Default)]
struct Inner {
    /// `certificates` in the state directory, once it is known.
    directory: PathBuf,
    known: BTreeMap<String, Known>,
}

impl Kept {
    /// What handshakes see.
    pub(crate) fn served(&self) -> &Arc<Ordered> {
        &self.served
    }

    /// Reads the certificates of all hosts of `intent` that are not known yet, and serves them. Says which cannot be used. Waits for the disk.
    pub(crate) fn open(&self, intent: &Intent) -> Vec<Event> {
        let hosts: BTreeSet<&String> = intent.ordered_hosts().collect();
        let mut inner = self.inner();
        if inner.directory.as_os_str().is_empty() {
            inner.directory = intent.server.state_dir.join("certificates");
        }
        if !intent.internal.is_empty() {
            self.internal.open(&inner.directory);
        }
        let (mut read, mut told) = (Vec::new(), Vec::new());
        for host in hosts.into_iter().filter(|host| !inner.known.contains_key(*host)) {
            let path = file_of(&inner.directory, host);
            match read_certificate(&path) {
                Ok(Some((certificate, known))) => read.push((host, certificate, known)),
                Ok(None) => {}
                Err(error) => {
                    let (path, why) = (path.display().to_string(), chain(&error));
                    told.push(event::KeptCertificateUnusable { path, why }.into());
                }
            }
        }
        self.served.put(read.iter().map(|(host, certificate, _)| (&***host, certificate)));
        let known = read.into_iter().map(|(host, _, known)| (host.clone(), known));
        inner.known.extend(known);
        told
    }

    /// What is known of the certificate of `host`, if there is one.
    pub(crate) fn known(&self, host: &str) -> Option<Known> {
        self.inner().known.get(host).cloned()
    }

    /// Serves and knows only those that `is_wanted` wants. Their files stay.
    pub(crate) fn retain(&self, is_wanted: impl Fn(&str) -> bool) {
        self.served.retain(&is_wanted);
        self.inner().known.retain(|host, _| is_wanted(host));
    }

    /// The file of the certificate of `host`: its key and its chain, in PEM. Waits for the disk.
    pub(crate) fn text(&self, host: &str) -> Option<String> {
        let path = file_of(&self.inner().directory, host);
        let bytes = state_file::read(&path, BYTES_MAX).ok()??;
        String::from_utf8(bytes).ok()
    }

    /// Serves what was issued for `host` from now on, and keeps it. It is served even where it cannot be kept, as `not_kept` is told then. Waits for the
    /// disk.
    ///
    /// # Errors
    /// When it cannot be served.
    pub(crate) fn take(
        &self,
        host: &str,
        issued: &Issued,
        not_kept: impl FnOnce(&Path, KeepError),
    ) -> Result<Known, KeepError> {
        let path = file_of(&self.inner().directory, host);
        let text = file_text(host, issued);
        let read = read_text(&path, text.as_bytes())?;
        Ok(self.serve(host, &path, &text, read, not_kept))
    }

    /// The same with the file of another edge, as [`Kept::text`] gives it, unless what is served here is the same or was issued later. Of what is served that counts
    /// alone which `is_current`.
    ///
    /// # Errors
    /// When it cannot be served.
    pub(crate) fn adopt(
        &self,
        host: &str,
        text: &str,
        is_current: impl Fn(&Held) -> bool,
        not_kept: impl FnOnce(&Path, KeepError),
    ) -> Result<Option<Known>, KeepError> {
        let path = file_of(&self.inner().directory, host);
        let read = read_text(&path, text.as_bytes())?;
        let (certificate, known) = &read;
        if !certificate.names().any(|name| name == host) {
            return Err(KeepError::OtherHost(host.to_owned()));
        }
        if let Some(own) = self.known(host).filter(|own| is_current(&own.held)) {
            let is_older = known.held.not_before < own.held.not_before;
            if is_older || self.text(host).is_some_and(|own| own == text) {
                return Ok(None);
            }
        }
        Ok(Some(self.serve(host, &path, text, read, not_kept)))
    }

    fn serve(
        &self,
        host: &str,
        path: &Path,
        text: &str,
        read: (Certificate, Known),
        not_kept: impl FnOnce(&Path, KeepError),
    ) -> Known {
        // Before it is served, so that a restart never serves an older one.
        if let Err(error) = write(path, text.as_bytes()) {
            not_kept(path, error);
        }
        let (certificate, known) = read;
        let mut inner = self.inner();
        self.served.put([(host, &certificate)]);
        inner.known.insert(host.to_owned(), known.clone());
        known
    }

    /// The CA of our own.
    pub(crate) fn internal(&self) -> &Internal {
        &self.internal
    }

    /// Has the CA of our own issue a certificate for `host` at `wall`, serves and keeps it, as [`Kept::take`] does. Tells if the CA was made for it.
    /// Waits for the disk.
    ///
    /// # Errors
    /// When it cannot be issued or served.
    pub(crate) fn issue(
        &self,
        host: &str,
        wall: SystemTime,
        tell: impl Fn(Event),
    ) -> Result<Known, IssueError> {
        let directory = self.inner().directory.clone();
        let Signing { ca, made } = self.internal.signing(&directory, wall)?;
        if let Some(path) = made {
            let (name, path) = (ca.name().to_owned(), path.display().to_string());
            tell(event::InternalCaMade { name, path }.into());
        }
        let issued = ca.issue(host, wall)?;
        Ok(self.take(host, &issued, |path, error| tell(not_kept(path, &error)))?)
    }

    /// The account with `directory` that `acme` orders with, where there is one. Waits for the disk.
    pub(crate) fn account(&self, directory: &DirectoryUrl, acme: &Acme) -> Option<Credentials> {
        let bytes = state_file::read(&self.account_file(directory, acme), BYTES_MAX).ok()??;
        String::from_utf8(bytes).ok().map(Credentials::new)
    }

    /// Keeps an account. Waits for the disk.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn keep_account(
        &self,
        directory: &DirectoryUrl,
        acme: &Acme,
        credentials: &Credentials,
    ) -> Result<PathBuf, KeepError> {
        let path = self.account_file(directory, acme);
        write(&path, credentials.expose().as_bytes())?;
        Ok(path)
    }

    /// Forgets an account that the CA does not know any more.
    pub(crate) fn lose_account(&self, directory: &DirectoryUrl, acme: &Acme) {
        // Where it cannot be removed, it is found to be unknown once more.
        let _ = std::fs::remove_file(self.account_file(directory, acme));
    }

    fn account_file(&self, directory: &DirectoryUrl, acme: &Acme) -> PathBuf {
        self.inner().directory.join("accounts").join(account_name(directory, acme))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the file of an account is called: of whom and by whom it was opened. Another email, or another account outside of ACME, is another account.
pub(super) fn account_name(directory: &DirectoryUrl, acme: &Acme) -> String {
    let url = directory.as_str();
    let (_, place) = url.split_once("://").unwrap_or(("", url));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let place: String =
        place.chars().take(100).map(|c| if is_plain(c) { c } else { '_' }).collect();
    let outside = acme.external_account.as_ref().map_or("", |it| &it.key_id);
    let by = [url, &acme.email, outside].join("\n");
    format!("{place}-{:016x}.json", hash(by.as_bytes()))
}

/// The file of what was issued for `host`.
pub(super) fn file_text(host: &str, issued: &Issued) -> String {
    let directory = issued.held.directory.as_ref().map_or("", |it| it.as_str());
    format!(
        "# Key and certificate of {host}, ordered by Plimsoll.\n{DIRECTORY}{directory}\n{}\n{}\n",
        issued.key.trim_end(),
        issued.chain.trim_end(),
    )
}

/// Where the certificate of `host` is.
pub(super) fn file_of(directory: &Path, host: &str) -> PathBuf {
    // A star in a path is more than a character to a shell.
    let folder = match host.strip_prefix('*') {
        Some(below) => format!("_{below}"),
        None => host.to_owned(),
    };
    directory.join("hosts").join(folder).join("certificate.pem")
}

/// That what was issued is served and cannot be kept.
pub(super) fn not_kept(path: &Path, error: &KeepError) -> Event {
    event::CertificateNotKept { path: path.display().to_string(), why: chain(error) }.into()
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), KeepError> {
    if let Some(folder) = path.parent() {
        state_dir::open_directory(folder)?;
    }
    Ok(state_file::replace(path, bytes)?)
}

pub(super) fn read_certificate(path: &Path) -> Result<Option<(Certificate, Known)>, KeepError> {
    let bytes = state_file::read(path, BYTES_MAX)?;
    bytes.map(|bytes| read_text(path, &bytes)).transpose()
}

/// What stands in the file of a certificate, which is, or is to be, at `path`.
fn read_text(path: &Path, bytes: &[u8]) -> Result<(Certificate, Known), KeepError> {
    let files = Files { cert: path.to_owned(), key: path.to_owned() };
    let certificate = Certificate::of_pem(&files, bytes, bytes, SystemTime::now())?;
    let text = String::from_utf8_lossy(bytes);
    let directory = text.lines().find_map(|line| line.strip_prefix(DIRECTORY));
    let directory = directory.map(str::trim).filter(|it| !it.is_empty());
    let known = known(&certificate, directory.map(DirectoryUrl::new));
    Ok((certificate, known))
}

fn known(certificate: &Certificate, directory: Option<DirectoryUrl>) -> Known {
    let (not_before, not_after) = (certificate.begins(), certificate.expires());
    Known {
        held: Held { not_before, not_after, directory },
        issuer: certificate.issuer().to_owned(),
        key: certificate.public_key().to_owned(),
    }
}

/// FNV-1a with 64 bits: the same in every version of the program, as names of files must be.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
