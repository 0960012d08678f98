//! What is checked before anything is touched: everything that can be known now to fail later.
//!
//! All faults are found at once, so that nobody mends one only to be told the next. Nothing is
//! started, written or reserved, and no value of the environment is shown.

mod names;
mod room;
mod surroundings;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fs, io};

pub use room::Room;
pub use surroundings::{Before, Found, Surroundings};

use crate::account::{Account, AccountFault};
use crate::command::{self, CommandError, Facts};
use crate::env_file::EnvFileError;
use crate::environment::Environment;
use crate::launch::Spec;
use crate::port::Ports;
use crate::program::{self, ProgramFault};
use model::{ProcessRecipe, Recipe, Workload};

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// Of what it is made.
    pub spec: Spec,
    /// What was given to the running release, as far as that is known.
    pub running: BTreeSet<String>,
    /// Names of that without which it is meant to run.
    pub without: Vec<String>,
    /// What old and new need together, beyond what the old have already.
    pub room: Room,
}

/// What passed: all that a [`crate::Launch`] needs from here.
#[derive(Debug)]
pub struct Passed {
    /// What the instances will find in their environment.
    pub environment: Environment,
    /// The names of it that the service gives, beside what Plimsoll itself was given.
    pub given: BTreeSet<String>,
    /// The program that will run, where it is this machine's.
    pub program: Option<PathBuf>,
}

/// Something that stands in the way.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// The command is none.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The program cannot be run.
    #[error(transparent)]
    Program(#[from] ProgramFault),
    /// The directory cannot be used.
    #[error("cannot run in the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody can run as its user.
    #[error(transparent)]
    Account(#[from] AccountFault),
    /// The `env_file` cannot be used.
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    /// A secret is not there.
    #[error(
        "the secret `{name}` is not set{}; it comes from the environment of `plimsoll run`, not of this command \
         (systemd: EnvironmentFile=), or from `env_file`",
        suggest::instead(near)
    )]
    SecretMissing {
        /// Its name.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// A secret is there and says nothing.
    #[error("the secret `{name}` is set, but blank")]
    SecretBlank {
        /// Its name.
        name: String,
    },
    /// What the running release was given is not there any more.
    #[error(
        "the running release was given `{name}`, and the new one is not{} \
         (--without {name} if that is meant)",
        suggest::instead(near)
    )]
    NameLost {
        /// The name.
        name: String,
        /// What may have taken its place.
        near: Vec<String>,
    },
    /// Too little memory.
    #[error("{} of memory are needed, {} are available", at_least(*needed), at_most(*available))]
    Memory {
        /// For the new instances, beside the old.
        needed: u64,
        /// Without pushing others out.
        available: u64,
    },
    /// Too few descriptors.
    #[error(
        "{needed} more descriptors are needed, {available} are available; the limit is RLIMIT_NOFILE"
    )]
    Descriptors {
        /// For the new instances, beside the old.
        needed: u64,
        /// Below our limit.
        available: u64,
    },
    /// Too little room on a disk.
    #[error(
        "{} are needed on the disk of {}, {} are available",
        at_least(*needed), path.display(), at_most(*available)
    )]
    Disk {
        /// Where.
        path: PathBuf,
        /// For the logs.
        needed: u64,
        /// For this user.
        available: u64,
    },
    /// Too few ports.
    #[error("{needed} free ports are needed, {available} are there")]
    Ports {
        /// One for each new instance.
        needed: usize,
        /// Free.
        available: usize,
    },
    /// What runs instances elsewhere lacks something, or could not be asked.
    #[error(transparent)]
    Engine(Box<dyn Error + Send + Sync>),
    /// It is of a kind that another driver starts.
    #[error("this kind of instance cannot be started here")]
    OtherKind,
    /// Something could not be found out.
    #[error("cannot determine {what}")]
    Unknown {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// What of this machine is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// The ports that instances are given.
    pub ports: &'a Ports,
    /// Where the output of instances is kept.
    pub logs: &'a Path,
}

