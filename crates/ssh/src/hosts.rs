//! A driver of many hosts, which has for each of them the driver of its instances.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use driver::log::Sweep;
use driver::logs::Logs;
use driver::preflight::{Obstacle, Passed, Preflight};
use driver::{
    AdoptError, Adoption, Composed, Driver, Examination, Examined, Held, Instance, KeptRelease,
    Launch, LaunchError, Record, Remote, Spec, Unreached, Upkeep,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use model::{Recipe, RemoteHost};
use tokio::time::{Instant, sleep};

use crate::host::SshHost;
use crate::known::{self, KnownHosts};
use crate::spread::{Seat, Seats};

/// From one look at a host that does not answer to the next, while a start waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Makes the driver of a host.
type Make = dyn Fn(Arc<dyn Remote>) -> Arc<dyn Driver> + Send + Sync;

/// A driver of instances on many hosts. Clones are the same one.
#[derive(Clone)]
pub struct Hosts {
    /// Where what is kept of hosts is, and the sockets of their connections.
    directory: PathBuf,
    make: Arc<Make>,
    /// Those of which something was asked.
    open: Arc<Mutex<BTreeMap<RemoteHost, There>>>,
    seats: Seats,
    known: KnownHosts,
    /// Whether the hosts that may have instances were asked for.
    woken: Arc<Once>,
    /// What has nothing to do with hosts: logs, and old logs.
    local: Arc<dyn Driver>,
}

/// A host, and the driver of what is on it.
#[derive(Clone)]
struct There {
    remote: SshHost,
    driver: Arc<dyn Driver>,
}

/// Something that stands in the way on some hosts, and not on all.
#[derive(Debug, thiserror::Error)]
#[error("on {}", names(hosts))]
struct OnSome {
    hosts: Vec<RemoteHost>,
    source: Obstacle,
}

fn names(hosts: &[RemoteHost]) -> String {
    let names: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl Hosts {
    /// A driver that keeps what it has to in the state directory, and has each host's driver made by `make`. `local` is the driver of
    /// the same kind of instances on this machine, in whose place their output is kept.
    pub fn new(
        state_dir: &Path,
        local: Arc<dyn Driver>,
        make: impl Fn(Arc<dyn Remote>) -> Arc<dyn Driver> + Send + Sync + 'static,
    ) -> Self {
        let directory = state_dir.join("ssh");
        let (known, seats) = (KnownHosts::of(&directory), Seats::default());
        let (make, woken) = (Arc::new(make), Arc::new(Once::new()));
        Self { directory, make, open: Arc::default(), seats, known, woken, local }
    }

    /// The driver of a host.
    fn on(&self, host: &RemoteHost) -> There {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let there = open.entry(host.clone()).or_insert_with(|| {
            if let Err(error) = known::make(&self.directory) {
                // Then no connection comes about, which says so.
                tracing::warn!(%error, directory = %self.directory.display(), "cannot be made");
            }
            let remote = SshHost::new(host.clone(), &self.directory);
            let driver = (self.make)(Arc::new(remote.clone()));
            There { remote, driver }
        });
        there.clone()
    }

    fn on_host_of(&self, record: &Record) -> Option<There> {
        record.identity.host().map(|host| self.on(host))
    }

    /// Connects to all hosts that may have instances, at the same time: the first that is asked for waits for the slowest then, and
    /// the others for none.
    fn wake(&self) {
        self.woken.call_once(|| {
            for host in self.known.all().unwrap_or_default() {
                tokio::spawn(self.on(&host).remote.reach());
            }
        });
    }

    /// Makes an instance ready on one of its hosts, which is waited for.
    async fn hold(self, launch: Launch) -> Result<Box<dyn Held>, LaunchError> {
        let placement = match &launch.composed {
            Composed::Container(start) => start.placement.clone(),
            Composed::Process(_) => return Err(LaunchError::OtherKind),
        };
        let release = (launch.service.clone(), launch.version.clone());
        let seat = self.seats.choose(&placement.hosts, release, &launch.instance);
        let seat = seat.ok_or(LaunchError::OtherKind)?;
        let (known, host) = (self.known.clone(), seat.host().clone());
        let noted = tokio::task::spawn_blocking(move || known.add(&host)).await;
        noted.map_err(io::Error::other).flatten().map_err(LaunchError::Process)?;
        let There { remote, driver } = self.on(seat.host());
        let patience = Instant::now() + placement.patience;
        loop {
            let fault = match remote.reach().await {
                Ok(_) => match driver.prepare(launch.clone()).await {
                    Ok(held) => return Ok(Box::new(Seated { held, seat })),
                    // Lost meanwhile, it is waited for as well.
                    Err(fault) if remote.run("answer", "true".to_owned()).await.is_err() => fault,
                    Err(fault) => return Err(fault),
                },
                Err(fault) => fault.into(),
            };
            if Instant::now() + LOOK_EVERY >= patience {
                return Err(fault);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Takes a host out of those that may have instances, when it was looked through and nothing is on it.
    async fn look_through(self, host: RemoteHost, known: Vec<Record>) {
        self.on(&host).driver.reclaim(&known).await;
        // What is being made counts already.
        if known.is_empty() && !self.seats.is_used(&host) {
            let hosts = self.known.clone();
            let removed = tokio::task::spawn_blocking(move || hosts.remove(&host)).await;
            if let Err(error) = removed.map_err(io::Error::other).flatten() {
                tracing::debug!(%error, "a host is looked through again by the next start");
            }
        }
    }
}

/// An instance that waits to be let run, with its seat.
#[derive(Debug)]
struct Seated {
    held: Box<dyn Held>,
    seat: Seat,
}

impl Held for Seated {
    fn record(&self) -> &Record {
        self.held.record()
    }

    fn release(self: Box<Self>) -> BoxFuture<'static, Result<Arc<dyn Instance>, LaunchError>> {
        let Self { held, seat } = *self;
        let released = held.release();
        async move {
            let instance = released.await?;
            keep(&instance, seat);
            Ok(instance)
        }
        .boxed()
    }
}

/// Keeps the seat of an instance until that is gone.
fn keep(instance: &Arc<dyn Instance>, seat: Seat) {
    let gone = instance.gone();
    tokio::spawn(async move {
        gone.await;
        drop(seat);
    });
}

impl Driver for Hosts {
    fn preflight(&self, plan: Preflight) -> BoxFuture<'static, Result<Passed, Vec<Obstacle>>> {
        let hosts = plan.spec.placement.hosts.clone();
        let one = |host: &RemoteHost| self.on(host).driver.preflight(plan.clone());
        let asked = join_all(hosts.iter().map(one));
        async move {
            let mut passed = Err(Vec::new());
            let mut faults = Vec::new();
            for (host, found) in hosts.iter().zip(asked.await) {
                match found {
                    Ok(found) => passed = Ok(found),
                    Err(found) => faults.extend(found.into_iter().map(|it| (host.clone(), it))),
                }
            }
            let faults = put_together(faults, hosts.len());
            if faults.is_empty() { passed } else { Err(faults) }
        }
        .boxed()
    }

    /// What the first host finds out holds for all.
    fn fetch(&self, spec: Spec) -> BoxFuture<'static, Result<Recipe, Vec<Obstacle>>> {
        let this = self.clone();
        async move {
            let hosts = spec.placement.hosts.clone();
            let (first, others) = hosts.split_first().ok_or(vec![Obstacle::OtherKind])?;
            let on = |host: &RemoteHost, faults| {
                let on_it = |it| (host.clone(), it);
                let faults = Vec::into_iter(faults).map(on_it).collect();
                put_together(faults, hosts.len())
            };
            let recipe = this.on(first).driver.fetch(spec.clone()).await;
            let recipe = recipe.map_err(|faults| on(first, faults))?;
            let spec = Spec { recipe: recipe.clone(), ..spec };
            let fetch = |host: &RemoteHost| this.on(host).driver.fetch(spec.clone());
            let fetched = join_all(others.iter().map(fetch)).await;
            for (host, fetched) in others.iter().zip(fetched) {
                fetched.map_err(|faults| on(host, faults))?;
            }
            Ok(recipe)
        }
        .boxed()
    }

    fn compose(&self, spec: Spec) -> BoxFuture<'static, Result<Composed, LaunchError>> {
        self.local.compose(spec)
    }

    fn prepare(&self, launch: Launch) -> BoxFuture<'_, Result<Box<dyn Held>, LaunchError>> {
        self.clone().hold(launch).boxed()
    }

    fn adopt(&self, record: Record, upkeep: Upkeep) -> BoxFuture<'_, Result<Adoption, AdoptError>> {
        self.wake();
        async move {
            let there = self.on_host_of(&record).ok_or_else(|| AdoptError {
                instance: record.instance.clone(),
                source: io::ErrorKind::Unsupported.into(),
            })?;
            let release = (record.service.clone(), record.version.clone());
            let seat = self.seats.keep(there.remote.host(), release);
            let adopted = there.driver.adopt(record, upkeep).await?;
            if let Adoption::Running(instance) = &adopted {
                keep(instance, seat);
            }
            Ok(adopted)
        }
        .boxed()
    }

    fn reclaim(&self, known: &[Record]) -> BoxFuture<'static, ()> {
        let of = |host: &RemoteHost| -> Vec<Record> {
            let is_there = |record: &&Record| record.identity.host() == Some(host);
            known.iter().filter(is_there).cloned().collect()
        };
        let mut hosts = self.known.all().unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read which hosts may have instances");
            BTreeSet::new()
        });
        hosts.extend(known.iter().filter_map(|record| record.identity.host()).cloned());
        let looks = hosts.iter().map(|host| {
            let (known, this) = (of(host), self.clone());
            tokio::spawn(this.look_through(host.clone(), known))
        });
        let looks: Vec<_> = looks.collect();
        async move { drop(join_all(looks).await) }.boxed()
    }

    fn unreached(&self) -> Vec<Unreached> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().filter_map(|there| there.remote.unreached()).collect()
    }

    fn retain(&self, wanted: Vec<KeptRelease>) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().for_each(|there| there.driver.retain(wanted.clone()));
    }

    fn examine(
        &self,
        examination: Examination,
    ) -> BoxFuture<'static, Result<Examined, LaunchError>> {
        match self.on_host_of(&examination.record) {
            Some(there) => there.driver.examine(examination),
            None => async { Err(LaunchError::OtherKind) }.boxed(),
        }
    }

    fn logs(&self) -> Arc<dyn Logs> {
        self.local.logs()
    }

    fn sweep(&self, sweep: Sweep) -> BoxFuture<'static, io::Result<()>> {
        self.local.sweep(sweep)
    }
}

