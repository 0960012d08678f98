//! How the writer carries out what the lifecycles of instances want done, and tells them what happened.
//!
//! It decides nothing about an instance: what an event means is for [`rollout::instance`] to say. How one
//! is started is in `launches`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use driver::{Exit, ExitCause, Instance, Killed, Listening, Stopped};
use edge::Bar;
use model::{Drain, InstanceName, Restart, ServiceName, Stop};
use rollout::instance::restart::Pace;
use rollout::instance::{Demand, End, Event, Force, News, OnEnd, Port, Scale, Start, Wait, scale};
use telemetry::event;

use super::Writer;
use crate::release::Release;
use crate::runs::{
    Effect, Happening, Lifecycle, OfStart, Running, ServiceRun, What, drained, listening,
};

impl Writer {
    /// Takes up what happened to an instance.
    pub(super) fn happened(&mut self, happening: Happening) {
        if let What::Start(_, OfStart::Gone(record, _)) = &happening.what {
            self.forget(record);
        }
        let is_meant = self.runs.meant(&happening).is_some();
        let Happening { service, instance, what, .. } = happening;
        match what {
            // Its deploy wants them, though it may be gone by now.
            What::LastWords(words) => {
                let now = self.serving.edge.now();
                self.runs.tell_last_words(now, &service, &instance, words);
            }
            // Nobody is left who waits for it.
            What::Start(_, OfStart::Launched(Ok(process))) if !is_meant => {
                drop(process.stop(Stop::default()));
            }
            // Word of an earlier one of this name, or of one that is gone by now.
            _ if !is_meant => {}
            What::Draining(text) => self.runs.tell_draining(&service, &instance, text),
            What::Unreachable(wait) => self.step(&service, &instance, Event::Unreachable(wait)),
            What::Start(start, what) => self.happened_to_start(&service, &instance, start, what),
        }
    }

    fn happened_to_start(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        start: Start,
        what: OfStart,
    ) {
        let event = match what {
            OfStart::Launched(Ok(process)) => Event::Launched(start, process),
            OfStart::Launched(Err(why)) => {
                let exit = ToldEnd { why, words: Vec::new(), port: Port::Own };
                Event::Ended(start, self.end_of(service, instance, exit))
            }
            OfStart::WarmedUp(warmed) => return self.runs.tell_warmed(service, instance, &warmed),
            OfStart::Smoked(Ok(passed)) => {
                return self.runs.tell_smoked(service, instance, &passed);
            }
            OfStart::Smoked(Err(why)) => {
                return self.tell_rollout(service, rollout::Event::Refused(instance.clone(), why));
            }
            OfStart::Ready => Event::Ready(start),
            OfStart::Unready(why) => Event::CheckFailed(start, why),
            OfStart::Exited(exit, words) => {
                let port = match listening(self.runs.services[service].run()) {
                    Listening::OnPort => port_of(&exit),
                    Listening::Nowhere => Port::Own,
                };
                let exit = ToldEnd { why: exit.ending.to_string(), words, port };
                Event::Ended(start, self.end_of(service, instance, exit))
            }
            OfStart::Gone(_, stopped) => Event::Gone(start, force_of(&stopped)),
        };
        self.step(service, instance, event);
    }

    /// An end as the lifecycle wants to know it: with what the rollout says of it, and with chance.
    fn end_of(&self, service: &ServiceName, instance: &InstanceName, told: ToldEnd) -> End {
        let active = self.runs.services[service].active.as_ref();
        let then = match active.is_none_or(|active| active.rollout.keeps(instance)) {
            true => OnEnd::Restart,
            false => OnEnd::GiveUp,
        };
        let ToldEnd { why, words, port } = told;
        End { why, words, port, then, chance: fastrand::f64() }
    }

    /// Starts an instance of `release` that was not there. It gets nothing yet.
    pub(super) fn start_instance(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        release: Arc<Release>,
    ) {
        let (lifecycle, effects) = Lifecycle::start(self.serving.edge.now(), self.pace(service));
        self.keep(service, instance, release, lifecycle);
        self.carry_out_of(service, instance, effects);
    }

