//! The one writer: takes a configuration up, watches what is served, and decides who serves.
//!
//! One loop, in `writer`, owns the data plane ([`edge::Edge`]), the intent, the addresses of names
//! and what is thought of each instance. Everybody else talks to it through a [`Handle`]; whatever
//! may take long runs in tasks beside it and tells the loop. What a series of checks or failures
//! means is `balance`'s to say, what is served is the edge's; nothing here touches a request.

mod access_log;
mod bans;
mod belonging;
mod certificates;
mod chain;
mod conditions;
mod drains;
mod ended;
mod evidence;
mod explanation;
mod feed;
mod finding;
mod handle;
mod instances;
mod issuers;
mod jobs;
mod journal;
mod lately;
mod line;
mod names;
mod ordering;
mod prepare;
mod probe;
mod pulse;
mod release;
mod reload;
pub mod resolve;
mod runs;
mod scaling;
pub mod scrape;
mod settling;
mod sharing;
pub mod state_dir;
mod state_file;
pub mod status;
mod sticky_key;
mod task;
mod times;
mod watch;
mod watched;
mod window;
mod writer;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::Environment;
use driver::Driver;
use edge::{Edge, Options};
use model::Intent;
use telemetry::{Events, event};
use tokio::sync::{mpsc, watch as watcher};
use tokio::task::JoinHandle;
use wire::tls::Resumption;

pub use self::jobs::{JobError, JobFollowing, JobProgress, JobStatus};
pub use acme::TxtRecords;
pub use bans::{Ban, BanError, Banned, TokenDigest};
pub use belonging::{Adoption, BelongingError, has_served};
pub use certificates::{BadCertificates, TlsUser};
pub use chain::chain;
pub use driver::Unreached;
pub use ended::Ended;
pub use explanation::{ExplainError, Explanation, Question};
pub use finding::{Finding, Found, OutputLine, Shown};
pub use handle::{Acted, After, Handle, IfRolledBack, InstanceError, ReloadRequest, Reloaded};
pub use journal::{CrashPoint, Deploy, JobOutcome, JobRun, JournalError};
pub use line::Line;
pub use ordering::import::{ImportError, Imported, Left, Taken, import};
pub use ordering::internal::InternalCaStatus;
pub use ordering::status::{
    CertificateSource, CertificateStatus, HeldStatus, Renewal, RenewalReason, RenewalTrouble,
};
pub use ordering::{Clock, OpenRecords, SystemClock};
pub use prepare::{PrepareError, tell_warnings};
pub use reload::ReloadError;
pub use resolve::{Resolve, SystemResolver};
pub use runs::{
    CheckingStatus, ConditionStatus, ContainerPlace, DeployEnding, DeployError, DeployRequest,
    DeployStatus, Difference, Differs, FirstStatus, Forms, LastDeploy, Overrides, ProcessPlace,
    Progress, Progressing, Receipt, Rejudge, Rejudged, ReleaseTally, Rules, RunStatus, RunsIn,
    Surroundings, Waiting, Wanted,
};
pub use scaling::Scaled;
pub use sharing::{StoreStatus, try_store};
pub use state_dir::StateDirError;
pub use status::{
    AuthServerFault, AuthServerStatus, InstanceStatus, IssuerStatus, LastReload, ListenerStatus,
    OutlierStatus, RolledBack, ServiceStatus, Status,
};
pub use sticky_key::StickyKeyError;
pub use telemetry::scrape::InstanceState;
pub use watched::{ReloadEnding, ReloadProgress};
pub use window::{RATE_WINDOW, Recent, WINDOW};

use self::watch::Reports;
use access_log::Access;
use bans::BanList;
use belonging::Content;
use certificates::{CertificateFiles, Renewals};
use conditions::Outside;
use drains::DrainList;
use feed::Fetches;
use issuers::{IssuerKeys, Issuers, Kept};
use journal::Journal;
use names::{Lookups, Names};
use ordering::Ordering;
use ordering::kept::Kept as KeptCertificates;
use outbound::Client;
use prepare::{Known, Preparation, Prepared};
use probe::Checker;
use resolve::Resolver;
use runs::Runs;
use settling::Settling;
use writer::{Inbox, Parts, Writer, find_legacies};

/// How soon a certificate is served that something else has renewed.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(15);
/// Tokens that are to be banned and wait for the loop: a second of a flood of logouts.
const LOGOUTS: usize = 65_536;
/// How often what became of requests is looked at, all the time.
const SECOND: Duration = Duration::from_secs(1);
/// Commands that may wait for the loop.
const MESSAGES: usize = 64;

