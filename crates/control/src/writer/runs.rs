//! How the writer runs instances: what happens to them, and what is done about it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use driver::restart::{Cause, Pace, Restarts, Standing};
use driver::{Exit, Instance, Stopped};
use edge::Bar;
use model::{Drain, InstanceName, Restart, ServiceName};
use rollout::{Event, Side};

use super::Writer;
use crate::runs::{
    Happening, Launching, Line, Release, Running, ServiceRun, State, WarmedUp, What, drained,
};
use crate::task::Task;

impl Writer {
    /// Takes up what happened to an instance.
    pub(super) fn happened(&mut self, happening: Happening) {
        let is_meant = self.runs.meant(&happening).is_some();
        let Happening { service, instance, what, .. } = happening;
        if !is_meant {
            // Word of an earlier run, or of one that is gone by now.
            match what {
                What::Gone(record, _) => self.forget(&record),
                What::LastWords(words) => self.tell_last_words(&service, &instance, words),
                _ => {}
            }
            return;
        }
        match what {
            What::Launched(Ok(process)) => self.launched(&service, &instance, process),
            What::Launched(Err(why)) => self.ended(&service, &instance, why, Cause::Exit),
            What::WarmedUp(warmed) => self.tell_warmed(&service, &instance, &warmed),
            What::Ready => self.ready(&service, &instance),
            What::Unready(why) => self.unready(&service, &instance, why),
            What::Exited(exit, words) => self.exited(&service, &instance, exit, words),
            What::Gone(record, stopped) => {
                self.forget(&record);
                self.tell_stubborn(&service, &instance, stopped);
                self.gone(&service, &instance);
            }
            What::Unreachable(wait) => self.unreachable(&service, &instance, wait),
            What::Draining(text) => self.tell_draining(&service, &instance, text),
            What::PauseOver => self.relaunch(&service, &instance),
            What::LastWords(words) => self.tell_last_words(&service, &instance, words),
        }
    }

    fn tell_draining(&self, service: &ServiceName, instance: &InstanceName, text: String) {
        if let Some(active) = &self.runs.services[service].active {
            active.tell(Line::waits(active.took(), instance, text));
        }
    }

    fn tell_last_words(&self, service: &ServiceName, instance: &InstanceName, words: Vec<String>) {
        let run = self.runs.services.get(service);
        if let Some(active) = run.and_then(|run| run.active.as_ref()) {
            active.tell_output(instance, words);
        }
    }

    /// Says so if more was needed than to ask.
    fn tell_stubborn(&self, service: &ServiceName, instance: &InstanceName, stopped: Stopped) {
        let text = match stopped {
            Stopped { stuck: 1.., .. } => {
                "could not be killed whole: some of it hangs in the system"
            }
            Stopped { killed: true, .. } => "did not end in its time, and was killed",
            _ => return,
        };
        tracing::warn!(%service, %instance, "instance {text}");
        if let Some(active) = &self.runs.services[service].active {
            active.tell(Line::killed(active.took(), instance, text));
        }
    }

    fn tell_warmed(&self, service: &ServiceName, instance: &InstanceName, warmed: &WarmedUp) {
        tracing::info!(%service, %instance, what = %warmed, "instance is warmed up");
        if let Some(active) = &self.runs.services[service].active {
            active.tell(Line::warmed(active.took(), instance, warmed));
        }
    }

    fn run_of(&mut self, service: &ServiceName) -> &mut ServiceRun {
        self.runs.services.get_mut(service).expect("what happened to it was looked at")
    }

    fn running(&mut self, service: &ServiceName, instance: &InstanceName) -> &mut Running {
        let run = self.run_of(service);
        run.instances.get_mut(instance).expect("what happened to it was looked at")
    }

    fn forget(&self, record: &driver::Record) {
        if let Err(error) = self.runs.journal.forget(record) {
            let why = crate::status::chain(&error);
            tracing::error!(instance = %record.instance, why, "cannot delete an instance from the journal");
        }
    }

    /// Starts an instance of `release` that was not there.
    pub(super) fn start_instance(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        release: Arc<Release>,
        serves: bool,
    ) {
        let (now, start) = (self.edge.now(), self.runs.next_start());
        let run = self.run_of(service);
        let restarts = Restarts::new(pace(run.run().restart), now);
        let mut running = Running::new(release, start, restarts);
        running.serves = serves;
        run.instances.insert(instance.clone(), running);
        self.launch(service, instance);
    }

