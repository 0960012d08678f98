//! The certificates of every listener that speaks TLS: read for each configuration, and a feed of what their files hold
//! after that, so that what renews them need not tell anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use edge::ListenerTls;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{ClientAuth, ClientDemand, Intent, Listener, ListenerName, Protocol};
use telemetry::{Event, event};
use wire::tls::{
    Alpn, Certificate, Certificates, ClientFiles, ClientTrust, Demand, Files, Ordered,
    OrderedHosts, Resumption, TlsError, server_config,
};

use crate::chain::chain;
use crate::feed::{Arrival, Feed, Fetch, Fetched, Outcome, Times};

/// How TLS is spoken at each listener that does.
pub(crate) type Tls = BTreeMap<ListenerName, ListenerTls>;

/// The certificates of all listeners, as their files hold them.
pub(crate) type Renewals = Feed<CertificateFiles>;

/// Files that have been looked at.
pub(crate) type Looked = Arrival<CertificateFiles>;

/// Certificates that cannot be used: all of them at once.
#[derive(Debug)]
pub struct BadCertificates(pub Vec<(ListenerName, TlsError)>);

impl fmt::Display for BadCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (listener, error)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "listener `{listener}`: {}", chain(error))?;
            write!(f, "\n  help: {}", error.hint())?;
        }
        Ok(())
    }
}

impl std::error::Error for BadCertificates {}

/// The files of one listener's certificates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FilesOf {
    /// Each chain with its key, in their order.
    pairs: Vec<(PathBuf, PathBuf)>,
    /// Whose certificates of clients are believed.
    clients: Option<ClientAuth>,
}

impl FilesOf {
    /// Those of `listener`; `None` where it speaks no TLS.
    pub(crate) fn of(listener: &Listener) -> Option<Self> {
        let files = listener.certificates.iter().map(|it| (it.cert.clone(), it.key.clone()));
        let clients = listener.client_auth.clone();
        listener.is_tls().then(|| Self { pairs: files.collect(), clients })
    }

    /// Those of each listener of `intent` that has any.
    pub(crate) fn of_all(intent: &Intent) -> BTreeSet<Self> {
        intent.listeners.values().filter_map(|listener| Self::of(listener)).collect()
    }

    /// Reads and checks them.
    fn read(&self) -> Result<Pairs, Vec<TlsError>> {
        // Before they are read: what changes meanwhile is seen by the next look.
        let stamps = self.stamps();
        let now = SystemTime::now();
        let files =
            self.pairs.iter().map(|(cert, key)| Files { cert: cert.clone(), key: key.clone() });
        let files: Vec<_> = files.collect();
        let clients = self.clients.as_ref().map(|clients| trust(clients, now)).transpose();
        let (certificates, clients) = match (Certificates::load(&files, now), clients) {
            (Ok(certificates), Ok(clients)) => (Arc::new(certificates), clients),
            (Ok(_), Err(error)) => return Err(vec![error]),
            (Err(mut errors), clients) => {
                errors.extend(clients.err());
                return Err(errors);
            }
        };
        let names: BTreeSet<Box<str>> =
            certificates.iter().flat_map(Certificate::names).map(Box::from).collect();
        let names = names.into_iter().collect();
        Ok(Pairs { stamps, certificates, names, clients })
    }

    fn stamps(&self) -> Vec<Stamp> {
        let files = self.pairs.iter().flat_map(|(cert, key)| [cert, key]);
        let clients = self.clients.iter().flat_map(|it| [Some(&it.ca), it.crl.as_ref()]);
        files.chain(clients.flatten()).map(|file| Stamp::of(file)).collect()
    }
}

