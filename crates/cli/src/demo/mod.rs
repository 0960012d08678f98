//! The demonstration: a small service, the load balancer in front of it, a steady client, a good
//! release, and a bad one that is detected and rolled back.
//!
//! This file is the script. The servers are real processes, the deploys are real ones; what is shown
//! is what the running program tells, and what the client counts. Nothing is left behind.

mod happening;
mod receipt;
mod stage;
mod visitors;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use admin::{DeployEvents, Receipt as Deployed};
use control::{DeployError, DeployRequest, Handle, Overrides, Progressing};
use driver::Started;
use load::{LoadPlan, OpenLoop, Rate};
use tempfile::TempDir;
use tokio::net::UnixListener;

use crate::failure::Failure;
use crate::start::settings;
use happening::Happening;
use receipt::Receipt;
pub(crate) use stage::Stage;
use visitors::Visitors;

/// How often the picture is drawn.
const GLANCE: Duration = Duration::from_millis(100);
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The releases.
const FIRST: &str = "1.0";
const GOOD: &str = "1.1";
const BAD: &str = "1.2";
/// The share of its requests that the bad release fails.
const FAILS: f64 = 0.2;

/// What is wanted of the demonstration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Requests a second.
    pub(crate) rate: NonZeroU32,
    /// How long it is watched at a time.
    pub(crate) scene: Duration,
}

/// Plays it. True when all went as it should.
pub(crate) async fn play(wanted: Wanted, stage: Stage) -> Result<bool, Failure> {
    let play = Play::begin(wanted, stage).await?;
    play.watch(wanted.scene).await?;

    play.tell(Happening::Deploys {
        release: GOOD,
        what: "which is as good",
        command: "plimsoll deploy shop 1.1",
    });
    let good = play.deploy(GOOD, Overrides::default()).await?;

    play.tell(Happening::Deploys {
        release: BAD,
        what: "which fails every fifth request",
        command: "plimsoll deploy shop 1.2 --strategy canary",
    });
    let step = |share| model::Step::Shift { share, watch: wanted.scene };
    let steps = Some(vec![step(0.1), step(0.5)]);
    let bad = play.deploy(BAD, Overrides { steps, ..Overrides::default() }).await?;

    play.watch(wanted.scene / 2).await?;
    play.end(good, bad).await
}

/// The demonstration while it is played.
struct Play {
    stage: Stage,
    began: Instant,
    wanted: Wanted,
    handle: Handle,
    controller: control::Controller,
    load: OpenLoop,
    /// As long as this is open the servers serve: however we end, they do.
    _open: UnixListener,
    /// Removed with all that is in it at the end.
    _place: TempDir,
}

impl Play {
    async fn begin(wanted: Wanted, stage: Stage) -> Result<Self, Failure> {
        let began = Instant::now();
        let unmade = |source| Failure::Temporary { place: std::env::temp_dir(), source };
        let place = TempDir::with_prefix("plimsoll-demo-").map_err(unmade)?;
        let socket = place.path().join("open");
        let open = UnixListener::bind(&socket).map_err(system("make a socket"))?;
        let file = place.path().join("plimsoll.toml");
        let program = std::env::current_exe().map_err(system("find this program"))?;
        let text = configuration(place.path(), &program, &socket, wanted.scene);
        std::fs::write(&file, text).map_err(system("write a configuration"))?;
        let controller = control::start(settings(&file, Started::of_this_process())).await?;
        let handle = controller.handle();
        wait(first_deploy(&handle).await?, |_| ()).await;
        let status = status(&handle).await?;
        let listening = status.listeners.iter().flat_map(|listener| &listener.addresses).next();
        let address = *listening.expect("the configuration has a listener");
        let plan = LoadPlan { address, rate: Rate(wanted.rate), timeout: PATIENCE };
        let load = OpenLoop::start(plan, Visitors);
        let (_open, _place) = (open, place);
        let play = Self { stage, began, wanted, handle, controller, load, _open, _place };
        play.tell_began(address);
        Ok(play)
    }

    fn tell_began(&self, address: SocketAddr) {
        self.tell(Happening::Began { address, release: FIRST, rate: self.wanted.rate.get() });
    }

    fn tell(&self, happening: Happening) {
        self.stage.tell(self.began.elapsed(), &happening);
    }

