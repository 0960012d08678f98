//! A driver whose instances are no processes: each is a server in the test's own process, that ends when
//! the test, or the control loop, says so.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use driver::log::Sweep;
use driver::logs::{Logs, Output, Part, Written};
use driver::preflight::{Obstacle, Passed, Preflight};
use driver::{
    AdoptError, Adoption, Composed, Driver, Environment, Examination, Examined, Exit, ExitCause,
    Gone, Held, Identity, Instance, KeptRelease, Launch, LaunchError, Notice, PortOwner,
    ProcessIdentity, ProcessRecord, ProcessStart, Record, Spec, Stop, Stopped, Unreached, Upkeep,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{InstanceName, Recipe, ServiceName, Workload};
use tokio::sync::watch;

use crate::bench::Origin;

/// Starts servers, and knows all that it ever started.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskDriver(Arc<Stage>);

#[derive(Debug, Default)]
struct Stage {
    instances: Mutex<Vec<Arc<TaskInstance>>>,
    /// Starts that were begun, whether or not they were let go on.
    begun: watch::Sender<usize>,
    /// Starts are held back.
    holds: watch::Sender<bool>,
    /// Preflight does not end.
    hangs: AtomicBool,
    /// What preflight finds, if anything.
    fault: Mutex<Option<&'static str>>,
    /// What is started does not pass its checks.
    is_sick: AtomicBool,
}

impl TaskDriver {
    /// Holds starts back, or lets them go on.
    pub(crate) fn hold(&self, holds: bool) {
        self.0.holds.send_replace(holds);
    }

    /// Preflight finds something.
    pub(crate) fn find_fault(&self, what: &'static str) {
        *self.0.fault.lock().unwrap() = Some(what);
    }

    /// Preflight does not end any more, as on a file system that does not respond.
    pub(crate) fn hang(&self) {
        self.0.hangs.store(true, Ordering::Relaxed);
    }

    /// What is started from now on does not pass its checks.
    pub(crate) fn sicken(&self) {
        self.0.is_sick.store(true, Ordering::Relaxed);
    }

    /// Starts that were begun.
    pub(crate) fn begun(&self) -> usize {
        *self.0.begun.borrow()
    }

    /// All that were started under this name, the last being the last.
    pub(crate) fn named(&self, name: &str) -> Vec<Arc<TaskInstance>> {
        let all = self.0.instances.lock().unwrap();
        all.iter().filter(|it| it.record.instance.as_str() == name).cloned().collect()
    }

    /// Those that run.
    pub(crate) fn running(&self) -> Vec<String> {
        let all = self.0.instances.lock().unwrap();
        let running = all.iter().filter(|instance| instance.exit.borrow().is_none());
        running.map(|instance| instance.record.instance.to_string()).collect()
    }
}

impl Driver for TaskDriver {
    fn preflight(&self, plan: Preflight) -> BoxFuture<'static, Result<Passed, Vec<Obstacle>>> {
        let fault = *self.0.fault.lock().unwrap();
        let checked = match fault {
            Some(what) => {
                Err(vec![Obstacle::Unknown { what, source: io::ErrorKind::NotConnected.into() }])
            }
            None => Ok(Passed {
                environment: Environment::default(),
                given: plan.spec.recipe.env.into_keys().collect(),
                program: None,
            }),
        };
        match self.0.hangs.load(Ordering::Relaxed) {
            true => std::future::pending().boxed(),
            false => async { checked }.boxed(),
        }
    }

    fn compose(&self, spec: Spec) -> BoxFuture<'static, Result<Composed, LaunchError>> {
        let Workload::Process(process) = spec.recipe.workload else { panic!("it is a process") };
        let (command, directory) = (process.command, process.directory);
        let (environment, account) = (Environment::default(), None);
        let start = ProcessStart { command, directory, environment, account };
        async { Ok(Composed::Process(start)) }.boxed()
    }

    fn fetch(&self, spec: Spec) -> BoxFuture<'static, Result<Recipe, Vec<Obstacle>>> {
        async { Ok(spec.recipe) }.boxed()
    }

    fn reclaim(&self, _: &[Record]) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }

    fn unreached(&self) -> Vec<Unreached> {
        Vec::new()
    }

    fn retain(&self, _: Vec<KeptRelease>) {}

    fn prepare(&self, launch: Launch) -> BoxFuture<'_, Result<Box<dyn Held>, LaunchError>> {
        async move {
            self.0.begun.send_modify(|begun| *begun += 1);
            let _ = self.0.holds.subscribe().wait_for(|holds| !holds).await;
            let origin = Origin::start("task").await;
            if self.0.is_sick.load(Ordering::Relaxed) {
                origin.set_health(500);
            }
            let record = Record {
                service: launch.service,
                instance: launch.instance,
                version: launch.version,
                address: origin.address,
                run: origin.address.to_string(),
                identity: Identity::Process(ProcessRecord {
                    leader: ProcessIdentity { pid: 0, start_ticks: 0, boot_id: String::new() },
                    log: "/".into(),
                    log_start: 0,
                }),
            };
            Ok(Box::new(HeldTask { record, origin, stage: self.0.clone() }) as Box<dyn Held>)
        }
        .boxed()
    }

    fn adopt(&self, record: Record, _: Upkeep) -> BoxFuture<'_, Result<Adoption, AdoptError>> {
        let all = self.0.instances.lock().unwrap();
        let found = all.iter().find(|it| it.record == record && it.exit.borrow().is_none());
        let adoption = match found {
            Some(instance) => Adoption::Running(instance.clone()),
            None => Adoption::Gone(Gone::Ended { leftovers: 0 }),
        };
        async { Ok(adoption) }.boxed()
    }

    fn examine(&self, _: Examination) -> BoxFuture<'static, Result<Examined, LaunchError>> {
        async { Err(LaunchError::Lost) }.boxed()
    }

    fn logs(&self) -> Arc<dyn Logs> {
        Arc::new(NoLogs)
    }

    fn sweep(&self, _: Sweep) -> BoxFuture<'static, io::Result<()>> {
        async { Ok(()) }.boxed()
    }
}

