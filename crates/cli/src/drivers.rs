//! The drivers of all kinds of instances as the one that the control loop has: each does what is its kind's.

use std::io;
use std::path::Path;
use std::sync::Arc;

use docker::{Daemon, DockerDriver};
use driver::log::Sweep;
use driver::logs::Logs;
use driver::port::Ports;
use driver::preflight::{Obstacle, Passed, Preflight};
use driver::{
    AdoptError, Adoption, Composed, Driver, Examination, Examined, Held, Identity, KeptRelease,
    Launch, LaunchError, Launcher, Placement, ProcessDriver, ProcessLogs, Record, Spec, Unreached,
    Upkeep,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{Recipe, Workload};
use ssh::Hosts;

/// Starts each instance as what it is.
#[derive(Clone, Debug)]
pub(crate) struct Drivers {
    processes: ProcessDriver,
    containers: DockerDriver,
    /// Containers on other hosts.
    elsewhere: Hosts,
}

impl Drivers {
    /// Those that keep what they have to in `state_dir`. They share the ports, so that no two instances are given the same.
    pub(crate) fn new(launcher: Launcher, state_dir: &Path) -> Self {
        let (ports, logs) = (Ports::default(), ProcessLogs::of(state_dir));
        let daemon = Daemon::of(|name| std::env::var_os(name));
        let containers = DockerDriver::new(daemon, ports.clone(), state_dir);
        let place = state_dir.to_owned();
        let on_host = move |remote| -> Arc<dyn Driver> {
            Arc::new(DockerDriver::new(Daemon::on(remote), Ports::default(), &place))
        };
        Self {
            processes: ProcessDriver::new(launcher, ports, logs),
            elsewhere: Hosts::new(state_dir, Arc::new(containers.clone()), on_host),
            containers,
        }
    }

    fn of_spec(&self, spec: &Spec) -> &dyn Driver {
        match spec.recipe.workload {
            Workload::Process(_) => &self.processes,
            Workload::Container(_) => self.of_containers(&spec.placement),
        }
    }

    fn of_containers(&self, placement: &Placement) -> &dyn Driver {
        match placement.hosts.is_empty() {
            true => &self.containers,
            false => &self.elsewhere,
        }
    }

    fn of_record(&self, record: &Record) -> &dyn Driver {
        match record.identity {
            Identity::Process(_) => &self.processes,
            Identity::Container(_) if record.identity.host().is_some() => &self.elsewhere,
            Identity::Container(_) => &self.containers,
        }
    }
}

impl Driver for Drivers {
    fn preflight(&self, plan: Preflight) -> BoxFuture<'static, Result<Passed, Vec<Obstacle>>> {
        self.of_spec(&plan.spec).preflight(plan)
    }

    fn fetch(&self, spec: Spec) -> BoxFuture<'static, Result<Recipe, Vec<Obstacle>>> {
        self.of_spec(&spec).fetch(spec)
    }

    fn compose(&self, spec: Spec) -> BoxFuture<'static, Result<Composed, LaunchError>> {
        self.of_spec(&spec).compose(spec)
    }

    fn prepare(&self, launch: Launch) -> BoxFuture<'_, Result<Box<dyn Held>, LaunchError>> {
        match &launch.composed {
            Composed::Process(_) => self.processes.prepare(launch),
            Composed::Container(start) => self.of_containers(&start.placement).prepare(launch),
        }
    }

    fn adopt(&self, record: Record, upkeep: Upkeep) -> BoxFuture<'_, Result<Adoption, AdoptError>> {
        self.of_record(&record).adopt(record, upkeep)
    }

    fn reclaim(&self, known: &[Record]) -> BoxFuture<'static, ()> {
        let drivers: [&dyn Driver; 3] = [&self.processes, &self.containers, &self.elsewhere];
        let reclaimed = drivers.map(|driver| driver.reclaim(known));
        async move {
            for of_one in reclaimed {
                of_one.await;
            }
        }
        .boxed()
    }

    fn unreached(&self) -> Vec<Unreached> {
        self.elsewhere.unreached()
    }

    fn retain(&self, wanted: Vec<KeptRelease>) {
        self.processes.retain(wanted.clone());
        self.containers.retain(wanted.clone());
        self.elsewhere.retain(wanted);
    }

    fn examine(
        &self,
        examination: Examination,
    ) -> BoxFuture<'static, Result<Examined, LaunchError>> {
        self.of_record(&examination.record).examine(examination)
    }

    /// All keep it in the same place, in the same form.
    fn logs(&self) -> Arc<dyn Logs> {
        self.processes.logs()
    }

    fn sweep(&self, sweep: Sweep) -> BoxFuture<'static, io::Result<()>> {
        self.processes.sweep(sweep)
    }
}
