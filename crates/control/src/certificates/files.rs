//! The files of certificates: which there are, what is read of them, and how it is seen that they have changed.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use model::{Admin, AdminTls, ClientAuth, ClientDemand, Intent, Listener, Service, ServiceTls};
use outbound::{NoAuthorities, system_authorities};
use wire::tls::{
    Authorities, Certificate, Certificates, ClientFiles, ClientTrust, Demand, Files, TlsError,
};

use super::pairs::Pairs;

/// The files of the certificates of one listener, of one service, or of the admin API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FilesOf {
    /// Each chain with its key, in their order.
    pairs: Vec<(PathBuf, PathBuf)>,
    /// Whose certificates of clients are believed.
    clients: Option<ClientAuth>,
    /// Whose certificates of instances are.
    instances: Option<Believed>,
}

/// By which authorities certificates of instances are checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Believed {
    /// The system's.
    System,
    /// Those in this file.
    File(PathBuf),
}

impl FilesOf {
    /// Those of `listener`; `None` where it speaks no TLS.
    pub(crate) fn of(listener: &Listener) -> Option<Self> {
        let files = listener.certificates.iter().map(|it| (it.cert.clone(), it.key.clone()));
        let clients = listener.client_auth.clone();
        listener.is_tls().then(|| Self { pairs: files.collect(), clients, instances: None })
    }

    /// Those of `service`; `None` where no TLS is spoken with its instances.
    pub(crate) fn of_service(service: &Service) -> Option<Self> {
        let ServiceTls { ca, client, server_name: _ } = service.tls.as_ref()?;
        let pairs = client.iter().map(|it| (it.cert.clone(), it.key.clone())).collect();
        let instances = Some(ca.clone().map_or(Believed::System, Believed::File));
        Some(Self { pairs, clients: None, instances })
    }

    /// Those of the admin API; `None` where it speaks no TLS.
    pub(crate) fn of_admin(admin: &Admin) -> Option<Self> {
        let pairs = match admin.tls.as_ref()? {
            AdminTls::File(it) => vec![(it.cert.clone(), it.key.clone())],
            AdminTls::Ordered(_) => Vec::new(),
        };
        Some(Self { pairs, clients: None, instances: None })
    }

    /// Those of each listener and service of `intent` that has any, and of the admin API.
    pub(crate) fn of_all(intent: &Intent) -> BTreeSet<Self> {
        let listeners = intent.listeners.values().filter_map(|listener| Self::of(listener));
        let services = intent.services.values().filter_map(|service| Self::of_service(service));
        listeners.chain(services).chain(Self::of_admin(&intent.admin)).collect()
    }

    /// Reads and checks them.
    pub(super) fn read(&self) -> Result<Pairs, Vec<TlsError>> {
        // Before they are read: what changes meanwhile is seen by the next look.
        let stamps = self.stamps();
        let now = SystemTime::now();
        let files =
            self.pairs.iter().map(|(cert, key)| Files { cert: cert.clone(), key: key.clone() });
        let files: Vec<_> = files.collect();
        let mut errors = Vec::new();
        let clients = self.clients.as_ref().map(|clients| trust(clients, now)).transpose();
        let clients = clients.unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let instances = self.instances.as_ref().map(|it| it.read(now)).transpose();
        let instances = instances.unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let certificates = match Certificates::load(&files, now) {
            Ok(certificates) if errors.is_empty() => Arc::new(certificates),
            Ok(_) => return Err(errors),
            Err(mut found) => {
                found.extend(errors);
                return Err(found);
            }
        };
        let names: BTreeSet<Box<str>> =
            certificates.iter().flat_map(Certificate::names).map(Box::from).collect();
        let names = names.into_iter().collect();
        Ok(Pairs { stamps, certificates, names, clients, instances })
    }

    pub(super) fn stamps(&self) -> Vec<Stamp> {
        let files = self.pairs.iter().flat_map(|(cert, key)| [cert, key]);
        let clients = self.clients.iter().flat_map(|it| [Some(&it.ca), it.crl.as_ref()]);
        let files = files.chain(clients.flatten());
        let stamps = files.map(|file| Stamp::of(file));
        stamps.chain(self.instances.as_ref().map(Believed::stamp)).collect()
    }
}

impl fmt::Display for FilesOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certs = self.pairs.iter().map(|(cert, _)| cert.display().to_string());
        let clients = self.clients.iter().flat_map(|it| [Some(&it.ca), it.crl.as_ref()]);
        let clients = clients.flatten().map(|file| file.display().to_string());
        let instances = self.instances.iter().map(|it| match it {
            Believed::System => "the system's authorities".to_owned(),
            Believed::File(file) => file.display().to_string(),
        });
        f.write_str(&certs.chain(clients).chain(instances).collect::<Vec<_>>().join(", "))
    }
}

impl Believed {
    fn read(&self, now: SystemTime) -> Result<Authorities, TlsError> {
        match self {
            Self::File(file) => Authorities::load(file, now),
            Self::System => match system_authorities() {
                Ok(roots) => Ok(Authorities::of(roots)),
                Err(NoAuthorities(why)) => Err(TlsError::NoSystemAuthorities { why }),
            },
        }
    }

    fn stamp(&self) -> Stamp {
        match self {
            Self::File(file) => Stamp::of(file),
            Self::System => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                Stamp::Hour(now.unwrap_or_default().as_secs() / 3600)
            }
        }
    }
}

/// Reads whose certificates are believed as `clients` says.
fn trust(clients: &ClientAuth, now: SystemTime) -> Result<ClientTrust, TlsError> {
    let demand = match clients.demand {
        ClientDemand::Required => Demand::Required,
        ClientDemand::Optional => Demand::Optional,
    };
    let files = ClientFiles { ca: clients.ca.clone(), crl: clients.crl.clone() };
    ClientTrust::load(&files, demand, now)
}

/// By what it is seen that a file was written or replaced, also where its name is a link that leads elsewhere now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    At {
        device: u64,
        inode: u64,
        bytes: u64,
        written: (i64, i64),
        changed: (i64, i64),
    },
    /// Not looked at, since it may be hundreds of files: it was read in this hour.
    Hour(u64),
    /// It is not there, or cannot be looked at.
    Gone(io::ErrorKind),
}

impl Stamp {
    fn of(file: &Path) -> Self {
        match std::fs::metadata(file) {
            Ok(it) => Self::At {
                device: it.dev(),
                inode: it.ino(),
                bytes: it.len(),
                written: (it.mtime(), it.mtime_nsec()),
                changed: (it.ctime(), it.ctime_nsec()),
            },
            Err(error) => Self::Gone(error.kind()),
        }
    }
}