/// Makes a driver that keeps in a directory, Plimsoll's own, what it has to keep of its instances.
pub type MakeDriver = Box<dyn FnOnce(&Path) -> Arc<dyn Driver> + Send>;

/// What everything is started with.
pub struct Settings {
    /// The configuration.
    pub file: PathBuf,
    /// The world around it.
    pub environment: Environment,
    /// Looks the names of targets up.
    pub resolver: Arc<dyn Resolve>,
    /// Makes what starts instances, and keeps in this directory what it has to.
    pub driver: MakeDriver,
    /// How what is kept of deploys is written.
    pub forms: Forms,
    /// How often the files of certificates are looked at; what was renewed is served then.
    pub certificates_every: Duration,
    /// The clocks that orders of certificates, and jobs, go by.
    pub clock: Arc<dyn Clock>,
    /// Opens what writes records for CAs into zones of the DNS.
    pub records: OpenRecords,
    /// What makes the moments of this machine's orders differ from another's; the same after a restart.
    pub seed: u64,
    /// How long a second of the watch of instances is: in tests it need not be one.
    pub second: Duration,
    /// Whether the state of another configuration may be taken over.
    pub adoption: Adoption,
    /// Where it is to crash, for tests of what follows.
    pub crash: Option<CrashPoint>,
    /// Takes what happens.
    pub events: Events,
}