    /// Looks on for a while.
    async fn watch(&self, scene: Duration) -> Result<(), Failure> {
        let end = Instant::now() + scene;
        while Instant::now() < end {
            self.glance().await?;
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    async fn glance(&self) -> Result<(), Failure> {
        let status = status(&self.handle).await?;
        self.stage.draw(self.began.elapsed(), &self.load.tally(), status.services.first());
        Ok(())
    }

    /// Deploys a release, and tells what happens until it is over.
    async fn deploy(&self, release: &str, overrides: Overrides) -> Result<Deployed, Failure> {
        let request = DeployRequest {
            service: "shop".to_owned(),
            release: control::Wanted::Version(release.to_owned()),
            overrides,
            without: Vec::new(),
            who: crate::who::who(),
        };
        let following = self.handle.deploy(request).await.map_err(of_deploy)?;
        let told = wait(following, |step| self.tell(Happening::Step { step }));
        let glances = async {
            loop {
                if let Err(error) = self.glance().await {
                    return error;
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        let deployed = tokio::select! {
            deployed = told => deployed,
            error = glances => return Err(error),
        };
        let tally = self.load.tally();
        self.tell(Happening::Counted { sent: tally.sent(), failed: tally.failed() });
        deployed.ok_or_else(|| Failure::System {
            what: "follow a deploy",
            source: std::io::ErrorKind::UnexpectedEof.into(),
        })
    }

    async fn end(self, good: Deployed, bad: Deployed) -> Result<bool, Failure> {
        let tally = self.load.stop().await;
        let shutdown = self.handle.shutdown(control::After::Stop).await;
        debug_assert!(shutdown.is_ok(), "nobody else ends it");
        drop(self.handle);
        self.controller.ended().await;
        let took = self.began.elapsed();
        let receipt = Receipt { good, bad, tally, rate: self.wanted.rate.get(), took };
        self.stage.end(took, &receipt);
        Ok(receipt.is_good())
    }
}

/// Follows a deploy to its end, and tells each of its lines. Its receipt.
async fn wait(following: Progressing, tell: impl Fn(admin::Line)) -> Option<Deployed> {
    let mut progress = following.progress;
    let mut told = 0;
    loop {
        let DeployEvents { lines, receipt } =
            admin::deploy_events(&progress.borrow_and_update(), told);
        told += lines.len();
        lines.into_iter().for_each(&tell);
        if receipt.is_some() {
            return receipt;
        }
        progress.changed().await.ok()?;
    }
}

async fn status(handle: &Handle) -> Result<control::Status, Failure> {
    handle.status().await.map_err(|source| Failure::System {
        what: "ask the balancer",
        source: std::io::Error::other(source),
    })
}

/// Follows the deploy of the first release, which begins as soon as it was looked at.
async fn first_deploy(handle: &Handle) -> Result<Progressing, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match handle.following(1).await {
            Err(DeployError::NoSuchDeploy { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            following => return following.map_err(of_deploy),
        }
    }
}

fn of_deploy(error: DeployError) -> Failure {
    Failure::System { what: "deploy", source: std::io::Error::other(error) }
}

/// What the balancer is told. Checks are quick, so that nobody has to wait for the point.
fn configuration(place: &Path, program: &Path, socket: &Path, bake: Duration) -> String {
    let bake = bake.as_millis();
    let state = place.join("state");
    format!(
        "[server]\nstate_dir = {state:?}\ndrain = \"1s\"\n\
         [log]\naccess = \"off\"\n\
         [listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [services.shop]\n\
         command = [{program:?}, \"sample\", \"--release\", \"{{version}}\", \"--faulty\", \"{BAD}\", \"--fails\", \"{FAILS}\", \
         \"--while-open\", {socket:?}]\n\
         version = \"{FIRST}\"\nreplicas = 2\n\
         health = {{ path = \"/health\", interval = \"250ms\", timeout = \"200ms\" }}\n\
         deploy = {{ bake = \"{bake}ms\", drain = \"5s\" }}\n\
         [[routes]]\nto = \"shop\"\n"
    )
}

fn system(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::System { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balancer_is_told_something_right() {
        let place = TempDir::new().unwrap();
        let file = place.path().join("plimsoll.toml");
        let bake = Duration::from_secs(4);
        let text = configuration(place.path(), "/bin/plimsoll".as_ref(), "/open".as_ref(), bake);
        std::fs::write(&file, text).unwrap();
        let loaded = config::load(&file, &config::Environment::of_process()).unwrap();
        assert!(loaded.warnings.is_empty(), "the demonstration's configuration is warned of");
    }
}
