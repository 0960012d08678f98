//! How the writer carries deploys through: begins them, feeds the machine, does what it says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use driver::Instance;
use edge::Split;
use model::{InstanceName, Intent, ServiceName};
use rollout::instance::Demand;
use rollout::{DeployAction, Effect, Event, News, Plan, Reason, Rollout, Side, Traffic};
use telemetry::event;

use super::Writer;
use crate::chain::chain;
use crate::ended::Reply;
use crate::handle::Acted;
use crate::journal::{Deploy, NewDeploy};
use crate::release::Release;
use crate::runs::{
    Active, Attempt, Beginning, DeployError, Happening, LAST_LINES, Line, Order, Progressing,
    Purpose, Rejudge, Rejudged, Routes, ServiceRun, Target, Wanted, What, rejudge, strategy_word,
};

/// What a rollout is to be told.
pub(super) struct Told {
    service: ServiceName,
    deploy: i64,
    event: Event,
}

impl Writer {
    /// Begins a deploy that nothing stands in the way of.
    pub(super) fn begin(
        &mut self,
        service: &ServiceName,
        target: Target,
        order: Order,
        given: BTreeSet<String>,
    ) -> Result<Progressing, DeployError> {
        let Order { request, purpose, taken_up } = order;
        // What was answered before is no part of it, for clients and for instances from the same moment on.
        self.remember(service);
        let run = &self.runs.services[service];
        let stable = run.release.clone();
        let instances = run.instances.iter().filter(|(_, running)| running.lifecycle.serves());
        let instances: Vec<InstanceName> = instances.map(|(name, _)| name.clone()).collect();
        let direction = request.release.direction();
        let deploy = run.deploy_to(&target, &request, purpose);
        let new = NewDeploy {
            previous: stable.as_ref().map(|release| release.version.as_str()),
            release: &target.version,
            strategy: strategy_word(deploy.strategy),
            who: &request.who,
            restores: target.restores,
        };
        let id = match run.first_try_of(&target).filter(|_| purpose == Purpose::First) {
            Some(id) => self.runs.journal.begin_again(id, SystemTime::now())?,
            None => self.runs.journal.begin(service, &new, SystemTime::now())?,
        };
        let past = run.past.past();
        let plan = Plan {
            service: service.clone(),
            work: run.run().work,
            deploy: deploy.clone(),
            direction,
            replicas: run.replicas().get(),
            stable: instances.clone(),
            past: past.clone(),
            next_number: run.next_number,
        };
        let file_version = match (&request.release, &stable) {
            // What the file has come to say since is as new as before.
            (Wanted::Running, Some(stable)) => stable.file_version.clone(),
            _ => run.run().version.clone(),
        };
        let Target { version, recipe, restores } = target;
        let seen = self.serving.seen(service);
        let run = self.runs.services.get_mut(service).expect("it was looked at");
        let (rollout, effects) = Rollout::begin(plan, self.serving.edge.now());
        let canary = Arc::new(Release { id, version, recipe, given, file_version });
        run.first_tried(purpose, &canary);
        let attempt = if run.first_tries() > 1 { Attempt::Further } else { Attempt::First };
        let active = Active::new(Beginning {
            id,
            service: service.clone(),
            events: self.events.clone(),
            rollout,
            stable,
            canary,
            who: request.who,
            purpose,
            attempt,
            restores,
            deploy: &deploy,
            past,
            instances,
            seen,
        });
        let following = active.follow();
        self.runs.keep_recent(following.clone());
        let (who, version) = (active.who.clone(), active.canary.version.clone());
        let of = service.clone();
        if attempt == Attempt::First {
            let event = event::DeployStarted { service: of, deploy: id, who, version, restores };
            self.events.emit(event);
        }
        let run = self.runs.services.get_mut(service).expect("it is there");
        let first_lines = active.first_lines(taken_up, run.first_tries());
        run.active = Some(active);
        self.tell_first(service, first_lines);
        self.carry_out(service, effects);
        Ok(following)
    }

    /// Tells what is known of a deploy before anything of it happens.
    fn tell_first(&self, service: &ServiceName, lines: Vec<Line>) {
        let Some(active) = &self.runs.services[service].active else { return };
        self.note(active, &lines);
        lines.into_iter().for_each(|line| active.tell(line));
    }

    /// Tells the rollout of a service, if one is at it, what happened: once all that is being done is done.
    pub(super) fn tell_rollout(&mut self, service: &ServiceName, event: Event) {
        let run = self.runs.services.get(service);
        let Some(active) = run.and_then(|run| run.active.as_ref()) else { return };
        self.told.push_back(Told { service: service.clone(), deploy: active.id, event });
    }

