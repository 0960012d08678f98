//! The one writer: a loop that owns the edge and everything that is wanted, and is told the rest.
//!
//! Whatever may take long is done by tasks beside it, which tell their results; the loop itself
//! only decides, publishes and writes to `Live`. It never waits for a worker or the network.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge::{Blueprint, Edge, Live, PublishError};
use model::{Diff, Intent, Revision, ServiceName};
use telemetry::LogSink;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::certificates::Tls;
use crate::explanation;
use crate::handle::{Command, Ended, InstanceError, ReloadError, Reloaded, Reply, Wish};
use crate::instances;
use crate::names::{Names, Resolved};
use crate::near::near;
use crate::prepare::{Preparation, PrepareError, Prepared};
use crate::scrape;
use crate::status::{InstanceStatus, LastReload, ListenerStatus, ServiceStatus, Status, chain};
use crate::watch::{Report, Reports, ServiceWatch};

/// How often counters are read.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// The one writer.
pub(crate) struct Writer {
    edge: Edge,
    preparation: Preparation,
    intent: watch::Sender<Arc<Intent>>,
    revision: Revision,
    tls: Tls,
    names: Names,
    watches: BTreeMap<ServiceName, ServiceWatch>,
    reports: Reports,
    log: Option<LogSink>,
    last_reload: Option<LastReload>,
    /// Reloads that were asked for; the first is being prepared.
    reloads: VecDeque<Reply<Result<Reloaded, ReloadError>>>,
    preparing: JoinSet<Result<Prepared, PrepareError>>,
}

/// What the writer is told.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) suspects: mpsc::UnboundedReceiver<Arc<Live>>,
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    pub(crate) resolved: mpsc::UnboundedReceiver<Resolved>,
}

impl Writer {
    /// A writer that has published nothing yet.
    pub(crate) fn new(
        edge: Edge,
        preparation: Preparation,
        intent: watch::Sender<Arc<Intent>>,
        names: Names,
        reports: Reports,
        log: Option<LogSink>,
    ) -> Self {
        Self {
            edge,
            preparation,
            intent,
            revision: Revision::default(),
            tls: Tls::new(),
            names,
            watches: BTreeMap::new(),
            reports,
            log,
            last_reload: None,
            reloads: VecDeque::new(),
            preparing: JoinSet::new(),
        }
    }

    /// Serves `prepared` from now on.
    ///
    /// # Errors
    /// When it cannot be put into effect; then nothing has changed.
    pub(crate) fn take_up(&mut self, prepared: Prepared) -> Result<Revision, PublishError> {
        let Prepared { intent, tls, resolved } = prepared;
        let revision = self.revision.next();
        let mut addresses = self.names.addresses();
        for Resolved { name, lookup } in &resolved {
            if let Ok(answer) = lookup {
                addresses.entry(name.clone()).or_insert_with(|| answer.addresses.clone());
            }
        }
        let blueprint = Blueprint {
            instances: instances::of_intent(&intent, &addresses),
            intent: intent.clone(),
            revision,
            tls: tls.clone(),
        };
        self.edge.publish(&blueprint)?;
        self.names.follow(&instances::names(&intent), resolved);
        (self.revision, self.tls) = (revision, tls);
        self.intent.send_replace(intent);
        self.watch(&blueprint);
        Ok(revision)
    }

    /// Watches what was published, and nothing else.
    fn watch(&mut self, blueprint: &Blueprint) {
        let now = self.edge.now();
        self.watches.retain(|name, _| blueprint.intent.services.contains_key(name));
        for view in self.edge.services() {
            let name = &view.service.name;
            let new = || ServiceWatch::new(view.service.clone());
            let watch = self.watches.entry(name.clone()).or_insert_with(new);
            let instances = blueprint.instances.get(name).map_or(&[][..], Vec::as_slice);
            watch.want(now, view.service, instances, view.instances, &self.reports);
        }
    }

    /// Serves the same intent with the addresses that names have now.
    fn readdress(&mut self) {
        let intent = self.intent.borrow().clone();
        let blueprint = Blueprint {
            instances: instances::of_intent(&intent, &self.names.addresses()),
            intent,
            revision: self.revision,
            tls: self.tls.clone(),
        };
        match self.edge.publish(&blueprint) {
            Ok(generation) => {
                tracing::info!(%generation, "addresses of names have changed");
                self.watch(&blueprint);
            }
            // What was published before can be published again; if not, its addresses serve on.
            Err(error) => {
                let why = chain(&error);
                tracing::error!(why, "new addresses cannot be put into effect");
            }
        }
    }

