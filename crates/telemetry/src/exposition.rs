//! From a [`Scrape`] to OpenMetrics text, which Prometheus and whoever reads its format
//! understand.
//!
//! `prometheus-client` writes it: what a collector of it says is encoded from plain data, without
//! its registry ever holding a value. Series of one metric stand together, as the format demands,
//! and so this goes metric by metric, not service by service.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit as EncodedUnit};

use crate::abuse::AbuseOutcome;
use crate::ending::Ending;
use crate::inquiry::InquiryOutcome;
use crate::limit::LimitOutcome;
use crate::metric::{Kind, Metric, Unit};
use crate::process::Process;
use crate::scrape::{
    CLASSES, InstanceSample, InstanceState, ListenerSample, OUTCOMES, Scrape, ServiceSample,
};
use crate::snapshot::HistogramSnapshot;

/// The upper bounds of the buckets that are shown, in microseconds. They are those of
/// Prometheus's client libraries with 1 ms, 30 s and 60 s more.
pub(crate) const BOUNDS_MICROS: [u64; 15] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

impl Scrape {
    /// The media type of what [`encode`](Self::encode) makes.
    pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Everything, as text.
    pub fn encode(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut page = String::with_capacity(16 * 1024);
        text::encode(&mut page, &registry).expect("writing to a string cannot fail");
        page
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.exchanges(&mut page)?;
        self.listeners(&mut page)?;
        self.services(&mut page)?;
        self.instances(&mut page)?;
        self.program(&mut page)?;
        self.process.iter().try_for_each(|process| process.encode(&mut page))
    }
}

/// Metrics that are numbers with the same labels, and how to read each off a sample.
type Numbers<Sample, const METRICS: usize> = [(Metric, fn(&Sample) -> u64); METRICS];

/// The value of one series.
enum Value<'a> {
    Whole(u64),
    Real(f64),
    Times(&'a HistogramSnapshot),
}

/// The text as it grows.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A metric with a series for each of `samples`, which have the values of its labels.
    fn family<'s, const LABELS: usize>(
        &mut self,
        metric: Metric,
        samples: impl IntoIterator<Item = ([&'s str; LABELS], Value<'s>)>,
    ) -> fmt::Result {
        debug_assert_eq!(metric.labels().len(), LABELS, "{metric:?}");
        let unit = metric.unit().map(|unit| match unit {
            Unit::Seconds => EncodedUnit::Seconds,
            Unit::Bytes => EncodedUnit::Bytes,
        });
        let kind = match metric.kind() {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        let mut encoder =
            self.0.encode_descriptor(metric.base(), metric.help(), unit.as_ref(), kind)?;
        for (values, value) in samples {
            let mut labels = [("", ""); LABELS];
            for ((pair, label), value) in labels.iter_mut().zip(metric.labels()).zip(values) {
                *pair = (label.as_str(), value);
            }
            match metric.kind() {
                Kind::Info => encoder.encode_info(&labels)?,
                // An empty set of labels would be written as `{}`.
                kind if labels.is_empty() => series(&mut encoder, kind, &value)?,
                kind => series(&mut encoder.encode_family(&labels)?, kind, &value)?,
            }
        }
        Ok(())
    }

    /// A metric without labels.
    fn one(&mut self, metric: Metric, value: Value<'_>) -> fmt::Result {
        self.family(metric, [([], value)])
    }
}

fn series(encoder: &mut MetricEncoder<'_>, kind: Kind, value: &Value<'_>) -> fmt::Result {
    const NONE: Option<&Exemplar<NoLabelSet, f64>> = None;
    match (value, kind) {
        (Value::Whole(value), Kind::Counter) => encoder.encode_counter(value, NONE),
        (Value::Real(value), Kind::Counter) => encoder.encode_counter(value, NONE),
        (Value::Whole(value), _) => encoder.encode_gauge(value),
        (Value::Real(value), _) => encoder.encode_gauge(value),
        (Value::Times(times), _) => {
            let sum = times.sum().as_secs_f64();
            encoder.encode_histogram::<NoLabelSet>(sum, times.count(), &buckets(times), None)
        }
    }
}

/// Each bound in seconds, with how many durations are within it and not within the one before.
fn buckets(times: &HistogramSnapshot) -> Vec<(f64, u64)> {
    let mut before = 0;
    let mut bucket = |bound, within| (bound, within - std::mem::replace(&mut before, within));
    let bounds = BOUNDS_MICROS.iter().map(|micros| {
        let bound = Duration::from_micros(*micros);
        (bound.as_secs_f64(), times.at_most(bound))
    });
    let all = std::iter::once((f64::INFINITY, times.count()));
    bounds.chain(all).map(|(bound, within)| bucket(bound, within)).collect()
}

