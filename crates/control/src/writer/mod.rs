//! The one writer: a loop that owns the edge and everything that is wanted, and is told the rest.
//!
//! Whatever may take long is done by tasks beside it, which tell their results; the loop itself
//! only decides, publishes and writes to `Live`. It never waits for a worker or the network.
//!
//! Its state has three parts: what is served ([`serving`]), the configurations that are to be read ([`reloads`]), and what
//! Plimsoll runs ([`Runs`]). A part knows nothing of the next; what takes several is here and in the files beside it.

mod boot;
mod conditions;
mod endings;
mod first;
mod hooks;
mod instances;
mod job_runs;
mod jobs;
mod launches;
mod outliers;
mod preflight;
mod publish;
mod reloads;
mod rollouts;
mod scaling;
mod serving;
mod survey;
mod watched;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use edge::{Edge, Live};
use model::{AuthName, Intent, Revision};
use rollout::Event;
use rustls::ServerConfig;
use telemetry::{Events, event};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::access_log::Access;
use crate::bans::{Ban, BanList, Tidings};
use crate::certificates::{Looked, Renewals, Tls};
use crate::chain::chain;
use crate::conditions::{Asked, Outside};
use crate::drains::DrainList;
use crate::explanation;
use crate::handle::{After, Message};
use crate::issuers::{Issuers, KeysArrived};
use crate::jobs::Jobs;
use crate::lately::Lately;
use crate::names::{Names, Resolved};
use crate::ordering::internal::InternalCaStatus;
use crate::ordering::{Clock, Ordering};
use crate::prepare::Preparation;
use crate::pulse::Pulse;
use crate::runs::{Happening, HookEnded, Runs};
use crate::settling::{SecretChanged, Settling};
use crate::sharing::Sharing;
use crate::watch::{Report, Reports, Seconds};
use crate::writer::endings::Read;
use crate::writer::reloads::{Reload, Reloads};
use crate::writer::rollouts::Told;
use crate::writer::serving::Serving;
use crate::writer::watched::WatchedReloads;

pub(crate) use boot::find_legacies;
pub(crate) use preflight::Checked;

/// How often counters are read.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How often a rollout is told what became of requests: a bad release costs users what it fails
/// in between.
const SAMPLE_ROLLOUTS_EVERY: Duration = Duration::from_millis(250);

/// The one writer.
pub(crate) struct Writer {
    serving: Serving,
    reloads: Reloads,
    watched: WatchedReloads,
    /// What became of requests, of all services, and what it was lately.
    pulse: Pulse,
    lately: Lately,
    /// How many seconds they were looked at.
    seconds: Seconds,
    runs: Runs,
    /// What rollouts are to be told, in order.
    told: VecDeque<Told>,
    /// Deploys that are looked at before they begin.
    checking: JoinSet<Checked>,
    /// What is read for deploys' findings.
    reading: JoinSet<Read>,
    /// What asks conditions of deploys.
    outside: Outside,
    /// Conditions that are being asked.
    measuring: JoinSet<Asked>,
    /// What deploys run beside their instances.
    hooks: JoinSet<HookEnded>,
    jobs: Jobs,
    events: Events,
}

/// What a writer is made of.
pub(crate) struct Parts {
    pub(crate) edge: Edge,
    pub(crate) preparation: Preparation,
    pub(crate) intent: watch::Sender<Arc<Intent>>,
    pub(crate) admin_tls: watch::Sender<Option<Arc<ServerConfig>>>,
    pub(crate) names: Names,
    pub(crate) renewals: Renewals,
    pub(crate) ordering: Ordering,
    pub(crate) issuers: Issuers,
    pub(crate) unknown: mpsc::UnboundedSender<AuthName>,
    pub(crate) reports: Reports,
    pub(crate) events: Events,
    pub(crate) log: Access,
    pub(crate) drains: DrainList,
    pub(crate) bans: BanList,
    pub(crate) settling: Settling,
    pub(crate) runs: Runs,
    pub(crate) outside: Outside,
    /// The clock that jobs go by.
    pub(crate) clock: Arc<dyn Clock>,
    /// How long a second of the watch of instances is.
    pub(crate) second: Duration,
}

/// What the writer is told.
pub(crate) struct Inbox {
    pub(crate) messages: mpsc::Receiver<Message>,
    pub(crate) suspects: mpsc::UnboundedReceiver<Arc<Live>>,
    /// Tokens of clients that have logged out.
    pub(crate) logouts: mpsc::Receiver<Ban>,
    /// What other edges say of bans.
    pub(crate) heard: mpsc::Receiver<Tidings>,
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    pub(crate) resolved: mpsc::UnboundedReceiver<Resolved>,
    pub(crate) looked: mpsc::UnboundedReceiver<Looked>,
    pub(crate) keys: mpsc::UnboundedReceiver<KeysArrived>,
    pub(crate) unknown: mpsc::UnboundedReceiver<AuthName>,
    /// That edges know keys of limits by another secret.
    pub(crate) secrets: mpsc::Receiver<SecretChanged>,
    pub(crate) happenings: mpsc::UnboundedReceiver<Happening>,
}

