//! The certificates that a configuration names, whatever else is wrong in it.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::faults::Faults;
use crate::place::Place;

/// Certificates, as the file names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCertificate {
    /// Who has them.
    pub user: NamedUser,
    /// The files.
    pub files: NamedFiles,
    /// Where it is named.
    pub place: Place,
}

/// Who has certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedUser {
    /// The listener of this name.
    Listener(String),
    /// The service of this name, towards its instances.
    Service(String),
    /// The admin API.
    Admin,
}

/// Files that have certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedFiles {
    /// One that is shown, to clients or to instances.
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
    /// The file of the authorities by which certificates of instances are checked.
    Instances {
        /// The file.
        ca: PathBuf,
    },
}

/// Those in `root`, as far as it can be read.
pub(crate) fn named(root: &DeTable<'_>, faults: &Faults<'_>) -> Vec<NamedCertificate> {
    let mut found = Vec::new();
    let path = |table: &Spanned<DeValue<'_>>, key| {
        let path = get(table, key)?;
        let dir: &Path = faults.sources().dir(path.span().start);
        Some(dir.join(path.get_ref().as_str()?))
    };
    let mut note = |table: &Spanned<DeValue<'_>>, user: NamedUser, files| {
        let place = faults.sources().place(table.span());
        found.push(NamedCertificate { user, files, place });
    };
    let tables = |key| {
        root.get(key).and_then(|it| it.get_ref().as_table()).into_iter().flat_map(|it| it.iter())
    };
    for (name, listener) in tables("listeners") {
        let tls = get(listener, "tls");
        let user = || NamedUser::Listener(name.get_ref().to_string());
        let certificates = tls.and_then(|tls| get(tls, "certificates"));
        let certificates = certificates.and_then(|it| it.get_ref().as_array());
        for certificate in certificates.into_iter().flat_map(|it| it.iter()) {
            let (Some(cert), Some(key)) = (path(certificate, "cert"), path(certificate, "key"))
            else {
                continue;
            };
            note(certificate, user(), NamedFiles::Shown { cert, key });
        }
        if let Some(clients) = tls.and_then(|tls| get(tls, "client_auth"))
            && let Some(ca) = path(clients, "ca")
        {
            note(clients, user(), NamedFiles::Clients { ca, crl: path(clients, "crl") });
        }
    }
    if let Some(tls) = root.get("admin").and_then(|admin| get(admin, "tls"))
        && let (Some(cert), Some(key)) = (path(tls, "cert"), path(tls, "key"))
    {
        note(tls, NamedUser::Admin, NamedFiles::Shown { cert, key });
    }
    for (name, service) in tables("services") {
        let Some(tls) = get(service, "tls") else { continue };
        let user = || NamedUser::Service(name.get_ref().to_string());
        if let Some(ca) = path(tls, "ca") {
            note(tls, user(), NamedFiles::Instances { ca });
        }
        if let Some(client) = get(tls, "client")
            && let (Some(cert), Some(key)) = (path(client, "cert"), path(client, "key"))
        {
            note(client, user(), NamedFiles::Shown { cert, key });
        }
    }
    found
}

fn get<'a, 'v>(value: &'a Spanned<DeValue<'v>>, key: &str) -> Option<&'a Spanned<DeValue<'v>>> {
    value.get_ref().as_table()?.get(key)
}
