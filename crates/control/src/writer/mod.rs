//! The one writer: a loop that owns the edge and everything that is wanted, and is told the rest.
//!
//! Whatever may take long is done by tasks beside it, which tell their results; the loop itself
//! only decides, publishes and writes to `Live`. It never waits for a worker or the network. How it
//! takes configurations up is in `publish`, what it tells of everything in `survey`.

mod boot;
mod first;
mod instances;
mod launches;
mod preflight;
mod publish;
mod rollouts;
mod survey;
mod telling;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge::{Edge, Live};
use model::{Intent, Revision, ServiceName};
use rollout::Event;
use telemetry::{Events, event};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::access_log::Access;
use crate::certificates::{Looked, Renewals, Tls};
use crate::chain::chain;
use crate::drains::Drains;
use crate::explanation;
use crate::handle::{After, Command, InstanceError, Reloaded, Reply, Wish};
use crate::names::{Names, Resolved};
use crate::prepare::{Preparation, PrepareError, Prepared};
use crate::reload::ReloadError;
use crate::runs::{DeployError, Happening, Order, Progressing, Runs, ServiceRun};
use crate::status::{InstanceStatus, LastReload};
use crate::watch::{Report, Reports, ServiceWatch};

pub(crate) use boot::find_legacies;
pub(crate) use preflight::Checked;

/// How often counters are read.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How often a rollout is told what became of requests: a bad release costs users what it fails
/// in between.
const SAMPLE_ROLLOUTS_EVERY: Duration = Duration::from_millis(250);

/// The one writer.
pub(crate) struct Writer {
    edge: Edge,
    preparation: Preparation,
    intent: watch::Sender<Arc<Intent>>,
    revision: Revision,
    tls: Tls,
    names: Names,
    renewals: Renewals,
    drains: Drains,
    watches: BTreeMap<ServiceName, ServiceWatch>,
    runs: Runs,
    /// Deploys that are looked at before they begin.
    checking: JoinSet<Checked>,
    reports: Reports,
    events: Events,
    log: Access,
    began_at: SystemTime,
    last_reload: Option<LastReload>,
    /// Who waits for the file to be read; it is being prepared for the first.
    reloads: VecDeque<Reload>,
    preparing: JoinSet<Result<Prepared, PrepareError>>,
}

/// What the file is read for.
pub(crate) enum Reload {
    /// To be served.
    Asked(Reply<Result<Reloaded, ReloadError>>),
    /// So that a deploy is of what it says now.
    Deploy(Order, Reply<Result<Progressing, DeployError>>),
}

/// What a writer is made of.
pub(crate) struct Parts {
    pub(crate) edge: Edge,
    pub(crate) preparation: Preparation,
    pub(crate) intent: watch::Sender<Arc<Intent>>,
    pub(crate) names: Names,
    pub(crate) renewals: Renewals,
    pub(crate) reports: Reports,
    pub(crate) events: Events,
    pub(crate) log: Access,
    pub(crate) drains: Drains,
    pub(crate) runs: Runs,
}

/// What the writer is told.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) suspects: mpsc::UnboundedReceiver<Arc<Live>>,
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    pub(crate) resolved: mpsc::UnboundedReceiver<Resolved>,
    pub(crate) looked: mpsc::UnboundedReceiver<Looked>,
    pub(crate) happenings: mpsc::UnboundedReceiver<Happening>,
}

