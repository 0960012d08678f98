//! What is asked of a deploy before it begins, and why it may be refused.

use std::time::Duration;

use model::{Deploy, Recipe, Step, Strategy};

use crate::chain::chain;
use crate::ended::Ended;
use crate::journal::JournalError;
use crate::reload::ReloadError;

/// A deploy to begin.
#[derive(Clone, Debug)]
pub struct DeployRequest {
    /// Of this service.
    pub service: String,
    /// To this release.
    pub release: Wanted,
    /// What is said for this deploy alone.
    pub overrides: Overrides,
    /// Names that the running release was given, and without which the new one is meant to run.
    pub without: Vec<String>,
    /// The person or program that asked for it.
    pub who: String,
}

impl DeployRequest {
    /// The deploy that is meant, where the file says `file`.
    pub(crate) fn applied(&self, file: &Deploy) -> Deploy {
        let mut deploy = self.overrides.apply(file, self.release.direction());
        // Nothing comes that would have to be prepared, or watched.
        if self.release == Wanted::Running {
            let Overrides { strategy, bake, .. } = &self.overrides;
            (deploy.before, deploy.after) = (None, None);
            deploy.bake = bake.unwrap_or_default();
            let by_itself = match deploy.strategy {
                Strategy::Replace => Strategy::Replace,
                _ => Strategy::Rolling,
            };
            deploy.strategy = strategy.unwrap_or(by_itself);
        }
        deploy
    }
}

/// The release that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The one that the file names, as the file has it.
    OfFile,
    /// This version, as the file has it.
    Version(String),
    /// The release that ran before the one that runs, as it was.
    Before,
    /// This version, as it was when last promoted.
    Again(String),
    /// The release of the deploy of this number, as it was.
    Deploy(i64),
    /// The release that runs, as it is: its instances are started anew.
    Running,
}

impl Wanted {
    /// Whether a release that ran before is to come back.
    fn is_rollback(&self) -> bool {
        matches!(self, Self::Before | Self::Again(_) | Self::Deploy(_))
    }

    /// Whether what is to run is known without the file, which need not be right for it.
    pub(crate) fn needs_no_file(&self) -> bool {
        self.is_rollback() || *self == Self::Running
    }

    /// What the rollout to it is for.
    pub(crate) fn direction(&self) -> rollout::Direction {
        match self.is_rollback() {
            true => rollout::Direction::Back,
            false => rollout::Direction::Forward,
        }
    }
}

/// The release that a deploy is to bring.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) version: String,
    pub(crate) recipe: Recipe,
    /// The deploy whose release it is, where one is brought back.
    pub(crate) restores: Option<i64>,
}

/// What a deploy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Somebody wants it.
    Wanted,
    /// It is the first release, as the file names it: until it stays, it gives way to what somebody wants.
    First,
}

/// A deploy on its way to begin.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) request: DeployRequest,
    pub(crate) purpose: Purpose,
    /// What of the file was taken up for it, in words, if that has changed.
    pub(crate) taken_up: Option<String>,
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
    /// The deploy that is meant. A rollback is at once unless a strategy is asked for: the way back does not obey
    /// the rules of the way forth, except that releases which may not run beside each other do not.
    fn apply(&self, deploy: &Deploy, direction: rollout::Direction) -> Deploy {
        let mut deploy = deploy.clone();
        let by_itself = match (direction, deploy.strategy) {
            (rollout::Direction::Back, Strategy::Rolling | Strategy::Canary) => Strategy::BlueGreen,
            (_, strategy) => strategy,
        };
        deploy.strategy = self.strategy.unwrap_or(by_itself);
        // What it changed it changed for the release that came after.
        if direction == rollout::Direction::Back {
            deploy.before = None;
        }
        if let Some(steps) = &self.steps {
            (deploy.strategy, deploy.steps) = (Strategy::Canary, steps.clone());
        }
        if let Some(bake) = self.bake {
            deploy.bake = bake;
        }
        deploy
    }
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
    #[error("{who} has been deploying {version} to `{service}` for {} s", since.as_secs())]
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
    /// The file, which is to be taken up first, cannot be.
    #[error("the file cannot be applied: {}", .0.why())]
    File(ReloadError),
    /// Neither the request nor the file says which release.
    #[error(
        "the file names no `version` of `{service}`: say which, as in `plimsoll deploy {service} 1.4.2`"
    )]
    NoVersion {
        /// The service.
        service: String,
    },
    /// The request names no version, and the file names another than what was deployed while it named that already.
    #[error(
        "`{service}` runs {runs}, which was deployed while the file said version {file}, as it does still: \
         say which, `plimsoll deploy {service} {runs}` to keep {runs}, or `plimsoll deploy {service} {file}` to replace it"
    )]
    WhichVersion {
        /// The service.
        service: String,
        /// The version that runs.
        runs: String,
        /// The one that the file names.
        file: String,
    },
    /// Nothing runs that could be started anew.
    #[error("`{service}` has no release yet: `plimsoll deploy {service} VERSION`")]
    NothingRuns {
        /// The service.
        service: String,
    },
    /// Its files or its user are not there.
    #[error("a program cannot run as the instances of `{service}` do: {why}")]
    NotComposed {
        /// The service.
        service: String,
        /// What is the matter.
        why: String,
    },
    /// There is no release to go back to.
    #[error("`{service}` has no release before the one that runs")]
    NoEarlierRelease {
        /// The service.
        service: String,
    },
    /// The release that is to come back never was there.
    #[error("`{service}` never ran `{version}`{}", hint_or_all(near, ran))]
    NeverRan {
        /// The service.
        service: String,
        /// The release.
        version: String,
        /// Those that did whose names are like it.
        near: Vec<String>,
        /// The last that did.
        ran: Vec<String>,
    },
    /// The deploy whose release is to come back is none of the service, or did not stay.
    #[error("deploy {deploy} of `{service}` {what}, so there is nothing to roll back to")]
    NotToHave {
        /// The service.
        service: String,
        /// The deploy.
        deploy: i64,
        /// What is the matter with it.
        what: String,
    },
    /// No deploy of the service is running.
    #[error("no deploy of `{service}` is running")]
    NotRunning {
        /// The service.
        service: String,
    },
    /// The deploy of the service is being checked, so that only `abort` makes sense.
    #[error(
        "the deploy of `{service}` has not begun: it is still being checked, and can only be aborted"
    )]
    NotBegun {
        /// The service.
        service: String,
    },
    /// It is certain what becomes of the deploy of the service that is running.
    #[error("the deploy of `{service}` is already decided: {stage}")]
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
    /// What a deploy was judged by is kept of the latest alone, and of those that ended by themselves.
    #[error(
        "what deploy {deploy} was judged by is not kept: it is of the latest {} deploys of a service that have ended",
        crate::journal::EVIDENCE_KEPT
    )]
    NoEvidence {
        /// The deploy.
        deploy: i64,
    },
    /// What is kept cannot be read.
    #[error("deploy {deploy} cannot be judged again: {why}")]
    EvidenceUnreadable {
        /// The deploy.
        deploy: i64,
        /// Why.
        why: String,
    },
    /// A rule makes no sense.
    #[error("{}", faults.join("\n"))]
    WrongRule {
        /// Everything that is wrong.
        faults: Vec<String>,
    },
    /// The journal cannot be written, so nothing is begun.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The control loop has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl DeployError {
    /// It and everything that stands in the way, in one line.
    pub(crate) fn in_a_line(&self) -> String {
        match self {
            Self::Preflight { faults } => faults.join("; "),
            error => chain(error),
        }
    }
}

