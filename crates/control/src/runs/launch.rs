//! Starting an instance, and asking it until it answers: tasks beside the control loop.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use driver::{
    Driver, Instance, Launch, LaunchError, Listening, Notify, Placement, Rotation, Spec, Upkeep,
};
use model::{
    HealthCheck, HealthProbe, InstanceName, Registries, Run, Secret, Service, Smoke, Work,
};
use rollout::instance::{Origin, Start};
use telemetry::{Events, event};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::first_check::{self, LOOK_EVERY, Proof, Told};
use super::{Happening, OfStart, What, smoke, warm_up};
use crate::chain::chain;
use crate::journal::Journal;
use crate::probe::{self, Inside};
use crate::release::Release;
use crate::task::Task;

/// How many of an instance's last lines are told when it ends, or is given up.
pub(crate) const LAST_LINES: usize = 20;

/// One start of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Launching {
    pub(crate) service: Arc<Service>,
    pub(crate) release: Arc<Release>,
    pub(crate) instance: InstanceName,
    pub(crate) number: u64,
    pub(crate) start: Start,
    /// How TLS is spoken with it; `None` for clear text.
    pub(crate) tls: Option<Arc<edge::ServiceTlsPlan>>,
    /// Variables that it does not inherit.
    pub(crate) withheld: BTreeSet<String>,
    /// How registries of images are asked.
    pub(crate) registries: Registries,
    /// The secrets beside the configuration.
    pub(crate) sealed: Arc<BTreeMap<String, Secret>>,
    pub(crate) journal: Journal,
    pub(crate) tell: mpsc::UnboundedSender<Happening>,
    pub(crate) checker: probe::Checker,
    pub(crate) events: Events,
}

/// What an instance has to stand before it is ready.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trial {
    /// How long every check has to pass.
    pub(crate) min_healthy: Duration,
    /// What it is asked then.
    pub(crate) smoke: Vec<Smoke>,
}

impl Launching {
    fn run(&self) -> &Run {
        self.service.run.as_ref().expect("only what Plimsoll runs is launched")
    }

    /// How it is cared for while it runs.
    pub(crate) fn upkeep(&self) -> Upkeep {
        let notify = notify(&self.service);
        let listening = listening(self.run());
        Upkeep { stop: self.run().stop, rotation: Rotation::default(), notify, listening }
    }

    fn tell(&self, what: OfStart) {
        let (service, instance) = (self.service.name.clone(), self.instance.clone());
        let what = What::Start(self.start, what);
        // The loop that listens may have ended; then nobody wants to know.
        let _ = self.tell.send(Happening { service, instance, number: self.number, what });
    }

    /// Starts it, and tells what becomes of it until nothing of it is left.
    pub(crate) async fn begin(self, driver: Arc<dyn Driver>) {
        match self.launch(&*driver).await {
            Ok((process, launch)) => {
                self.enter(driver, &process, Some(launch));
                self.tell(OfStart::Launched(Ok(process.clone())));
                self.follow(process).await;
            }
            Err(why) => self.tell(OfStart::Launched(Err(why))),
        }
    }

    /// Follows one that was taken over.
    pub(crate) async fn take_over(self, driver: Arc<dyn Driver>, process: Arc<dyn Instance>) {
        let composed = self.compose(&*driver).await;
        if let Err(why) = &composed {
            let (service, instance) = (self.service.name.clone(), self.instance.clone());
            let why = why.clone();
            self.events.emit(event::CheckProgramUnavailable { service, instance, why });
        }
        self.enter(driver, &process, composed.ok());
        self.follow(process).await;
    }

    /// Lets checks know it from within.
    fn enter(&self, driver: Arc<dyn Driver>, process: &Arc<dyn Instance>, launch: Option<Launch>) {
        let inside = Inside { driver, process: process.clone(), launch };
        self.checker.enter(process.record().address, inside);
    }

    /// All that is needed to start it.
    async fn compose(&self, driver: &dyn Driver) -> Result<Launch, String> {
        let spec = Spec {
            service: self.service.name.clone(),
            version: self.release.version.clone(),
            recipe: self.release.recipe.clone(),
            withheld: self.withheld.clone(),
            placement: placement(self.run()),
            registries: self.registries.clone(),
            sealed: self.sealed.clone(),
        };
        let composed = driver.compose(spec).await.map_err(|error| chain(&error))?;
        Ok(Launch {
            service: self.service.name.clone(),
            instance: self.instance.clone(),
            version: self.release.version.clone(),
            composed,
            upkeep: self.upkeep(),
        })
    }

    async fn launch(&self, driver: &dyn Driver) -> Result<(Arc<dyn Instance>, Launch), String> {
        let launch = self.compose(driver).await?;
        let process = start(driver, &self.journal, launch.clone(), self.release.id).await?;
        Ok((process, launch))
    }

