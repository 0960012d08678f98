//! Where the file says otherwise than what runs, which only a deploy or a change of the file can mend.

use std::fmt;

use model::{Run, ServiceName};

use super::{DeployError, ServiceRun};
use crate::release::Release;

/// A service whose running release differs from the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The service.
    pub service: ServiceName,
    /// The release that runs, or is coming.
    pub runs: String,
    /// In what the file differs from it.
    pub what: Differs,
}

/// In what the file differs from the release that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Differs {
    /// The file has come to name this version since that was deployed.
    Version(String),
    /// The recipe alone differs.
    Recipe,
    /// The file named this version already when another was deployed, and names it still: it says nothing new, but a
    /// reader of the file takes it for what runs.
    Outdated(String),
}

impl Difference {
    /// The version that the file names, where it is another than the one that runs.
    pub fn file(&self) -> Option<&str> {
        match &self.what {
            Differs::Version(version) | Differs::Outdated(version) => Some(version),
            Differs::Recipe => None,
        }
    }

    /// Whether the file has come to say something since the release was deployed.
    pub(crate) fn is_news(&self) -> bool {
        !matches!(self.what, Differs::Outdated(_))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, runs, what } = self;
        match what {
            Differs::Version(file) => write!(
                f,
                "the file says version {file}, {runs} runs: \"plimsoll deploy {service} {file}\" replaces it"
            ),
            Differs::Recipe => write!(
                f,
                "{runs} runs with another command or environment than the file says: \
                 \"plimsoll deploy {service} {runs}\" applies it"
            ),
            Differs::Outdated(file) => write!(
                f,
                "the file still says version {file}, {runs} runs: write version = \"{runs}\" into the file to keep it; \
                 \"plimsoll deploy {service} {file}\" replaces it"
            ),
        }
    }
}

impl Differs {
    /// In what `run`, as the file has it, differs from the release that runs.
    fn of(run: &Run, release: &Release) -> Option<Self> {
        let file = run.version.as_ref().filter(|file| **file != release.version);
        match file {
            Some(file) if !is_outdated(file, release) => Some(Self::Version(file.clone())),
            _ if !release.recipe.follows(&run.recipe) => Some(Self::Recipe),
            Some(file) => Some(Self::Outdated(file.clone())),
            None => None,
        }
    }
}

impl ServiceRun {
    /// Whether the file says otherwise than what runs, or is to run.
    pub(crate) fn difference(&self) -> Option<Difference> {
        let release = self.releases().last()?;
        let (service, runs) = (self.service.name.clone(), release.version.clone());
        let what = Differs::of(self.run(), release)?;
        let difference = Difference { service, runs, what };
        // A deploy that is on may yet be rolled back to what the file says.
        (difference.is_news() || self.active.is_none()).then_some(difference)
    }

    /// The version that the file names, for a deploy that names none. Where another was deployed while the file named
    /// this one, either may be meant: the file was forgotten, or that release was for a while only.
    pub(crate) fn version_of_file(&self) -> Result<String, DeployError> {
        let service = self.service.name.to_string();
        match (self.run().version.clone(), &self.release) {
            (None, _) => Err(DeployError::NoVersion { service }),
            (Some(file), Some(release)) if is_outdated(&file, release) => {
                Err(DeployError::WhichVersion { service, runs: release.version.clone(), file })
            }
            (Some(file), _) => Ok(file),
        }
    }
}

/// Whether the file named this version already when another was deployed, which runs.
fn is_outdated(file: &String, release: &Release) -> bool {
    *file != release.version && release.file_version.as_ref() == Some(file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{Command, Deploy, ProcessRecipe, Recipe, Restart, Stop, Workload};

    use super::*;

    fn recipe(command: &str) -> Recipe {
        Recipe {
            workload: Workload::Process(ProcessRecipe {
                command: Command::Line(command.into()),
                directory: "/".into(),
                user: None,
                inherit: Vec::new(),
            }),
            env: Default::default(),
            env_file: None,
            secrets: Vec::new(),
        }
    }

    fn run(version: Option<&str>, command: &str) -> Run {
        Run {
            work: Default::default(),
            recipe: recipe(command),
            version: version.map(str::to_owned),
            replicas: 1.try_into().unwrap(),
            hosts: Vec::new(),
            deploy: Deploy::default(),
            stop: Stop::default(),
            restart: Restart { backoff: Duration::ZERO, max_backoff: Duration::ZERO },
        }
    }

    #[test]
    fn what_the_file_says_of_the_version_is_news_unless_it_said_so_before() {
        let version = |version: &str| Some(Differs::Version(version.to_owned()));
        let outdated = Some(Differs::Outdated("1".to_owned()));
        for (file, command, at_deploy, expected) in [
            (Some("2"), "a", Some("2"), None),
            (Some("2"), "a", Some("1"), None),
            (Some("1"), "a", Some("1"), outdated),
            (Some("1"), "a", Some("2"), version("1")),
            (Some("1"), "a", None, version("1")),
            (Some("3"), "b", Some("1"), version("3")),
            (Some("1"), "b", Some("1"), Some(Differs::Recipe)),
            (None, "b", Some("1"), Some(Differs::Recipe)),
            (None, "a", Some("1"), None),
        ] {
            let file_version = at_deploy.map(str::to_owned);
            let (version, recipe, given) = ("2".to_owned(), recipe("a"), Default::default());
            let release = Release { id: 7, version, recipe, given, file_version };
            let differs = Differs::of(&run(file, command), &release);
            assert_eq!(differs, expected, "{file:?} {command} {at_deploy:?}");
        }
    }
}
