//! From a file to everything that is needed to publish it: the checked intent, certificates, the
//! first addresses of new names. Changes nothing; may take seconds, so never in the control loop.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::{Diagnostics, Environment, LoadError, Loaded};
use model::{AccessLog, Intent};
use telemetry::{Events, event};
use wire::tls::Resumption;

use crate::certificates::{self, BadCertificates, CertificateFiles};
use crate::feed::{self, Fetches};
use crate::instances;
use crate::names::{Lookups, Resolved};

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
    pub(crate) resumption: Resumption,
    pub(crate) certificates: Arc<Fetches<CertificateFiles>>,
    /// How often the files of certificates are looked at.
    pub(crate) certificates_every: Duration,
}

/// A configuration that is ready to be published.
pub(crate) struct Prepared {
    pub(crate) intent: Arc<Intent>,
    /// What is doubtful in the file: [`tell_warnings`] tells it where the file is taken up by a reload.
    pub(crate) warnings: Diagnostics,
    pub(crate) certificates: certificates::Loaded,
    /// What was found of the names that were not known, or not well.
    pub(crate) resolved: Vec<Resolved>,
}

impl Preparation {
    /// Prepares what the file says now. Names that are `known` are not looked up.
    pub(crate) async fn run(self, known: BTreeSet<String>) -> Result<Prepared, PrepareError> {
        let Self { file, environment, lookups, resumption, certificates_every, .. } = self;
        let read = move || -> Result<_, PrepareError> {
            let Loaded { intent, warnings } = config::load(&file, &environment)?;
            let certificates = certificates::load(&intent, &resumption, certificates_every)?;
            Ok((Arc::new(intent), warnings, certificates))
        };
        let (intent, warnings, certificates) = tokio::task::spawn_blocking(read).await??;
        let mut names = instances::names(&intent);
        names.retain(|name| !known.contains(name));
        let resolved = feed::first(&lookups, names).await;
        Ok(Prepared { intent, warnings, certificates, resolved })
    }
}
