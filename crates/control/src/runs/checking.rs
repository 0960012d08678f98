//! A deploy that is being checked before it begins: how long that may take, and how a person ends it.
//!
//! The checks look at files, accounts and memory of this machine. A file system may let them hang, so nothing relies
//! on their end: neither the lock of the service nor the person who asked.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use super::request::Purpose;

/// The checks read a few small files; what takes longer hangs, as a network file system without its server does.
const CHECKS_TIMEOUT: Duration = Duration::from_secs(30);
/// Why a deploy that was aborted does not begin.
const ABORTED: &str = "it was aborted before it began";

/// A deploy that is being checked, before it begins. Dropped, it ends its checks.
#[derive(Debug)]
pub(crate) struct Asked {
    /// No other has this number.
    pub(crate) number: u64,
    pub(crate) who: String,
    pub(crate) since: SystemTime,
    pub(crate) version: String,
    pub(crate) purpose: Purpose,
    /// Held as long as the deploy is wanted.
    pub(crate) wanted: Option<oneshot::Sender<Infallible>>,
}

/// How a deploy that is being checked stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckingStatus {
    /// The release that is to come.
    pub version: String,
    /// The person or program that asked for it.
    pub who: String,
    /// For how long it has been checked.
    pub took: Duration,
}

impl Asked {
    /// Ends the checks: the deploy does not begin.
    pub(crate) fn abort(&mut self) {
        self.wanted = None;
    }

    /// Whether a person has ended it.
    pub(crate) fn is_aborted(&self) -> bool {
        self.wanted.is_none()
    }

    /// How it stands.
    pub(crate) fn status(&self) -> CheckingStatus {
        let took = self.since.elapsed().unwrap_or_default();
        CheckingStatus { version: self.version.clone(), who: self.who.clone(), took }
    }
}

/// What `checks` find, if they end in time.
pub(crate) async fn in_time<T>(
    checks: impl Future<Output = Result<T, Vec<String>>>,
) -> Result<T, Vec<String>> {
    let too_slow = || {
        let limit = CHECKS_TIMEOUT.as_secs();
        vec![format!(
            "its checks did not end within {limit} s: a directory or file of the service may be on a file system that \
             does not respond"
        )]
    };
    let checked = tokio::time::timeout(CHECKS_TIMEOUT, checks).await;
    checked.unwrap_or_else(|_| Err(too_slow()))
}

/// What comes of `asked`, if the deploy is wanted until then.
pub(crate) async fn while_wanted<T>(
    asked: impl Future<Output = Result<T, Vec<String>>>,
    wanted: oneshot::Receiver<Infallible>,
) -> Result<T, Vec<String>> {
    tokio::select! {
        found = asked => found,
        _ = wanted => Err(vec![ABORTED.to_owned()]),
    }
}

/// Why a deploy that a person ended does not begin.
pub(crate) fn aborted<T>() -> Result<T, Vec<String>> {
    Err(vec![ABORTED.to_owned()])
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn checks_that_hang_are_given_up_after_their_time() {
        let began = tokio::time::Instant::now();
        let faults = in_time::<()>(pending()).await.unwrap_err();
        assert_eq!(began.elapsed().as_secs(), CHECKS_TIMEOUT.as_secs());
        assert!(faults[0].starts_with("its checks did not end within 30 s"), "{faults:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn checks_end_when_the_deploy_is_not_wanted_any_more() {
        let (wanted, until) = oneshot::channel();
        drop(wanted);
        assert_eq!(while_wanted::<()>(pending(), until).await, aborted());
        let (_wanted, until) = oneshot::channel();
        assert_eq!(while_wanted(ready(Ok(7)), until).await, Ok(7));
    }
}