    /// Tells of its end.
    pub(crate) async fn follow(&self, process: Arc<dyn Instance>) {
        let exit = process.exited().await;
        let words = process.tail(LAST_LINES).await.unwrap_or_default();
        self.tell(OfStart::Exited(exit, words));
        let stopped = process.gone().await;
        self.checker.leave(process.record().address, &process);
        self.tell(OfStart::Gone(Box::new(process.record().clone()), stopped));
    }

    /// Asks it until it answers as a healthy one does, and tells why it does not yet.
    /// It has to do so as long as `trial` says. One that was started is warmed up then, and tried.
    pub(crate) fn probe(&self, process: Arc<dyn Instance>, trial: Trial, origin: Origin) -> Task {
        let this = self.clone();
        Task::spawn(async move {
            let started = Instant::now();
            let plan = this.first_check(process.record().address);
            let tell = |told| match told {
                Told::Changed(why) => this.tell(OfStart::Unready(why)),
                Told::Lasting(why) => {
                    let (service, instance) = (this.service.name.clone(), this.instance.clone());
                    this.events.emit(event::InstanceUnready { service, instance, why });
                }
            };
            match this.run().work {
                // It has nothing to be asked by: what ends meanwhile is told by itself.
                Work::Own { ready_after } if this.service.health.is_none() => {
                    tokio::time::sleep(ready_after.max(trial.min_healthy)).await;
                }
                _ => {
                    let (listening, healthy_for) = (listening(this.run()), trial.min_healthy);
                    let proof = Proof { listening, healthy_for };
                    first_check::until_ready(&plan, &*process, proof, tell).await;
                }
            }
            if origin == Origin::Started {
                this.warm_up(&plan, started).await;
                if !trial.smoke.is_empty() {
                    let limit = this.run().deploy.ready_timeout.saturating_sub(started.elapsed());
                    let smoked = smoke::smoke(&plan, &trial.smoke, limit).await;
                    let has_failed = smoked.is_err();
                    this.tell(OfStart::Smoked(smoked));
                    if has_failed {
                        return;
                    }
                }
            }
            this.tell(OfStart::Ready);
        })
    }

    /// Asks it for what warms it up, and tells what came of it.
    async fn warm_up(&self, plan: &probe::ProbePlan, started: Instant) {
        let deploy = &self.run().deploy;
        if !deploy.warm_up.is_empty() {
            let limit = warm_up::limit(deploy, started);
            self.tell(OfStart::WarmedUp(warm_up::warm_up(plan, &deploy.warm_up, limit).await));
        }
    }

    /// Without a check of its own an instance is taken for ready when it lets itself be connected to.
    fn first_check(&self, address: SocketAddr) -> probe::ProbePlan {
        let tcp = HealthCheck {
            probe: HealthProbe::Tcp,
            interval: LOOK_EVERY,
            timeout: Duration::from_secs(1),
            healthy: 1,
            unhealthy: 1,
        };
        probe::ProbePlan {
            address,
            target: address.to_string(),
            protocol: self.service.protocol,
            tls: self.tls.as_ref().map(|plan| plan.toward(&model::Host::Address(address.ip()))),
            violations: self.service.violations,
            check: self.service.health.clone().unwrap_or(tcp),
            checker: self.checker.clone(),
        }
    }
}

/// Lets what `launch` says run, of the release that the deploy `made_by` makes, once that is written down.
pub(crate) async fn start(
    driver: &dyn Driver,
    journal: &Journal,
    launch: Launch,
    made_by: i64,
) -> Result<Arc<dyn Instance>, String> {
    let told = |error: LaunchError| chain(&error);
    let held = driver.prepare(launch).await.map_err(told)?;
    let record = held.record().clone();
    let (known, of_it) = (journal.clone(), record.clone());
    let written = tokio::task::spawn_blocking(move || known.remember(&of_it, made_by)).await;
    match written {
        // What is not written down does not run: held, it ends by itself.
        Ok(Err(error)) => return Err(chain(&error)),
        Err(error) => return Err(chain(&error)),
        Ok(Ok(())) => {}
    }
    held.release().await.map_err(|error| {
        let _ = journal.forget(&record);
        chain(&error)
    })
}

/// Where instances that are run so are to run. A host is waited for a little less long than an instance is: what it lacks is told then,
/// and not only that nothing came.
pub(crate) fn placement(run: &Run) -> Placement {
    let patience = run.deploy.ready_timeout.saturating_sub(Duration::from_secs(1));
    Placement { hosts: run.hosts.clone(), patience }
}

/// Where that is to run which is run once beside them: on the first of several hosts.
pub(crate) fn first_place(run: &Run) -> Placement {
    let mut first = placement(run);
    first.hosts.truncate(1);
    first
}

/// Whether instances that are run so are to listen.
pub(crate) fn listening(run: &Run) -> Listening {
    match run.work {
        Work::Requests => Listening::OnPort,
        Work::Own { .. } => Listening::Nowhere,
    }
}

/// Whether the instances of `service` are listened to when they say how they are.
pub(crate) fn notify(service: &Service) -> Notify {
    match service.health.as_ref().map(|check| &check.probe) {
        Some(HealthProbe::Notify) => Notify::Heard,
        _ => Notify::Unheard,
    }
}