impl Writer {
    /// A writer that has published nothing yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            edge,
            preparation,
            intent,
            admin_tls,
            names,
            renewals,
            ordering,
            issuers,
            unknown,
            reports,
            events,
            log,
            drains,
            bans,
            settling,
            runs,
            outside,
            clock,
            second,
        } = parts;
        let serving = Serving {
            edge,
            intent,
            revision: Revision::default(),
            names,
            renewals,
            ordering,
            issuers,
            kept: preparation.kept.clone(),
            unknown,
            drains,
            bans,
            settling,
            sharing: Sharing::alone(events.clone()),
            watches: BTreeMap::new(),
            reports,
            tls: Tls::default(),
            admin_tls,
            held: None,
            events: events.clone(),
        };
        Self {
            serving,
            reloads: Reloads::new(preparation, log),
            watched: WatchedReloads::default(),
            pulse: Pulse::default(),
            lately: Lately::default(),
            seconds: Seconds { count: 0, each: second },
            runs,
            told: VecDeque::new(),
            checking: JoinSet::new(),
            reading: JoinSet::new(),
            outside,
            measuring: JoinSet::new(),
            hooks: JoinSet::new(),
            jobs: Jobs::new(clock),
            events,
        }
    }

    /// Runs until it is told to end, or nobody is left who could tell it.
    pub(crate) async fn run(mut self, mut inbox: Inbox) {
        let mut samples = interval(SAMPLE_EVERY);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rollout_samples = interval(SAMPLE_ROLLOUTS_EVERY);
        rollout_samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seconds = interval(self.seconds.each);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reply = loop {
            self.settle();
            let deadline = self.next_deadline();
            tokio::select! {
                message = inbox.messages.recv() => match message {
                    Some(Message::Shutdown(after, reply)) => break Some((after, reply)),
                    Some(message) => self.obey(message),
                    None => break None,
                },
                Some(live) = inbox.suspects.recv() => self.serving.suspected(&live),
                Some(ban) = inbox.logouts.recv() => self.serving.bans.ban_by_itself(ban),
                Some(tidings) = inbox.heard.recv() => self.serving.bans.hear(tidings),
                Some(report) = inbox.reports.recv() => self.checked(report),
                Some(resolved) = inbox.resolved.recv() => {
                    if self.serving.names.take_up(resolved) {
                        self.readdress();
                    }
                }
                Some(looked) = inbox.looked.recv() => {
                    let files = looked.key.clone();
                    if self.serving.renewals.take_up(looked) {
                        let common = self.reloads.preparation.common();
                        self.serving.renew(&files, common, &mut self.runs);
                    }
                }
                Some(arrival) = inbox.keys.recv() => {
                    self.serving.keys_arrived(arrival, &mut self.runs);
                }
                Some(SecretChanged) = inbox.secrets.recv() => self.readdress(),
                Some(name) = inbox.unknown.recv() => self.serving.lacks_key(&name),
                Some(happening) = inbox.happenings.recv() => self.happened(happening),
                Some(outcome) = self.reloads.prepared() => self.reload(outcome),
                Some(checked) = self.checking.join_next() => match checked {
                    Ok(checked) => self.begin_deploy(checked),
                    Err(error) => {
                        self.events.emit(event::PreflightPanicked { why: chain(&error) });
                    }
                },
                // It ends by itself, whatever becomes of what it reads.
                Some(Ok(read)) = self.reading.join_next() => self.take_up_read(read),
                Some(asked) = self.measuring.join_next() => self.asked(asked),
                // It says by itself what came of it, whatever that is.
                Some(Ok(ended)) = self.hooks.join_next() => self.hook_ended(ended),
                Some(Ok(claimed)) = self.jobs.claims.join_next() => self.job_claimed(claimed),
                Some(Ok(ended)) = self.jobs.attempts.join_next() => self.attempt_ended(ended),
                _ = rollout_samples.tick(), if self.is_deploying() || self.is_watching() => {
                    self.sample_rollouts();
                    self.sample_watched();
                }
                _ = samples.tick() => {
                    self.serving.sample();
                    self.sample_pasts();
                }
                _ = seconds.tick() => {
                    self.second_is_over();
                    self.tick_jobs();
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.tick();
                }
            }
        };
        // Whoever asks from now on is told that it ends.
        drop(inbox);
        let after = reply.as_ref().map_or(After::Stop, |(after, _)| *after);
        let cut = self.end_all(after).await;
        if let Some((_, reply)) = reply {
            // The client that asked may be gone.
            let _ = reply.send(cut);
        }
    }

    async fn end_all(mut self, after: After) -> usize {
        self.end_what_is_over();
        let Self { serving, reloads, runs, jobs, events, .. } = self;
        let Serving {
            edge,
            intent,
            watches,
            names,
            renewals,
            ordering,
            issuers,
            sharing,
            bans,
            settling,
            ..
        } = serving;
        let instances = match after {
            After::Stop => "stopped",
            After::Leave => "left running",
        };
        events.emit(event::Stopping { instances: instances.into() });
        drop((watches, names, renewals, ordering, issuers));
        let limit = intent.borrow().server.drain;
        // Nobody would know how they end.
        let (cut, ()) = tokio::join!(edge.stop(limit), jobs.end(&runs.journal, &events));
        // Requests need it until then.
        settling.end().await;
        drop(sharing);
        bans.end().await;
        if after == After::Stop {
            runs.stop().await;
        }
        runs.keeping.all_kept().await;
        runs.journal.close();
        // Closing waits for the disk.
        let closed = tokio::task::spawn_blocking(move || reloads.log.close()).await;
        if let Err(error) = closed {
            events.emit(event::AccessLogNotClosed { why: chain(&error) });
        }
        cut
    }

    fn obey(&mut self, message: Message) {
        // Whoever asked may be gone, and what was asked for is done all the same.
        match message {
            Message::Status(reply) => self.tell_status(reply),
            Message::Reload(request, reply) => self.read_for(Reload::Asked(request, reply)),
            Message::ReloadProgress(revision, reply) => {
                drop(reply.send(self.watched.of(revision)));
            }
            Message::Instance { service, instance, wish, reply } => {
                let stands = self.serving.wish(&mut self.runs, &service, &instance, wish);
                self.tell_instance(service.into(), stands, reply);
            }
            Message::Bans(reply) => drop(reply.send(self.serving.bans.all())),
            Message::Ban(ban, reply) => self.serving.bans.ban(ban, reply),
            Message::Lift(banned, reply) => self.serving.bans.lift(&banned, reply),
            Message::Explain(question, reply) => {
                drop(reply.send(explanation::explain(&self.serving.edge, &question)));
            }
            Message::Certificates(reply) => self.tell_certificates(reply),
            Message::InternalCa(reply) => {
                let ca = self.reloads.preparation.ordered.internal().known();
                drop(reply.send(ca.as_deref().map(InternalCaStatus::from)));
            }
            Message::Scrape(reply) => self.tell_scrape(reply),
            Message::Deploy(request, reply) => self.order(request, reply),
            Message::Scale { service, replicas, reply } => {
                drop(reply.send(self.scale(&service, replicas)));
            }
            Message::DeployAction { service, action, reply } => {
                drop(reply.send(self.act(&service, action)));
            }
            Message::Following { deploy, reply } => drop(reply.send(self.following(deploy))),
            Message::History { service, reply } => drop(reply.send(self.history(&service))),
            Message::OneDeploy { service, deploy, reply } => {
                drop(reply.send(self.one_deploy(&service, deploy)));
            }
            Message::Judge { question, reply } => self.judge_again(question, reply),
            Message::Surroundings { service, reply } => self.tell_surroundings(&service, reply),
            Message::Processes { service, reply } => drop(reply.send(self.processes(&service))),
            Message::Jobs(reply) => drop(reply.send(self.jobs_now())),
            Message::OneJob { job, reply } => drop(reply.send(self.one_job(&job))),
            Message::RunJob { job, who, reply } => self.ask_for_run(&job, who, reply),
            Message::JobFollowing { job, run, reply } => {
                drop(reply.send(self.job_following(job, run)));
            }
            Message::ReopenLog(reply) => {
                self.reloads.log.reopen();
                // Whoever asked may be gone.
                let _ = reply.send(());
            }
            Message::Shutdown(..) => unreachable!("the loop ends before it obeys this"),
        }
    }
    fn checked(&mut self, report: Report) {
        let live = report.live.clone();
        if let Some(why) = self.serving.checked(report) {
            self.tell_rollout(&live.service, Event::Unhealthy(live.name.clone(), why));
        }
    }

    fn tick(&mut self) {
        self.serving.tick();
        self.tick_rollouts();
        self.settle();
        self.tick_instances();
        self.settle();
        self.tick_first();
    }

    /// When an ejection is over, or the time of a rollout or an instance has come, if there is such a time.
    fn next_deadline(&self) -> Option<Instant> {
        let at = self.serving.next_deadline().into_iter().chain(self.next_rollout_deadline());
        let at = at.chain(self.next_instance_deadline());
        let at = at.chain(self.next_first_deadline()).min()?;
        // Timers are as fine as a millisecond: a little late is once, a little early is a spin.
        let wait = at.saturating_sub(self.serving.edge.now()) + Duration::from_millis(1);
        Some(Instant::now() + wait)
    }
}
