//! What a program needs that is run once as the instances of a service are, by another and on that one's terminal: `plimsoll exec`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use driver::{Composed, RunsAs};
use model::ServiceName;

/// In what the instances of a service run. It has what may be secret.
#[derive(Clone)]
pub struct Surroundings {
    /// Its release that runs.
    pub release: String,
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

impl Surroundings {
    /// As `release` of `service` is `composed` now.
    ///
    /// # Errors
    /// When it is not known as whom we run, or it is a container, in which nothing of this machine is run.
    pub(crate) fn new(
        service: &ServiceName,
        release: String,
        composed: &Composed,
    ) -> io::Result<Self> {
        let process = composed.process().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                "its instances are containers: `docker exec` runs a command in one",
            )
        })?;
        let RunsAs { uid, gid, groups } = match &process.account {
            Some(account) => RunsAs::from(account),
            None => RunsAs::of_this_process()?,
        };
        let mut environment: BTreeMap<_, _> = process.environment.texts().collect();
        environment.insert("SERVICE".to_owned(), service.to_string());
        environment.insert("VERSION".to_owned(), release.clone());
        let directory = process.directory.clone();
        Ok(Self { release, directory, environment, uid, gid, groups })
    }
}

/// Values may be secrets, so only their names are shown.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("release", &self.release)
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
