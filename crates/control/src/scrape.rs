//! Everything that is counted, gathered from the edge and from what is thought of instances.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use edge::live::{Live, ServiceLive, ServiceShard, Shard};
use edge::{Edge, InquiryLive, ListenerLive, ServiceView};
use model::ListenerName;
use telemetry::scrape::{
    AbuseSample, AccessLogSample, CertificateSample, ConfigSample, FeedSample, InquirySample,
    InstanceSample, InstanceState, LimitSample, LimitUseSample, ListenerSample, RefusalSample,
    ServiceSample,
};
use telemetry::{
    AbuseOutcome, Counter, Ending, EndingTotals, GrpcTotals, HistogramSnapshot, InquiryOutcome,
    LimitOutcome, Scrape,
};

use crate::ordering::status::CertificateStatus;
use crate::watch::{Brief, ServiceWatch};

/// The media type of what [`Handle::scrape`](crate::Handle::scrape) gives.
pub const MEDIA_TYPE: &str = Scrape::MEDIA_TYPE;

/// Everything but the process, bans and the store. `watch_of` gives what is thought of a service.
pub(crate) fn gather<'a>(
    edge: &Edge,
    watch_of: impl Fn(&ServiceView<'_>) -> Option<&'a ServiceWatch>,
    config: ConfigSample,
    feeds: Vec<FeedSample>,
    access_log: AccessLogSample,
) -> Scrape {
    let service = |view: ServiceView<'_>| Some(service(&view, watch_of(&view)?));
    let mut listeners: Vec<_> = edge.listeners().map(listener).collect();
    listeners.sort_by(|one, other| one.name.cmp(&other.name));
    Scrape {
        version: env!("CARGO_PKG_VERSION"),
        exchanges: edge.counters().fold(EndingTotals::default(), |mut all, counters| {
            all.merge(&counters.exchanges.totals());
            all
        }),
        refused: edge.counters().map(|counters| counters.refused.get()).sum(),
        memory_held: edge.memory_held() as u64,
        refusals: refusals(edge),
        limit_uses: limit_uses(edge),
        limits: limits(edge),
        abuse: abuse(edge),
        inquiries: edge.inquiries().map(inquiries).collect(),
        listeners,
        services: edge.services().filter_map(service).collect(),
        access_log,
        config,
        feeds,
        certificates: Vec::new(),
        bans: 0,
        store: None,
        process: None,
    }
}

/// How long each host's certificate is good still at `now`; of several for a host the one that ends first.
pub(crate) fn certificates(all: &[CertificateStatus], now: SystemTime) -> Vec<CertificateSample> {
    let mut left = BTreeMap::new();
    for certificate in all {
        for host in &certificate.hosts {
            let of_this = certificate.left(now);
            left.entry(host)
                .and_modify(|it: &mut Duration| *it = of_this.min(*it))
                .or_insert(of_this);
        }
    }
    left.into_iter().map(|(host, left)| CertificateSample { host: host.clone(), left }).collect()
}

/// What routes' policies have refused. Routes that people know by one name, as their values differ alone, count together.
fn refusals(edge: &Edge) -> Vec<RefusalSample> {
    let mut counts = BTreeMap::new();
    for (route, live) in edge.routes() {
        let refusals = live.refusals();
        for (place, ending) in Ending::ALL.iter().enumerate() {
            let count = refusals.of(*ending);
            if count > 0 {
                *counts.entry((route.in_full(), place)).or_default() += count;
            }
        }
    }
    let sample = |((route, place), count): ((String, usize), u64)| RefusalSample {
        route,
        ending: Ending::ALL[place],
        count,
    };
    counts.into_iter().map(sample).collect()
}

/// What limits decided on requests of routes; routes that people know by one name count together.
fn limit_uses(edge: &Edge) -> Vec<LimitUseSample> {
    let mut counts: BTreeMap<_, [u64; LimitOutcome::ALL.len()]> = BTreeMap::new();
    for (route, live) in edge.limit_uses() {
        let sums = counts.entry((live.name().clone(), route.in_full())).or_default();
        for (sum, outcome) in sums.iter_mut().zip(LimitOutcome::ALL) {
            *sum += live.total(outcome);
        }
    }
    let sample = |((limit, route), outcomes)| LimitUseSample { limit, route, outcomes };
    counts.into_iter().map(sample).collect()
}

