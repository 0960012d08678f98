//! How the writer carries deploys through: begins them, feeds the machine, does what it says.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use driver::Instance;
use driver::environment::{Environment, Value};
use driver::preflight::{self, Fault, Room};
use edge::Split;
use model::{InstanceName, Intent, ServiceName};
use rollout::{Command, Effect, Event, News, Outcome, Plan, Reason, Rollout, Side, Tally, Traffic};

use super::Writer;
use crate::handle::Reply;
use crate::journal::Deploy;
use crate::near::near;
use crate::runs::{
    Active, Asked, Beginning, DeployError, DeployRequest, Happening, LAST_LINES, Progressing,
    Receipt, What, seen,
};
use crate::status::chain;

/// A deploy that was looked at, and may begin.
pub(crate) struct Checked {
    pub(crate) service: ServiceName,
    request: DeployRequest,
    version: String,
    result: Result<(), Vec<String>>,
    reply: Reply<Result<Progressing, DeployError>>,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Writer {
    /// Looks beside the loop whether a deploy may begin.
    pub(super) fn ask_deploy(
        &mut self,
        request: DeployRequest,
        reply: Reply<Result<Progressing, DeployError>>,
    ) {
        match self.look_at(&request) {
            Ok((service, version)) => {
                let asked = Asked {
                    who: request.who.clone(),
                    since: SystemTime::now(),
                    version: version.clone(),
                };
                let withheld = self.withheld();
                let run = self.runs.services.get_mut(&service).expect("it was looked at");
                run.asked = Some(asked);
                let (wanted, logs) = (run.service.clone(), self.runs.logs.clone());
                let memory: Vec<_> = run
                    .instances
                    .values()
                    .filter_map(|running| Some(running.process()?.memory()))
                    .collect();
                self.checking.spawn(async move {
                    let mut most = 0;
                    for memory in memory {
                        most = most.max(memory.await);
                    }
                    let of = version.clone();
                    let work = move || check(&wanted, &of, withheld, most, logs);
                    let result = tokio::task::spawn_blocking(work).await;
                    let result = result.unwrap_or_else(|error| Err(vec![chain(&error)]));
                    Checked { service, request, version, result, reply }
                });
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn look_at(&self, request: &DeployRequest) -> Result<(ServiceName, String), DeployError> {
        let service = self.run_named(&request.service)?;
        let run = &self.runs.services[&service];
        let locked = |who: &str, version: &str, since| DeployError::Locked {
            service: request.service.clone(),
            who: who.to_owned(),
            version: version.to_owned(),
            since,
        };
        if let Some(active) = &run.active {
            return Err(locked(&active.who, &active.fresh, active.took()));
        }
        if let Some(asked) = &run.asked {
            let since = asked.since.elapsed().unwrap_or_default();
            return Err(locked(&asked.who, &asked.version, since));
        }
        let version = match &request.version {
            Some(version) => version.clone(),
            None => self.version_before(&service, run.version.as_deref())?,
        };
        Ok((service, version))
    }

    /// The release that ran before the one that runs.
    fn version_before(
        &self,
        service: &ServiceName,
        current: Option<&str>,
    ) -> Result<String, DeployError> {
        let former = match current {
            Some(current) => self.runs.journal.before(service, current)?,
            None => None,
        };
        former.ok_or_else(|| DeployError::NoFormer { service: service.to_string() })
    }

    /// The service of this name, if Plimsoll runs it.
    fn run_named(&self, name: &str) -> Result<ServiceName, DeployError> {
        let service = ServiceName::from(name);
        if self.runs.services.contains_key(&service) {
            return Ok(service);
        }
        let intent = self.intent.borrow();
        match intent.services.contains_key(&service) {
            true => Err(DeployError::NotRun { service: name.to_owned() }),
            false => {
                let near = near(name, intent.services.keys().map(ServiceName::as_str));
                Err(DeployError::UnknownService { service: name.to_owned(), near })
            }
        }
    }

    /// A deploy was looked at.
    pub(super) fn begin_deploy(&mut self, checked: Checked) {
        let Checked { service, request, version, result, reply } = checked;
        // The service may have been taken out meanwhile.
        let Some(run) = self.runs.services.get_mut(&service) else {
            drop(reply.send(Err(DeployError::NotRun { service: service.to_string() })));
            return;
        };
        run.asked = None;
        let begun = match result {
            Ok(()) => self.begin(&service, version, &request),
            Err(faults) => Err(DeployError::Preflight { faults }),
        };
        if begun.is_err() {
            self.reconcile(&service);
        }
        drop(reply.send(begun));
    }

    /// Begins a deploy that nothing stands in the way of.
    pub(super) fn begin(
        &mut self,
        service: &ServiceName,
        version: String,
        request: &DeployRequest,
    ) -> Result<Progressing, DeployError> {
        let seen = self.seen(service);
        let run = &self.runs.services[service];
        let former = run.version.clone();
        let instances: Vec<InstanceName> = run
            .instances
            .iter()
            .filter(|(_, running)| running.serves && !running.is_unwanted)
            .map(|(name, _)| name.clone())
            .collect();
        let deploy = request.overrides.apply(&run.run().deploy);
        let journal = &self.runs.journal;
        let (who, at) = (&request.who, SystemTime::now());
        let id = journal.begin(service, former.as_deref(), &version, who, at)?;
        let plan = Plan {
            service: service.clone(),
            deploy: deploy.clone(),
            replicas: run.run().replicas.get(),
            former: instances.clone(),
            next_number: run.next_number,
        };
        // What was answered before is no part of it.
        let run = self.runs.services.get_mut(service).expect("it was looked at");
        run.instances.values_mut().for_each(|running| drop(running.take_tally()));
        let (rollout, effects) = Rollout::begin(plan, self.edge.now());
        let beginning = Beginning {
            id,
            rollout,
            former,
            fresh: version,
            who: request.who.clone(),
            deploy: &deploy,
            instances,
            seen,
        };
        let active = Active::new(beginning);
        let following = active.follow();
        self.runs.recent.insert(id, following.clone());
        while self.runs.recent.len() > RECENT {
            self.runs.recent.pop_first();
        }
        tracing::info!(%service, deploy = id, who, version = active.fresh, "deploy begins");
        self.runs.services.get_mut(service).expect("it is there").active = Some(active);
        self.carry_out(service, effects);
        Ok(following)
    }

    fn seen(&self, service: &ServiceName) -> (u64, u64) {
        let mut views = self.edge.services().filter(|view| view.service.name == *service);
        views.next().map_or((0, 0), |view| seen(view.live))
    }

    /// Tells the rollout of a service, if one is at it, what happened.
    pub(super) fn tell_rollout(&mut self, service: &ServiceName, event: Event) {
        let now = self.edge.now();
        let run = self.runs.services.get_mut(service);
        let Some(active) = run.and_then(|run| run.active.as_mut()) else { return };
        let effects = active.rollout.step(now, event);
        self.carry_out(service, effects);
    }

    fn carry_out(&mut self, service: &ServiceName, effects: Vec<Effect>) {
        for effect in effects {
            // A start that fails at once tells of it later, so none of these ends the rollout but
            // the last.
            let Some(active) =
                self.runs.services.get_mut(service).and_then(|it| it.active.as_mut())
            else {
                return;
            };
            match effect {
                Effect::Start(instance, side) => {
                    active.sides.insert(instance.clone(), side);
                    let version = active.version(side);
                    self.count_names(service);
                    self.start_instance(service, &instance, version, false);
                }
                Effect::Traffic(traffic) => self.direct(service, &traffic),
                Effect::Stop(instance) => self.stop_instance(service, &instance),
                Effect::Commit => {
                    let written = self.commit(service);
                    self.tell_rollout(service, written);
                }
                Effect::Tell(news) => self.tell_news(service, &news),
                Effect::End(outcome) => self.end_deploy(service, outcome),
            }
        }
    }

    fn count_names(&mut self, service: &ServiceName) {
        let run = self.runs.services.get_mut(service).expect("it is being deployed");
        let Some(active) = &run.active else { return };
        run.next_number = active.rollout.next_number();
        if let Err(error) = self.runs.journal.count_from(service, run.next_number) {
            let why = chain(&error);
            tracing::error!(%service, why, "journal cannot be written: a name may be given twice");
        }
    }

    /// Lets exactly those have new requests that `traffic` names.
    fn direct(&mut self, service: &ServiceName, traffic: &Traffic) {
        let run = self.runs.services.get_mut(service).expect("it is being deployed");
        let Some(active) = &mut run.active else { return };
        let drain = active.drain;
        active.split = traffic.share.map(|share| {
            let is_fresh = |name: &&InstanceName| active.sides.get(*name) == Some(&Side::Fresh);
            Split { share, fresh: traffic.serving.iter().filter(is_fresh).cloned().collect() }
        });
        let mut retired = Vec::new();
        for (name, running) in &mut run.instances {
            let serves = traffic.serving.contains(name);
            if running.serves && !serves {
                retired.push(name.clone());
            }
            if serves {
                running.barred_from = None;
            }
            running.serves = serves;
        }
        self.readdress();
        for instance in retired {
            self.bar(service, &instance, drain);
        }
    }

    /// Writes down that the new release is the one that runs. Whether it is written.
    fn commit(&mut self, service: &ServiceName) -> Event {
        let run = self.runs.services.get_mut(service).expect("it is being deployed");
        let active = run.active.as_ref().expect("it is being deployed");
        match self.runs.journal.commit(service, &active.fresh) {
            Ok(()) => {
                run.version = Some(active.fresh.clone());
                Event::Committed
            }
            Err(error) => Event::NotCommitted(chain(&error)),
        }
    }

    fn tell_news(&mut self, service: &ServiceName, news: &News) {
        let run = &self.runs.services[service];
        let Some(active) = &run.active else { return };
        active.tell(news);
        if let News::Returning(Reason::NotReady(instance, _)) = news
            && let Some(running) = run.instances.get(instance)
            && let Some(process) = running.process()
        {
            let (words, tell) = (process.tail(LAST_LINES), self.runs.tell.clone());
            let (service, instance, start) = (service.clone(), instance.clone(), running.start);
            tokio::spawn(async move {
                let what = What::LastWords(words.await.unwrap_or_default());
                let _ = tell.send(Happening { service, instance, start, what });
            });
        }
    }

    pub(super) fn end_deploy(&mut self, service: &ServiceName, outcome: Outcome) {
        let seen = self.seen(service);
        let run = self.runs.services.get_mut(service).expect("it is being deployed");
        let Some(active) = run.active.take() else { return };
        let receipt = active.receipt(run, outcome, seen);
        let (id, word) = (receipt.id, receipt.word());
        tracing::info!(%service, deploy = id, outcome = word, reason = receipt.reason(), "deploy is over");
        let text = (self.runs.write_receipt)(&receipt);
        if let Err(error) = self.runs.journal.end(id, word, &text, SystemTime::now()) {
            let why = chain(&error);
            tracing::error!(%service, why, "journal cannot be written: the receipt is lost");
        }
        // Who has seen it may rely on its being kept.
        active.end(receipt);
        // The file may want more or fewer than when it began.
        self.reconcile(service);
    }

    /// A person's word on a running deploy. Says which deploy it is.
    pub(super) fn command(
        &mut self,
        service: &str,
        command: Command,
    ) -> Result<Progressing, DeployError> {
        let name = self.run_named(service)?;
        let active = self.runs.services[&name].active.as_ref();
        let none = || DeployError::NotRunning { service: service.to_owned() };
        let following = active.ok_or_else(none)?.follow();
        self.tell_rollout(&name, Event::Command(command));
        Ok(following)
    }

    /// Follows a deploy that runs, or ended a while ago.
    pub(super) fn following(&self, deploy: i64) -> Result<Progressing, DeployError> {
        self.runs.recent.get(&deploy).cloned().ok_or(DeployError::NoSuchDeploy { deploy })
    }

    /// The deploys of `service`, the latest first.
    pub(super) fn history(&self, service: &str) -> Result<Vec<Deploy>, DeployError> {
        let name = self.run_named(service)?;
        Ok(self.runs.journal.deploys(&name, HISTORY)?)
    }

    /// The processes of `service` that run.
    pub(super) fn processes(&self, service: &str) -> Result<Vec<Arc<dyn Instance>>, DeployError> {
        let name = self.run_named(service)?;
        let instances = self.runs.services[&name].instances.values();
        Ok(instances.filter_map(|running| running.process().cloned()).collect())
    }

    /// Tells every rollout what became of the requests since the last time.
    pub(super) fn sample_rollouts(&mut self) {
        for service in self.deploying() {
            let run = self.runs.services.get_mut(&service).expect("it is being deployed");
            let Some(active) = &mut run.active else { continue };
            let (mut fresh, mut former) = (Tally::default(), Tally::default());
            for (name, running) in &mut run.instances {
                let tally = running.take_tally();
                match active.sides.get(name) {
                    Some(Side::Fresh) => fresh.add(&tally),
                    Some(Side::Former) | None => former.add(&tally),
                }
            }
            active.count(&fresh, &former);
            self.tell_rollout(&service, Event::Sample { fresh, former });
        }
    }

    /// Whether a rollout wants to be told often.
    pub(super) fn is_deploying(&self) -> bool {
        self.runs.services.values().any(|run| run.active.is_some())
    }

    fn deploying(&self) -> Vec<ServiceName> {
        let runs = self.runs.services.iter().filter(|(_, run)| run.active.is_some());
        runs.map(|(name, _)| name.clone()).collect()
    }

    /// Tells the rollouts whose time has come.
    pub(super) fn tick_rollouts(&mut self) {
        let now = self.edge.now();
        for service in self.deploying() {
            let active = self.runs.services[&service].active.as_ref();
            let is_due =
                active.and_then(|it| it.rollout.next_deadline()).is_some_and(|at| at <= now);
            if is_due {
                self.tell_rollout(&service, Event::Tick);
            }
        }
    }

    /// When the next rollout's time comes.
    pub(super) fn next_rollout_deadline(&self) -> Option<Duration> {
        let active = self.runs.services.values().filter_map(|run| run.active.as_ref());
        active.filter_map(|active| active.rollout.next_deadline()).min()
    }
}

/// How many deploys can be followed after they have ended.
const RECENT: usize = 100;
/// How many deploys are told of.
const HISTORY: usize = 100;

fn check(
    service: &model::Service,
    version: &str,
    withheld: BTreeSet<String>,
    memory: u64,
    logs: PathBuf,
) -> Result<(), Vec<String>> {
    let Some(run) = &service.run else { return Ok(()) };
    let replicas = u64::from(run.replicas.get());
    let plan = preflight::Plan {
        service: service.name.as_str(),
        version,
        command: &run.command,
        directory: &run.directory,
        inherited: Environment::of_this_process(),
        withheld,
        secrets: &run.secrets,
        env_file: run.env_file.as_deref(),
        env: run.env.iter().map(|(name, value)| (name.clone(), Value(value.clone()))).collect(),
        room: Room {
            memory_bytes: memory * replicas,
            descriptors: 16 * replicas,
            disk: Some((logs, replicas << 20)),
            ports: run.replicas.get() as usize,
        },
    };
    let told = |fault: &Fault| chain(fault);
    let checked = preflight::check(plan, &driver::port::Ports::default());
    checked.map(drop).map_err(|faults| faults.iter().map(told).collect())
}

/// Writes a receipt down: its form is for whoever reads it, outside of here.
pub(crate) type WriteReceipt = Arc<dyn Fn(&Receipt) -> String + Send + Sync>;

/// The services of `intent` that Plimsoll runs.
pub(super) fn run_by_us(intent: &Intent) -> impl Iterator<Item = &Arc<model::Service>> {
    intent.services.values().filter(|service| service.run.is_some())
}
