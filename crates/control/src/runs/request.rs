//! What is asked of a deploy before it begins, and why it may be refused.

use std::time::{Duration, SystemTime};

use model::{Deploy, Step, Strategy};

use crate::handle::Ended;
use crate::journal::JournalError;

/// A deploy that somebody wants.
#[derive(Clone, Debug)]
pub struct DeployRequest {
    /// Of this service.
    pub service: String,
    /// To this release; `None` for the one before the one that runs.
    pub version: Option<String>,
    /// By the recipe that it had when it last came to stay, if that is known, and not by the one that
    /// the file has now. So it is in any case where no release is named.
    pub as_before: bool,
    /// What is said for this deploy alone.
    pub overrides: Overrides,
    /// Names that the running release was given, and without which the new one is meant to run.
    pub without: Vec<String>,
    /// Who wants it.
    pub who: String,
}

impl DeployRequest {
    /// Whether a release is to be again what it was.
    pub(crate) fn brings_back(&self) -> bool {
        self.as_before || self.version.is_none()
    }
}

/// What is said for one deploy alone; what is not said is as the file says.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// In which way, with the file's surge and steps.
    pub strategy: Option<Strategy>,
    /// Steps, which make it a canary.
    pub steps: Option<Vec<Step>>,
    /// How long the old release stays warm.
    pub bake: Option<Duration>,
}

impl Overrides {
    /// The deploy that is meant.
    pub(crate) fn apply(&self, deploy: &Deploy) -> Deploy {
        let mut deploy = deploy.clone();
        deploy.strategy = self.strategy.unwrap_or(deploy.strategy);
        if let Some(steps) = &self.steps {
            (deploy.strategy, deploy.steps) = (Strategy::Canary, steps.clone());
        }
        if let Some(bake) = self.bake {
            deploy.bake = bake;
        }
        deploy
    }
}

/// A deploy that is being looked at, before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// No other has this number.
    pub(crate) number: u64,
    pub(crate) who: String,
    pub(crate) since: SystemTime,
    pub(crate) version: String,
}

/// Why a deploy did not begin, or a word on a running one was not heard. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// There is no such service.
    #[error("there is no service `{service}`")]
    UnknownService {
        /// The name that was given.
        service: String,
        /// Names like it, the most like it first.
        near: Vec<String>,
    },
    /// Somebody else runs its instances.
    #[error("Plimsoll does not run the instances of `{service}`: it has no `command`")]
    NotRun {
        /// The service.
        service: String,
    },
    /// A deploy of the service is running.
    #[error("{who} is deploying {version} to `{service}` since {} s", since.as_secs())]
    Locked {
        /// The service.
        service: String,
        /// Who.
        who: String,
        /// To which release.
        version: String,
        /// For how long.
        since: Duration,
    },
    /// Something stands in the way.
    #[error("the deploy cannot begin:\n{}", faults.join("\n"))]
    Preflight {
        /// Everything that does.
        faults: Vec<String>,
    },
    /// There is no release to go back to.
    #[error("`{service}` has no release before the one that runs")]
    NoFormer {
        /// The service.
        service: String,
    },
    /// The release that is to come back never was there.
    #[error("`{service}` never ran `{version}`{}", hint(near))]
    NeverRan {
        /// The service.
        service: String,
        /// The release.
        version: String,
        /// Those that did whose names are like it.
        near: Vec<String>,
    },
    /// No deploy of the service is running.
    #[error("no deploy of `{service}` is running")]
    NotRunning {
        /// The service.
        service: String,
    },
    /// It is certain what becomes of the deploy of the service that is running.
    #[error("it is decided what becomes of the deploy of `{service}`: {stage}")]
    Decided {
        /// The service.
        service: String,
        /// What is being done.
        stage: String,
    },
    /// There is no deploy of this number, or it is long over.
    #[error("there is no deploy {deploy}")]
    NoSuchDeploy {
        /// The number.
        deploy: i64,
    },
    /// The journal cannot be written, so nothing is begun.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The control loop has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

fn hint(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!(": did you mean {}?", near.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_says_of_another_strategy_is_for_when_that_is_asked_for() {
        let step = |share| Step { share, watch: Duration::from_secs(300) };
        let file = Deploy { steps: vec![step(0.1)], ..Deploy::default() };
        let canary = Overrides { strategy: Some(Strategy::Canary), ..Overrides::default() };
        assert_eq!(canary.apply(&file), Deploy { strategy: Strategy::Canary, ..file.clone() });
        let steps = Overrides { steps: Some(vec![step(0.2)]), ..Overrides::default() };
        let asked = steps.apply(&file);
        assert_eq!((asked.strategy, asked.steps), (Strategy::Canary, vec![step(0.2)]));
        assert_eq!(Overrides::default().apply(&file), file);
    }
}
