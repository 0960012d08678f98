//! What unit tests of a deploy on its way begin with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::{Command, Deploy, InstanceName, ProcessRecipe, Recipe, Workload};
use rollout::{Direction, Past, Plan, Rollout};
use telemetry::Events;

use super::active::{Active, Attempt, Beginning, Seen};
use crate::release::Release;
use crate::runs::Purpose;

/// What the deploy with this number made.
pub(super) fn release(id: i64) -> Arc<Release> {
    let workload = Workload::Process(ProcessRecipe {
        command: Command::Line("api".into()),
        directory: "/".into(),
        user: None,
        inherit: Vec::new(),
    });
    let recipe = Recipe { workload, env: BTreeMap::new(), env_file: None, secrets: Vec::new() };
    let (version, given) = (id.to_string(), BTreeSet::new());
    Arc::new(Release { id, version, recipe, given, file_version: None })
}

/// A deploy of a service whose one old instance has this name.
pub(super) fn deploy_of(deploy: &Deploy, stable: &InstanceName) -> Active {
    let past = Past::default();
    let plan = Plan {
        service: "api".into(),
        work: model::Work::Requests,
        deploy: deploy.clone(),
        direction: Direction::Forward,
        replicas: 1,
        stable: vec![stable.clone()],
        past: past.clone(),
        next_number: 2,
    };
    let (rollout, _) = Rollout::begin(plan, Duration::ZERO);
    Active::new(Beginning {
        id: 2,
        service: "api".into(),
        events: Events::default(),
        rollout,
        stable: Some(release(1)),
        canary: release(2),
        who: "ops".to_owned(),
        purpose: Purpose::Wanted,
        attempt: Attempt::First,
        restores: None,
        deploy,
        past,
        instances: vec![stable.clone()],
        seen: Seen::default(),
    })
}