    fn launch(&mut self, service: &ServiceName, instance: &InstanceName) {
        let launching = self.launching(service, instance);
        let driver = self.runs.driver.clone();
        tokio::spawn(launching.begin(driver));
    }

    fn launching(&mut self, service: &ServiceName, instance: &InstanceName) -> Launching {
        let withheld = self.withheld(service);
        let log = self.runs.logs.join(service.as_str()).join(format!("{instance}.log"));
        let (journal, tell) = (self.runs.journal.clone(), self.runs.tell.clone());
        let checker = self.reports.checker.clone();
        let run = self.run_of(service);
        let running = &run.instances[instance];
        Launching {
            service: run.service.clone(),
            release: running.release.clone(),
            instance: instance.clone(),
            start: running.start,
            log,
            withheld,
            journal,
            tell,
            checker,
            is_new: running.is_new,
        }
    }

    /// Variables that an instance of `service` does not inherit, unless they are its own release's
    /// secrets: those of all other services, by the file and by what runs.
    pub(super) fn withheld(&self, service: &ServiceName) -> BTreeSet<String> {
        let intent = self.intent.borrow();
        let others = self.runs.services.iter().filter(|(name, _)| *name != service);
        let running = others.flat_map(|(_, run)| run.releases()).map(|release| &release.recipe);
        let others = intent.services.values().filter(|other| other.name != *service);
        let wanted = others.filter_map(|other| Some(&other.run.as_ref()?.recipe));
        let secrets = running.chain(wanted).flat_map(|recipe| recipe.secrets.iter().cloned());
        // What the services had that are not in the file any more is nobody's now.
        let (known, service) = (&self.runs.journal, service.clone());
        let gone = known.secrets_but_of(&service).unwrap_or_else(|error| {
            tracing::error!(why = crate::status::chain(&error), "journal cannot be read");
            Default::default()
        });
        secrets.chain(gone).chain(intent.admin.token_variables().cloned()).collect()
    }

    /// Takes an instance over that an earlier Plimsoll started.
    pub(super) fn adopt_instance(
        &mut self,
        service: &ServiceName,
        process: Arc<dyn Instance>,
        release: Arc<Release>,
        is_wanted: bool,
    ) {
        let (now, start) = (self.edge.now(), self.runs.next_start());
        let record = process.record().clone();
        let run = self.run_of(service);
        let restarts = Restarts::new(pace(run.run().restart), now);
        let mut running = Running::new(release, start, restarts);
        (running.serves, running.is_unwanted) = (is_wanted, !is_wanted);
        running.is_new = false;
        run.instances.insert(record.instance.clone(), running);
        let launching = self.launching(service, &record.instance);
        tokio::spawn(launching.take_over(self.runs.driver.clone(), process.clone()));
        self.launched(service, &record.instance, process);
    }

    fn launched(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        process: Arc<dyn Instance>,
    ) {
        let now = self.edge.now();
        let min_healthy = self.min_healthy(service, instance);
        let probe = self.launching(service, instance).probe(process.clone(), min_healthy);
        let running = self.running(service, instance);
        running.restarts.started(now);
        running.state = State::Probing { process, said: None, _asking: probe };
        if running.is_unwanted {
            self.stop_instance(service, instance);
        }
    }

    /// How long an instance has to be healthy on end before it is ready: no time at all but for one of a release
    /// that is to come, for what runs is wanted back soon.
    fn min_healthy(&self, service: &ServiceName, instance: &InstanceName) -> Duration {
        let run = &self.runs.services[service];
        let side = run.active.as_ref().and_then(|active| active.sides.get(instance));
        match side {
            Some(Side::Fresh) => run.run().deploy.min_healthy,
            _ => Duration::ZERO,
        }
    }

    fn ready(&mut self, service: &ServiceName, instance: &InstanceName) {
        let running = self.running(service, instance);
        if let State::Probing { process, .. } = &running.state {
            running.state = State::Up(process.clone());
            tracing::info!(%service, %instance, "instance is ready");
        }
        let serves = running.serves;
        if serves {
            self.readdress();
        }
        self.tell_rollout(service, Event::Ready(instance.clone()));
    }

    /// A first check failed: that is why it is not ready, for as long as no other says otherwise.
    fn unready(&mut self, service: &ServiceName, instance: &InstanceName, why: String) {
        if let State::Probing { said, .. } = &mut self.running(service, instance).state {
            tracing::debug!(%service, %instance, why, "instance is not ready");
            *said = Some(why.clone());
            self.tell_rollout(service, Event::CheckFailed(instance.clone(), why));
        }
    }