/// Checks `plan`, where `ours` is our own environment.
///
/// # Errors
///
/// All that stands in its way.
pub fn check(
    plan: Preflight,
    ours: Environment,
    machine: Machine<'_>,
) -> Result<Passed, Vec<Obstacle>> {
    let Preflight { spec, running, without, room } = plan;
    let Spec { service, version, recipe, withheld, sealed, .. } = spec;
    let Recipe { workload, env, env_file, secrets } = recipe.of_version(&version);
    let Workload::Process(ProcessRecipe { command, directory, user, inherit }) = workload else {
        return Err(vec![Obstacle::OtherKind]);
    };
    let mut faults = Vec::new();
    let directory_is_fine = check_directory(&directory).map_err(|fault| faults.push(fault));
    let account = match user.as_ref().map(Account::find) {
        Some(Err(fault)) => {
            faults.push(fault.into());
            None
        }
        Some(Ok(account)) => Some(account),
        None => None,
    };
    let of_recipe = Surroundings {
        env,
        env_file: env_file.map(|path| directory.join(path)),
        secrets,
        sealed,
        inherit,
        withheld,
        account,
    };
    let Found { environment, given, faults: of_names } =
        of_recipe.look(ours, &Before { running, without });
    faults.extend(of_names);
    let service = service.as_str();
    let facts = Facts { port: 0, version: &version, instance: service, service };
    let found = command::words(&command, facts)
        .map_err(|error| faults.push(error.into()))
        .ok()
        .and_then(|words| {
            // In a directory that is none, nothing is found.
            directory_is_fine.ok()?;
            let found = program::find(&words[0], &directory, environment.get("PATH"));
            found.map_err(|fault| faults.push(fault.into())).ok()
        });
    faults.extend(room.check(machine));
    match found {
        Some(program) if faults.is_empty() => {
            Ok(Passed { environment, given, program: Some(program) })
        }
        _ => Err(faults),
    }
}

fn check_directory(path: &Path) -> Result<(), Obstacle> {
    let is_directory = |metadata: fs::Metadata| match metadata.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    };
    fs::metadata(path)
        .and_then(is_directory)
        .map_err(|source| Obstacle::Directory { path: path.to_owned(), source })
}

fn at_least(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

fn at_most(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use model::{Command, Registries};

    use super::*;

    fn ours() -> Environment {
        let ours =
            [("PATH", "/usr/bin:/bin"), ("sms_access", "x"), ("BLANK", " \t"), ("OTHERS", "x")];
        ours.into_iter().collect()
    }

    fn told(plan: Preflight) -> Vec<String> {
        let machine = Machine { ports: &Ports::default(), logs: Path::new("/") };
        let faults = check(plan, ours(), machine).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    fn plan(command: Command, directory: &Path, secrets: &[&str]) -> Preflight {
        let (directory, user, inherit) = (directory.to_owned(), None, Vec::new());
        let workload = Workload::Process(ProcessRecipe { command, directory, user, inherit });
        let secrets = secrets.iter().map(ToString::to_string).collect();
        let spec = Spec {
            service: "api".into(),
            version: "2".into(),
            recipe: Recipe { workload, env: BTreeMap::new(), env_file: None, secrets },
            withheld: ["OTHERS".to_owned()].into(),
            placement: Default::default(),
            registries: Registries::new(),
            sealed: Arc::default(),
        };
        Preflight { spec, running: BTreeSet::new(), without: Vec::new(), room: Room::default() }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let room = tempfile::tempdir().unwrap();
        let command = Command::Line("./serv-{version} --port $PORT".into());
        fs::write(room.path().join("serve-2"), "").unwrap();
        let huge = Room { memory_bytes: u64::MAX, ports: 100_000, ..Room::default() };
        let plan = plan(command, room.path(), &["SMS_ACCESS", "BLANK"]);
        let told = told(Preflight { room: huge, ..plan });
        assert_eq!(told.len(), 5, "{told:?}");
        assert_eq!(
            told[0],
            "the secret `SMS_ACCESS` is not set; there is `sms_access`; it comes from the environment of \
             `plimsoll run`, not of this command (systemd: EnvironmentFile=), or from `env_file`"
        );
        assert_eq!(told[1], "the secret `BLANK` is set, but blank");
        assert!(told[2].ends_with("/./serv-2; there is `serve-2`"), "{}", told[2]);
        assert!(told[3].contains("of memory are needed"));
        assert!(told[4].contains("100000 free ports are needed"));
    }

    #[test]
    fn a_missing_env_file_is_told_and_not_each_secret_that_it_may_have() {
        let room = tempfile::tempdir().unwrap();
        let plan = || {
            let mut plan = plan(Command::Line("sh".into()), room.path(), &["IN_FILE"]);
            plan.spec.recipe.env_file = Some(".env".into());
            plan
        };
        let missing = told(plan());
        assert_eq!(missing, [format!("cannot read {}/.env", room.path().display())]);

        fs::write(room.path().join(".env"), "IN_FILE=x\n").unwrap();
        let machine = Machine { ports: &Ports::default(), logs: Path::new("/") };
        let passed = check(plan(), ours(), machine).unwrap();
        assert!(passed.environment.says("IN_FILE") && passed.environment.get("OTHERS").is_none());
        assert!(passed.program.unwrap().ends_with("sh"));
    }

    #[test]
    fn a_missing_directory_is_told_once() {
        let command = Command::Line("./serve".into());
        let told = told(plan(command, Path::new("/no/such/place"), &[]));
        assert_eq!(told, ["cannot run in the directory /no/such/place"]);
    }
}