impl fmt::Display for FilesOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (cert, _)) in self.pairs.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", cert.display())?;
        }
        if let Some(ClientAuth { ca, crl, .. }) = &self.clients {
            write!(f, ", {}", ca.display())?;
            crl.as_ref().map_or(Ok(()), |crl| write!(f, ", {}", crl.display()))?;
        }
        Ok(())
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
enum Stamp {
    At {
        device: u64,
        inode: u64,
        bytes: u64,
        written: (i64, i64),
        changed: (i64, i64),
    },
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

/// Certificates with their keys as they were read, and what their files were like then.
#[derive(Debug)]
pub(crate) struct Pairs {
    stamps: Vec<Stamp>,
    certificates: Arc<Certificates>,
    /// The hosts that they are for.
    names: Arc<[Box<str>]>,
    /// Whose certificates of clients are believed, where they are asked for.
    clients: Option<ClientTrust>,
}

impl Pairs {
    /// How many there are, and when the first of them expires.
    pub(crate) fn extent(&self) -> (usize, Option<SystemTime>) {
        let expires = self.certificates.iter().map(Certificate::expires).min();
        (self.certificates.iter().count(), expires)
    }

    /// What is doubtful about them, which `listener` uses.
    pub(crate) fn warnings(&self, listener: &ListenerName) -> impl Iterator<Item = Event> {
        let warnings = self.certificates.iter().flat_map(|certificate| certificate.warnings());
        let of_clients = self.clients.iter().flat_map(ClientTrust::warnings);
        warnings.chain(of_clients).map(|warning| {
            let (listener, why) = (listener.clone(), warning.to_string());
            event::CertificateWarning { listener, why }.into()
        })
    }

    /// How `listener` speaks TLS with them, and with those that were `ordered`.
    pub(crate) fn config(&self, listener: &Listener, common: Common<'_>) -> ListenerTls {
        let Common { resumption, ordered } = common;
        let (mut alpn, clients) = (protocols(listener), self.clients.as_ref());
        let Some(hosts) = &listener.ordered else {
            let config = server_config(self.certificates.clone(), &alpn, resumption, clients);
            return ListenerTls { config, names: self.names.clone() };
        };
        alpn.push(Alpn::Proof);
        let names = self.names.iter().cloned().chain(hosts.iter().map(|it| it.as_str().into()));
        let names = names.collect();
        let hosts = OrderedHosts::new(hosts.iter().map(|it| &**it), ordered.clone());
        let certificates = Certificates::clone(&self.certificates).with_ordered(hosts);
        let config = server_config(Arc::new(certificates), &alpn, resumption, clients);
        ListenerTls { config, names }
    }

    /// Whether one of them is for `host`.
    pub(crate) fn are_for(&self, host: &str) -> bool {
        self.certificates.names(host)
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.iter()
    }
}

/// What all listeners that speak TLS share.
#[derive(Clone, Copy)]
pub(crate) struct Common<'a> {
    pub(crate) resumption: &'a Resumption,
    /// The certificates that were ordered.
    pub(crate) ordered: &'a Arc<Ordered>,
}

/// The same files, as far as can be seen without reading them.
impl PartialEq for Pairs {
    fn eq(&self, other: &Self) -> bool {
        self.stamps == other.stamps
    }
}

/// Looks at certificates' files.
pub(crate) struct CertificateFiles {
    every: Duration,
    /// What was read last of each, as long as it is in use: files that are as they were are not read again.
    read: Mutex<BTreeMap<FilesOf, Weak<Pairs>>>,
}

impl CertificateFiles {
    /// Looks at each file after so long.
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, read: Mutex::default() }
    }

    fn unchanged(&self, files: &FilesOf, stamps: &[Stamp]) -> Option<Arc<Pairs>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(files).and_then(Weak::upgrade).filter(|loaded| loaded.stamps == stamps)
    }

    fn remember(&self, files: &FilesOf, loaded: &Arc<Pairs>) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|_, loaded| loaded.strong_count() > 0);
        read.insert(files.clone(), Arc::downgrade(loaded));
    }
}