    fn exited(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        exit: Exit,
        words: Vec<String>,
    ) {
        let running = self.running(service, instance);
        if matches!(running.state, State::Stopping) {
            // Told when nothing of it is left.
            return;
        }
        let was_up = matches!(running.state, State::Up(_));
        let cause = if exit.port_taken && !was_up { Cause::PortTaken } else { Cause::Exit };
        if cause == Cause::Exit
            && let Some(active) = &self.run_of(service).active
        {
            active.tell_output(instance, words);
        }
        self.ended(service, instance, exit.ending.to_string(), cause);
    }

    /// An instance ended that was not asked to.
    fn ended(&mut self, service: &ServiceName, instance: &InstanceName, why: String, cause: Cause) {
        let now = self.edge.now();
        let is_kept = self
            .run_of(service)
            .active
            .as_ref()
            .is_none_or(|active| cause == Cause::PortTaken || active.rollout.keeps(instance));
        let running = self.running(service, instance);
        let was_published = running.published(instance).is_some();
        if running.is_unwanted {
            running.state = State::Stopping;
            self.gone(service, instance);
            if was_published {
                self.readdress();
            }
            return;
        }
        let next = running.restarts.ended(now, cause, fastrand::f64());
        let seconds = next.pause.as_secs_f64();
        match next.standing {
            _ if !is_kept => tracing::warn!(%service, %instance, why, "instance ended"),
            Standing::Restarting => {
                tracing::warn!(%service, %instance, why, seconds, "instance ended, and is restarted");
            }
            Standing::CrashLoop { runs } => {
                tracing::error!(%service, %instance, why, runs, seconds, "instance is in a crash loop");
            }
        }
        if is_kept {
            let again = format!("{why}; starts again {seconds:.1} s after that");
            let told = match next.standing {
                Standing::Restarting => again,
                Standing::CrashLoop { runs } => format!("in a crash loop ({runs} runs): {again}"),
            };
            self.pause(service, instance, (next.pause, told));
        } else {
            self.remove_instance(service, instance);
        }
        if was_published {
            self.readdress();
        }
        if !is_kept {
            self.tell_rollout(service, Event::Failed(instance.clone(), why));
        }
    }

    /// Nothing is left of an instance. What became of its last requests is counted all the same.
    fn remove_instance(&mut self, service: &ServiceName, instance: &InstanceName) {
        let run = self.run_of(service);
        let Some(mut running) = run.instances.remove(instance) else { return };
        if let Some(active) = &mut run.active {
            active.owe(instance, &running.take_tally());
        }
        self.sweep_logs(service);
    }