impl Settings {
    /// The configuration in `file`, in the environment of this process, with the system's
    /// resolver.
    pub fn new(file: impl Into<PathBuf>, driver: MakeDriver, forms: Forms) -> Self {
        Self {
            file: file.into(),
            environment: Environment::of_process(),
            resolver: Arc::new(SystemResolver::default()),
            driver,
            forms,
            certificates_every: CERTIFICATES_EVERY,
            clock: Arc::new(SystemClock::default()),
            records: Arc::new(|_| Err("this program can change no zone of the DNS".to_owned())),
            seed: ordering::seed_of_machine(),
            second: SECOND,
            adoption: Adoption::Refused,
            crash: None,
            events: Events::default(),
        }
    }
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be served.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The state directory is another configuration's.
    #[error(transparent)]
    Belonging(#[from] BelongingError),
    /// What is to be kept cannot be kept safely where it is to be.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// There is no key for sticky cookies.
    #[error(transparent)]
    StickyKey(#[from] StickyKeyError),
    /// There is no secret for TLS sessions.
    #[error("cannot generate a key for TLS sessions")]
    Resumption(#[from] rustls::Error),
    /// A worker cannot be started.
    #[error("cannot start the workers")]
    Workers(#[source] io::Error),
    /// What is known of earlier runs cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What is wanted cannot be put into effect.
    #[error(transparent)]
    Publish(#[from] edge::PublishError),
}

/// A running Plimsoll. Runs on when this is dropped, until [`Handle::shutdown`] or until no
/// [`Handle`] is left.
#[derive(Debug)]
pub struct Controller {
    handle: Handle,
    task: JoinHandle<()>,
}

impl Controller {
    /// Talks to it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until it has ended, as [`Handle::shutdown`] makes it.
    pub async fn ended(self) {
        let Self { handle, task } = self;
        let events = handle.events.clone();
        drop(handle);
        if task.await.is_err() {
            events.emit(event::ControlPanicked {});
        }
    }
}

/// Reads the configuration, starts the data plane, and serves. The control loop runs on the
/// runtime that this is called on, the data plane on threads of its own.
///
/// What is doubtful in the configuration is not told: it is the caller's, who reads the file before.
///
/// # Errors
/// When the configuration is wrong or cannot be put into effect; then nothing is left running.
pub async fn start(settings: Settings) -> Result<Controller, StartError> {
    let client = Client::new(Arc::new(Resolver(settings.resolver.clone())));
    let preparation = preparation(&settings, client.clone())?;
    let Settings { driver, forms, adoption, crash, events, clock, records, seed, .. } = settings;
    let prepared = preparation.clone().run(Known::nothing()).await?;
    let intent = prepared.intent.clone();
    state_dir::open_directory(&intent.server.state_dir)?;

    let log = Access::start(&intent.log, events.clone())?;
    let (suspect, suspects) = mpsc::unbounded_channel();
    let (logout, logouts) = mpsc::channel(LOGOUTS);
    let workers = workers(&intent);
    let options = Options {
        workers,
        memory: intent.server.memory,
        sticky_key: sticky_key::load(&intent.server.state_dir)?,
        logs: log.writers(workers.get()),
        suspects: suspect,
        bans: logout,
        events: events.clone(),
        client: client.clone(),
    };
    let edge = Edge::start(options).map_err(StartError::Workers)?;

    let ordering = Ordering::start(ordering::Parts {
        client: client.clone(),
        kept: preparation.ordered.clone(),
        challenges: edge.challenges(),
        records,
        clock: clock.clone(),
        seed,
        events: events.clone(),
    });
    let (settling, secrets) = Settling::new(edge.settlements().clone());
    let (report, reports) = mpsc::unbounded_channel();
    let checker = Checker::start(events.clone()).map_err(StartError::Workers)?;
    let outside = Outside { client, environment: preparation.environment.clone() };
    let (tell, resolved) = mpsc::unbounded_channel();
    let (message, messages) = mpsc::channel(MESSAGES);
    let (wanted, intent) = watcher::channel(intent);
    let (show, admin_tls) = watcher::channel(None);
    let names = Names::new(preparation.lookups.clone(), tell, events.clone());
    let (tell, looked) = mpsc::unbounded_channel();
    let renewals = Renewals::new(preparation.certificates.clone(), tell, events.clone());
    let (tell, keys) = mpsc::unbounded_channel();
    let issuers = Issuers::new(preparation.issuers.clone(), tell, events.clone());
    let (lack, unknown) = mpsc::unbounded_channel();
    let drains = DrainList::load(&prepared.intent.server.state_dir, events.clone());
    let state_dir = &prepared.intent.server.state_dir;
    let driver = driver(state_dir);
    let journal = Journal::open(state_dir, crash, events.clone())?;
    let (bans, heard) = BanList::load(state_dir, events.clone());
    let is_empty = drains.is_empty() && bans.is_empty() && journal.services()?.is_empty();
    let content = if is_empty { Content::Nothing } else { Content::Something };
    let belonging = belonging::claim(state_dir, &preparation.file, content, adoption)?;
    let legacies = find_legacies(&prepared.intent, &driver, &journal, forms, &events).await?;
    let (happen, happenings) = mpsc::unbounded_channel();
    let runs = Runs::new(driver, journal, happen, forms, events.clone());
    let mut writer = Writer::new(Parts {
        edge,
        preparation,
        intent: wanted,
        admin_tls: show,
        names,
        renewals,
        ordering,
        issuers,
        unknown: lack,
        reports: Reports { checker, tell: report },
        events: events.clone(),
        log,
        drains,
        bans,
        settling,
        runs,
        outside,
        clock,
        second: settings.second,
    });
    publish(&mut writer, prepared)?;
    belonging.record(&events);
    writer.begin_runs(legacies);
    let inbox = Inbox {
        messages,
        suspects,
        logouts,
        heard,
        reports,
        resolved,
        looked,
        keys,
        unknown,
        secrets,
        happenings,
    };
    let task = run(writer, inbox, &events);
    Ok(Controller { handle: Handle { messages: message, intent, admin_tls, events }, task })
}

/// How configurations are prepared, with what is fetched for them by `client` and by lookups.
fn preparation(settings: &Settings, client: Client) -> Result<Preparation, StartError> {
    let kept = Arc::new(Kept::default());
    let every = settings.certificates_every;
    Ok(Preparation {
        file: settings.file.clone(),
        environment: settings.environment.clone(),
        lookups: Arc::new(Fetches::new(Lookups(settings.resolver.clone()))),
        issuers: Arc::new(Fetches::new(IssuerKeys::new(client, kept.clone()))),
        kept,
        resumption: Resumption::new()?,
        ordered: Arc::new(KeptCertificates::default()),
        certificates: Arc::new(Fetches::new(CertificateFiles::new(every))),
        certificates_every: every,
    })
}

fn run(writer: Writer, inbox: Inbox, events: &Events) -> JoinHandle<()> {
    let end = events.close_on_drop();
    tokio::spawn(async move {
        // Followers come to the end also where this panics.
        let _end = end;
        writer.run(inbox).await;
    })
}

fn publish(writer: &mut Writer, prepared: Prepared) -> Result<(), edge::PublishError> {
    let revision = writer.take_up(prepared)?;
    writer.tell_serving(revision);
    Ok(())
}

fn workers(intent: &Intent) -> NonZeroUsize {
    intent
        .server
        .workers
        .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}
