//! What makes checks, and says so when it cannot.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use driver::Instance;
use edge::{Asker, OwnFault, OwnRequest, OwnResponse};
use telemetry::{Events, event};

use super::inside::Insides;
use super::{Inside, ProbeFault};

/// That checks are not made is said at most so often, over all instances.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Makes checks, for all instances.
#[derive(Clone)]
pub(crate) struct Checker {
    asker: Asker,
    shortage: Arc<Mutex<Shortage>>,
    insides: Insides,
    events: Events,
}

#[derive(Default)]
struct Shortage {
    said: Option<Instant>,
    /// Checks that were not made since it was said.
    not_made: u64,
}

impl Checker {
    /// Begins.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(events: Events) -> io::Result<Self> {
        let (shortage, insides) = (Arc::default(), Insides::default());
        Ok(Self { asker: Asker::start()?, shortage, insides, events })
    }

    /// Makes a request of our own.
    ///
    /// # Errors
    /// See [`OwnFault`].
    pub(crate) async fn ask(&self, request: OwnRequest) -> Result<OwnResponse, OwnFault> {
        self.asker.ask(request).await
    }

    /// The instance at `address` is one that Plimsoll runs.
    pub(crate) fn enter(&self, address: SocketAddr, inside: Inside) {
        self.insides.enter(address, inside);
    }

    /// Nothing is left of `process`, which was at `address`.
    pub(crate) fn leave(&self, address: SocketAddr, process: &Arc<dyn Instance>) {
        self.insides.leave(address, process);
    }

    /// What is known of the instance at `address`, if Plimsoll runs it.
    pub(super) fn inside(&self, address: SocketAddr) -> Option<Inside> {
        self.insides.at(address)
    }

    /// A check was not made.
    pub(super) fn tell_shortage(&self, fault: &ProbeFault) {
        let mut shortage = self.shortage.lock().unwrap_or_else(PoisonError::into_inner);
        if shortage.said.is_some_and(|said| said.elapsed() < SAY_EVERY) {
            shortage.not_made += 1;
            return;
        }
        let before = std::mem::take(&mut shortage.not_made);
        shortage.said = Some(Instant::now());
        let why = fault.to_string();
        self.events.emit(event::ChecksNotMade { why, not_made: before + 1 });
    }
}

/// Who makes the checks is no part of how an instance is checked.
impl PartialEq for Checker {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checker")
    }
}
