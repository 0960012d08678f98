//! A host by ssh: connected to when something is asked of it, and anew when the connection is lost, but not all the time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use driver::{Reached, Remote, RemoteError, Unreached};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::RemoteHost;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::connection::{self, Connection, Opened};

/// The pause after an attempt that failed; each further one doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A host that is reached by ssh. Clones are the same one.
#[derive(Clone, Debug)]
pub struct SshHost {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    host: RemoteHost,
    /// Where the sockets of connections are.
    directory: PathBuf,
    state: watch::Sender<State>,
}

#[derive(Clone, Debug)]
enum State {
    /// Nobody has asked yet.
    Idle,
    Opening {
        before: Option<Lost>,
    },
    Open(Arc<Connection>),
    Lost(Lost),
}

/// How a host was lost.
#[derive(Clone, Debug)]
struct Lost {
    why: String,
    since: SystemTime,
    /// Nobody tries before.
    again: Instant,
    pause: Duration,
}

impl Lost {
    fn now(why: String) -> Self {
        Self { why, since: SystemTime::now(), again: Instant::now() + PAUSE, pause: PAUSE }
    }

    /// The next attempt failed, too.
    fn still(self, why: String) -> Self {
        let pause = (self.pause * 2).min(PAUSE_MAX);
        Self { why, since: self.since, again: Instant::now() + pause, pause }
    }
}

impl SshHost {
    /// A host whose sockets are to be in `directory`, which is there. Nothing is asked of it yet.
    pub fn new(host: RemoteHost, directory: &Path) -> Self {
        let (directory, state) = (directory.to_owned(), watch::Sender::new(State::Idle));
        Self { shared: Arc::new(Shared { host, directory, state }) }
    }
}

impl Remote for SshHost {
    fn host(&self) -> &RemoteHost {
        &self.shared.host
    }

    fn reach(&self) -> BoxFuture<'static, Result<Reached, RemoteError>> {
        let shared = self.shared.clone();
        async move { Ok(shared.connection().await?.reached.clone()) }.boxed()
    }

    fn run(
        &self,
        what: &'static str,
        script: String,
    ) -> BoxFuture<'static, Result<String, RemoteError>> {
        let shared = self.shared.clone();
        // Once begun it is carried through: half a script would be the next one's beginning.
        let run = async move { tokio::spawn(shared.run(what, script)).await };
        let host = self.shared.host.clone();
        async move {
            let unreached = |why: String| Err(RemoteError::Unreached { host, why });
            run.await.unwrap_or_else(|error| unreached(error.to_string()))
        }
        .boxed()
    }

    fn unreached(&self) -> Option<Unreached> {
        match &*self.shared.state.borrow() {
            State::Lost(lost) | State::Opening { before: Some(lost) } => Some(Unreached {
                host: self.shared.host.clone(),
                why: lost.why.clone(),
                since: lost.since,
            }),
            State::Idle | State::Opening { before: None } | State::Open(_) => None,
        }
    }
}

impl Shared {
    async fn run(
        self: Arc<Self>,
        what: &'static str,
        script: String,
    ) -> Result<String, RemoteError> {
        let connection = self.connection().await?;
        let ended = connection.run(&script).await.map_err(|why| self.error(why))?;
        match ended.status {
            0 => Ok(ended.output),
            status => {
                let (host, said) = (self.host.clone(), ended.output.trim().to_owned());
                Err(RemoteError::Failed { host, what, status, said })
            }
        }
    }

    /// The connection that stands, or comes to by the attempt that is on or is begun now.
    async fn connection(self: &Arc<Self>) -> Result<Arc<Connection>, RemoteError> {
        let mut state = self.state.subscribe();
        loop {
            if self.state.send_if_modified(State::begin) {
                tokio::spawn(self.clone().open());
            }
            match &*state.borrow_and_update() {
                State::Open(connection) => return Ok(connection.clone()),
                State::Lost(lost) => return Err(self.error(lost.why.clone())),
                State::Idle | State::Opening { .. } => {}
            }
            // Its sender is ours.
            let _ = state.changed().await;
        }
    }

    fn error(&self, why: String) -> RemoteError {
        RemoteError::Unreached { host: self.host.clone(), why }
    }

    /// Connects, and follows the connection to its end.
    async fn open(self: Arc<Self>) {
        let before = match &*self.state.borrow() {
            State::Opening { before } => before.clone(),
            _ => None,
        };
        let host = &self.host;
        let Opened { connection, process } = match connection::open(host, &self.directory).await {
            Ok(opened) => opened,
            Err(why) => {
                let lost = match before {
                    Some(before) => before.still(why),
                    None => {
                        tracing::warn!(%host, why, "the host does not answer, retrying when it is needed");
                        Lost::now(why)
                    }
                };
                self.state.send_replace(State::Lost(lost));
                return;
            }
        };
        if let Some(before) = before {
            let away_s = before.since.elapsed().unwrap_or_default().as_secs();
            tracing::info!(%host, away_s, "the host answers again");
        }
        self.state.send_replace(State::Open(connection.clone()));
        let why = connection.over(process).await;
        tracing::warn!(%host, why, "the connection to the host was lost");
        self.state.send_replace(State::Lost(Lost::now(why)));
    }
}

impl State {
    /// Whether an attempt is to be begun now, which is on then.
    fn begin(&mut self) -> bool {
        let before = match self {
            Self::Idle => None,
            Self::Lost(lost) if Instant::now() >= lost.again => Some(lost.clone()),
            Self::Lost(_) | Self::Opening { .. } | Self::Open(_) => return false,
        };
        *self = Self::Opening { before };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_cannot_be_reached_says_why_and_is_not_asked_all_the_time() {
        let room = tempfile::tempdir().unwrap();
        // A name that nobody has (RFC 6761).
        let host = SshHost::new("plimsoll.invalid".parse().unwrap(), room.path());
        assert_eq!(host.unreached(), None, "nobody asked");
        let error = host.reach().await.unwrap_err().to_string();
        assert!(error.starts_with("the host plimsoll.invalid does not answer: "), "{error}");
        let since = host.unreached().unwrap().since;
        let again = std::time::Instant::now();
        host.run("look", "true".into()).await.unwrap_err();
        assert!(again.elapsed() < PAUSE, "it was asked a moment ago");
        tokio::time::sleep(PAUSE).await;
        host.reach().await.unwrap_err();
        assert_eq!(host.unreached().unwrap().since, since);
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut lost = Lost::now("a".into());
        for expected in [2, 4, 8, 10, 10] {
            lost = lost.still("b".into());
            assert_eq!((lost.pause, lost.why.as_str()), (Duration::from_secs(expected), "b"));
        }
    }
}