    /// Takes an instance over that an earlier Plimsoll started: to serve, or to be stopped.
    pub(super) fn take_over_instance(
        &mut self,
        service: &ServiceName,
        process: Arc<dyn Instance>,
        release: Arc<Release>,
        found: Found,
    ) {
        let (now, pace) = (self.serving.edge.now(), self.pace(service));
        let (lifecycle, effects) = match found {
            Found::Wanted => Lifecycle::adopt(now, pace, process.clone()),
            Found::Leftover => Lifecycle::reject(now, pace, process.clone()),
        };
        let instance = process.record().instance.clone();
        let start = lifecycle.last_start();
        self.keep(service, &instance, release, lifecycle);
        let launching = self.launching(service, &instance, start);
        tokio::spawn(launching.take_over(self.runs.driver.clone(), process));
        self.carry_out_of(service, &instance, effects);
    }

    fn keep(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        release: Arc<Release>,
        lifecycle: Lifecycle,
    ) {
        let running = Running::new(release, self.runs.next_number(), lifecycle);
        self.run_of(service).instances.insert(instance.clone(), running);
    }

    pub(super) fn pace(&mut self, service: &ServiceName) -> Pace {
        let Restart { backoff, max_backoff } = self.run_of(service).run().restart;
        Pace { backoff, backoff_max: max_backoff, ..Pace::default() }
    }

    /// Says what is wanted of an instance from now on.
    pub(super) fn demand(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        demand: Demand,
    ) {
        self.step(service, instance, Event::Demand(demand));
    }

    /// Lets an instance get nothing new, and stops it once nothing reaches it.
    pub(super) fn dismiss(&mut self, service: &ServiceName, instance: &InstanceName) {
        let drain = self.run_of(service).run().deploy.drain;
        self.demand(service, instance, Demand::Dismiss(drain));
    }

    fn step(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        event: Event<Arc<dyn Instance>>,
    ) {
        let now = self.serving.edge.now();
        let run = self.runs.services.get_mut(service);
        let Some(running) = run.and_then(|run| run.instances.get_mut(instance)) else { return };
        let effects = running.step(now, event);
        self.carry_out_of(service, instance, effects);
    }

    /// Lets those of `serving` have new requests, and nobody else, in one step for all.
    pub(super) fn direct_to(
        &mut self,
        service: &ServiceName,
        serving: &BTreeSet<InstanceName>,
        drain: Drain,
    ) {
        let now = self.serving.edge.now();
        let mut effects = Vec::new();
        for (name, running) in &mut self.run_of(service).instances {
            let demand = match serving.contains(name) {
                true => Demand::Serve,
                false => Demand::Retire(drain),
            };
            effects.push((name.clone(), running.step(now, Event::Demand(demand))));
        }
        self.readdress();
        for (instance, mut of_one) in effects {
            of_one.retain(|effect| !matches!(effect, Effect::Publish));
            self.carry_out_of(service, &instance, of_one);
        }
    }

    /// Carries out what an instance wants done.
    fn carry_out_of(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        effects: Vec<Effect>,
    ) {
        if self.run_of(service).instances[instance].lifecycle.is_gone() {
            self.remove_instance(service, instance);
        }
        for effect in effects {
            match effect {
                Effect::Publish => self.readdress(),
                Effect::Launch(start) => self.launch(service, instance, start),
                Effect::Probe(start, process, origin) => {
                    let trial = self.trial(service, instance);
                    let launching = self.launching(service, instance, start);
                    let asking = launching.probe(process, trial, origin);
                    self.running(service, instance).ask(asking);
                }
                Effect::Drain(wait, drain) => self.drain(service, instance, wait, drain),
                // The task that follows the process reports its end.
                Effect::Stop(process) => drop(process.stop(self.run_of(service).run().stop)),
                Effect::Tell(news) => self.tell_news(service, instance, news),
            }
        }
    }

    /// Gives an instance nothing new, and waits beside the loop until nothing reaches it, or nothing
    /// whose time to drain is over.
    fn drain(&mut self, service: &ServiceName, instance: &InstanceName, wait: Wait, drain: Drain) {
        let (drains, tell) = (self.serving.edge.drains(), self.runs.tell.clone());
        let events = self.events.clone();
        let running = self.running(service, instance);
        let (live, number) = (running.live().cloned(), running.number);
        let (service, instance) = (service.clone(), instance.clone());
        let happening = move |what| Happening {
            service: service.clone(),
            instance: instance.clone(),
            number,
            what,
        };
        if let Some(live) = &live {
            // What is served now may not have it at all; requests that began before may.
            live.put(Bar::Drained);
            self.serving.edge.depart(live, drain);
        }
        tokio::spawn(async move {
            if let Some(live) = live {
                let waits = |text| drop(tell.send(happening(What::Draining(text))));
                drained(&drains, &live, drain, &events, waits).await;
            }
            let _ = tell.send(happening(What::Unreachable(wait)));
        });
    }