fn inquiries(live: &InquiryLive) -> InquirySample {
    let (auth, outcomes) = (live.name().clone(), InquiryOutcome::ALL);
    InquirySample { auth, outcomes: outcomes.map(|outcome| live.total(outcome)) }
}

fn limits(edge: &Edge) -> Vec<LimitSample> {
    edge.limits().map(|(name, bytes)| LimitSample { name: name.clone(), bytes }).collect()
}

fn abuse(edge: &Edge) -> Vec<AbuseSample> {
    let sample = |(name, live): (&model::AbuseName, &edge::AbuseLive)| AbuseSample {
        name: name.clone(),
        outcomes: AbuseOutcome::ALL.map(|outcome| live.total(outcome)),
        bytes: live.bytes(),
    };
    edge.abuse().map(sample).collect()
}

fn listener((name, live): (&ListenerName, &std::sync::Arc<ListenerLive>)) -> ListenerSample {
    ListenerSample {
        name: name.clone(),
        open: live.open.load(Relaxed) as u64,
        accepted: live.accepted.load(Relaxed),
        waits: live.waits.load(Relaxed),
        refused: live.refused.load(Relaxed),
        handshakes_failed: live.handshakes_failed.load(Relaxed),
    }
}

fn service(view: &ServiceView<'_>, watch: &ServiceWatch) -> ServiceSample {
    let live = view.live;
    let sum = |of: fn(&ServiceShard) -> &Counter| live.shards().map(|shard| of(shard).get()).sum();
    let by_class = |class: usize| live.shards().map(|shard| shard.by_class[class].get()).sum();
    let sample = |live: &std::sync::Arc<Live>| Some(instance(live, watch.brief(&live.name)?));
    ServiceSample {
        name: live.name.clone(),
        by_class: std::array::from_fn(by_class),
        grpc: calls(live),
        duration: merged(live.shards().map(|shard| shard.duration.snapshot())),
        bytes_in: sum(|shard| &shard.bytes_in),
        bytes_out: sum(|shard| &shard.bytes_out),
        retries: sum(|shard| &shard.retries),
        budget_exhausted: sum(|shard| &shard.budget_exhausted),
        queued: live.queued() as u64,
        queue_full: sum(|shard| &shard.queue_full),
        queue_timeouts: sum(|shard| &shard.queue_timeouts),
        instances: view.instances.iter().filter_map(sample).collect(),
    }
}

fn calls(live: &ServiceLive) -> GrpcTotals {
    live.shards().fold(GrpcTotals::default(), |mut sum, shard| {
        sum.merge(&shard.grpc.totals());
        sum
    })
}

fn instance(live: &Live, brief: Brief) -> InstanceSample {
    let sum = |of: fn(&Shard) -> &Counter| live.shards().map(|shard| of(shard).get()).sum();
    let outcomes = live.outcomes();
    InstanceSample {
        name: live.name.clone(),
        is_up: live.is_eligible() && brief.state != InstanceState::Failing,
        state: brief.state,
        weight: brief.weight,
        in_flight: live.in_flight().into(),
        outcomes: [
            outcomes.ok,
            outcomes.redirects,
            outcomes.client_errors,
            outcomes.server_errors,
            outcomes.failures,
            outcomes.abandoned,
        ],
        first_byte: merged(live.shards().map(|shard| shard.latency.snapshot())),
        connects: sum(|shard| &shard.connects),
        bytes_to: sum(|shard| &shard.bytes_to),
        bytes_from: sum(|shard| &shard.bytes_from),
        ejections: brief.ejections,
        is_outlier: brief.is_outlier,
    }
}

fn merged(snapshots: impl Iterator<Item = HistogramSnapshot>) -> HistogramSnapshot {
    snapshots.fold(HistogramSnapshot::default(), |mut sum, snapshot| {
        sum.merge(&snapshot);
        sum
    })
}
