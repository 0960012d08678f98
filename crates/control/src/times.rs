//! How long responses of each service took since the last look, over all of its instances.
//!
//! Reads the workers' histograms, which are some KiB for each instance and worker: once in ten seconds, and while a reload is watched.

use std::collections::BTreeMap;
use std::sync::Arc;

use edge::{Edge, Live};
use model::{InstanceName, ServiceName};
use rollout::Latencies;

/// What was told already.
#[derive(Debug, Default)]
pub(crate) struct Times(BTreeMap<(ServiceName, InstanceName), Told>);

#[derive(Debug)]
struct Told {
    live: Arc<Live>,
    latencies: Latencies,
}

impl Times {
    /// What comes from now on.
    pub(crate) fn begin(edge: &Edge) -> Self {
        let mut times = Self::default();
        times.take(edge);
        times
    }

    /// What came since the last time.
    pub(crate) fn take(&mut self, edge: &Edge) -> BTreeMap<ServiceName, Latencies> {
        let (mut told, mut taken) = (BTreeMap::new(), BTreeMap::<_, Latencies>::new());
        for view in edge.services() {
            for live in view.instances {
                let key = (view.service.name.clone(), live.name.clone());
                let latencies = latencies_of(live);
                let before = self.0.remove(&key).filter(|told| Arc::ptr_eq(&told.live, live));
                let since = match before {
                    Some(before) => latencies.since(&before.latencies),
                    None => latencies.clone(),
                };
                if since.count() > 0 {
                    taken.entry(view.service.name.clone()).or_default().add(&since);
                }
                told.insert(key, Told { live: live.clone(), latencies });
            }
        }
        self.0 = told;
        taken
    }
}

/// All that an instance took so far.
pub(crate) fn latencies_of(live: &Live) -> Latencies {
    let mut latencies = Latencies::default();
    for snapshot in live.shards().map(|shard| shard.latency.snapshot()) {
        snapshot.classes().for_each(|(class, count)| latencies.record(class, count));
    }
    latencies
}
