//! What stands below the tables: what one must know of a service beside its instances.

use std::time::Duration;

use admin::{
    CheckedDeploy, DeployCondition, Instance, InstanceState, LastDeploy, Run, RunningDeploy,
    Service, ServiceMode, UnreachedHost,
};

use crate::progress::outcome;
use crate::quantity::{counted, rough};

/// What one must know of a service beside its instances.
pub(super) fn notes(service: &Service) -> Vec<String> {
    let name = &service.name;
    let mut notes = Vec::new();
    let is_worker = service.run.as_ref().is_some_and(|run| run.worker);
    match service.mode {
        // Nothing goes to them, healthy or not.
        _ if is_worker => {}
        ServiceMode::Normal => {}
        ServiceMode::Backup => {
            notes.push(format!("{name}: no primary is healthy: traffic goes to the backups\n"));
        }
        ServiceMode::Panic => {
            let is_out = |it: &Instance| {
                matches!(it.state, InstanceState::Drained | InstanceState::Starting)
            };
            let but = match service.instances.iter().any(is_out) {
                true => " that are not drained or starting",
                false => "",
            };
            notes.push(format!("{name}: no instance is healthy: traffic goes to all{but}\n"));
        }
        // Why is said below.
        ServiceMode::Nobody if service.run.as_ref().is_some_and(|run| run.idle.is_some()) => {}
        ServiceMode::Nobody => {
            let then = if service.run.is_some() { "wait for one" } else { "get 503" };
            notes.push(format!("{name}: no instance may get traffic: requests {then}\n"));
        }
    }
    if service.queued > 0 {
        let queued = counted(service.queued as usize, "request");
        notes.push(format!("{name}: {queued} waiting for an instance\n"));
    }
    notes.extend(service.run.iter().flat_map(|run| run_notes(name, run)));
    notes.extend(service.drained_away.iter().map(|away| {
        format!("{name}: {} has no address, drained since {}\n", away.name, away.drained_at)
    }));
    let fault = service.certificate_fault.iter();
    notes.extend(fault.map(|why| format!("{name}: cannot read new certificates: {why}\n")));
    let unresolved = service.unresolved.iter();
    notes.extend(unresolved.map(|it| format!("{name}: cannot resolve {}: {}\n", it.name, it.why)));
    notes
}

fn run_notes(name: &str, run: &Run) -> Vec<String> {
    let waiting = run.waiting.iter();
    let mut notes: Vec<String> = waiting
        .map(|it| {
            let why = it.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{name}: {} of release {} is {}{why}\n", it.name, it.release, it.state)
        })
        .collect();
    notes.extend(last_deploy(run).map(|what| format!("{name}: {what}\n")));
    if let Some(deploy) = &run.idle {
        let meanwhile = if run.worker { "" } else { ", requests get 503" };
        notes.push(format!("{name}: no release yet{meanwhile}: {deploy}\n"));
    }
    if let Some(of_file) = run.scaled_from {
        let replicas = run.replicas;
        notes.push(format!(
            "{name}: {replicas} instances by `plimsoll scale`; the file says {of_file}, and counts again when it says otherwise\n"
        ));
    }
    let unreached = run.unreached.iter();
    notes.extend(unreached.map(|UnreachedHost { host, why, since }| {
        format!("{name}: the host {host} does not answer since {since}: {why}\n")
    }));
    if let Some(difference) = &run.difference {
        notes.push(format!("{name}: {difference}\n"));
    }
    if let Some(deploy) = &run.deploy {
        let RunningDeploy { id, release, who, stage, verdict, .. } = deploy;
        let took = rough(Duration::from_secs(deploy.took_s as u64));
        let paused = if deploy.is_paused { ", paused" } else { "" };
        let judged = match run.worker {
            true => String::new(),
            false => format!("; the judge says {verdict}"),
        };
        notes.push(format!(
            "{name}: deploy {id} of release {release} by {who}, for {took}: {stage}{paused}{judged}\n"
        ));
        let conditions = deploy.conditions.iter();
        notes.extend(conditions.map(|DeployCondition { name: of, said }| {
            let said = said.as_deref().unwrap_or("not asked yet");
            format!("{name}: condition {of}: {said}\n")
        }));
        let preview = deploy.preview.iter();
        notes.extend(preview.map(|with| format!("{name}: look at {release} with: curl {with}\n")));
    }
    if let Some(CheckedDeploy { release, who, took_s }) = &run.checking {
        let took = rough(Duration::from_secs(*took_s as u64));
        notes.push(format!(
            "{name}: a deploy of {release} by {who} has been checked for {took}, and has not begun\n"
        ));
    }
    notes
}

/// The last deploy, if it did not bring its release, and whether that is tried again.
fn last_deploy(run: &Run) -> Option<String> {
    let failed = run.last.as_ref().filter(|last| last.outcome != "promoted");
    let failed = failed.filter(|last| run.first.is_none() || last.reason.is_some());
    let mut text = match (failed, &run.first) {
        (Some(last), _) => {
            let LastDeploy { id, release, reason, .. } = last;
            let outcome = outcome(&last.outcome);
            let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("deploy {id} of release {release} was {outcome}{why}")
        }
        (None, Some(first)) => format!("its first release cannot begin: {}", first.why),
        (None, None) => return None,
    };
    if let Some(first) = &run.first {
        let tries =
            if first.tries == 1 { "1 try".to_owned() } else { format!("{} tries", first.tries) };
        let when = match first.again_in_s {
            Some(left) => format!("in {}", rough(Duration::from_secs_f64(left.max(0.0)))),
            None => "now".to_owned(),
        };
        text.push_str(&format!("; after {tries} the next attempt is {when}"));
    }
    Some(text)
}