    fn tell_news(&mut self, service: &ServiceName, instance: &InstanceName, news: News) {
        let event = news.event(instance);
        match news {
            News::CheckFailed(why) => {
                let (service, instance) = (service.clone(), instance.clone());
                self.events.emit(event::InstanceNotReady { service, instance, why });
            }
            News::Ready => {
                let (service, instance) = (service.clone(), instance.clone());
                self.events.emit(event::InstanceReady { service, instance });
            }
            News::Unreachable => {}
            News::Ended { why, words, then } => {
                if !words.is_empty() {
                    let now = self.serving.edge.now();
                    self.runs.tell_last_words(now, service, instance, words);
                }
                self.runs.tell_end(service, instance, &why, then);
            }
            News::Forced(force) => self.runs.tell_forced(service, instance, force),
            News::Gone => return self.gone(service, instance),
        }
        if let Some(event) = event {
            self.tell_rollout(service, event);
        }
    }

    fn gone(&mut self, service: &ServiceName, instance: &InstanceName) {
        self.runs.tell_gone(service, instance);
        if self.serving.is_unwanted(service) {
            if self.run_of(service).instances.is_empty() {
                self.runs.services.remove(service);
            }
            return;
        }
        self.tell_rollout(service, rollout::Event::Gone(instance.clone()));
        self.reconcile(service);
    }

    /// Starts what is missing of a service that no rollout is at, and lets go what is too much.
    pub(super) fn reconcile(&mut self, service: &ServiceName) {
        let is_unwanted = self.serving.is_unwanted(service);
        let Some(run) = self.runs.services.get(service) else { return };
        if is_unwanted || run.active.is_some() || run.asked.is_some() {
            return;
        }
        let Some(release) = run.release.clone() else { return };
        let replicas = run.replicas().get() as usize;
        let instances = run.instances.iter().map(|(name, running)| (name, &running.lifecycle));
        match scale(instances, replicas) {
            Scale::Even => {}
            Scale::Up(missing) => {
                for _ in 0..missing {
                    let instance = self.next_name(service);
                    self.start_instance(service, &instance, release.clone());
                    self.demand(service, &instance, Demand::Serve);
                }
            }
            Scale::Down(surplus) => {
                surplus.iter().for_each(|instance| self.dismiss(service, instance));
            }
        }
    }

    /// Tells the instances whose time has come.
    pub(super) fn tick_instances(&mut self) {
        let now = self.serving.edge.now();
        let is_due = |running: &Running| {
            running.lifecycle.next_deadline().is_some_and(|deadline| deadline <= now)
        };
        let all = self.runs.services.iter().flat_map(|(service, run)| {
            let due = run.instances.iter().filter(|(_, running)| is_due(running));
            due.map(|(instance, _)| (service.clone(), instance.clone()))
        });
        for (service, instance) in all.collect::<Vec<_>>() {
            self.step(&service, &instance, Event::Tick);
        }
    }

    /// When the next instance's time comes.
    pub(super) fn next_instance_deadline(&self) -> Option<Duration> {
        let instances = self.runs.services.values().flat_map(|run| run.instances.values());
        instances.filter_map(|running| running.lifecycle.next_deadline()).min()
    }

    pub(super) fn run_of(&mut self, service: &ServiceName) -> &mut ServiceRun {
        self.runs.services.get_mut(service).expect("what happened to it was looked at")
    }

    fn running(&mut self, service: &ServiceName, instance: &InstanceName) -> &mut Running {
        let run = self.run_of(service);
        run.instances.get_mut(instance).expect("what happened to it was looked at")
    }
}

/// What was found of an earlier Plimsoll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An instance of the release that is meant to run.
    Wanted,
    /// One of another: of a deploy that was cut short, say.
    Leftover,
}

/// An end, as it was told.
struct ToldEnd {
    why: String,
    words: Vec<String>,
    port: Port,
}

fn port_of(exit: &Exit) -> Port {
    match exit.port_taken {
        true => Port::Taken,
        false => Port::Own,
    }
}

fn force_of(stopped: &Stopped) -> Force {
    match stopped {
        Stopped { stuck: 1.., .. } => Force::Stuck,
        Stopped { exit: Exit { ending: ExitCause::Unreached, .. }, .. } => Force::Unreached,
        Stopped { killed: Some(Killed::Overdue), .. } => Force::Killed,
        Stopped { killed: Some(Killed::LeftBehind), .. } => Force::LeftBehind,
        _ => Force::Unneeded,
    }
}
