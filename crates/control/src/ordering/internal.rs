//! The CA of Plimsoll's own, as the state directory keeps it: key and certificate in one file, `certificates/internal/authority.pem`.
//!
//! What stands there and cannot be read is never replaced: every client would have to be given another root.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use acme::{InternalCa, InternalCaError, no_internal_ca};
use certificates::DirectoryUrl;

use super::kept::KeepError;
use crate::state_file;

/// What is larger is no key and no certificate.
const BYTES_MAX: u64 = 1 << 16;

/// What is called so in a name where the machine has none.
const NAMELESS: &str = "this machine";

/// A CA of Plimsoll's own, for people and their clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalCaStatus {
    /// What its certificate is called.
    pub name: String,
    /// The SHA-256 of its certificate, in hexadecimal.
    pub fingerprint: String,
    /// Until when it is good.
    pub not_after: SystemTime,
    /// Its certificate, in PEM.
    pub root: String,
}

/// Why there is no CA that can sign.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InternalError {
    #[error("{} cannot be used", path.display())]
    Unusable { path: PathBuf, source: InternalCaError },
    #[error("no CA of our own can be made")]
    Unmade(#[source] InternalCaError),
    #[error("{} cannot be read or written", path.display())]
    Kept { path: PathBuf, source: KeepError },
}

/// A CA that signs.
pub(crate) struct Signing {
    pub(crate) ca: Arc<InternalCa>,
    /// Where it was written, if it was made just now.
    pub(crate) made: Option<PathBuf>,
}

/// The CA that is there.
#[derive(Debug, Default)]
pub(crate) struct Internal(Mutex<Option<Arc<InternalCa>>>);

impl Internal {
    /// The one that is known.
    pub(crate) fn known(&self) -> Option<Arc<InternalCa>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What stands for its directory.
    pub(crate) fn directory(&self) -> DirectoryUrl {
        self.known().map_or_else(no_internal_ca, |ca| ca.directory())
    }

    /// Reads the one below `certificates`, where there is one that can be used; what is wrong with it is told when it is to sign. Waits for
    /// the disk.
    pub(crate) fn open(&self, certificates: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() {
            *known = read(&file_of(certificates)).ok().flatten().map(Arc::new);
        }
    }

    /// The one below `certificates`, made where there is none, or none that outlasts what it would sign at `wall`. It has been kept. Waits for the disk.
    ///
    /// # Errors
    /// When there is none that can be used, or none can be kept.
    pub(crate) fn signing(
        &self,
        certificates: &Path,
        wall: SystemTime,
    ) -> Result<Signing, InternalError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = file_of(certificates);
        if known.is_none() {
            *known = read(&path)?.map(Arc::new);
        }
        if let Some(ca) = known.as_ref().filter(|ca| ca.outlasts_a_certificate(wall)) {
            return Ok(Signing { ca: ca.clone(), made: None });
        }
        let ca = InternalCa::make(&machine(), wall).map_err(InternalError::Unmade)?;
        let text =
            format!("# A certificate authority of Plimsoll's own, with its key.\n{}", ca.expose());
        super::kept::write(&path, text.as_bytes())
            .map_err(|source| InternalError::Kept { path: path.clone(), source })?;
        let ca = known.insert(Arc::new(ca)).clone();
        Ok(Signing { ca, made: Some(path) })
    }
}

fn read(path: &Path) -> Result<Option<InternalCa>, InternalError> {
    let kept = |source: KeepError| InternalError::Kept { path: path.to_owned(), source };
    let bytes = state_file::read(path, BYTES_MAX).map_err(|error| kept(error.into()))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let ca = InternalCa::read(&String::from_utf8_lossy(&bytes));
    ca.map(Some).map_err(|source| InternalError::Unusable { path: path.to_owned(), source })
}

fn file_of(certificates: &Path) -> PathBuf {
    certificates.join("internal").join("authority.pem")
}

/// What the machine is called.
fn machine() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = read.trim();
    if name.is_empty() { NAMELESS.to_owned() } else { name.to_owned() }
}

impl From<&InternalCa> for InternalCaStatus {
    fn from(ca: &InternalCa) -> Self {
        Self {
            name: ca.name().to_owned(),
            fingerprint: ca.fingerprint().to_owned(),
            not_after: ca.not_after(),
            root: ca.root().to_owned(),
        }
    }
}