    /// Lets the rollouts take up what they were told, one event after the other: what follows from one is done
    /// before the next, which it may lead to itself.
    pub(super) fn settle(&mut self) {
        while let Some(Told { service, deploy, event }) = self.told.pop_front() {
            let now = self.serving.edge.now();
            let run = self.runs.services.get_mut(&service);
            let active = run.and_then(|run| run.active.as_mut());
            // What was told of a deploy that has ended meanwhile means nothing to another.
            let Some(active) = active.filter(|active| active.id == deploy) else { continue };
            let effects = active.rollout.step(now, event);
            self.carry_out(&service, effects);
        }
    }

    /// Does what a rollout wants done, once it is written down.
    fn carry_out(&mut self, service: &ServiceName, effects: Vec<Effect>) {
        let mut lines = self.write_down(service, &effects).into_iter();
        for effect in effects {
            let run = self.runs.services.get_mut(service);
            let Some(active) = run.and_then(|it| it.active.as_mut()) else { return };
            match effect {
                Effect::Start(instance, side) => {
                    active.sides.insert(instance.clone(), side);
                    let release = active.release(side);
                    self.count_names(service);
                    self.start_instance(service, &instance, release);
                }
                Effect::Traffic(traffic) => self.direct(service, &traffic),
                Effect::Stop(instance) => self.demand(service, &instance, Demand::Stop),
                Effect::Commit => {
                    let written = self.commit(service);
                    self.tell_rollout(service, written);
                }
                Effect::Measure { condition, number } => {
                    self.ask_condition(service, condition, number);
                }
                Effect::Hook(moment, name) => self.begin_hook(service, moment, name),
                Effect::EndHook => active.hook = None,
                Effect::Tell(news) => {
                    let told = active.told();
                    lines.next().into_iter().for_each(|line| active.tell(line));
                    self.read_output(service, told);
                    self.fetch_last_words(service, &news);
                }
                Effect::End(outcome) => self.wind_up(service, outcome),
            }
        }
    }

    pub(super) fn count_names(&mut self, service: &ServiceName) {
        let run = self.runs.services.get_mut(service).expect("it is being deployed");
        let Some(active) = &run.active else { return };
        run.next_number = active.rollout.next_number();
        if let Err(error) = self.runs.journal.count_from(service, run.next_number) {
            let (service, why) = (service.clone(), chain(&error));
            self.events.emit(event::InstanceNameNotRecorded { service, why });
        }
    }

    /// Lets exactly those have new requests that `traffic` names.
    fn direct(&mut self, service: &ServiceName, traffic: &Traffic) {
        let run = self.runs.services.get_mut(service).expect("it is being deployed");
        let Some(active) = &mut run.active else { return };
        let drain = active.drain;
        active.split = traffic.share.map(|share| {
            let is_canary = |name: &&InstanceName| active.sides.get(*name) == Some(&Side::Canary);
            let canary = traffic.serving.iter().filter(is_canary).cloned().collect();
            Split { share, canary, preview: active.preview.clone() }
        });
        self.direct_to(service, &traffic.serving, drain);
    }

    /// Writes down that the new release is the one that runs. Whether it is written.
    fn commit(&mut self, service: &ServiceName) -> Event {
        let run = self.runs.services.get_mut(service).expect("it is being deployed");
        let active = run.active.as_ref().expect("it is being deployed");
        match self.runs.journal.commit(service, &active.canary) {
            Ok(()) => {
                run.release = Some(active.canary.clone());
                Event::Committed
            }
            Err(error) => Event::NotCommitted(chain(&error)),
        }
    }

    /// Writes down what is about to be done, so that the receipt has it though a crash comes. Says it
    /// in words.
    fn write_down(&self, service: &ServiceName, effects: &[Effect]) -> Vec<Line> {
        let Some(active) = &self.runs.services[service].active else { return Vec::new() };
        let now = self.serving.edge.now();
        let news = effects.iter().filter_map(|effect| match effect {
            Effect::Tell(news) => Some(active.line(news, now)),
            _ => None,
        });
        let lines: Vec<Line> = news.collect();
        self.note(active, &lines);
        lines
    }

    fn note(&self, active: &Active, lines: &[Line]) {
        if !lines.is_empty()
            && let Err(error) = self.runs.journal.note(active.id, lines, self.runs.forms.finding)
        {
            // What must not be done without it asks by itself whether it is written.
            let (deploy, why) = (active.id, chain(&error));
            self.events.emit(event::DeployStepNotRecorded { deploy, why });
        }
    }