/// Why certificates cannot be read anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("{}", words(.0))]
    Bad(Vec<TlsError>),
    #[error("the files could not be read within {} s", .0.as_secs())]
    TooSlow(Duration),
    #[error("the reader of certificates panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

fn words(errors: &[TlsError]) -> String {
    errors.iter().map(|error| chain(error)).collect::<Vec<_>>().join("; ")
}

impl Fetch for CertificateFiles {
    type Key = FilesOf;
    type Value = Arc<Pairs>;
    type Error = Unreadable;

    const TIMES: Times = Times {
        lifetime_min: Duration::from_millis(10),
        lifetime_max: Duration::from_secs(3600),
        // Between the two files of a pair that is being replaced they do not belong together.
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(30),
        patience: Duration::from_secs(10),
        deadline: Duration::from_secs(30),
        at_once: 4,
    };

    fn fetch<'a>(&'a self, files: &'a FilesOf) -> BoxFuture<'a, Outcome<Self>> {
        let look = async {
            let here = files.clone();
            let stamps = tokio::task::spawn_blocking(move || here.stamps()).await?;
            let value = match self.unchanged(files, &stamps) {
                Some(loaded) => loaded,
                None => {
                    let here = files.clone();
                    let read = tokio::task::spawn_blocking(move || here.read()).await?;
                    let loaded = Arc::new(read.map_err(Unreadable::Bad)?);
                    self.remember(files, &loaded);
                    loaded
                }
            };
            Ok(Fetched { value, lifetime: self.every })
        };
        look.boxed()
    }

    fn too_slow(limit: Duration) -> Unreadable {
        Unreadable::TooSlow(limit)
    }

    fn becomes_stale(files: &FilesOf, why: &Unreadable, _: Option<&Arc<Pairs>>) -> Event {
        event::CertificatesUnreadable { path: files.to_string(), why: chain(why) }.into()
    }

    fn recovers(files: &FilesOf) -> Event {
        event::CertificatesReadable { path: files.to_string() }.into()
    }
}

/// What was read for a configuration: how TLS is spoken, and what is to be told of the certificates once they are used.
pub(crate) struct Loaded {
    pub(crate) tls: Tls,
    pub(crate) told: Vec<Event>,
    /// The same, for the feed to go on with.
    pub(crate) looked: Vec<Looked>,
}

/// Reads and checks the certificates of `intent`, and says what is doubtful about them.
///
/// # Errors
/// With everything that is wrong at once.
pub(crate) fn load(
    intent: &Intent,
    common: Common<'_>,
    every: Duration,
) -> Result<Loaded, BadCertificates> {
    let (mut tls, mut told, mut looked) = (Tls::new(), Vec::new(), Vec::new());
    let mut errors = Vec::new();
    for (name, listener) in &intent.listeners {
        let Some(files) = FilesOf::of(listener) else { continue };
        match files.read() {
            Ok(pairs) => {
                tls.insert(name.clone(), pairs.config(listener, common));
                let (of, (certificates, expires)) = (name.clone(), pairs.extent());
                if certificates > 0 {
                    told.push(
                        event::CertificatesRead { listener: of, certificates, expires }.into(),
                    );
                }
                told.extend(pairs.warnings(name));
                let fetched = Fetched { value: Arc::new(pairs), lifetime: every };
                looked.push(Arrival::before(files, Ok(fetched)));
            }
            Err(found) => errors.extend(found.into_iter().map(|error| (name.clone(), error))),
        }
    }
    if errors.is_empty() { Ok(Loaded { tls, told, looked }) } else { Err(BadCertificates(errors)) }
}

/// What clients may ask for, best first.
fn protocols(listener: &Listener) -> Vec<Alpn> {
    let both = [(Protocol::H2, Alpn::Http2), (Protocol::H1, Alpn::Http1)];
    let spoken = both.into_iter().filter(|(protocol, _)| listener.speaks(*protocol));
    spoken.map(|(_, alpn)| alpn).collect()
}
