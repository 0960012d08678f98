//! From a file to everything that is needed to publish it: the checked intent, certificates, the
//! first addresses of new names. Changes nothing; may take seconds, so never in the control loop.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::{Diagnostics, Environment, LoadError, Loaded};
use model::{AccessLog, Intent};
use store::Store;
use telemetry::{Events, event};
use wire::tls::Resumption;

use crate::certificates::{self, BadCertificates, CertificateFiles, Common};
use crate::feed::{self, Fetches, Insist};
use crate::instances;
use crate::issuers::{IssuerKeys, Kept, KeysArrived, Source};
use crate::names::{Lookups, Resolved};
use crate::ordering::kept::Kept as KeptCertificates;
use crate::sharing;

/// Why a file cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The file is wrong, or cannot be read.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// It is right, but certificates that it names are not.
    #[error("certificates cannot be used:\n{0}")]
    Certificates(#[from] BadCertificates),
    /// It is right, but the access log cannot go where it says.
    #[error("cannot open the access log {}", named(place))]
    AccessLog {
        /// Where that is.
        place: AccessLog,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that read it has panicked, which no file should do.
    #[error("the configuration reader panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

fn named(place: &AccessLog) -> String {
    match place {
        AccessLog::File(path) => path.display().to_string(),
        AccessLog::Stdout => "on standard output".to_owned(),
        AccessLog::Off => "nowhere".to_owned(),
    }
}

/// Tells of each of a file's `warnings`.
pub fn tell_warnings(warnings: &Diagnostics, events: &Events) {
    for warning in warnings {
        let (file, line) = (warning.place.file.to_string(), warning.place.line);
        let (key, what) = (warning.key.clone(), warning.what.clone());
        let hint = warning.hint.clone();
        events.emit(event::ConfigWarning { file, line, key, what, hint });
    }
}

/// What configurations are prepared with.
#[derive(Clone)]
pub(crate) struct Preparation {
    pub(crate) file: PathBuf,
    pub(crate) environment: Environment,
    pub(crate) lookups: Arc<Fetches<Lookups>>,
    pub(crate) issuers: Arc<Fetches<IssuerKeys>>,
    /// The keys that were fetched last.
    pub(crate) kept: Arc<Kept>,
    pub(crate) resumption: Resumption,
    /// The certificates that were ordered.
    pub(crate) ordered: Arc<KeptCertificates>,
    pub(crate) certificates: Arc<Fetches<CertificateFiles>>,
    /// How often the files of certificates are looked at.
    pub(crate) certificates_every: Duration,
}

/// A configuration that is ready to be published.
pub(crate) struct Prepared {
    pub(crate) intent: Arc<Intent>,
    /// What is doubtful in the file, where it was read: [`tell_warnings`] tells it where it is taken up by a reload.
    pub(crate) warnings: Option<Diagnostics>,
    pub(crate) certificates: certificates::Loaded,
    /// What was found of the names that were not known, or not well.
    pub(crate) resolved: Vec<Resolved>,
    /// The same of the keys of issuers.
    pub(crate) keys: Vec<KeysArrived>,
    /// What edges share, opened and tried.
    pub(crate) store: Store,
}

/// What is known before a file is read, and need not be found out again.
#[derive(Debug)]
pub(crate) struct Known {
    /// Names that are not looked up.
    pub(crate) names: BTreeSet<String>,
    /// Issuers that are not asked for their keys.
    pub(crate) issuers: BTreeSet<Source>,
    /// Whether the others are asked again: a first start waits for issuers that start with it, a reload tells at once that one does not respond.
    pub(crate) insist: Insist,
    /// The store that is open.
    pub(crate) store: Store,
}

impl Known {
    /// What a start knows.
    pub(crate) fn nothing() -> Self {
        let (names, issuers, store) = (BTreeSet::new(), BTreeSet::new(), Store::alone());
        Self { names, issuers, insist: Insist::WhileNothingIsThere, store }
    }
}

impl Preparation {
    /// What all listeners that speak TLS share.
    pub(crate) fn common(&self) -> Common<'_> {
        Common { resumption: &self.resumption, ordered: self.ordered.served() }
    }

    /// Prepares what the file says now, going on with what is `known`.
    pub(crate) async fn run(self, known: Known) -> Result<Prepared, PrepareError> {
        let Self {
            file,
            environment,
            lookups,
            issuers,
            kept,
            resumption,
            ordered,
            certificates_every,
            ..
        } = self;
        let read = move || -> Result<_, PrepareError> {
            let Loaded { intent, warnings } = config::load(&file, &environment)?;
            let common = Common { resumption: &resumption, ordered: ordered.served() };
            let mut certificates = certificates::load(&intent, common, certificates_every)?;
            certificates.told.extend(ordered.open(&intent));
            kept.open(&intent.server.state_dir);
            Ok((Arc::new(intent), warnings, certificates))
        };
        let (intent, warnings, certificates) = tokio::task::spawn_blocking(read).await??;
        let mut names = instances::names(&intent);
        names.retain(|name| !known.names.contains(name));
        let mut sources = Source::of_all(&intent);
        sources.retain(|source| !known.issuers.contains(source));
        let store = sharing::open(intent.store.as_ref(), &known.store);
        let (resolved, keys, store) = tokio::join!(
            feed::first(&lookups, names, Insist::Never),
            feed::first(&issuers, sources, known.insist),
            store
        );
        sharing::agree(&store, &intent).await;
        Ok(Prepared { intent, warnings: Some(warnings), certificates, resolved, keys, store })
    }
}
