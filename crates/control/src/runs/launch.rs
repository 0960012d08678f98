//! Starting an instance, and asking it until it answers: tasks beside the control loop.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driver::env_file::EnvFile;
use driver::environment::{Environment, Sources, Value};
use driver::{Account, Driver, Instance, Launch, Rotation, StartError, Upkeep};
use model::{HealthCheck, HealthProbe, InstanceName, Recipe, Run, Service};
use tokio::sync::mpsc;

use super::first_check::{self, LOOK_EVERY};
use super::instance::address;
use super::{Happening, Release, What};
use crate::journal::Journal;
use crate::probe;
use crate::status::chain;
use crate::task::Task;

/// How many of an instance's last lines are told when it ends, or is given up.
pub(crate) const LAST_LINES: usize = 20;

/// One start of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Launching {
    pub(crate) service: Arc<Service>,
    pub(crate) release: Arc<Release>,
    pub(crate) instance: InstanceName,
    /// The number of the start.
    pub(crate) start: u64,
    pub(crate) log: PathBuf,
    /// Variables that it does not inherit.
    pub(crate) withheld: BTreeSet<String>,
    pub(crate) journal: Journal,
    pub(crate) tell: mpsc::UnboundedSender<Happening>,
    pub(crate) checker: probe::Checker,
}

impl Launching {
    fn run(&self) -> &Run {
        self.service.run.as_ref().expect("only what Plimsoll runs is launched")
    }

    /// How it is cared for while it runs.
    pub(crate) fn upkeep(&self) -> Upkeep {
        Upkeep { stop: self.run().stop, rotation: Rotation::default() }
    }

    fn tell(&self, what: What) {
        let (service, instance) = (self.service.name.clone(), self.instance.clone());
        // The loop that listens may have ended; then nobody wants to know.
        let _ = self.tell.send(Happening { service, instance, start: self.start, what });
    }

    /// Starts it, and tells what becomes of it until nothing of it is left.
    pub(crate) async fn begin(self, driver: Arc<dyn Driver>) {
        match self.launch(&*driver).await {
            Ok(process) => {
                self.tell(What::Launched(Ok(process.clone())));
                self.follow(process).await;
            }
            Err(why) => self.tell(What::Launched(Err(why))),
        }
    }

    async fn launch(&self, driver: &dyn Driver) -> Result<Arc<dyn Instance>, String> {
        let release = self.release.clone();
        let withheld = self.withheld.clone();
        let recipe = release.recipe.of_version(&release.version);
        let directory = recipe.directory.clone();
        let composed = tokio::task::spawn_blocking(move || surroundings(&recipe, withheld));
        let composed = composed.await.map_err(|error| chain(&error))?;
        let (environment, account) = composed.map_err(|error| chain(&error))?;
        let launch = Launch {
            service: self.service.name.clone(),
            instance: self.instance.clone(),
            version: self.release.version.clone(),
            command: self.release.recipe.command.clone(),
            environment,
            account,
            directory,
            log: self.log.clone(),
            upkeep: self.upkeep(),
        };
        let told = |error: StartError| chain(&error);
        let held = driver.prepare(launch).await.map_err(told)?;
        let (journal, record) = (self.journal.clone(), held.record().clone());
        let of = self.release.id;
        let written = tokio::task::spawn_blocking(move || journal.remember(&record, of)).await;
        match written {
            // What is not written down does not run: held, it ends by itself.
            Ok(Err(error)) => return Err(chain(&error)),
            Err(error) => return Err(chain(&error)),
            Ok(Ok(())) => {}
        }
        let record = held.record().clone();
        match held.release().await {
            Ok(process) => Ok(process),
            Err(error) => {
                let _ = self.journal.forget(&record);
                Err(chain(&error))
            }
        }
    }

    /// Tells of its end.
    pub(crate) async fn follow(&self, process: Arc<dyn Instance>) {
        let exit = process.exited().await;
        let words = process.tail(LAST_LINES).await.unwrap_or_default();
        self.tell(What::Exited(exit, words));
        let stopped = process.gone().await;
        self.tell(What::Gone(process.record().clone(), stopped));
    }

    /// Asks it until it answers as a healthy one does, and tells why it does not yet.
    /// It has to do so for `min_healthy` on end.
    pub(crate) fn probe(&self, process: Arc<dyn Instance>, min_healthy: Duration) -> Task {
        let this = self.clone();
        Task::spawn(async move {
            let plan = this.first_check(process.record().port);
            let tell = |why| this.tell(What::Unready(why));
            first_check::until_ready(&plan, &*process, min_healthy, tell).await;
            this.tell(What::Ready);
        })
    }

    /// Without a check of its own an instance is taken for ready when it lets itself be connected to.
    fn first_check(&self, port: u16) -> probe::Plan {
        let tcp = HealthCheck {
            probe: HealthProbe::Tcp,
            interval: LOOK_EVERY,
            timeout: Duration::from_secs(1),
            healthy: 1,
            unhealthy: 1,
        };
        probe::Plan {
            address: address(port),
            target: address(port).to_string(),
            protocol: self.service.protocol,
            check: self.service.health.clone().unwrap_or(tcp),
            checker: self.checker.clone(),
        }
    }
}

/// Why it cannot be said in what an instance is to run.
#[derive(Debug, thiserror::Error)]
enum NoSurroundings {
    /// Its `env_file` cannot be read.
    #[error(transparent)]
    EnvFile(#[from] driver::env_file::EnvFileError),
    /// Nobody can run as its user.
    #[error(transparent)]
    Account(#[from] driver::AccountFault),
}

/// What an instance that is made by `recipe` finds in its environment, and as whom it runs.
fn surroundings(
    recipe: &Recipe,
    withheld: BTreeSet<String>,
) -> Result<(Environment, Option<Account>), NoSurroundings> {
    let file = recipe.env_file.as_deref().map(EnvFile::read).transpose()?;
    let account = recipe.user.as_ref().map(Account::find).transpose()?;
    let environment = Environment::compose(Sources {
        given: Environment::of_this_process(),
        inherit: &recipe.inherit,
        withheld,
        secrets: &recipe.secrets,
        account: account.as_ref(),
        file: file.as_ref(),
        env: recipe.env.iter().map(|(name, value)| (name.clone(), Value(value.clone()))).collect(),
    });
    Ok((environment, account))
}
