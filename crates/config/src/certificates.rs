//! The certificates that a configuration names, whatever else is wrong in it.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::faults::Faults;
use crate::place::Place;

/// Certificates, as the file names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCertificate {
    /// The listener that has them.
    pub listener: String,
    /// The files.
    pub files: NamedFiles,
    /// Where it is named.
    pub place: Place,
}

/// Files that have certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedFiles {
    /// One that is shown to clients.
    Shown {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of its key.
        key: PathBuf,
    },
    /// Those by which the certificates of clients are checked.
    Clients {
        /// The file of their authorities.
        ca: PathBuf,
        /// The file of what those have revoked.
        crl: Option<PathBuf>,
    },
}

/// Those in `root`, as far as it can be read.
pub(crate) fn named(root: &DeTable<'_>, faults: &Faults<'_>) -> Vec<NamedCertificate> {
    let mut found = Vec::new();
    let listeners = root.get("listeners").and_then(|it| it.get_ref().as_table());
    for (name, listener) in listeners.into_iter().flat_map(|it| it.iter()) {
        let tls = get(listener, "tls");
        let path = |table: &Spanned<DeValue<'_>>, key| {
            let path = get(table, key)?;
            let dir: &Path = faults.sources().dir(path.span().start);
            Some(dir.join(path.get_ref().as_str()?))
        };
        let mut note = |table: &Spanned<DeValue<'_>>, files| {
            let place = faults.sources().place(table.span());
            found.push(NamedCertificate { listener: name.get_ref().to_string(), files, place });
        };
        let certificates = tls.and_then(|tls| get(tls, "certificates"));
        let certificates = certificates.and_then(|it| it.get_ref().as_array());
        for certificate in certificates.into_iter().flat_map(|it| it.iter()) {
            let (Some(cert), Some(key)) = (path(certificate, "cert"), path(certificate, "key"))
            else {
                continue;
            };
            note(certificate, NamedFiles::Shown { cert, key });
        }
        if let Some(clients) = tls.and_then(|tls| get(tls, "client_auth"))
            && let Some(ca) = path(clients, "ca")
        {
            note(clients, NamedFiles::Clients { ca, crl: path(clients, "crl") });
        }
    }
    found
}

fn get<'a, 'v>(value: &'a Spanned<DeValue<'v>>, key: &str) -> Option<&'a Spanned<DeValue<'v>>> {
    value.get_ref().as_table()?.get(key)
}
