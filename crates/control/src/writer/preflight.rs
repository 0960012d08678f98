//! Before a deploy begins: whether it may, and whether anything stands in its way.

use std::collections::BTreeSet;
use std::time::SystemTime;

use driver::environment::{Environment, Value};
use driver::preflight::{self, Fault, Room};
use model::{Deploy, Recipe, Run, ServiceName, Strategy};

use super::Writer;
use super::boot::tell_waiting;
use crate::handle::Reply;
use crate::near::near;
use crate::runs::{Asked, DeployError, DeployRequest, Progressing};
use crate::status::chain;

/// A deploy that was looked at, and may begin.
pub(crate) struct Checked {
    pub(crate) service: ServiceName,
    /// Who asked.
    number: u64,
    request: DeployRequest,
    version: String,
    recipe: Recipe,
    /// The names that the new release is given in its environment, or all that stands in the way.
    result: Result<BTreeSet<String>, Vec<String>>,
    reply: Reply<Result<Progressing, DeployError>>,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checked").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Writer {
    /// Looks beside the loop whether a deploy may begin.
    pub(super) fn ask_deploy(
        &mut self,
        request: DeployRequest,
        reply: Reply<Result<Progressing, DeployError>>,
    ) {
        let looked = self.look_at(&request).and_then(|(service, version)| {
            let before = match request.brings_back() {
                true => self.runs.journal.recipe(&service, &version)?,
                false => None,
            };
            Ok((service, version, before))
        });
        match looked {
            Ok((service, version, before)) => {
                let number = self.runs.next_start();
                let asked = Asked {
                    number,
                    who: request.who.clone(),
                    since: SystemTime::now(),
                    version: version.clone(),
                };
                let withheld = self.withheld(&service);
                let run = self.runs.services.get_mut(&service).expect("it was looked at");
                run.asked = Some(asked);
                // A release that is to be again what it was lacks nothing.
                let running = match (&before, &run.release) {
                    (None, Some(running)) => running.given.clone(),
                    _ => BTreeSet::new(),
                };
                let running = (running, request.without.clone());
                let recipe = before.unwrap_or_else(|| run.run().recipe.clone());
                let (wanted, logs) = (recipe.clone(), self.runs.logs.clone());
                let more = more_at_once(&request.overrides.apply(&run.run().deploy), run.run());
                let memory: Vec<_> = run
                    .instances
                    .values()
                    .filter_map(|running| Some(running.process()?.memory()))
                    .collect();
                let name = service.clone();
                self.checking.spawn(async move {
                    let mut most = 0;
                    for memory in memory {
                        most = most.max(memory.await);
                    }
                    let of = version.clone();
                    let room = Room {
                        memory_bytes: most * more,
                        descriptors: 16 * more,
                        disk: Some((logs, more << 20)),
                        ports: more as usize,
                    };
                    let work = move || check(&wanted, (&name, &of), withheld, running, room);
                    let result = tokio::task::spawn_blocking(work).await;
                    let result = result.unwrap_or_else(|error| Err(vec![chain(&error)]));
                    Checked { service, number, request, version, recipe, result, reply }
                });
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn look_at(&self, request: &DeployRequest) -> Result<(ServiceName, String), DeployError> {
        let service = self.run_named(&request.service)?;
        let run = &self.runs.services[&service];
        let locked = |who: &str, version: &str, since| DeployError::Locked {
            service: request.service.clone(),
            who: who.to_owned(),
            version: version.to_owned(),
            since,
        };
        if let Some(active) = &run.active {
            return Err(locked(&active.who, &active.fresh.version, active.took()));
        }
        if let Some(asked) = &run.asked {
            let since = asked.since.elapsed().unwrap_or_default();
            return Err(locked(&asked.who, &asked.version, since));
        }
        let version = match &request.version {
            Some(version) if request.as_before => self.version_that_ran(&service, version)?,
            Some(version) => version.clone(),
            None => {
                let running = run.release.as_ref().map(|release| release.version.as_str());
                self.version_before(&service, running)?
            }
        };
        Ok((service, version))
    }

    /// The release of this name, if it ever came to stay.
    fn version_that_ran(
        &self,
        service: &ServiceName,
        version: &str,
    ) -> Result<String, DeployError> {
        let ran = self.runs.journal.stayed(service)?;
        if ran.iter().any(|it| it == version) {
            return Ok(version.to_owned());
        }
        let near = near(version, ran.iter().map(String::as_str));
        let (service, version) = (service.to_string(), version.to_owned());
        Err(DeployError::NeverRan { service, version, near })
    }

    /// The release that ran before the one that runs.
    fn version_before(
        &self,
        service: &ServiceName,
        current: Option<&str>,
    ) -> Result<String, DeployError> {
        let former = match current {
            Some(current) => self.runs.journal.before(service, current)?,
            None => None,
        };
        former.ok_or_else(|| DeployError::NoFormer { service: service.to_string() })
    }

    /// The service of this name, if Plimsoll runs it.
    pub(super) fn run_named(&self, name: &str) -> Result<ServiceName, DeployError> {
        let service = ServiceName::from(name);
        // One that was taken out of the file may still be draining.
        if self.runs.services.contains_key(&service) && !self.is_unwanted(&service) {
            return Ok(service);
        }
        let intent = self.intent.borrow();
        match intent.services.contains_key(&service) {
            true => Err(DeployError::NotRun { service: name.to_owned() }),
            false => {
                let near = near(name, intent.services.keys().map(ServiceName::as_str));
                Err(DeployError::UnknownService { service: name.to_owned(), near })
            }
        }
    }

    /// A deploy was looked at.
    pub(super) fn begin_deploy(&mut self, checked: Checked) {
        let Checked { service, number, request, version, recipe, result, reply } = checked;
        // The service may have been taken out meanwhile, and even be back.
        let is_its = |asked: &mut Asked| asked.number == number;
        let run = self.runs.services.get_mut(&service);
        let asked = run.and_then(|run| run.asked.take_if(is_its));
        if asked.is_none() || self.is_unwanted(&service) {
            drop(reply.send(Err(DeployError::NotRun { service: service.to_string() })));
            return;
        }
        let begun = match result {
            Ok(given) => match self.begin(&service, version, &request, (recipe, given)) {
                // It could not even be written down that it begins.
                Err(DeployError::Journal(error)) => {
                    Err(DeployError::Preflight { faults: vec![chain(&error)] })
                }
                begun => begun,
            },
            Err(faults) => Err(DeployError::Preflight { faults }),
        };
        match &begun {
            Err(_) => self.reconcile(&service),
            // A reload may have come since it was asked for.
            Ok(_) => tell_waiting(&self.waiting_for_deploy()),
        }
        drop(reply.send(begun));
    }
}

fn check(
    recipe: &Recipe,
    (service, version): (&ServiceName, &str),
    withheld: BTreeSet<String>,
    (running, without): (BTreeSet<String>, Vec<String>),
    room: Room,
) -> Result<BTreeSet<String>, Vec<String>> {
    let plan = preflight::Plan {
        service: service.as_str(),
        version,
        command: &recipe.command,
        directory: &recipe.directory,
        inherited: Environment::of_this_process(),
        withheld,
        secrets: &recipe.secrets,
        env_file: recipe.env_file.as_deref(),
        env: recipe.env.iter().map(|(name, value)| (name.clone(), Value(value.clone()))).collect(),
        running: &running,
        without: &without,
        room,
    };
    let told = |fault: &Fault| chain(fault);
    let checked = preflight::check(plan, &driver::port::Ports::default());
    checked.map(|passed| passed.given).map_err(|faults| faults.iter().map(told).collect())
}

/// How many instances there are at the same time at the most, beside those that run.
fn more_at_once(deploy: &Deploy, run: &Run) -> u64 {
    let replicas = run.replicas.get();
    u64::from(match deploy.strategy {
        Strategy::Replace => 0,
        Strategy::Rolling if deploy.bake.is_zero() => deploy.surge.of(replicas).min(replicas),
        _ => replicas,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{Command, Restart, Stop, Surge};

    use super::*;

    #[test]
    fn only_what_runs_beside_the_old_release_needs_room() {
        let run = Run {
            recipe: Recipe {
                command: Command::Line("x".into()),
                directory: "/".into(),
                env: Default::default(),
                env_file: None,
                secrets: Vec::new(),
            },
            version: None,
            replicas: 4.try_into().unwrap(),
            deploy: Deploy::default(),
            stop: Stop::default(),
            restart: Restart { backoff: Duration::ZERO, max_backoff: Duration::ZERO },
        };
        let more = |strategy, bake| {
            let bake = Duration::from_secs(bake);
            let surge = Surge::Share(0.25);
            more_at_once(&Deploy { strategy, surge, bake, ..Deploy::default() }, &run)
        };
        assert_eq!([more(Strategy::Rolling, 0), more(Strategy::Rolling, 30)], [1, 4]);
        assert_eq!([more(Strategy::BlueGreen, 0), more(Strategy::Replace, 30)], [4, 0]);
    }
}