impl Scrape {
    fn exchanges(&self, page: &mut Page<'_>) -> fmt::Result {
        let ended = |ending: &Ending| ([ending.as_str()], Value::Whole(self.exchanges.of(*ending)));
        page.family(Metric::Exchanges, Ending::ALL.iter().map(ended))?;
        page.one(Metric::Refused, Value::Whole(self.refused))?;
        page.one(Metric::MemoryHeld, Value::Whole(self.memory_held))?;
        let refused = self.refusals.iter();
        let refused = refused.map(|it| ([&*it.route, it.ending.as_str()], Value::Whole(it.count)));
        page.family(Metric::PolicyRefusals, refused)?;
        let decided = self.limit_uses.iter().flat_map(|it| {
            LimitOutcome::ALL.iter().zip(it.outcomes).map(|(outcome, count)| {
                ([it.limit.as_str(), &*it.route, outcome.as_str()], Value::Whole(count))
            })
        });
        page.family(Metric::LimitRequests, decided)?;
        let limits = self.limits.iter().map(|it| ([it.name.as_str()], Value::Whole(it.bytes)));
        page.family(Metric::LimitMemory, limits)?;
        let counted = self.abuse.iter().flat_map(|it| {
            AbuseOutcome::ALL
                .iter()
                .zip(it.outcomes)
                .map(|(outcome, count)| ([it.name.as_str(), outcome.as_str()], Value::Whole(count)))
        });
        page.family(Metric::AbuseRefusals, counted)?;
        let rules = self.abuse.iter().map(|it| ([it.name.as_str()], Value::Whole(it.bytes)));
        page.family(Metric::AbuseMemory, rules)?;
        let inquiries = self.inquiries.iter().flat_map(|it| {
            InquiryOutcome::ALL
                .iter()
                .zip(it.outcomes)
                .map(|(outcome, count)| ([it.auth.as_str(), outcome.as_str()], Value::Whole(count)))
        });
        page.family(Metric::AuthInquiries, inquiries)
    }

    fn listeners(&self, page: &mut Page<'_>) -> fmt::Result {
        let metrics: Numbers<ListenerSample, 5> = [
            (Metric::Connections, |it| it.open),
            (Metric::Accepted, |it| it.accepted),
            (Metric::AcceptWaits, |it| it.waits),
            (Metric::ConnectionsRefused, |it| it.refused),
            (Metric::HandshakesFailed, |it| it.handshakes_failed),
        ];
        metrics.into_iter().try_for_each(|(metric, get)| {
            let sample = |it| ([ListenerSample::name(it)], Value::Whole(get(it)));
            page.family(metric, self.listeners.iter().map(sample))
        })
    }

    fn services(&self, page: &mut Page<'_>) -> fmt::Result {
        let classes = self.services.iter().flat_map(|it| {
            let classes = CLASSES.iter().zip(it.by_class);
            classes.map(|(class, count)| ([it.name(), class], Value::Whole(count)))
        });
        page.family(Metric::Requests, classes)?;
        let calls = self.services.iter().flat_map(|it| {
            let statuses = it.grpc.by_label();
            statuses.map(|(status, count)| ([it.name(), status], Value::Whole(count)))
        });
        page.family(Metric::GrpcCalls, calls)?;
        let durations = self.services.iter().map(|it| ([it.name()], Value::Times(&it.duration)));
        page.family(Metric::RequestDuration, durations)?;

        let metrics: Numbers<ServiceSample, 7> = [
            (Metric::Received, |it| it.bytes_in),
            (Metric::Sent, |it| it.bytes_out),
            (Metric::Retries, |it| it.retries),
            (Metric::RetryBudgetExhausted, |it| it.budget_exhausted),
            (Metric::QueueLength, |it| it.queued),
            (Metric::QueueFull, |it| it.queue_full),
            (Metric::QueueTimeouts, |it| it.queue_timeouts),
        ];
        metrics.into_iter().try_for_each(|(metric, get)| {
            let sample = |it| ([ServiceSample::name(it)], Value::Whole(get(it)));
            page.family(metric, self.services.iter().map(sample))
        })
    }

    /// Each instance with the name of its service.
    fn all_instances(&self) -> impl Iterator<Item = (&str, &InstanceSample)> {
        let instances = |it| ServiceSample::instances(it).map(|of| (ServiceSample::name(it), of));
        self.services.iter().flat_map(instances)
    }