/// Nothing is kept of what they write.
#[derive(Debug)]
struct NoLogs;

impl Logs for NoLogs {
    fn instances(&self, _: &ServiceName) -> io::Result<Vec<InstanceName>> {
        Ok(Vec::new())
    }

    fn written(&self, _: &ServiceName, _: &InstanceName) -> Written {
        Written::default()
    }

    fn open(&self, _: &ServiceName, _: &InstanceName, _: Part) -> io::Result<Box<dyn Output>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn place(&self, _: &ServiceName) -> String {
        "nowhere".to_owned()
    }
}

#[derive(Debug)]
struct HeldTask {
    record: Record,
    origin: Origin,
    stage: Arc<Stage>,
}

impl Held for HeldTask {
    fn record(&self) -> &Record {
        &self.record
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, Result<Arc<dyn Instance>, LaunchError>> {
        let Self { record, origin, stage } = *self;
        let (exit, origin) = (watch::Sender::default(), Mutex::new(Some(origin)));
        let instance = Arc::new(TaskInstance { record, exit, origin });
        stage.instances.lock().unwrap().push(instance.clone());
        async { Ok(instance as Arc<dyn Instance>) }.boxed()
    }
}

/// A server that runs, or ran.
#[derive(Debug)]
pub(crate) struct TaskInstance {
    record: Record,
    exit: watch::Sender<Option<Exit>>,
    origin: Mutex<Option<Origin>>,
}

impl TaskInstance {
    /// Requests that it had.
    pub(crate) fn requests(&self) -> usize {
        self.origin.lock().unwrap().as_ref().map_or(0, Origin::requests)
    }

    /// It holds its responses back.
    pub(crate) fn holds(&self) {
        self.origin.lock().unwrap().iter().for_each(|origin| origin.hold(true));
    }

    /// It responds with this status from now on.
    pub(crate) fn answers(&self, status: u16) {
        self.origin.lock().unwrap().iter().for_each(|origin| origin.set_answer(status));
    }

    /// It ends, and nobody asked it to.
    pub(crate) fn fails(&self) {
        self.ends(Exit { ending: ExitCause::Code(1), asked: false, port_taken: false });
    }

    fn ends(&self, exit: Exit) {
        if let Some(origin) = self.origin.lock().unwrap().take() {
            tokio::spawn(origin.kill());
        }
        self.exit.send_if_modified(|told| told.is_none() && told.replace(exit).is_none());
    }

    fn ended<T: Send + 'static>(&self, of: fn(Exit) -> T) -> BoxFuture<'static, T> {
        let mut exit = self.exit.subscribe();
        async move {
            let told = exit.wait_for(Option::is_some).await.map(|exit| exit.map(of));
            told.ok().flatten().expect("it is kept until it has ended")
        }
        .boxed()
    }
}

impl Instance for TaskInstance {
    fn record(&self) -> &Record {
        &self.record
    }

    fn exited(&self) -> BoxFuture<'static, Exit> {
        self.ended(|exit| exit)
    }

    fn gone(&self) -> BoxFuture<'static, Stopped> {
        self.ended(|exit| Stopped { exit, killed: None, leftovers: 0, stuck: 0 })
    }

    fn stop(&self, _: Stop) -> BoxFuture<'static, Stopped> {
        self.ends(Exit { ending: ExitCause::Code(0), asked: true, port_taken: false });
        self.gone()
    }

    fn listener(&self) -> BoxFuture<'static, PortOwner> {
        async { PortOwner::Own }.boxed()
    }

    fn listens(&self) -> BoxFuture<'static, Vec<SocketAddr>> {
        let address = self.record.address;
        async move { vec![address] }.boxed()
    }

    fn notices(&self) -> Option<watch::Receiver<Notice>> {
        None
    }

    fn memory(&self) -> BoxFuture<'static, u64> {
        async { 0 }.boxed()
    }

    fn tail(&self, _: usize) -> BoxFuture<'static, io::Result<Vec<String>>> {
        async { Ok(Vec::new()) }.boxed()
    }
}

/// The names of these.
pub(crate) fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}