    /// Removes old logs of instances that are gone, beside the loop.
    pub(super) fn sweep_logs(&mut self, service: &ServiceName) {
        let directory = self.runs.logs.join(service.as_str());
        let living = self.run_of(service).instances.keys().map(InstanceName::to_string).collect();
        let then = SystemTime::now();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = driver::log::sweep(&directory, (&living, then), GONE_LOGS_MAX) {
                let directory = directory.display();
                tracing::warn!(%error, %directory, "old logs cannot be removed");
            }
        });
    }

    fn pause(
        &mut self,
        service: &ServiceName,
        instance: &InstanceName,
        (pause, why): (Duration, String),
    ) {
        let tell = self.runs.tell.clone();
        let running = self.running(service, instance);
        let happening = Happening {
            service: service.clone(),
            instance: instance.clone(),
            start: running.start,
            what: What::PauseOver,
        };
        let waiting = Task::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = tell.send(happening);
        });
        self.running(service, instance).state = State::Pausing { _waiting: waiting, why };
    }

    fn relaunch(&mut self, service: &ServiceName, instance: &InstanceName) {
        let (now, start) = (self.edge.now(), self.runs.next_start());
        let running = self.running(service, instance);
        // A start that fails is a short run.
        running.restarts.started(now);
        (running.start, running.state) = (start, State::Launching);
        running.is_new = true;
        self.launch(service, instance);
    }

    /// Asks an instance to stop, as soon as that can be.
    pub(super) fn stop_instance(&mut self, service: &ServiceName, instance: &InstanceName) {
        let Some(run) = self.runs.services.get_mut(service) else { return };
        let stop = run.run().stop;
        let Some(running) = run.instances.get_mut(instance) else { return };
        running.is_unwanted = true;
        running.serves = false;
        let was_published = running.published(instance).is_some();
        match std::mem::replace(&mut running.state, State::Stopping) {
            State::Probing { process, .. } | State::Up(process) => {
                // Its end is told by whoever follows it.
                drop(process.stop(stop));
            }
            State::Launching => running.state = State::Launching,
            State::Pausing { .. } => {
                self.gone(service, instance);
                return;
            }
            State::Stopping => {}
        }
        if was_published {
            self.readdress();
        }
    }

    fn gone(&mut self, service: &ServiceName, instance: &InstanceName) {
        if !matches!(self.running(service, instance).state, State::Stopping) {
            // It ended by itself, and was told of.
            return;
        }
        self.remove_instance(service, instance);
        tracing::info!(%service, %instance, "instance is stopped");
        if self.is_unwanted(service) {
            if self.run_of(service).instances.is_empty() {
                self.runs.services.remove(service);
            }
            return;
        }
        self.tell_rollout(service, Event::Gone(instance.clone()));
        self.reconcile(service);
    }

    fn unreachable(&mut self, service: &ServiceName, instance: &InstanceName, wait: u64) {
        let running = self.running(service, instance);
        // It may have been given requests again since.
        if running.leaving != Some(wait) {
            return;
        }
        if running.is_unwanted {
            self.stop_instance(service, instance);
        } else {
            self.tell_rollout(service, Event::Unreachable(instance.clone()));
        }
    }

    /// Lets an instance get nothing new, and stops it once nothing reaches it.
    pub(super) fn retire_for_good(&mut self, service: &ServiceName, instance: &InstanceName) {
        let drain = self.run_of(service).run().deploy.drain;
        let running = self.running(service, instance);
        (running.serves, running.is_unwanted) = (false, true);
        self.readdress();
        self.bar(service, instance, drain);
    }

    /// Gives an instance nothing new, and waits beside the loop until nothing reaches it, or nothing
    /// whose time to `drain` is not over.
    pub(super) fn bar(&mut self, service: &ServiceName, instance: &InstanceName, drain: Drain) {
        let (drains, wait) = (self.edge.drains(), self.runs.next_wait());
        let tell = self.runs.tell.clone();
        let running = self.running(service, instance);
        running.leaving = Some(wait);
        let live = running.live().cloned();
        let (service, instance, start) = (service.clone(), instance.clone(), running.start);
        let happening = move |what| Happening {
            service: service.clone(),
            instance: instance.clone(),
            start,
            what,
        };
        if let Some(live) = &live {
            // What is served now may not have it at all; requests that began before may.
            live.put(Bar::Drained);
            self.edge.depart(live, drain);
        }
        tokio::spawn(async move {
            if let Some(live) = live {
                let waits = |text| drop(tell.send(happening(What::Draining(text))));
                drained(&drains, &live, drain, waits).await;
            }
            let _ = tell.send(happening(What::Unreachable(wait)));
        });
    }

    /// Whether the intent does not want the service to be run any more.
    pub(super) fn is_unwanted(&self, service: &ServiceName) -> bool {
        let intent = self.intent.borrow();
        intent.services.get(service).is_none_or(|service| service.run.is_none())
    }

    /// Starts what is missing of a service that no rollout is at, and stops what is too much.
    pub(super) fn reconcile(&mut self, service: &ServiceName) {
        let is_unwanted = self.is_unwanted(service);
        let Some(run) = self.runs.services.get_mut(service) else { return };
        if is_unwanted || run.active.is_some() || run.asked.is_some() {
            return;
        }
        let Some(release) = run.release.clone() else { return };
        let wanted = run.run().replicas.get() as usize;
        let staying: Vec<InstanceName> = run
            .instances
            .iter()
            .filter(|(_, running)| !running.is_unwanted)
            .map(|(name, _)| name.clone())
            .collect();
        for instance in staying.iter().skip(wanted) {
            self.retire_for_good(service, instance);
        }
        for _ in staying.len()..wanted {
            let instance = self.next_name(service);
            self.start_instance(service, &instance, release.clone(), true);
        }
    }

    /// A name that no instance of the service had.
    pub(super) fn next_name(&mut self, service: &ServiceName) -> InstanceName {
        let run = self.run_of(service);
        let name = InstanceName::from(format!("{service}-{}", run.next_number));
        run.next_number += 1;
        let next = run.next_number;
        if let Err(error) = self.runs.journal.count_from(service, next) {
            let why = crate::status::chain(&error);
            tracing::error!(%service, why, "journal cannot be written: a name may be given twice");
        }
        name
    }
}

/// Of so many instances that are gone the logs are kept, for each service.
const GONE_LOGS_MAX: usize = 10;

fn pace(restart: Restart) -> Pace {
    Pace { backoff: restart.backoff, backoff_max: restart.max_backoff, ..Pace::default() }
}
