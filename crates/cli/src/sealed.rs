//! The secrets beside a configuration: where the key is, what it opens, and how they are written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use config::Environment;
use model::Secret;
use secrets::{
    KEY_FILE, KeyError, Keys, Names, OpenError, Plain, PlainError, Recipients, RecipientsError,
    SealError,
};

use crate::{regular_file, secret_file, whole_file};

/// The key itself.
const KEY: &str = "PLIMSOLL_SECRETS_KEY";
/// The file with it.
const KEY_PATH: &str = "PLIMSOLL_SECRETS_KEY_FILE";
/// Where systemd lays what `LoadCredential=` names.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// No larger file is read, in bytes: armour makes 1 MiB to 1.4.
const BYTES_MAX: u64 = 2 << 20;

/// Where a key came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// The environment itself.
    Variable,
    /// A file.
    File(PathBuf),
}

/// The file of secrets, opened.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// Where it and what belongs to it is.
    pub(crate) names: Names,
    /// What is in it.
    pub(crate) plain: Plain,
    /// For whom it is encrypted.
    pub(crate) recipients: Recipients,
    /// What opened it.
    pub(crate) keys: Keys,
    /// Where that was.
    pub(crate) source: KeySource,
}

/// Why the secrets are not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealedError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to open it with.
    #[error("{} is there, and no key to open it", sealed.display())]
    NoKey {
        /// The file of secrets.
        sealed: PathBuf,
        /// Where a key would be.
        key: PathBuf,
    },
    /// What should be a key is none.
    #[error("there is no usable key in {place}")]
    Key {
        /// The variable, or the file.
        place: String,
        /// Why.
        source: KeyError,
    },
    /// The recipients cannot be read.
    #[error("{}", path.display())]
    Recipients {
        /// Their file.
        path: PathBuf,
        /// Why.
        source: RecipientsError,
    },
    /// The file cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// What was to be encrypted is no file of secrets.
    #[error("{} is left as it was", path.display())]
    Plain {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PlainError,
    },
    /// What would be encrypted could not be opened again from here.
    #[error("{} does not name this key: the secrets could not be opened from here any more", path.display())]
    LockedOut {
        /// The file of recipients.
        path: PathBuf,
    },
    /// It cannot be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl SealedError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoKey { key, .. } => Some(format!(
                "put it into {}, or name its file by {KEY_PATH}, or the key itself by {KEY}, or by systemd's \
                 LoadCredential={KEY_FILE}:...",
                key.display()
            )),
            Self::LockedOut { .. } => {
                Some("add it, or let another of the recipients do this".to_owned())
            }
            _ => None,
        }
    }
}

/// The world around a configuration, as of this process, with the secrets that lie beside it.
pub(crate) fn environment() -> Environment {
    Environment { sealed: beside, ..Environment::of_process() }
}

/// The secrets beside `configuration`; none where there is no file of them.
fn beside(configuration: &Path) -> Result<BTreeMap<String, Secret>, config::SealedFault> {
    let opened = opened(&Names::beside(configuration));
    let fault =
        |error: SealedError| config::SealedFault { hint: error.hint(), source: error.into() };
    Ok(opened.map_err(fault)?.map(|(plain, ..)| plain.secrets().clone()).unwrap_or_default())
}

impl Sealed {
    /// The file beside `configuration`; `None` where there is none.
    pub(crate) fn beside(configuration: &Path) -> Result<Option<Self>, SealedError> {
        let names = Names::beside(configuration);
        let Some((plain, keys, source)) = opened(&names)? else { return Ok(None) };
        let text = match read(&names.recipients) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // It was encrypted by hand: what can open it is for whom it is encrypted from now on.
            Err(SealedError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                keys.recipients().map(|it| format!("{it}\n")).collect()
            }
            Err(error) => return Err(error),
        };
        let recipients = Recipients::parse(text)
            .map_err(|source| SealedError::Recipients { path: names.recipients.clone(), source })?;
        Ok(Some(Self { names, plain, recipients, keys, source }))
    }

    /// Writes the file, and for whom it is encrypted.
    ///
    /// # Errors
    /// Among others where nothing here could open it any more; then nothing is written.
    pub(crate) fn write(&self) -> Result<(), SealedError> {
        if !self.keys.recipients().any(|own| self.recipients.has(&own)) {
            return Err(SealedError::LockedOut { path: self.names.recipients.clone() });
        }
        let sealed = secrets::seal(&self.plain, &self.recipients)?;
        write(&self.names.sealed, sealed.as_bytes(), 0o644)?;
        write(&self.names.recipients, self.recipients.to_text().as_bytes(), 0o644)
    }
}

/// Puts a file where it is to be, with these rights if it was not there.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SealedError> {
    let written = match fs::exists(path) {
        Ok(false) => whole_file::create(path, bytes, mode),
        _ => whole_file::replace(path, bytes),
    };
    written.map_err(|source| SealedError::Write { path: path.to_owned(), source })
}

/// What is in the file, and what opened it; `None` where there is no file.
fn opened(names: &Names) -> Result<Option<(Plain, Keys, KeySource)>, SealedError> {
    let bytes = match read(&names.sealed) {
        Ok(bytes) => bytes,
        Err(SealedError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let no_key = || SealedError::NoKey { sealed: names.sealed.clone(), key: names.key.clone() };
    let (keys, source) = keys(names)?.ok_or_else(no_key)?;
    let plain = secrets::open(&bytes, &keys)
        .map_err(|source| SealedError::Open { path: names.sealed.clone(), source })?;
    Ok(Some((plain, keys, source)))
}

/// The keys of this place, the first that are there.
pub(crate) fn keys(names: &Names) -> Result<Option<(Keys, KeySource)>, SealedError> {
    if let Some(text) = std::env::var(KEY).ok().filter(|text| !text.is_empty()) {
        let place = || format!("the environment variable {KEY}");
        let keys = Keys::parse(&text).map_err(|source| SealedError::Key { place: place(), source });
        return keys.map(|keys| Some((keys, KeySource::Variable)));
    }
    let named = std::env::var_os(KEY_PATH).filter(|path| !path.is_empty()).map(PathBuf::from);
    let credential = std::env::var_os(CREDENTIALS).map(|dir| Path::new(&dir).join(KEY_FILE));
    let credential = credential.filter(|path| path.exists());
    let Some(path) = named.or(credential).or(names.key.exists().then(|| names.key.clone())) else {
        return Ok(None);
    };
    let text = secret_file::read(&path)
        .map_err(|source| SealedError::Read { path: path.clone(), source })?;
    let place = || path.display().to_string();
    let keys = Keys::parse(&text).map_err(|source| SealedError::Key { place: place(), source })?;
    Ok(Some((keys, KeySource::File(path))))
}

fn read(path: &Path) -> Result<Vec<u8>, SealedError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        regular_file::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(io::Error::other("it is larger than 2 MiB"));
        }
        Ok(bytes)
    };
    read().map_err(|source| SealedError::Read { path: path.to_owned(), source })
}
