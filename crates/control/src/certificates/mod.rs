//! The certificates of every listener that speaks TLS, of the admin API, and of every service with whose instances it is spoken: read for each
//! configuration, and a feed of what their files hold after that, so that what renews them need not tell anybody.

mod files;
mod pairs;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use edge::{ListenerTls, ServiceTlsPlan};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{Intent, ListenerName, ServiceName};
use rustls::ServerConfig;
use telemetry::{Event, event};
use wire::tls::TlsError;

pub(crate) use files::FilesOf;
pub(crate) use pairs::{Common, Pairs};

use crate::chain::chain;
use crate::feed::{Arrival, Feed, Fetch, Fetched, Outcome, Times};
use files::Stamp;

/// How TLS is spoken at each listener that does, with the instances of each service, and by the admin API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    pub(crate) listeners: BTreeMap<ListenerName, ListenerTls>,
    pub(crate) services: BTreeMap<ServiceName, Arc<ServiceTlsPlan>>,
    /// And by the admin API, where that does.
    pub(crate) admin: Option<Arc<ServerConfig>>,
}

/// Who speaks TLS with certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsUser {
    /// A listener, with clients.
    Listener(ListenerName),
    /// A service, with its instances.
    Service(ServiceName),
    /// The admin API, with its clients.
    Admin,
}

impl fmt::Display for TlsUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(name) => write!(f, "listener `{name}`"),
            Self::Service(name) => write!(f, "service `{name}`"),
            Self::Admin => f.write_str("the admin API"),
        }
    }
}

/// The certificates of all listeners and services, as their files hold them.
pub(crate) type Renewals = Feed<CertificateFiles>;

/// Files that have been looked at.
pub(crate) type Looked = Arrival<CertificateFiles>;

/// Certificates that cannot be used: all of them at once.
#[derive(Debug)]
pub struct BadCertificates(pub Vec<(TlsUser, TlsError)>);

impl fmt::Display for BadCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (user, error)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{user}: {}", chain(error))?;
            write!(f, "\n  help: {}", error.hint())?;
        }
        Ok(())
    }
}

impl std::error::Error for BadCertificates {}

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
    let (mut tls, mut told, mut looked) = (Tls::default(), Vec::new(), Vec::new());
    let mut errors = Vec::new();
    let mut read = |user: TlsUser, files: FilesOf, told: &mut Vec<Event>| match files.read() {
        Ok(pairs) => {
            told.extend(pairs.warnings(&user));
            let value = Arc::new(pairs);
            let fetched = Fetched { value: value.clone(), lifetime: every };
            looked.push(Arrival::before(files, Ok(fetched)));
            Some(value)
        }
        Err(found) => {
            errors.extend(found.into_iter().map(|error| (user.clone(), error)));
            None
        }
    };
    for (name, listener) in &intent.listeners {
        let Some(files) = FilesOf::of(listener) else { continue };
        let mut doubts = Vec::new();
        let Some(pairs) = read(TlsUser::Listener(name.clone()), files, &mut doubts) else {
            continue;
        };
        tls.listeners.insert(name.clone(), pairs.config(listener, common));
        let (listener, (certificates, expires)) = (name.clone(), pairs.extent());
        if certificates > 0 {
            told.push(event::CertificatesRead { listener, certificates, expires }.into());
        }
        told.extend(doubts);
    }
    for (name, service) in &intent.services {
        let Some(files) = FilesOf::of_service(service) else { continue };
        let pairs = read(TlsUser::Service(name.clone()), files, &mut told);
        let plan = pairs.and_then(|pairs| pairs.toward(service));
        tls.services.extend(plan.map(|plan| (name.clone(), plan)));
    }
    if let (Some(files), Some(of)) = (FilesOf::of_admin(&intent.admin), &intent.admin.tls) {
        let pairs = read(TlsUser::Admin, files, &mut told);
        tls.admin = pairs.map(|pairs| pairs.of_admin(of, common));
    }
    if errors.is_empty() { Ok(Loaded { tls, told, looked }) } else { Err(BadCertificates(errors)) }
}
