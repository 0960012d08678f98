//! How asking an engine, or a registry through it, fails.

use std::time::Duration;

use driver::RemoteError;
use model::RemoteHost;

/// Why the engine did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It is not where it should be.
    #[error(
        "the Docker engine cannot be reached at {at}: it has to run, and Plimsoll's user needs to be in the group of that socket"
    )]
    Unreachable {
        /// Where it was looked for.
        at: String,
        /// Why.
        source: bollard::errors::Error,
    },
    /// It is not where it should be on another host.
    #[error(
        "the Docker engine of the host {host} cannot be reached at /var/run/docker.sock there: it has to run, and the user that ssh \
         logs in as needs to be in the group of that socket"
    )]
    UnreachableThere {
        /// Its host.
        host: RemoteHost,
        /// Why.
        source: bollard::errors::Error,
    },
    /// Its host cannot be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// It did not answer.
    #[error("the Docker engine at {at} did not {what} within {} s", limit.as_secs())]
    Slow {
        /// Where it is.
        at: String,
        /// What it was asked for.
        what: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It said no.
    #[error("the Docker engine refused to {what}: {message} (status {status})")]
    Refused {
        /// What it was asked for.
        what: &'static str,
        /// The status of its response.
        status: u16,
        /// What it said.
        message: String,
    },
    /// What it said makes no sense.
    #[error("the Docker engine was asked to {what}, and its response could not be read")]
    Unreadable {
        /// What it was asked for.
        what: &'static str,
        /// Why.
        source: bollard::errors::Error,
    },
    /// It said nothing of what it must say.
    #[error("the Docker engine was asked to {what}, and its response lacks {lacks}")]
    Incomplete {
        /// What it was asked for.
        what: &'static str,
        /// What is missing.
        lacks: &'static str,
    },
    /// Plimsoll was told of an engine that it cannot speak to.
    #[error(
        "DOCKER_HOST is `{0}`: only an engine on this machine can be used, as unix:///var/run/docker.sock"
    )]
    Host(String),
    /// What marks the containers of this state directory cannot be had.
    #[error("cannot read or write the name of this state directory in {}", path.display())]
    StateId {
        /// Where it should be.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A variable of the environment cannot be passed on.
    #[error("the variable `{0}` is no text: a container cannot have it")]
    Variable(String),
}

impl EngineError {
    /// Whether there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the engine answered at all.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreadable { .. } | Self::Incomplete { .. })
    }
}

impl From<EngineError> for driver::LaunchError {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl From<EngineError> for driver::preflight::Obstacle {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}

/// Why an image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Its name is none.
    #[error("`{text}` is no name of an image: {why}")]
    Name {
        /// What was meant to be one.
        text: String,
        /// Why it is none.
        why: &'static str,
    },
    /// The password of its registry is not there.
    #[error(
        "`{variable}` is not set: it is to have the password for {registry}; it comes from the environment of `plimsoll run`, \
         not of this command"
    )]
    Password {
        /// The variable.
        variable: String,
        /// Whose password.
        registry: String,
    },
    /// The registry does not have it.
    #[error("there is no image {image}: {message}")]
    Missing {
        /// Its name.
        image: String,
        /// What was said.
        message: String,
    },
    /// The registry would not give it.
    #[error("the registry does not let us have {image}: {message}; {}", hint(*known, registry))]
    Denied {
        /// Its name.
        image: String,
        /// Whose it is.
        registry: String,
        /// What was said.
        message: String,
        /// Whether we said who we are.
        known: Known,
    },
    /// The registry could not be asked.
    #[error("the registry of {image} cannot be asked: {message}")]
    Registry {
        /// Its name.
        image: String,
        /// What was said.
        message: String,
    },
    /// It is for other machines.
    #[error("{image} is for {}, and this engine runs {needed}", offered.join(", "))]
    Architecture {
        /// Its name.
        image: String,
        /// What it is for.
        offered: Vec<String>,
        /// What it would have to be for.
        needed: String,
    },
    /// It did not come.
    #[error("{image} could not be pulled: {message}")]
    Pull {
        /// Its name.
        image: String,
        /// What was said.
        message: String,
    },
    /// Nothing came of it any more.
    #[error("{image} could not be pulled: nothing came for {} s", limit.as_secs())]
    Stalled {
        /// Its name.
        image: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Whether a registry was told who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was.
    Yes,
    /// Nobody said so.
    No,
}

fn hint(known: Known, registry: &str) -> String {
    match known {
        Known::Yes => {
            format!("are the `username` and the password of [registries.\"{registry}\"] right?")
        }
        Known::No => format!(
            "say who asks in [registries.\"{registry}\"], with `username` and `password_env`"
        ),
    }
}

impl From<ImageError> for driver::preflight::Obstacle {
    fn from(error: ImageError) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl From<ImageError> for driver::LaunchError {
    fn from(error: ImageError) -> Self {
        Self::Engine(Box::new(error))
    }
}