    /// Runs until it is told to end, or nobody is left who could tell it.
    pub(crate) async fn run(mut self, mut inbox: Inbox) {
        let mut samples = interval(SAMPLE_EVERY);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reply = loop {
            let deadline = self.next_deadline();
            tokio::select! {
                command = inbox.commands.recv() => match command {
                    Some(Command::Shutdown(reply)) => break Some(reply),
                    Some(command) => self.obey(command),
                    None => break None,
                },
                Some(live) = inbox.suspects.recv() => self.suspected(&live),
                Some(report) = inbox.reports.recv() => self.checked(report),
                Some(resolved) = inbox.resolved.recv() => {
                    if self.names.take_up(resolved) {
                        self.readdress();
                    }
                }
                Some(outcome) = self.preparing.join_next() => self.reload(outcome),
                _ = samples.tick() => self.sample(),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.tick();
                }
            }
        };
        // Whoever asks from now on is told that it ends.
        drop(inbox);
        let cut = self.end().await;
        if let Some(reply) = reply {
            // Whoever asked may be gone.
            let _ = reply.send(cut);
        }
    }

    async fn end(self) -> usize {
        let Self { edge, intent, log, watches, names, .. } = self;
        drop((watches, names));
        let limit = intent.borrow().server.drain;
        let cut = edge.stop(limit).await;
        if let Some(log) = log {
            // Closing waits for the disk.
            let closed = tokio::task::spawn_blocking(move || log.close()).await;
            if let Err(error) = closed {
                tracing::error!(%error, "the access log was not closed");
            }
        }
        cut
    }

    fn obey(&mut self, command: Command) {
        // Whoever asked may be gone, and what was asked for is done all the same.
        match command {
            Command::Status(reply) => drop(reply.send(self.status())),
            Command::Reload(reply) => {
                self.reloads.push_back(reply);
                self.prepare_next();
            }
            Command::Instance { service, instance, wish, reply } => {
                drop(reply.send(self.wish(&service, &instance, wish)));
            }
            Command::Explain(question, reply) => {
                drop(reply.send(explanation::explain(&self.edge, &question)));
            }
            Command::Scrape(reply) => drop(reply.send(self.scrape())),
            Command::Shutdown(_) => unreachable!("the loop ends before it obeys this"),
        }
    }

    fn prepare_next(&mut self) {
        if self.preparing.is_empty() && !self.reloads.is_empty() {
            let known = self.names.followed();
            self.preparing.spawn(self.preparation.clone().run(known));
        }
    }

    /// A configuration is prepared, or cannot be.
    fn reload(&mut self, outcome: Result<Result<Prepared, PrepareError>, JoinError>) {
        let before = self.intent.borrow().clone();
        let prepared = outcome.map_err(PrepareError::Panicked).flatten();
        let taken_up = match prepared {
            Ok(prepared) => self.take_up(prepared).map_err(ReloadError::Publish),
            Err(error) => Err(ReloadError::Prepare(error)),
        };
        if let Some(log) = &self.log {
            // Whoever rotates it must not depend on the configuration being right.
            log.reopen();
        }
        let result = taken_up.map(|revision| {
            let after = self.intent.borrow().clone();
            Reloaded { revision, diff: diff(&before, &after) }
        });
        tell(&result);
        self.last_reload = Some(LastReload {
            at: SystemTime::now(),
            outcome: result.as_ref().map(|reloaded| reloaded.revision).map_err(ReloadError::why),
        });
        if let Some(reply) = self.reloads.pop_front() {
            // Whoever asked may be gone.
            let _ = reply.send(result);
        }
        self.prepare_next();
    }

    fn wish(
        &mut self,
        service: &str,
        instance: &str,
        wish: Wish,
    ) -> Result<InstanceStatus, InstanceError> {
        let now = self.edge.now();
        let Some(watch) = self.watches.get_mut(service) else {
            let names = self.watches.keys().map(ServiceName::as_str);
            let near = near(service, names);
            return Err(InstanceError::UnknownService { service: service.to_owned(), near });
        };
        let status = match wish {
            Wish::Drain => watch.drain(now, instance),
            Wish::Enable => watch.enable(now, instance),
        };
        status.ok_or_else(|| InstanceError::UnknownInstance {
            service: service.to_owned(),
            instance: instance.to_owned(),
            near: near(instance, watch.names()),
        })
    }

    fn suspected(&mut self, live: &Live) {
        let now = self.edge.now();
        match self.watches.get_mut(&live.service) {
            Some(watch) => watch.suspected(now, live),
            None => drop(live.take_suspicion()),
        }
    }

    fn checked(&mut self, report: Report) {
        let now = self.edge.now();
        if let Some(watch) = self.watches.get_mut(&report.live.service) {
            watch.checked(now, report);
        }
    }

    fn sample(&mut self) {
        let now = self.edge.now();
        self.watches.values_mut().for_each(|watch| watch.sample(now));
    }

    fn tick(&mut self) {
        let now = self.edge.now();
        self.watches.values_mut().for_each(|watch| watch.tick(now));
    }

    /// When an ejection is over, if one is running.
    fn next_deadline(&self) -> Option<Instant> {
        let at = self.watches.values().filter_map(ServiceWatch::next_deadline).min()?;
        // Timers are as fine as a millisecond: a little late is once, a little early is a spin.
        let wait = at.saturating_sub(self.edge.now()) + Duration::from_millis(1);
        Some(Instant::now() + wait)
    }

    fn status(&self) -> Status {
        Status {
            revision: self.revision,
            generation: self.edge.generation(),
            uptime: self.edge.now(),
            connections: self.edge.connections(),
            last_reload: self.last_reload.clone(),
            listeners: self.listeners(),
            services: self.services(),
        }
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        use std::sync::atomic::Ordering::Relaxed;
        let intent = self.intent.borrow();
        let listeners = self.edge.listeners().map(|(name, live)| ListenerStatus {
            name: name.clone(),
            addresses: self.edge.addresses(name.as_str()).collect(),
            tls: intent.listeners.get(name).is_some_and(|listener| listener.is_tls()),
            connections: live.open.load(Relaxed),
            accepted: live.accepted.load(Relaxed),
        });
        let mut listeners: Vec<_> = listeners.collect();
        listeners.sort_by(|one, other| one.name.cmp(&other.name));
        listeners
    }

    fn services(&self) -> Vec<ServiceStatus> {
        let now = self.edge.now();
        let services = self.edge.services().filter_map(|view| {
            let watch = self.watches.get(&view.service.name)?;
            let of = |live: &Arc<Live>| watch.status(now, live.name.as_str());
            let unresolved = instances::names_of(view.service)
                .filter_map(|name| Some((name.to_owned(), chain(self.names.fault(name)?))));
            Some(ServiceStatus {
                name: view.service.name.clone(),
                balance: view.service.balance.clone(),
                mode: watch.mode(),
                queued: view.live.queued(),
                unresolved: unresolved.collect(),
                instances: view.instances.iter().filter_map(of).collect(),
            })
        });
        services.collect()
    }

    fn scrape(&self) -> String {
        let dropped = self.log.as_ref().map_or(0, LogSink::dropped_lines);
        scrape::text(&self.edge, &self.status(), dropped)
    }
}

/// What changes, with what only the next start takes up.
fn diff(before: &Intent, after: &Intent) -> Diff {
    let mut diff = Diff::between(before, after);
    let log = [
        ("log.access", before.log.access != after.log.access),
        ("log.format", before.log.format != after.log.format),
    ];
    diff.needs_restart.extend(log.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key));
    diff
}

fn tell(result: &Result<Reloaded, ReloadError>) {
    match result {
        Ok(Reloaded { revision, diff }) => {
            tracing::info!(%revision, unchanged = diff.is_empty(), "configuration is taken up");
            for key in &diff.needs_restart {
                tracing::warn!(key, "setting is taken up by the next start only");
            }
        }
        Err(ReloadError::Ended(Ended)) => {}
        Err(error) => {
            let why = error.why();
            tracing::error!(why, "configuration is refused, what was served is served on");
        }
    }
}
