//! What a program needs that is run once as the instances of a service are, by another and on that one's terminal: `plimsoll exec`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use driver::{Composed, ContainerStart, ProcessStart, Record, RunsAs};
use model::{InstanceName, RemoteHost, ServiceName};

/// Where a program runs as the instances of a service do. It has what may be secret.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Its release that runs.
    pub release: String,
    /// Where.
    pub place: RunsIn,
}

/// Where a program runs beside instances, or within one.
#[derive(Clone, Debug)]
pub enum RunsIn {
    /// On this machine, as they do.
    Process(ProcessPlace),
    /// In one of them.
    Container(ContainerPlace),
}

/// In what the instances of a service run that are processes of this machine.
#[derive(Clone)]
pub struct ProcessPlace {
    /// Where; absolute.
    pub directory: PathBuf,
    /// All that they find in their environment and that can be written as text, but for what each has for itself.
    pub environment: BTreeMap<String, String>,
    /// The number of their user.
    pub uid: u32,
    /// The number of their group.
    pub gid: u32,
    /// The numbers of their other groups.
    pub groups: Vec<u32>,
}

/// A container that runs.
#[derive(Clone, Debug)]
pub struct ContainerPlace {
    /// Which instance it is.
    pub instance: InstanceName,
    /// Where its engine is, as the engine's own command takes it.
    pub engine: String,
    /// The engine's id of it.
    pub id: String,
}

/// Why there is no place for a program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPlace {
    /// It is not known as whom we run.
    #[error("it is not known as whom Plimsoll runs")]
    User(#[from] io::Error),
    /// There is no container to run it in.
    #[error("no container of its release runs now")]
    NothingRuns,
}

impl Surroundings {
    /// As `release` of `service` is `composed` now, and `running` are its instances.
    pub(crate) fn new(
        service: &ServiceName,
        release: String,
        composed: &Composed,
        running: &[Record],
    ) -> Result<Self, NoPlace> {
        let place = match composed {
            Composed::Process(start) => RunsIn::Process(beside(service, &release, start)?),
            Composed::Container(start) => {
                RunsIn::Container(within(start, running).ok_or(NoPlace::NothingRuns)?)
            }
        };
        Ok(Self { release, place })
    }
}

fn beside(service: &ServiceName, release: &str, start: &ProcessStart) -> io::Result<ProcessPlace> {
    let RunsAs { uid, gid, groups } = match &start.account {
        Some(account) => RunsAs::from(account),
        None => RunsAs::of_this_process()?,
    };
    let mut environment: BTreeMap<_, _> = start.environment.texts().collect();
    environment.insert("SERVICE".to_owned(), service.to_string());
    environment.insert("VERSION".to_owned(), release.to_owned());
    let directory = start.directory.clone();
    Ok(ProcessPlace { directory, environment, uid, gid, groups })
}

fn within(start: &ContainerStart, running: &[Record]) -> Option<ContainerPlace> {
    running.iter().find_map(|record| {
        let id = record.identity.container()?.id.clone();
        let of_host = record.identity.host().map(RemoteHost::url);
        let engine = of_host.unwrap_or_else(|| start.engine.clone());
        let instance = record.instance.clone();
        Some(ContainerPlace { instance, engine, id })
    })
}

/// Values may be secrets, so only their names are shown.
impl fmt::Debug for ProcessPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPlace")
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
