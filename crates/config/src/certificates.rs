//! The certificates that a configuration names, whatever else is wrong in it.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::faults::Faults;
use crate::place::Place;

/// A certificate with its key, as the file names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCertificate {
    /// The listener that has it.
    pub listener: String,
    /// The file of the certificate.
    pub cert: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
    /// Where it is named.
    pub place: Place,
}

/// Those in `root`, as far as it can be read.
pub(crate) fn named(root: &DeTable<'_>, faults: &Faults<'_>) -> Vec<NamedCertificate> {
    let mut found = Vec::new();
    let listeners = root.get("listeners").and_then(|it| it.get_ref().as_table());
    for (name, listener) in listeners.into_iter().flat_map(|it| it.iter()) {
        let certificates = get(listener, "tls").and_then(|tls| get(tls, "certificates"));
        let certificates = certificates.and_then(|it| it.get_ref().as_array());
        for certificate in certificates.into_iter().flat_map(|it| it.iter()) {
            let path = |key| {
                let path = get(certificate, key)?;
                let dir: &Path = faults.sources().dir(path.span().start);
                Some(dir.join(path.get_ref().as_str()?))
            };
            let (Some(cert), Some(key)) = (path("cert"), path("key")) else { continue };
            let place = faults.sources().place(certificate.span());
            found.push(NamedCertificate { listener: name.get_ref().to_string(), cert, key, place });
        }
    }
    found
}

fn get<'a, 'v>(value: &'a Spanned<DeValue<'v>>, key: &str) -> Option<&'a Spanned<DeValue<'v>>> {
    value.get_ref().as_table()?.get(key)
}