/// What stands in the way on all of so many hosts is told once, and what does on some with their names.
fn put_together(faults: Vec<(RemoteHost, Obstacle)>, hosts: usize) -> Vec<Obstacle> {
    let mut told: Vec<(String, Vec<RemoteHost>, Obstacle)> = Vec::new();
    for (host, fault) in faults {
        let text = fault.to_string();
        match told.iter_mut().find(|(known, ..)| *known == text) {
            Some((_, on, _)) => on.push(host),
            None => told.push((text, vec![host], fault)),
        }
    }
    let fault = |(text, on, source): (String, Vec<RemoteHost>, Obstacle)| {
        let names_it = on.iter().all(|host| text.contains(host.as_str()));
        match on.len() == hosts || names_it {
            true => source,
            false => Obstacle::Engine(Box::new(OnSome { hosts: on, source })),
        }
    };
    told.into_iter().map(fault).collect()
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts").field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_everywhere_is_told_once_and_else_with_its_hosts() {
        let [a, b]: [RemoteHost; 2] = ["web1", "web2"].map(|it| it.parse().unwrap());
        let blank = || Obstacle::SecretBlank { name: "KEY".into() };
        let of_host = |host: &RemoteHost| {
            let (host, why) = (host.clone(), "gone".to_owned());
            Obstacle::from(driver::RemoteError::Unreached { host, why })
        };
        let faults = vec![
            (a.clone(), blank()),
            (a.clone(), Obstacle::OtherKind),
            (b.clone(), blank()),
            (b.clone(), of_host(&b)),
        ];
        let told: Vec<_> = put_together(faults, 2).iter().map(ToString::to_string).collect();
        let expected = [
            "the secret `KEY` is set, but blank",
            "on web1",
            "the host web2 does not answer: gone",
        ];
        assert_eq!(told, expected);
    }
}
