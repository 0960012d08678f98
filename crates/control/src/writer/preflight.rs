//! Before a deploy begins: whether it may, and whether anything stands in its way.

use std::collections::BTreeSet;
use std::time::SystemTime;

use driver::Spec;
use driver::preflight::{Obstacle, Preflight, Room};
use model::{Deploy, Recipe, ServiceName, Strategy};
use telemetry::event;
use tokio::sync::oneshot;

use super::Writer;
use crate::chain::chain;
use crate::conditions::token;
use crate::ended::Reply;
use crate::journal::PastRelease;
use crate::runs::{
    Asked, DeployError, Order, Progressing, Purpose, Running, Target, Wanted, aborted, in_time,
    look_at_hooks, placement, while_wanted,
};

/// How many releases are told of where one is asked for that never ran.
const RAN_TOLD: usize = 10;

/// A deploy that was looked at, and may begin.
pub(crate) struct Checked {
    pub(crate) service: ServiceName,
    /// Who asked.
    number: u64,
    order: Order,
    target: Target,
    /// What was found, or all that stands in the way.
    result: Result<Cleared, Vec<String>>,
    reply: Reply<Result<Progressing, DeployError>>,
}

/// What was found of a release that may begin.
#[derive(Debug)]
pub(crate) struct Cleared {
    /// The names that it is given in its environment.
    given: BTreeSet<String>,
    /// By what all its instances are made.
    recipe: Recipe,
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
        order: Order,
        reply: Reply<Result<Progressing, DeployError>>,
    ) {
        match self.look_at(&order) {
            Ok((service, target)) => {
                self.give_way(&service, &target.version);
                self.check_deploy(service, target, order, reply);
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn check_deploy(
        &mut self,
        service: ServiceName,
        target: Target,
        order: Order,
        reply: Reply<Result<Progressing, DeployError>>,
    ) {
        let number = self.runs.next_number();
        let (wanted, until) = oneshot::channel();
        let asked = Asked {
            number,
            who: order.request.who.clone(),
            since: SystemTime::now(),
            version: target.version.clone(),
            purpose: order.purpose,
            wanted: Some(wanted),
        };
        // A first release and a rollback ask no condition.
        let untold = match order.request.release.direction() {
            rollout::Direction::Forward if self.runs.services[&service].release.is_some() => {
                self.tokens_missing(&self.runs.services[&service].run().deploy)
            }
            _ => Vec::new(),
        };
        let withheld = self.withheld(&service);
        let run = self.runs.services.get_mut(&service).expect("it was looked at");
        run.asked = Some(asked);
        // A release that is to be again what it was lacks nothing.
        let running = match (target.restores, &run.release) {
            (None, Some(running)) => running.given.clone(),
            _ => BTreeSet::new(),
        };
        let spec = Spec {
            service: service.clone(),
            version: target.version.clone(),
            recipe: target.recipe.clone(),
            withheld,
            placement: placement(run.run()),
            registries: self.serving.intent.borrow().registries.clone(),
            sealed: self.serving.intent.borrow().secrets.clone(),
        };
        let without = order.request.without.clone();
        let deploy = run.deploy_to(&target, &order.request, order.purpose);
        let more = more_at_once(&deploy, run.replicas().get());
        let processes = run.instances.values().filter_map(Running::process);
        let memory: Vec<_> = processes.map(|process| process.memory()).collect();
        let driver = self.runs.driver.clone();
        let checks = async move {
            let mut most = 0;
            for memory in memory {
                most = most.max(memory.await);
            }
            let room = Room {
                memory_bytes: most * more,
                descriptors: 16 * more,
                output_bytes: more << 20,
                ports: more as usize,
            };
            let plan = Preflight { spec: spec.clone(), running, without, room };
            let passed = in_time(async {
                let (given, mut faults) = match driver.preflight(plan).await {
                    Ok(passed) => (passed.given, Vec::new()),
                    Err(faults) => (BTreeSet::new(), told(&faults)),
                };
                look_at_hooks(&*driver, &spec, &deploy, &mut faults).await;
                faults.extend(untold);
                if faults.is_empty() { Ok(given) } else { Err(faults) }
            });
            let given = passed.await?;
            // What comes from elsewhere takes its time.
            let recipe = driver.fetch(spec).await.map_err(|faults| told(&faults))?;
            Ok(Cleared { given, recipe })
        };
        self.checking.spawn(async move {
            let result = while_wanted(checks, until).await;
            Checked { service, number, order, target, result, reply }
        });
    }

    /// Conditions whose tokens are not there, where they will be asked.
    fn tokens_missing(&self, deploy: &Deploy) -> Vec<String> {
        let outside = self.outside();
        let missing = |condition: &model::Condition| {
            let variable = condition.token_env.as_ref()?;
            let why = token(&outside.environment, variable).err()?;
            Some(format!("condition {}: {why}", condition.name))
        };
        deploy.conditions.iter().filter_map(missing).collect()
    }

    fn look_at(&self, order: &Order) -> Result<(ServiceName, Target), DeployError> {
        let request = &order.request;
        let service = self.run_named(&request.service)?;
        self.may_deploy(&service)?;
        Ok((service.clone(), self.target(&service, &request.release)?))
    }

    /// Whether no deploy of `service` is on that another has to wait for.
    pub(super) fn may_deploy(&self, service: &ServiceName) -> Result<(), DeployError> {
        let Some(run) = self.runs.services.get(service) else { return Ok(()) };
        let locked = |who: &str, version: &str, since| DeployError::Locked {
            service: service.to_string(),
            who: who.to_owned(),
            version: version.to_owned(),
            since,
        };
        if let Some(active) = run.active.as_ref().filter(|active| !active.gives_way()) {
            return Err(locked(&active.who, &active.canary.version, active.took()));
        }
        if let Some(asked) = run.asked.as_ref().filter(|asked| asked.purpose == Purpose::Wanted) {
            let since = asked.since.elapsed().unwrap_or_default();
            return Err(locked(&asked.who, &asked.version, since));
        }
        Ok(())
    }

    /// The release that is meant by `wanted`.
    fn target(&self, service: &ServiceName, wanted: &Wanted) -> Result<Target, DeployError> {
        let run = &self.runs.services[service];
        let of_file = |version: String| {
            let recipe = run.run().recipe.clone();
            Target { version, recipe, restores: None }
        };
        let past = match wanted {
            Wanted::Version(version) => return Ok(of_file(version.clone())),
            Wanted::OfFile => return run.version_of_file().map(of_file),
            Wanted::Before => self.release_before(service)?,
            Wanted::Again(version) => self.release_that_ran(service, version)?,
            Wanted::Deploy(deploy) => self.release_of_deploy(service, *deploy)?,
            Wanted::Running => return self.release_that_runs(service),
        };
        let PastRelease { deploy, version, recipe } = past;
        let recipe = recipe.unwrap_or_else(|| run.run().recipe.clone());
        Ok(Target { version, recipe, restores: Some(deploy) })
    }

    /// The release that runs, to be started anew.
    fn release_that_runs(&self, service: &ServiceName) -> Result<Target, DeployError> {
        let nothing = || DeployError::NothingRuns { service: service.to_string() };
        let release = self.runs.services[service].release.as_ref().ok_or_else(nothing)?;
        let (version, recipe) = (release.version.clone(), release.recipe.clone());
        Ok(Target { version, recipe, restores: None })
    }

    /// The release of this name, if it ever came to stay.
    fn release_that_ran(
        &self,
        service: &ServiceName,
        version: &str,
    ) -> Result<PastRelease, DeployError> {
        if let Some(past) = self.runs.journal.last_of(service, version)? {
            return Ok(past);
        }
        let ran = self.runs.journal.stayed(service)?;
        let near = suggest::near(version, ran.iter().map(String::as_str));
        let (service, version) = (service.to_string(), version.to_owned());
        let ran = ran.into_iter().take(RAN_TOLD).collect();
        Err(DeployError::NeverRan { service, version, near, ran })
    }

    /// The release that ran before the one that runs.
    fn release_before(&self, service: &ServiceName) -> Result<PastRelease, DeployError> {
        let stable = match &self.runs.services[service].release {
            Some(current) => self.runs.journal.before(service, current)?,
            None => None,
        };
        stable.ok_or_else(|| DeployError::NoEarlierRelease { service: service.to_string() })
    }

    /// The release that the deploy of this number made, if it came to stay.
    fn release_of_deploy(
        &self,
        service: &ServiceName,
        deploy: i64,
    ) -> Result<PastRelease, DeployError> {
        let not_to_have = |what: String| {
            let service = service.to_string();
            DeployError::NotToHave { service, deploy, what }
        };
        match self.runs.journal.deploy(service, deploy)? {
            None => Err(not_to_have("is not known".to_owned())),
            Some((deploy, past)) => match deploy.outcome.as_deref() {
                Some("promoted") => Ok(past),
                Some(word) => Err(not_to_have(format!("did not stay ({word})"))),
                None => Err(not_to_have("has not ended".to_owned())),
            },
        }
    }

    /// The service of this name, if Plimsoll runs it.
    pub(super) fn run_named(&self, name: &str) -> Result<ServiceName, DeployError> {
        let service = ServiceName::from(name);
        // One that was taken out of the file may still be draining.
        if self.runs.services.contains_key(&service) && !self.serving.is_unwanted(&service) {
            return Ok(service);
        }
        let intent = self.serving.intent.borrow();
        match intent.services.contains_key(&service) {
            true => Err(DeployError::NotRun { service: name.to_owned() }),
            false => {
                let near = suggest::near(name, intent.services.keys().map(ServiceName::as_str));
                Err(DeployError::UnknownService { service: name.to_owned(), near })
            }
        }
    }

    /// A deploy was looked at.
    pub(super) fn begin_deploy(&mut self, checked: Checked) {
        let Checked { service, number, order, target, result, reply } = checked;
        // The service may have been taken out meanwhile, and even be back.
        let is_its = |asked: &mut Asked| asked.number == number;
        let run = self.runs.services.get_mut(&service);
        let asked = run.and_then(|run| run.asked.take_if(is_its));
        let Some(asked) = asked.filter(|_| !self.serving.is_unwanted(&service)) else {
            drop(reply.send(Err(DeployError::NotRun { service: service.to_string() })));
            return;
        };
        // The action may have come after the last check.
        let is_aborted = asked.is_aborted();
        let result = if is_aborted { aborted() } else { result };
        let (purpose, who) = (order.purpose, order.request.who.clone());
        let version = target.version.clone();
        let begun = match result {
            Ok(Cleared { given, recipe }) => {
                let target = Target { recipe, ..target };
                match self.begin(&service, target, order, given) {
                    // It could not even be written down that it begins.
                    Err(DeployError::Journal(error)) => {
                        Err(DeployError::Preflight { faults: vec![chain(&error)] })
                    }
                    begun => begun,
                }
            }
            Err(faults) => Err(DeployError::Preflight { faults }),
        };
        match &begun {
            // A person who ends the first release does not want it tried again.
            Err(_) if purpose == Purpose::First && is_aborted => self.first_is_over(&service),
            Err(error) if purpose == Purpose::First => {
                self.first_failed(&service, error.in_a_line())
            }
            Err(error) => {
                let (of, why) = (service.clone(), error.in_a_line());
                self.events.emit(event::DeployRefused { service: of, who, version, why });
                self.reconcile(&service);
                // The first release had given way to what did not begin.
                if self.runs.services[&service].first.is_some() {
                    self.begin_first(&service);
                }
            }
            // A reload may have come since it was asked for.
            Ok(_) => self.tell_differences(&self.differences()),
        }
        drop(reply.send(begun));
    }
}

/// What stands in the way, in words.
fn told(faults: &[Obstacle]) -> Vec<String> {
    faults.iter().map(|fault| chain(fault)).collect()
}

/// How many instances there are at the same time at the most, beside those that run.
fn more_at_once(deploy: &Deploy, replicas: u32) -> u64 {
    u64::from(match deploy.strategy {
        Strategy::Replace => 0,
        Strategy::Rolling if deploy.bake.is_zero() => deploy.surge.of(replicas).min(replicas),
        _ => replicas,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Surge;

    use super::*;

    #[test]
    fn only_what_runs_beside_the_old_release_needs_room() {
        let more = |strategy, bake| {
            let bake = Duration::from_secs(bake);
            let surge = Surge::Share(0.25);
            more_at_once(&Deploy { strategy, surge, bake, ..Deploy::default() }, 4)
        };
        assert_eq!([more(Strategy::Rolling, 0), more(Strategy::Rolling, 30)], [1, 4]);
        assert_eq!([more(Strategy::BlueGreen, 0), more(Strategy::Replace, 30)], [4, 0]);
    }
}