/// The names that may have been meant, or where none is alike those that there are.
fn hint_or_all(near: &[String], all: &[String]) -> String {
    match all {
        [] => String::new(),
        all if near.is_empty() => format!("; it ran {}", all.join(", ")),
        _ => suggest::instead(near),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_says_of_another_strategy_is_for_when_that_is_asked_for() {
        let step = |share| Step::Shift { share, watch: Duration::from_secs(300) };
        let file = Deploy { steps: vec![step(0.1)], ..Deploy::default() };
        let canary = Overrides { strategy: Some(Strategy::Canary), ..Overrides::default() };
        let forth = rollout::Direction::Forward;
        assert_eq!(
            canary.apply(&file, forth),
            Deploy { strategy: Strategy::Canary, ..file.clone() }
        );
        let steps = Overrides { steps: Some(vec![step(0.2)]), ..Overrides::default() };
        let asked = steps.apply(&file, forth);
        assert_eq!((asked.strategy, asked.steps), (Strategy::Canary, vec![step(0.2)]));
        assert_eq!(Overrides::default().apply(&file, forth), file);
    }

    #[test]
    fn a_restart_is_rolling_runs_no_hook_and_is_not_watched() {
        let hook = model::Hook {
            command: model::Command::Line("x".into()),
            timeout: Duration::from_secs(1),
        };
        let file = |strategy| Deploy {
            strategy,
            before: Some(hook.clone()),
            after: Some(hook.clone()),
            ..Deploy::default()
        };
        let restart = DeployRequest {
            service: "api".to_owned(),
            release: Wanted::Running,
            overrides: Overrides::default(),
            without: Vec::new(),
            who: String::new(),
        };
        for (of_file, strategy) in [
            (Strategy::Canary, Strategy::Rolling),
            (Strategy::BlueGreen, Strategy::Rolling),
            (Strategy::Replace, Strategy::Replace),
        ] {
            let deploy = restart.applied(&file(of_file));
            assert_eq!((deploy.strategy, deploy.bake), (strategy, Duration::ZERO));
            assert_eq!((deploy.before, deploy.after), (None, None));
        }
    }

    #[test]
    fn a_rollback_is_at_once_unless_a_strategy_is_asked_for() {
        let back = |file: Strategy, asked: Option<Strategy>| {
            let file = Deploy { strategy: file, ..Deploy::default() };
            let asked = Overrides { strategy: asked, ..Overrides::default() };
            asked.apply(&file, rollout::Direction::Back).strategy
        };
        assert_eq!(back(Strategy::Rolling, None), Strategy::BlueGreen);
        assert_eq!(back(Strategy::Canary, None), Strategy::BlueGreen);
        assert_eq!(back(Strategy::Canary, Some(Strategy::Canary)), Strategy::Canary);
        assert_eq!(
            back(Strategy::Replace, None),
            Strategy::Replace,
            "the two may not run together"
        );
    }
}