impl Writer {
    /// A writer that has published nothing yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            edge,
            preparation,
            intent,
            names,
            renewals,
            reports,
            events,
            log,
            drains,
            runs,
        } = parts;
        Self {
            edge,
            preparation,
            intent,
            revision: Revision::default(),
            tls: Tls::new(),
            names,
            renewals,
            drains,
            watches: BTreeMap::new(),
            runs,
            checking: JoinSet::new(),
            reports,
            events,
            log,
            began_at: SystemTime::now(),
            last_reload: None,
            reloads: VecDeque::new(),
            preparing: JoinSet::new(),
        }
    }

    /// Runs until it is told to end, or nobody is left who could tell it.
    pub(crate) async fn run(mut self, mut inbox: Inbox) {
        let mut samples = interval(SAMPLE_EVERY);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rollout_samples = interval(SAMPLE_ROLLOUTS_EVERY);
        rollout_samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reply = loop {
            let deadline = self.next_deadline();
            tokio::select! {
                command = inbox.commands.recv() => match command {
                    Some(Command::Shutdown(after, reply)) => break Some((after, reply)),
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
                Some(looked) = inbox.looked.recv() => {
                    let files = looked.key.clone();
                    if self.renewals.take_up(looked) {
                        self.renew(&files);
                    }
                }
                Some(happening) = inbox.happenings.recv() => self.happened(happening),
                Some(outcome) = self.preparing.join_next() => self.reload(outcome),
                Some(checked) = self.checking.join_next() => match checked {
                    Ok(checked) => self.begin_deploy(checked),
                    Err(error) => {
                        self.events.emit(event::PreflightPanicked { why: chain(&error) });
                    }
                },
                _ = rollout_samples.tick(), if self.is_deploying() => self.sample_rollouts(),
                _ = samples.tick() => self.sample(),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.tick();
                }
            }
        };
        // Whoever asks from now on is told that it ends.
        drop(inbox);
        let after = reply.as_ref().map_or(After::Stop, |(after, _)| *after);
        let cut = self.end(after).await;
        if let Some((_, reply)) = reply {
            // Whoever asked may be gone.
            let _ = reply.send(cut);
        }
    }

    async fn end(self, after: After) -> usize {
        let Self { edge, intent, log, watches, names, renewals, runs, events, .. } = self;
        let instances = match after {
            After::Stop => "stopped",
            After::Leave => "left running",
        };
        events.emit(event::Stopping { instances: instances.into() });
        drop((watches, names, renewals));
        let limit = intent.borrow().server.drain;
        let cut = edge.stop(limit).await;
        if after == After::Stop {
            runs.stop().await;
        }
        runs.journal.close();
        // Closing waits for the disk.
        let closed = tokio::task::spawn_blocking(move || log.close()).await;
        if let Err(error) = closed {
            events.emit(event::AccessLogNotClosed { why: chain(&error) });
        }
        cut
    }

    fn obey(&mut self, command: Command) {
        // Whoever asked may be gone, and what was asked for is done all the same.
        match command {
            Command::Status(reply) => self.tell_status(reply),
            Command::Reload(reply) => {
                self.reloads.push_back(Reload::Asked(reply));
                self.prepare_next();
            }
            Command::Instance { service, instance, wish, reply } => {
                let stands = self.wish(&service, &instance, wish);
                self.tell_instance(service.into(), stands, reply);
            }
            Command::Explain(question, reply) => {
                drop(reply.send(explanation::explain(&self.edge, &question)));
            }
            Command::Scrape(reply) => drop(reply.send(self.scrape())),
            Command::Deploy(request, reply) => self.order(request, reply),
            Command::Rollout { service, command, reply } => {
                drop(reply.send(self.command(&service, command)));
            }
            Command::Following { deploy, reply } => drop(reply.send(self.following(deploy))),
            Command::History { service, reply } => drop(reply.send(self.history(&service))),
            Command::Processes { service, reply } => drop(reply.send(self.processes(&service))),
            Command::Shutdown(..) => unreachable!("the loop ends before it obeys this"),
        }
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
            let near = suggest::near(service, names);
            return Err(InstanceError::UnknownService { service: service.to_owned(), near });
        };
        if !watch.names().any(|name| name == instance) {
            return Err(InstanceError::UnknownInstance {
                service: service.to_owned(),
                instance: instance.to_owned(),
                near: suggest::near(instance, watch.names()),
            });
        }
        // Written down first: what was answered with yes holds over a crash.
        match wish {
            Wish::Drain => self.drains.put(&service.into(), &instance.into(), SystemTime::now()),
            Wish::Enable => self.drains.remove(service, instance),
        }
        let is_retired = |run: &ServiceRun| {
            run.instances.get(instance).is_some_and(|running| !running.lifecycle.serves())
        };
        match self.runs.services.get(service).is_some_and(is_retired) {
            // A deploy, too, gives it nothing, and may be about to stop it.
            true => self.readdress(),
            false => watch.look_for_drain(now, instance, &self.drains),
        }
        let status = self.watches.get(service).and_then(|watch| watch.status(now, instance));
        Ok(status.expect("the instance was there"))
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
        let live = report.live.clone();
        let watch = self.watches.get_mut(&live.service);
        if let Some(why) = watch.and_then(|watch| watch.checked(now, report)) {
            self.tell_rollout(&live.service, Event::Unhealthy(live.name.clone(), why));
        }
    }

    fn sample(&mut self) {
        let now = self.edge.now();
        self.watches.values_mut().for_each(|watch| watch.sample(now));
    }

    fn tick(&mut self) {
        let now = self.edge.now();
        self.watches.values_mut().for_each(|watch| watch.tick(now));
        self.tick_rollouts();
        self.tick_instances();
        self.tick_first();
    }

    /// When an ejection is over, or the time of a rollout or an instance has come, if there is such a time.
    fn next_deadline(&self) -> Option<Instant> {
        let ejections = self.watches.values().filter_map(ServiceWatch::next_deadline);
        let at = ejections.chain(self.next_rollout_deadline());
        let at = at.chain(self.next_instance_deadline());
        let at = at.chain(self.next_first_deadline()).min()?;
        // Timers are as fine as a millisecond: a little late is once, a little early is a spin.
        let wait = at.saturating_sub(self.edge.now()) + Duration::from_millis(1);
        Some(Instant::now() + wait)
    }
}
