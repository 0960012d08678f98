//! What an instance is made of that is a container: `image` of a service, and what goes with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::account::Account;
use crate::run::Command;

/// What a container is made of, beside its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRecipe {
    /// The image as the file names it, where `{version}` stands for the version.
    pub image: String,
    /// Which image was meant by that when the release was made; `None` where nobody has looked yet.
    pub pin: Option<Pin>,
    /// What the image's entrypoint is given instead of what the image says; that, where there is none.
    pub command: Option<Command>,
    /// The port that it listens on within.
    pub port: u16,
    /// As whom it runs; as the image says without.
    pub user: Option<Account>,
    /// What of outside it finds within, no target twice.
    pub volumes: Vec<Volume>,
    /// The network that it is in, by whose address it is reached; without one it is reached by a port of this machine.
    pub network: Option<String>,
    /// What it may take.
    pub resources: Resources,
}

/// Which image a name stood for at a time: names move, this does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The registry's digest of it: `sha256:` and 64 hexadecimal digits.
    Digest(String),
    /// An image that no registry knows, made on the machine that runs it, by its id there, in the same form.
    Local(String),
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Digest(text) | Self::Local(text)) = self;
        f.write_str(text)
    }
}

/// Something of outside that is found within a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What.
    pub source: VolumeSource,
    /// Where, within; absolute.
    pub target: String,
    /// What may be done with it.
    pub access: Access,
}

/// What is found within a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A volume that the engine keeps, by its name.
    Named(String),
    /// A file or directory of the machine; absolute.
    Path(PathBuf),
}

/// What may be done with a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// It is read and written.
    #[default]
    Write,
    /// It is only read.
    Read,
}

impl fmt::Display for Volume {
    /// As the file has it: `uploads:/data`, `/srv/assets:/assets:ro`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            VolumeSource::Named(name) => write!(f, "{name}:{}", self.target)?,
            VolumeSource::Path(path) => write!(f, "{}:{}", path.display(), self.target)?,
        }
        match self.access {
            Access::Write => Ok(()),
            Access::Read => f.write_str(":ro"),
        }
    }
}

/// What a container may take at the most; `None` for as much as there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory in bytes, swap included.
    pub memory: Option<u64>,
    /// Processors, in thousandths of one.
    pub cpu_millis: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// How images are asked for at a registry: `[registries.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// Who asks.
    pub username: String,
    /// The variable of Plimsoll's environment with the password, or the token, of that user.
    pub password_env: String,
}

/// All registries, by the host and port that names of images begin with.
pub type Registries = BTreeMap<String, Registry>;
