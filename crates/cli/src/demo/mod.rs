//! The demonstration: two sample servers, the load balancer in front of them, a steady client, and a
//! server that dies.
//!
//! This file is the script. The servers are real processes and the death is a real one; what is
//! shown is read from the running balancer and counted by the client. Nothing is left behind.

mod client;
mod happening;
mod receipt;
mod server;
mod stage;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use control::{Handle, InstanceStatus};
use tempfile::TempDir;

use crate::failure::Failure;
use client::Load;
use happening::Happening;
use receipt::Receipt;
use server::Server;
pub(crate) use stage::Stage;

/// How often the picture is drawn, and the balancer asked how it stands.
const GLANCE: Duration = Duration::from_millis(100);

/// What is wanted of the demonstration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Requests a second.
    pub(crate) rate: u32,
    /// How long each of its three scenes lasts.
    pub(crate) scene: Duration,
}

/// Plays it. True when no request failed.
pub(crate) async fn play(wanted: Wanted, stage: Stage) -> Result<bool, Failure> {
    let mut play = Play::begin(wanted, stage).await?;
    play.watch(wanted.scene).await?;
    let counts_before = play.load.counts();
    let killed = Instant::now();
    let pid = play.servers[1].kill().await?;
    play.tell(Happening::Killed { server: "b", pid });
    play.watch(wanted.scene).await?;
    let back = Instant::now();
    play.servers[1].start_again().await?;
    play.tell(Happening::StartedAgain { server: "b" });
    play.watch(wanted.scene).await?;
    let death = Death {
        saved: play.met_by_the_dead().await?,
        noticed_after: play.noticed_at.map(|at| at - killed),
        back_after: play.healthy_at.filter(|at| *at > back).map(|at| at - back),
        sent_before: counts_before.sent,
    };
    play.end(death).await
}

/// What the death of a server did.
#[derive(Clone, Copy, Debug)]
struct Death {
    /// Attempts that met a dead server.
    saved: u64,
    /// From the kill to the first word of the balancer that it gets nothing more.
    noticed_after: Option<Duration>,
    /// From the new start to the first word that it gets traffic again.
    back_after: Option<Duration>,
    /// Requests before it.
    sent_before: u64,
}

/// The demonstration while it is played.
struct Play {
    stage: Stage,
    began: Instant,
    wanted: Wanted,
    servers: [Server; 2],
    handle: Handle,
    controller: control::Controller,
    load: Load,
    address: SocketAddr,
    /// How each server stood when it was last looked at.
    standings: [String; 2],
    noticed_at: Option<Instant>,
    healthy_at: Option<Instant>,
    /// Removed with all that is in it at the end.
    _place: TempDir,
}

impl Play {
    async fn begin(wanted: Wanted, stage: Stage) -> Result<Self, Failure> {
        let began = Instant::now();
        let place = TempDir::with_prefix("plimsoll-demo-").map_err(system("make a directory"))?;
        let servers = [Server::start("a").await?, Server::start("b").await?];
        let file = place.path().join("plimsoll.toml");
        let text = configuration(place.path(), servers.each_ref().map(Server::address));
        std::fs::write(&file, text).map_err(system("write a configuration"))?;
        let controller = control::start(crate::commands::run::settings(&file)).await?;
        let handle = controller.handle();
        let status = status(&handle).await?;
        let listening = status.listeners.iter().flat_map(|listener| &listener.addresses).next();
        let address = *listening.expect("the configuration has a listener");
        let load = Load::start(address, wanted.rate);
        let standings = Default::default();
        let (noticed_at, healthy_at, _place) = (None, None, place);
        let play = Self {
            stage,
            began,
            wanted,
            servers,
            handle,
            controller,
            load,
            address,
            standings,
            noticed_at,
            healthy_at,
            _place,
        };
        let servers = play.servers.each_ref().map(|server| (server.name, server.address()));
        play.tell(Happening::Began { address, servers, rate: wanted.rate });
        Ok(play)
    }

    fn tell(&self, happening: Happening) {
        self.stage.tell(self.began.elapsed(), &happening);
    }

    /// Looks on for a while.
    async fn watch(&mut self, scene: Duration) -> Result<(), Failure> {
        let end = Instant::now() + scene;
        while Instant::now() < end {
            let instances = self.instances().await?;
            for (place, instance) in instances.iter().enumerate() {
                self.see(place, instance);
            }
            self.stage.draw(self.began.elapsed(), &self.load.counts(), &instances);
            tokio::time::sleep(GLANCE).await;
        }
        let counts = self.load.counts();
        self.tell(Happening::Counted { sent: counts.sent, failed: counts.failed, by: counts.by });
        Ok(())
    }

    /// Tells when a server stands otherwise than before.
    fn see(&mut self, place: usize, instance: &InstanceStatus) {
        let standing = instance.standing.to_string();
        let before = std::mem::replace(&mut self.standings[place], standing.clone());
        // That all begin well is no news.
        if before == standing || before.is_empty() {
            return;
        }
        match standing.as_str() {
            "healthy" => self.healthy_at = Some(Instant::now()),
            _ if before == "healthy" => self.noticed_at = self.noticed_at.or(Some(Instant::now())),
            _ => {}
        }
        let server = self.servers[place].name;
        let reason = instance.reason.clone();
        self.tell(Happening::Stands { server, standing, reason });
    }

    /// The two servers as the balancer sees them.
    async fn instances(&self) -> Result<Vec<InstanceStatus>, Failure> {
        let status = status(&self.handle).await?;
        Ok(status.services.into_iter().flat_map(|service| service.instances).collect())
    }

    async fn met_by_the_dead(&self) -> Result<u64, Failure> {
        Ok(self.instances().await?.iter().map(|instance| instance.totals.failures).sum())
    }

    async fn end(self, death: Death) -> Result<bool, Failure> {
        let counts = self.load.stop().await;
        let shutdown = self.handle.shutdown(control::After::Stop).await;
        debug_assert!(shutdown.is_ok(), "nobody else ends it");
        drop(self.handle);
        self.controller.ended().await;
        let took = self.began.elapsed();
        let receipt =
            Receipt { counts, death, rate: self.wanted.rate, took, address: self.address };
        self.stage.end(took, &receipt);
        Ok(receipt.counts.failed == 0)
    }
}

async fn status(handle: &Handle) -> Result<control::Status, Failure> {
    handle.status().await.map_err(|source| Failure::System {
        what: "ask the balancer",
        source: std::io::Error::other(source),
    })
}

/// What the balancer is told. Checks are quick, so that nobody has to wait for the point.
fn configuration(place: &Path, servers: [SocketAddr; 2]) -> String {
    let [one, other] = servers;
    format!(
        "[server]\nstate_dir = {place:?}\ndrain = \"1s\"\n\
         [log]\naccess = \"off\"\n\
         [listeners.web]\nbind = \"127.0.0.1:0\"\n\
         [services.sample]\ntargets = [\"{one}\", \"{other}\"]\n\
         health = {{ path = \"/health\", interval = \"250ms\", timeout = \"200ms\" }}\n\
         passive = {{ fail_timeout = \"1s\" }}\n\
         [[routes]]\nto = \"sample\"\n"
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
        let servers =
            [SocketAddr::from(([127, 0, 0, 1], 1)), SocketAddr::from(([127, 0, 0, 1], 2))];
        let file = place.path().join("plimsoll.toml");
        std::fs::write(&file, configuration(place.path(), servers)).unwrap();
        let loaded = config::load(&file, &config::Environment::of_process()).unwrap();
        assert!(loaded.warnings.is_empty(), "the demonstration's configuration is warned of");
    }
}
