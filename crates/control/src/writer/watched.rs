//! How the writer watches a reload, and rolls it back where requests fail more often than before it.
//!
//! What was served before is kept until the watch is over: the intent, its TLS, what its names and certificates hold, and the services that the
//! new file does not have, which are served on and run on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::{Intent, Revision, ServiceName};
use rollout::reload::{Place, Rise, Risen, Watch};
use store::Store;
use telemetry::event;
use tokio::sync::watch;

use super::Writer;
use crate::certificates::{FilesOf, Loaded, Tls};
use crate::chain::chain;
use crate::prepare::Prepared;
use crate::pulse::Pulse;
use crate::reload::ReloadError;
use crate::status::{LastReload, RolledBack};
use crate::watched::{Pace, ReloadEnding, ReloadProgress, Words, scope};

/// Reloads that were watched, and can still be asked for.
const RECENT_MAX: usize = 16;

/// A reload that is watched.
pub(super) struct Watched {
    revision: Revision,
    /// What was served before.
    before: Before,
    machine: Watch,
    pulse: Pulse,
    pace: Pace,
    ends: Duration,
    progress: watch::Sender<ReloadProgress>,
}

/// What was served before a reload that is watched.
pub(super) struct Before {
    pub(super) intent: Arc<Intent>,
    pub(super) tls: Tls,
    /// What edges share.
    pub(super) store: Store,
}

/// What is known of reloads that were watched.
#[derive(Default)]
pub(super) struct WatchedReloads {
    /// The one that is.
    pub(super) current: Option<Watched>,
    /// The last ones.
    recent: VecDeque<watch::Receiver<ReloadProgress>>,
    /// The one that was rolled back last, as long as no other configuration was taken up since.
    refused: Option<Refused>,
}

/// What was rolled back, and why.
struct Refused {
    intent: Arc<Intent>,
    told: RolledBack,
}

impl WatchedReloads {
    /// Why `intent` is not taken up, if it was rolled back.
    pub(super) fn refusal(&self, intent: &Intent) -> Option<ReloadError> {
        let refused = self.refused.as_ref().filter(|refused| *refused.intent == *intent)?;
        let RolledBack { revision, why, .. } = refused.told.clone();
        Some(ReloadError::RolledBack { revision, why })
    }

    /// What of the file was rolled back, if it was.
    pub(super) fn rolled_back(&self) -> Option<RolledBack> {
        self.refused.as_ref().map(|refused| refused.told.clone())
    }

    /// A configuration was taken up: what was rolled back before is no matter any more.
    pub(super) fn forget_refused(&mut self) {
        self.refused = None;
    }

    /// How the reload to `revision` stands, if it was watched lately.
    pub(super) fn of(&self, revision: Revision) -> Option<watch::Receiver<ReloadProgress>> {
        self.recent.iter().find(|it| it.borrow().revision == revision).cloned()
    }

    /// How the one that is watched stands.
    pub(super) fn progress(&self) -> Option<ReloadProgress> {
        self.current.as_ref().map(|watched| watched.progress.borrow().clone())
    }
}

impl Writer {
    /// Watches what was just taken up, beside what was served `before`.
    pub(super) fn begin_watch(&mut self, before: Before, length: Duration) {
        // What came until now is what was before.
        self.note_lately();
        let now = self.serving.edge.now();
        let intent = self.serving.intent.borrow().clone();
        let scope = scope(&before.intent, &intent);
        let mut pace = Pace::begin(&self.serving.edge);
        let known: Vec<_> = scope
            .into_iter()
            .filter_map(|(place, touched)| match &place {
                Place::Times(service) => pace.before(&self.lately, service, touched),
                _ => Some(self.lately.before(place, touched)),
            })
            .collect();
        let revision = self.serving.revision;
        let progress = watch::Sender::new(ReloadProgress {
            revision,
            length,
            left: length,
            requests: 0,
            failed: 0,
            client_errors: 0,
            ending: None,
        });
        self.watched.recent.push_back(progress.subscribe());
        while self.watched.recent.len() > RECENT_MAX {
            self.watched.recent.pop_front();
        }
        self.events.emit(event::ReloadWatched { revision, seconds: length });
        self.watched.current = Some(Watched {
            revision,
            before,
            machine: Watch::begin(now, length, &known),
            pulse: Pulse::begin(&self.serving.edge),
            pace,
            ends: now + length,
            progress,
        });
    }

    /// What became of requests since the last time, of all services and of the reload that is watched.
    pub(super) fn note_lately(&mut self) {
        let beat = self.pulse.take(&self.serving.edge);
        self.lately.note(self.serving.edge.now(), &beat, &self.serving.edge);
        self.lately.note_times(&self.serving.edge);
    }

    /// Whether a reload is watched.
    pub(super) fn is_watching(&self) -> bool {
        self.watched.current.is_some()
    }

