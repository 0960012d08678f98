//! Routes and instances by small numbers, in the order in which they were seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{InstanceName, RouteId};

/// Routes that are told apart; the rest counts together.
const ROUTES_MAX: usize = 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    routes: BTreeMap<RouteId, usize>,
    rest: Option<usize>,
    names: Vec<Option<Arc<str>>>,
    instances: BTreeMap<InstanceName, usize>,
    /// The new release's instances, and when each had its first request.
    canaries: Vec<(InstanceName, Duration)>,
}

impl Places {
    pub(super) fn route(&mut self, route: Option<&RouteId>) -> usize {
        let known = route.and_then(|route| self.routes.get(route));
        if let Some(known) = known.copied() {
            return known;
        }
        match route {
            Some(route) if self.routes.len() < ROUTES_MAX => {
                let place = self.next_route();
                self.routes.insert(route.clone(), place);
                place
            }
            _ => {
                let place = self.rest.unwrap_or_else(|| self.next_route());
                self.rest = Some(place);
                place
            }
        }
    }

    fn next_route(&mut self) -> usize {
        self.names.push(None);
        self.names.len() - 1
    }

    /// Routes are called so.
    pub(super) fn name(&mut self, names: &BTreeMap<RouteId, Arc<str>>) {
        for (route, name) in names {
            let place = self.route(Some(route));
            self.names[place] = Some(name.clone());
        }
    }

    pub(super) fn name_of(&self, route: usize) -> Option<Arc<str>> {
        self.names.get(route)?.clone()
    }

    pub(super) fn routes(&self) -> usize {
        self.names.len()
    }

    /// The place of one of the new release's instances, which had a request now.
    pub(super) fn canary(&mut self, instance: &InstanceName, now: Duration) -> usize {
        if let Some(known) = self.instances.get(instance) {
            return *known;
        }
        let place = self.canaries.len();
        self.canaries.push((instance.clone(), now));
        self.instances.insert(instance.clone(), place);
        place
    }

    /// The only one of the new release's instances that has had requests.
    pub(super) fn only_canary(&self) -> Option<&InstanceName> {
        match self.canaries.as_slice() {
            [(only, _)] => Some(only),
            _ => None,
        }
    }

    pub(super) fn find(&self, instance: &InstanceName) -> Option<usize> {
        self.instances.get(instance).copied()
    }

    pub(super) fn instance(&self, place: usize) -> &InstanceName {
        &self.canaries[place].0
    }

    /// For how long it has had requests.
    pub(super) fn age(&self, place: usize, now: Duration) -> Duration {
        now.saturating_sub(self.canaries[place].1)
    }
}