    /// An instance that did not come up in time says why in its log, perhaps.
    fn fetch_last_words(&mut self, service: &ServiceName, news: &News) {
        let run = &self.runs.services[service];
        if let News::Returning(Reason::NotReady { instance, .. }) = news
            && let Some(running) = run.instances.get(instance)
            && let Some(process) = running.process()
        {
            let (words, tell) = (process.tail(LAST_LINES), self.runs.tell.clone());
            let (service, instance, number) = (service.clone(), instance.clone(), running.number);
            tokio::spawn(async move {
                let what = What::LastWords(words.await.unwrap_or_default());
                let _ = tell.send(Happening { service, instance, number, what });
            });
        }
    }

    /// Does what a person wants done to a running deploy. Says which deploy it is.
    pub(super) fn act(
        &mut self,
        service: &str,
        action: DeployAction,
    ) -> Result<Acted, DeployError> {
        let name = self.run_named(service)?;
        let Some(active) = &self.runs.services[&name].active else {
            return self.act_before(&name, action);
        };
        if !active.rollout.heeds(action) {
            let service = service.to_owned();
            return Err(DeployError::Decided { service, stage: active.stage() });
        }
        let following = active.follow();
        self.tell_rollout(&name, Event::Action(action));
        Ok(Acted::Rollout(following))
    }

    /// The same, where no deploy has begun.
    fn act_before(
        &mut self,
        name: &ServiceName,
        action: DeployAction,
    ) -> Result<Acted, DeployError> {
        let service = name.to_string();
        let run = self.runs.services.get_mut(name).expect("it was looked up by this name");
        match (&mut run.asked, action) {
            (None, _) => Err(DeployError::NotRunning { service }),
            (Some(asked), DeployAction::Abort) => {
                asked.abort();
                Ok(Acted::Checks)
            }
            (Some(_), _) => Err(DeployError::NotBegun { service }),
        }
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

    /// Judges a deploy that is over once more, beside the loop.
    pub(super) fn judge_again(
        &self,
        question: Rejudge,
        reply: Reply<Result<Rejudged, DeployError>>,
    ) {
        match self.run_named(&question.service) {
            Err(error) => drop(reply.send(Err(error))),
            Ok(name) => {
                let journal = self.runs.journal.clone();
                let kept = self.runs.keeping.kept(question.deploy);
                tokio::spawn(async move {
                    kept.await;
                    tokio::task::spawn_blocking(move || {
                        drop(reply.send(rejudge(&journal, &name, &question)));
                    });
                });
            }
        }
    }

    /// The deploy `id` of `service`.
    pub(super) fn one_deploy(&self, service: &str, id: i64) -> Result<Deploy, DeployError> {
        let name = self.run_named(service)?;
        let found = self.runs.journal.deploy(&name, id)?;
        found.map(|(deploy, _)| deploy).ok_or(DeployError::NoSuchDeploy { deploy: id })
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
            let ServiceRun { active, instances, past, live, .. } = run;
            let Some(active) = active.as_mut().filter(|it| it.ending.is_none()) else { continue };
            let block = active.sample(&self.serving.edge, instances, live.as_ref(), past);
            self.tell_rollout(&service, Event::Sample(block));
        }
    }

    /// Keeps in mind what the releases do that run and are not being replaced, now and then.
    pub(super) fn sample_pasts(&mut self) {
        let now = self.serving.edge.now();
        let is_due = |run: &ServiceRun| run.active.is_none() && run.past.is_due(now);
        let due = self.runs.services.iter().filter(|(_, run)| is_due(run));
        let due: Vec<ServiceName> = due.map(|(name, _)| name.clone()).collect();
        due.iter().for_each(|service| self.remember(service));
        for run in self.runs.services.values_mut().filter(|run| run.active.is_none()) {
            if let Some(live) = &run.live {
                run.listening.begin(live, &run.past, now);
            }
        }
    }

    /// Keeps in mind what became of the requests of a service since the last time.
    fn remember(&mut self, service: &ServiceName) {
        let now = self.serving.edge.now();
        let run = self.runs.services.get_mut(service).expect("it is run");
        let routes = Routes::of(run.live.as_ref());
        for running in run.instances.values_mut() {
            run.past.note(&running.take_account(&routes));
        }
        run.listening.end(run.live.as_ref(), &mut run.past);
        run.past.turn(now);
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
        let now = self.serving.edge.now();
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

/// How many deploys are told of.
const HISTORY: usize = 100;

/// The services of `intent` that Plimsoll runs.
pub(super) fn run_by_us(intent: &Intent) -> impl Iterator<Item = &Arc<model::Service>> {
    intent.services.values().filter(|service| service.run.is_some())
}
