//! Where the files are.

use std::path::{Path, PathBuf};

/// The encrypted file.
pub const SEALED_FILE: &str = "secrets.age";
/// The public keys that it is encrypted for.
pub const RECIPIENTS_FILE: &str = "secrets.recipients";
/// The key, unless it is somewhere else.
pub const KEY_FILE: &str = "secrets.key";

/// The files beside a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `secrets.age`.
    pub sealed: PathBuf,
    /// `secrets.recipients`.
    pub recipients: PathBuf,
    /// `secrets.key`.
    pub key: PathBuf,
}

impl Names {
    /// Those beside `configuration`, a file.
    pub fn beside(configuration: &Path) -> Self {
        let of = |name| configuration.with_file_name(name);
        Self { sealed: of(SEALED_FILE), recipients: of(RECIPIENTS_FILE), key: of(KEY_FILE) }
    }
}
