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
    AdoptError, Adoption, Composed, Driver, Examination, Examined, Held, Identity, Launch,
    LaunchError, Launcher, ProcessDriver, ProcessLogs, Record, Spec, Upkeep,
};
use futures_util::future::BoxFuture;
use model::{Recipe, Workload};

/// Starts each instance as what it is.
#[derive(Clone, Debug)]
pub(crate) struct Drivers {
    processes: ProcessDriver,
    containers: DockerDriver,
}

impl Drivers {
    /// Those that keep what they have to in `state_dir`. They share the ports, so that no two instances are given the same.
    pub(crate) fn new(launcher: Launcher, state_dir: &Path) -> Self {
        let (ports, logs) = (Ports::default(), ProcessLogs::of(state_dir));
        let daemon = Daemon::of(|name| std::env::var_os(name));
        Self {
            processes: ProcessDriver::new(launcher, ports.clone(), logs),
            containers: DockerDriver::new(daemon, ports, state_dir),
        }
    }

    fn of_recipe(&self, recipe: &Recipe) -> &dyn Driver {
        match recipe.workload {
            Workload::Process(_) => &self.processes,
            Workload::Container(_) => &self.containers,
        }
    }

    fn of_record(&self, record: &Record) -> &dyn Driver {
        match record.identity {
            Identity::Process(_) => &self.processes,
            Identity::Container(_) => &self.containers,
        }
    }
}

impl Driver for Drivers {
    fn preflight(&self, plan: Preflight) -> BoxFuture<'static, Result<Passed, Vec<Obstacle>>> {
        self.of_recipe(&plan.spec.recipe).preflight(plan)
    }

    fn fetch(&self, spec: Spec) -> BoxFuture<'static, Result<Recipe, Vec<Obstacle>>> {
        self.of_recipe(&spec.recipe).fetch(spec)
    }

    fn compose(&self, spec: Spec) -> BoxFuture<'static, Result<Composed, LaunchError>> {
        self.of_recipe(&spec.recipe).compose(spec)
    }

    fn prepare(&self, launch: Launch) -> BoxFuture<'_, Result<Box<dyn Held>, LaunchError>> {
        match launch.composed {
            Composed::Process(_) => self.processes.prepare(launch),
            Composed::Container(_) => self.containers.prepare(launch),
        }
    }

    fn adopt(&self, record: Record, upkeep: Upkeep) -> BoxFuture<'_, Result<Adoption, AdoptError>> {
        self.of_record(&record).adopt(record, upkeep)
    }

    fn reclaim(&self, known: &[Record]) {
        self.processes.reclaim(known);
        self.containers.reclaim(known);
    }

    fn examine(
        &self,
        examination: Examination,
    ) -> BoxFuture<'static, Result<Examined, LaunchError>> {
        self.of_record(&examination.record).examine(examination)
    }

    /// Both keep it in the same place, in the same form.
    fn logs(&self) -> Arc<dyn Logs> {
        self.processes.logs()
    }

    fn sweep(&self, sweep: Sweep) -> BoxFuture<'static, io::Result<()>> {
        self.processes.sweep(sweep)
    }
}
