//! What starts an instance, in one struct, and how it is cared for while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{
    Command, InstanceName, Recipe, Registries, RemoteHost, Resources, Secret, ServiceName, Stop,
    Volume,
};

use crate::account::Account;
use crate::environment::Environment;
use crate::exit::ExitCause;
use crate::record::Record;

/// All that is needed to start one instance. Its port, and where its output goes, are the driver's to choose.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The service, `$SERVICE`.
    pub service: ServiceName,
    /// The instance, `$INSTANCE`.
    pub instance: InstanceName,
    /// The release, `$VERSION` and `{version}`.
    pub version: String,
    /// What is started.
    pub composed: Composed,
    /// How it is cared for while it runs.
    pub upkeep: Upkeep,
}

/// What instances of a release are to be made of. What this machine has to say to that, its files and users
/// and our own environment, a driver looks up.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The service.
    pub service: ServiceName,
    /// The release.
    pub version: String,
    /// Its recipe, as the file has it.
    pub recipe: Recipe,
    /// Names that are not inherited, see [`Sources::withheld`](crate::environment::Sources::withheld).
    pub withheld: BTreeSet<String>,
    /// Where its instances are to run.
    pub placement: Placement,
    /// How registries of images are asked.
    pub registries: Registries,
    /// What the file of secrets beside the configuration holds. An instance finds those of it that the recipe's `secrets`
    /// name, and that our own environment does not have.
    pub sealed: Arc<BTreeMap<String, Secret>>,
}

/// Where instances are to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// The machines that they are spread over; this one where there are none.
    pub hosts: Vec<RemoteHost>,
    /// How long a start waits for a host that does not answer.
    pub patience: Duration,
}

/// A release that runs, or may be gone back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRelease {
    /// Which.
    pub version: String,
    /// What it is made of.
    pub recipe: Recipe,
}

/// What is started, worked out by the driver that starts it.
#[derive(Clone, Debug)]
pub enum Composed {
    /// A process of this machine.
    Process(ProcessStart),
    /// A container.
    Container(Box<ContainerStart>),
}

impl Composed {
    /// The process, if it is one.
    pub fn process(&self) -> Option<&ProcessStart> {
        match self {
            Self::Process(process) => Some(process),
            Self::Container(_) => None,
        }
    }

    /// The container, if it is one.
    pub fn container(&self) -> Option<&ContainerStart> {
        match self {
            Self::Process(_) => None,
            Self::Container(container) => Some(container),
        }
    }
}

/// What a process is started with.
#[derive(Clone, Debug)]
pub struct ProcessStart {
    /// What is run.
    pub command: Command,
    /// Where it runs; a relative program is looked for here. Absolute.
    pub directory: PathBuf,
    /// What it finds in its environment, besides what the driver adds.
    pub environment: Environment,
    /// As whom it runs; as we do without.
    pub account: Option<Account>,
}

/// What a container is started with.
#[derive(Clone, Debug)]
pub struct ContainerStart {
    /// Where it is to run.
    pub placement: Placement,
    /// The image, as exactly as it is known.
    pub image: String,
    /// How its registry is asked, should the image be gone.
    pub login: Option<Login>,
    /// What the image's entrypoint is given instead of what the image says.
    pub command: Option<Command>,
    /// Where the engine is, as its own command takes it: `unix:///var/run/docker.sock`.
    pub engine: String,
    /// The port that it listens on within.
    pub port: u16,
    /// What it finds in its environment, besides what the image and the driver add.
    pub environment: Environment,
    /// As whom it runs; as the image says without.
    pub user: Option<model::Account>,
    /// What of outside it finds within.
    pub volumes: Vec<Volume>,
    /// The network that it is in, by whose address it is reached.
    pub network: Option<String>,
    /// What it may take.
    pub resources: Resources,
}

/// Who asks a registry. Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose registry, as names of images have it.
    pub registry: String,
    /// The user.
    pub username: String,
    /// The password, or the token.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("registry", &self.registry)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// How an instance is cared for while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// How children of the instance that outlive it are ended.
    pub stop: Stop,
    /// When its log is rotated.
    pub rotation: Rotation,
    /// Whether it is listened to when it says how it is.
    pub notify: Notify,
    /// Whether it is to listen itself.
    pub listening: Listening,
}

/// Whether an instance is to listen for requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listening {
    /// On the port that it finds in `$PORT`.
    #[default]
    OnPort,
    /// It finds no `$PORT`. The one that is kept for it is a name, and nothing more.
    Nowhere,
}

/// Whether an instance is listened to when it says how it is, by the protocol of sd_notify(3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notify {
    /// It finds no `$NOTIFY_SOCKET`.
    #[default]
    Unheard,
    /// It finds one.
    Heard,
}

/// What an instance said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Whether it is ready.
    pub word: Readiness,
    /// What it tells people, on one line and without control characters.
    pub status: Option<String>,
}

/// Whether an instance is ready, by its own word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// It said nothing yet.
    #[default]
    Silent,
    /// What it said it said to an earlier Plimsoll.
    Before,
    /// It is ready.
    Ready,
    /// It is about to stop.
    Stopping,
}

/// A program that is run once as a part of an instance, and killed when its time is over.
#[derive(Clone, Debug)]
pub struct Examination {
    /// As the instance was started. The log is not written to.
    pub launch: Launch,
    /// What is run in its place.
    pub command: Command,
    /// What is remembered of the instance.
    pub record: Record,
    /// How long it may take.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// How it ended; `None` where it was killed, its time being over.
    pub ending: Option<ExitCause>,
    /// The first line of its output that says something.
    pub line: Option<String>,
}

/// When a log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// What is over this many bytes goes to an archive; an archive is no larger than this.
    pub bytes_max: u64,
    /// How many archives are kept; at least one.
    pub keep: usize,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { bytes_max: 16 << 20, keep: 4 }
    }
}
