//! How long services take while a reload is watched, beside what is slow for each by what was before.

use std::collections::BTreeMap;
use std::time::Duration;

use edge::Edge;
use model::ServiceName;
use rollout::Latencies;
use rollout::reload::{Before, Place, Requests, Touched, slow_from, timed};

use crate::lately::Lately;
use crate::times::Times;

/// What is slow, and what was told already.
pub(crate) struct Pace {
    times: Times,
    slow_from: BTreeMap<ServiceName, Duration>,
}

impl Pace {
    /// What comes from now on is held against what was before.
    pub(crate) fn begin(edge: &Edge) -> Self {
        Self { times: Times::begin(edge), slow_from: BTreeMap::new() }
    }

    /// How long a service took before; nothing where too little is known of it.
    pub(crate) fn before(
        &mut self,
        lately: &Lately,
        service: &ServiceName,
        touched: Touched,
    ) -> Option<Before> {
        let spans = lately.times(service);
        let mut all = Latencies::default();
        spans.iter().for_each(|span| all.add(span));
        let slow = slow_from(&all)?;
        self.slow_from.insert(service.clone(), slow);
        let spans = spans.into_iter().map(|span| timed(span, slow)).collect();
        Some(Before { place: Place::Times(service.clone()), touched, spans })
    }

    /// How long responses took since the last time, of services that are `meant`.
    pub(crate) fn take(
        &mut self,
        edge: &Edge,
        is_meant: impl Fn(&ServiceName) -> bool,
    ) -> Vec<(Place, Requests)> {
        let taken = self.times.take(edge).into_iter().filter(|(service, _)| is_meant(service));
        let counted = taken.filter_map(|(service, latencies)| {
            let slow = self.slow_from.get(&service)?;
            Some((Place::Times(service), timed(&latencies, *slow)))
        });
        counted.collect()
    }

    /// From how long on a response of a service is slow, where that is known.
    pub(super) fn slow_from(&self, service: &ServiceName) -> Option<Duration> {
        self.slow_from.get(service).copied()
    }
}