    /// Tells the reload that is watched what became of requests since the last time, and does what follows.
    pub(super) fn sample_watched(&mut self) {
        let Some(watched) = &mut self.watched.current else { return };
        let now = self.serving.edge.now();
        let beat = watched.pulse.take(&self.serving.edge);
        // What a deploy does meanwhile is its own judge's matter.
        let is_deployed = |service: &ServiceName| {
            self.runs.services.get(service).is_some_and(|run| run.active.is_some())
        };
        let mut block: Vec<_> = beat.places(|service| !is_deployed(service)).into_iter().collect();
        block.extend(watched.pace.take(&self.serving.edge, |service| !is_deployed(service)));
        watched.machine.observe(now, &block);
        let (left, seen) = (watched.ends.saturating_sub(now), watched.machine.seen());
        watched.progress.send_modify(|progress| progress.see(left, seen));
        match watched.machine.risen() {
            Risen::Changed(rise) => {
                let rise = rise.clone();
                self.roll_back(&rise);
            }
            _ if now >= watched.ends => self.let_stand(),
            _ => {}
        }
    }

    /// The time is over: the configuration stays.
    fn let_stand(&mut self) {
        let Some(watched) = self.watched.current.take() else { return };
        let intent = self.serving.intent.borrow().clone();
        let words = Words { intent: &intent, pace: &watched.pace };
        let ending = words.ending(&watched.machine.compared(), watched.machine.seen());
        self.release_held();
        self.end_watch(&watched, ending);
    }

    /// Another configuration was taken up.
    pub(super) fn supersede_watch(&mut self) {
        let Some(watched) = self.watched.current.take() else { return };
        self.end_watch(&watched, ReloadEnding::Superseded(self.serving.revision));
    }

    fn end_watch(&self, watched: &Watched, ending: ReloadEnding) {
        let (revision, what) = (watched.revision, ending.text());
        match &ending {
            ReloadEnding::RolledBack { .. } => {
                self.events.emit(event::ReloadRolledBack { revision, why: what });
            }
            ReloadEnding::NotRolledBack { .. } => {
                self.events.emit(event::ReloadNotRolledBack { revision, why: what });
            }
            _ => self.events.emit(event::ReloadWatchEnded { revision, what }),
        }
        watched.progress.send_modify(|progress| {
            progress.left = Duration::ZERO;
            progress.ending = Some(ending);
        });
    }

    /// What the file does not have is let go.
    fn release_held(&mut self) {
        if self.serving.held.take().is_none() {
            return;
        }
        let intent = self.serving.intent.borrow().clone();
        self.serving.follow_all(&intent, Vec::new(), Vec::new(), Vec::new());
        self.readdress();
        self.want_runs(&intent);
    }

    fn roll_back(&mut self, rise: &Rise) {
        let Some(watched) = self.watched.current.take() else { return };
        let rejected = self.serving.intent.borrow().clone();
        let why = Words { intent: &rejected, pace: &watched.pace }.rise(rise);
        let intent = watched.before.intent.clone();
        let tls = self.tls_of(&watched.before);
        let prepared = Prepared {
            intent,
            warnings: None,
            certificates: Loaded { tls, told: Vec::new(), looked: Vec::new() },
            resolved: Vec::new(),
            keys: Vec::new(),
            store: watched.before.store.clone(),
        };
        let held = self.serving.held.take();
        match self.replace(prepared) {
            Ok(revision) => {
                self.reconcile_all();
                let told = RolledBack {
                    revision: watched.revision,
                    why: why.clone(),
                    at: SystemTime::now(),
                };
                self.reloads.last = Some(LastReload {
                    at: told.at,
                    outcome: Err(format!("revision {} was rolled back: {why}", watched.revision)),
                });
                self.watched.refused = Some(Refused { intent: rejected, told });
                self.end_watch(&watched, ReloadEnding::RolledBack { revision, why });
            }
            Err(error) => {
                self.serving.held = held;
                self.release_held();
                let why = format!("{why}; what was served before cannot be: {}", chain(&error));
                self.end_watch(&watched, ReloadEnding::NotRolledBack { why });
            }
        }
    }

    /// How TLS was spoken before, with the certificates that there are now.
    fn tls_of(&self, before: &Before) -> Tls {
        let common = self.reloads.preparation.common();
        let mut tls = before.tls.clone();
        for (name, listener) in &before.intent.listeners {
            let pairs = FilesOf::of(listener).and_then(|files| self.serving.renewals.value(&files));
            if let Some(pairs) = pairs {
                tls.listeners.insert(name.clone(), pairs.config(listener, common));
            }
        }
        for (name, service) in &before.intent.services {
            let pairs = FilesOf::of_service(service);
            let pairs = pairs.and_then(|files| self.serving.renewals.value(&files));
            tls.services.extend(pairs.and_then(|it| Some((name.clone(), it.toward(service)?))));
        }
        tls
    }
}
