//! What each test stands on: an engine, a driver of it, a state directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use docker::{Daemon, DockerDriver};
use driver::port::Ports;
use driver::preflight::{Obstacle, Preflight, Room};
use driver::{Adoption, Driver, Held, Instance, Launch, Record, Spec, Upkeep};
use model::{ContainerRecipe, Recipe, Registries, Resources, Stop, Workload};
use tempfile::TempDir;
use testkit::{DockerEngine, Image};
use tokio::runtime::Runtime;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine, and a driver of it.
pub(crate) struct Ground {
    pub(crate) engine: DockerEngine,
    pub(crate) driver: DockerDriver,
    pub(crate) state: TempDir,
    runtime: Runtime,
}

/// A program of the images: says what it is given, listens on its port, and ends when it is asked to, which no first process
/// of a container does by itself.
pub(crate) const SERVES: &str = r#"CMD ["/bin/sh", "-c", "echo $INSTANCE of $VERSION; trap exit TERM; httpd -f -p $PORT -h /tmp & wait"]"#;

impl Ground {
    /// One, in whose network this thread is; `None`, with a word, where this machine has no engine.
    pub(crate) fn new() -> Option<Self> {
        let engine = DockerEngine::start()?;
        engine.enter();
        let state = tempfile::tempdir().unwrap();
        let driver = driver(&engine, state.path());
        let runtime = Runtime::new().unwrap();
        Some(Self { engine, driver, state, runtime })
    }

    /// Makes an image whose program is `change`.
    pub(crate) fn image(&self, name: &str, change: &str) {
        self.engine.import(name, &Image { changes: &[change], ..Image::default() });
    }

    /// Waits for `future`, but not for ever.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let soon = async { tokio::time::timeout(PATIENCE, future).await };
        self.runtime.block_on(soon).expect("within the test's patience")
    }

    /// The next Plimsoll of the same state directory: of the one before nothing goes on.
    pub(crate) fn next(self) -> Self {
        let Self { engine, state, runtime, .. } = self;
        runtime.shutdown_background();
        let (driver, runtime) = (driver(&engine, state.path()), Runtime::new().unwrap());
        Self { engine, driver, state, runtime }
    }

    /// Another driver of the same, as the next Plimsoll has it.
    pub(crate) fn again(&self) -> DockerDriver {
        driver(&self.engine, self.state.path())
    }

    /// Makes a container by `recipe`, which does not run.
    pub(crate) fn hold(&self, name: &str, recipe: &Recipe) -> Result<Box<dyn Held>, String> {
        let told = |error: &dyn std::error::Error| chain(error);
        let composed = self.wait(self.driver.compose(spec(recipe))).map_err(|it| told(&it))?;
        let launch = Launch {
            service: "shop".into(),
            instance: name.into(),
            version: "1".into(),
            composed,
            upkeep: Upkeep::default(),
        };
        self.wait(self.driver.prepare(launch)).map_err(|it| told(&it))
    }

    /// The same, and lets it run.
    pub(crate) fn start(&self, name: &str, recipe: &Recipe) -> Result<Arc<dyn Instance>, String> {
        let held = self.hold(name, recipe)?;
        self.wait(held.release()).map_err(|error| chain(&error))
    }

    /// What `recipe` is when its image is pinned, or what stands in the way.
    pub(crate) fn fetch(&self, recipe: &Recipe) -> Result<Recipe, Vec<String>> {
        self.wait(self.driver.fetch(spec(recipe))).map_err(told)
    }

    /// What stands in the way of `recipe`.
    pub(crate) fn lacks(&self, recipe: &Recipe, registries: Registries) -> Vec<String> {
        let spec = Spec { registries, ..spec(recipe) };
        let (running, without, room) = (BTreeSet::new(), Vec::new(), Room::default());
        let plan = Preflight { spec, running, without, room };
        self.wait(self.driver.preflight(plan)).map_or_else(told, |_| Vec::new())
    }

    /// Takes over what `record` remembers, as the next Plimsoll does.
    pub(crate) fn adopt(
        &self,
        driver: &DockerDriver,
        record: &Record,
    ) -> Option<Arc<dyn Instance>> {
        match self.wait(driver.adopt(record.clone(), Upkeep::default())).unwrap() {
            Adoption::Running(instance) => Some(instance),
            Adoption::Gone(_) => None,
        }
    }

    /// Waits until the instance's output has `line`.
    pub(crate) fn said(&mut self, instance: &Arc<dyn Instance>, line: &str) {
        let tails = |ground: &Self| ground.wait(instance.tail(1000)).unwrap();
        let deadline = std::time::Instant::now() + PATIENCE;
        while !tails(self).iter().any(|it| it == line) {
            assert!(std::time::Instant::now() < deadline, "no `{line}` in {:?}", tails(self));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn driver(engine: &DockerEngine, state: &Path) -> DockerDriver {
    let host = engine.host();
    DockerDriver::new(Daemon::of(|_| Some(host.clone().into())), Ports::default(), state)
}

fn told(faults: Vec<Obstacle>) -> Vec<String> {
    faults.iter().map(|fault| chain(fault)).collect()
}

/// An error with what is behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

pub(crate) fn spec(recipe: &Recipe) -> Spec {
    Spec {
        service: "shop".into(),
        version: "1".into(),
        recipe: recipe.clone(),
        withheld: BTreeSet::new(),
        placement: Default::default(),
        registries: Registries::new(),
        sealed: Default::default(),
    }
}

/// A recipe of this image, listening on 3000.
pub(crate) fn recipe(image: &str) -> Recipe {
    let container = ContainerRecipe {
        image: image.to_owned(),
        pin: None,
        command: None,
        port: 3000,
        user: None,
        volumes: Vec::new(),
        network: None,
        resources: Resources::default(),
    };
    Recipe {
        workload: Workload::Container(container),
        env: BTreeMap::new(),
        env_file: None,
        secrets: Vec::new(),
    }
}

pub(crate) fn container(recipe: &mut Recipe) -> &mut ContainerRecipe {
    let Workload::Container(container) = &mut recipe.workload else { panic!("it is a container") };
    container
}

/// Asked by SIGTERM, with so much time.
pub(crate) fn stop(timeout: Duration) -> Stop {
    Stop { timeout, ..Stop::default() }
}