    fn instances(&self, page: &mut Page<'_>) -> fmt::Result {
        self.states(page)?;
        let outcomes = self.all_instances().flat_map(|(service, it)| {
            let counts = OUTCOMES.iter().zip(it.outcomes);
            counts.map(move |(outcome, n)| ([service, it.name(), outcome], Value::Whole(n)))
        });
        page.family(Metric::InstanceRequests, outcomes)?;
        let times = self.all_instances();
        let times = times.map(|(of, it)| ([of, it.name()], Value::Times(&it.first_byte)));
        page.family(Metric::InstanceFirstByte, times)?;

        let metrics: Numbers<InstanceSample, 7> = [
            (Metric::InstanceWeight, |it| it.weight.into()),
            (Metric::InstanceInFlight, |it| it.in_flight),
            (Metric::InstanceConnects, |it| it.connects),
            (Metric::InstanceSent, |it| it.bytes_to),
            (Metric::InstanceReceived, |it| it.bytes_from),
            (Metric::InstanceEjections, |it| it.ejections),
            (Metric::InstanceOutlier, |it| it.is_outlier.into()),
        ];
        metrics.into_iter().try_for_each(|(metric, get)| {
            let all = self.all_instances();
            page.family(metric, all.map(|(of, it)| ([of, it.name()], Value::Whole(get(it)))))
        })
    }

    fn states(&self, page: &mut Page<'_>) -> fmt::Result {
        let up = self.all_instances();
        let up = up.map(|(of, it)| ([of, it.name()], Value::Whole(it.is_up.into())));
        page.family(Metric::InstanceUp, up)?;
        let states = self.all_instances().flat_map(|(service, it)| {
            InstanceState::ALL.iter().map(move |state| {
                let is_so = Value::Whole((it.state == *state).into());
                ([service, it.name(), state.as_str()], is_so)
            })
        });
        page.family(Metric::InstanceState, states)
    }

    fn program(&self, page: &mut Page<'_>) -> fmt::Result {
        let (log, config) = (&self.access_log, &self.config);
        page.one(Metric::AccessLogDropped, Value::Whole(log.dropped_lines))?;
        page.one(Metric::AccessLogErrors, Value::Whole(log.write_errors))?;
        page.one(Metric::ConfigRevision, Value::Whole(config.revision.0))?;
        page.one(Metric::SnapshotGeneration, Value::Whole(config.generation.0))?;
        page.one(Metric::ReloadSuccess, Value::Whole(config.is_taken_up.into()))?;
        page.one(Metric::ReloadTime, Value::Real(unix(config.read_at)))?;
        let stale = self.feeds.iter().map(|it| ([it.feed.as_str()], Value::Whole(it.stale)));
        page.family(Metric::FeedStale, stale)?;
        let days = |left: Duration| Value::Real(left.as_secs_f64() / 86_400.0);
        let certificates = self.certificates.iter().map(|it| ([&*it.host], days(it.left)));
        page.family(Metric::CertificateDaysLeft, certificates)?;
        page.one(Metric::Bans, Value::Whole(self.bans))?;
        if let Some(store) = &self.store {
            page.one(Metric::StoreUp, Value::Whole(store.is_up.into()))?;
            page.one(Metric::StoreErrors, Value::Whole(store.errors))?;
            page.one(Metric::StoreSettlements, Value::Whole(store.settled))?;
            page.one(Metric::StoreSettlementsLost, Value::Whole(store.lost))?;
        }
        page.family(Metric::Build, [([self.version], Value::Whole(1))])
    }
}

impl ListenerSample {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl ServiceSample {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn instances(&self) -> std::slice::Iter<'_, InstanceSample> {
        self.instances.iter()
    }
}

impl InstanceSample {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl Process {
    fn encode(&self, page: &mut Page<'_>) -> fmt::Result {
        page.one(Metric::ProcessCpu, Value::Real(self.cpu.as_secs_f64()))?;
        page.one(Metric::ProcessOpenFds, Value::Whole(self.open_fds))?;
        if let Some(most) = self.max_fds {
            page.one(Metric::ProcessMaxFds, Value::Whole(most))?;
        }
        page.one(Metric::ProcessResidentMemory, Value::Whole(self.resident_bytes))?;
        page.one(Metric::ProcessVirtualMemory, Value::Whole(self.virtual_bytes))?;
        page.one(Metric::ProcessThreads, Value::Whole(self.threads))?;
        page.one(Metric::ProcessStart, Value::Real(unix(self.started)))
    }
}

/// Seconds since 1970.
fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
