//! Everything that is counted, in the text format that Prometheus reads.

use std::fmt::{self, Write};
use std::time::Duration;

use balance::Standing;
use edge::live::{Live, ServiceLive, ServiceShard, Shard};
use edge::{Edge, WorkerCounters};
use telemetry::{Counter, HistogramSnapshot};

use crate::status::Status;

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The buckets' upper bounds, in seconds.
const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// Each standing that an instance can have.
const STANDINGS: [Standing; 5] = [
    Standing::Healthy,
    Standing::Ejected,
    Standing::Unhealthy,
    Standing::Starting,
    Standing::Drained,
];

/// A counter's name, its help, and how it is read.
type Count<Of> = (&'static str, &'static str, fn(&Of) -> u64);

/// Everything as text.
pub(crate) fn text(edge: &Edge, status: &Status, log_lines_dropped: u64) -> String {
    let mut page = Page(String::with_capacity(16 * 1024));
    whole(&mut page, edge, status, log_lines_dropped);
    listeners(&mut page, edge);
    services(&mut page, edge);
    instances(&mut page, edge, status);
    page.0
}

fn whole(page: &mut Page, edge: &Edge, status: &Status, log_lines_dropped: u64) {
    let sum =
        |of: fn(&WorkerCounters) -> &Counter| edge.counters().map(|all| of(all).get()).sum::<u64>();
    page.one(
        "plimsoll_config_revision",
        "gauge",
        "The configuration that is served.",
        status.revision,
    );
    page.one(
        "plimsoll_snapshot_generation",
        "gauge",
        "The snapshot that is served.",
        status.generation,
    );
    let is_good = status.last_reload.as_ref().is_none_or(|reload| reload.outcome.is_ok());
    page.one(
        "plimsoll_config_last_reload_successful",
        "gauge",
        "Whether the last reload was taken up.",
        u8::from(is_good),
    );
    let uptime = status.uptime.as_secs_f64();
    page.one("plimsoll_uptime_seconds", "gauge", "Time since the start.", uptime);
    let exchanges = sum(|all| &all.exchanges);
    page.one("plimsoll_exchanges_total", "counter", "Exchanges that ended.", exchanges);
    let refused = sum(|all| &all.refused);
    let help = "Requests that were refused before they could be routed.";
    page.one("plimsoll_requests_refused_total", "counter", help, refused);
    let help = "Lines of the access log that were dropped.";
    page.one("plimsoll_access_log_lines_dropped_total", "counter", help, log_lines_dropped);
}

fn listeners(page: &mut Page, edge: &Edge) {
    use std::sync::atomic::Ordering::Relaxed;
    let mut all: Vec<_> = edge.listeners().collect();
    all.sort_by_key(|(name, _)| (*name).clone());
    let labels = |name: &model::ListenerName| vec![("listener", name.to_string())];
    page.family("plimsoll_listener_connections", "gauge", "Open connections of clients.");
    for (name, live) in &all {
        page.sample("plimsoll_listener_connections", &labels(name), live.open.load(Relaxed));
    }
    let counters: [Count<edge::ListenerLive>; 3] = [
        ("plimsoll_listener_accepted_total", "Connections accepted.", |live| {
            live.accepted.load(Relaxed)
        }),
        ("plimsoll_listener_waits_total", "How often accepting had to wait.", |live| {
            live.waits.load(Relaxed)
        }),
        ("plimsoll_listener_handshakes_failed_total", "TLS handshakes that failed.", |live| {
            live.handshakes_failed.load(Relaxed)
        }),
    ];
    for (metric, help, get) in counters {
        page.family(metric, "counter", help);
        all.iter().for_each(|(name, live)| page.sample(metric, &labels(name), get(live)));
    }
}

fn services(page: &mut Page, edge: &Edge) {
    let all: Vec<&ServiceLive> = edge.services().map(|view| &**view.live).collect();
    let labels = |live: &ServiceLive| vec![("service", live.name.to_string())];

    let metric = "plimsoll_requests_total";
    page.family(metric, "counter", "Exchanges by service and class of status; 0 for no answer.");
    for live in &all {
        for class in 0..6 {
            let count: u64 = live.shards().map(|shard| shard.by_class[class].get()).sum();
            let class = if class == 0 { "0".to_owned() } else { format!("{class}xx") };
            let labels = [labels(live), vec![("class", class)]].concat();
            page.sample(metric, &labels, count);
        }
    }
    let metric = "plimsoll_request_duration_seconds";
    page.family(metric, "histogram", "From a request's head to the end of its answer.");
    for live in &all {
        let merged = merge(live.shards().map(|shard| shard.duration.snapshot()));
        page.histogram(metric, &labels(live), &merged);
    }
    page.family("plimsoll_queue_length", "gauge", "Requests that wait for an instance.");
    all.iter().for_each(|live| page.sample("plimsoll_queue_length", &labels(live), live.queued()));
    let counters: [Count<ServiceShard>; 6] = [
        ("plimsoll_retries_total", "Second and further attempts.", |shard| shard.retries.get()),
        ("plimsoll_retries_over_budget_total", "Retries that the budget did not allow.", |shard| {
            shard.budget_exhausted.get()
        }),
        ("plimsoll_queue_full_total", "Requests that found the queue full.", |shard| {
            shard.queue_full.get()
        }),
        ("plimsoll_queue_timeouts_total", "Requests that waited too long.", |shard| {
            shard.queue_timeouts.get()
        }),
        ("plimsoll_received_bytes_total", "Bytes received from clients.", |shard| {
            shard.bytes_in.get()
        }),
        ("plimsoll_sent_bytes_total", "Bytes sent to clients.", |shard| shard.bytes_out.get()),
    ];
    for (metric, help, get) in counters {
        page.family(metric, "counter", help);
        for live in &all {
            let count: u64 = live.shards().map(get).sum();
            page.sample(metric, &labels(live), count);
        }
    }
}

fn instances(page: &mut Page, edge: &Edge, status: &Status) {
    let lives = edge.services().flat_map(|view| view.instances.iter());
    let all: Vec<&Live> = lives.map(|live| &**live).collect();
    let labels = |live: &Live| {
        vec![("service", live.service.to_string()), ("instance", live.name.to_string())]
    };

    let metric = "plimsoll_instances";
    page.family(metric, "gauge", "Instances by how they stand.");
    for service in &status.services {
        for standing in STANDINGS {
            let count = service.instances.iter().filter(|it| it.standing == standing).count();
            let labels =
                [("service", service.name.to_string()), ("standing", standing.to_string())];
            page.sample(metric, &labels, count);
        }
    }
    let metric = "plimsoll_instance_up";
    page.family(metric, "gauge", "Whether nothing bars the instance from traffic.");
    all.iter().for_each(|live| page.sample(metric, &labels(live), u8::from(live.is_eligible())));
    let metric = "plimsoll_instance_in_flight";
    page.family(metric, "gauge", "Requests in flight.");
    all.iter().for_each(|live| page.sample(metric, &labels(live), live.in_flight()));

    let metric = "plimsoll_attempts_total";
    page.family(metric, "counter", "Attempts by instance and outcome.");
    for live in &all {
        let outcomes = live.outcomes();
        for (outcome, count) in [
            ("ok", outcomes.ok),
            ("server_error", outcomes.server_errors),
            ("failure", outcomes.failures),
        ] {
            let labels = [labels(live), vec![("outcome", outcome.to_owned())]].concat();
            page.sample(metric, &labels, count);
        }
    }
    let metric = "plimsoll_attempt_first_byte_seconds";
    page.family(metric, "histogram", "From an attempt's start to the answer's head.");
    for live in &all {
        let merged = merge(live.shards().map(|shard| shard.latency.snapshot()));
        page.histogram(metric, &labels(live), &merged);
    }
    let counters: [Count<Shard>; 3] = [
        ("plimsoll_instance_connects_total", "Connections opened.", |shard| shard.connects.get()),
        ("plimsoll_instance_sent_bytes_total", "Bytes sent to it.", |shard| shard.bytes_to.get()),
        ("plimsoll_instance_received_bytes_total", "Bytes received from it.", |shard| {
            shard.bytes_from.get()
        }),
    ];
    for (metric, help, get) in counters {
        page.family(metric, "counter", help);
        for live in &all {
            let count: u64 = live.shards().map(get).sum();
            page.sample(metric, &labels(live), count);
        }
    }
}

fn merge(snapshots: impl Iterator<Item = HistogramSnapshot>) -> HistogramSnapshot {
    snapshots.fold(HistogramSnapshot::default(), |mut sum, snapshot| {
        sum.merge(&snapshot);
        sum
    })
}

/// The text as it grows.
struct Page(String);

type Label = (&'static str, String);

impl Page {
    fn family(&mut self, metric: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {metric} {help}\n# TYPE {metric} {kind}\n"));
    }

    fn one(&mut self, metric: &str, kind: &str, help: &str, value: impl fmt::Display) {
        self.family(metric, kind, help);
        self.sample(metric, &[], value);
    }

    fn sample(&mut self, metric: &str, labels: &[Label], value: impl fmt::Display) {
        self.put(format_args!("{metric}{} {value}\n", Labels(labels)));
    }

    fn histogram(&mut self, metric: &str, labels: &[Label], snapshot: &HistogramSnapshot) {
        let bucket = format!("{metric}_bucket");
        for bound in BOUNDS {
            let within = snapshot.at_most(Duration::from_secs_f64(bound));
            let labels = [labels, &[("le", bound.to_string())]].concat();
            self.sample(&bucket, &labels, within);
        }
        let count = snapshot.count();
        self.sample(&bucket, &[labels, &[("le", "+Inf".to_owned())]].concat(), count);
        self.sample(&format!("{metric}_sum"), labels, snapshot.sum().as_secs_f64());
        self.sample(&format!("{metric}_count"), labels, count);
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("writing to a string cannot fail");
    }
}

/// Labels in braces, or nothing.
struct Labels<'a>(&'a [Label]);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            f.write_char(if index == 0 { '{' } else { ',' })?;
            write!(f, "{name}=\"")?;
            for character in value.chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str("\\n")?,
                    other => f.write_char(other)?,
                }
            }
            f.write_char('"')?;
        }
        if self.0.is_empty() { Ok(()) } else { f.write_char('}') }
    }
}

#[cfg(test)]
mod tests {
    use telemetry::Histogram;

    use super::*;

    #[test]
    fn labels_cannot_be_broken_out_of() {
        let mut page = Page(String::new());
        page.sample("m", &[("a", "x\"y\\z\n".to_owned()), ("b", "é".to_owned())], 1);
        assert_eq!(page.0, "m{a=\"x\\\"y\\\\z\\n\",b=\"é\"} 1\n");
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_all() {
        let histogram = Histogram::default();
        for ms in [1, 20, 700, 90_000] {
            histogram.record(Duration::from_millis(ms));
        }
        let mut page = Page(String::new());
        page.histogram("m", &[], &histogram.snapshot());
        for line in ["m_bucket{le=\"0.025\"} 2", "m_bucket{le=\"1\"} 3", "m_bucket{le=\"+Inf\"} 4"]
        {
            assert!(page.0.contains(line), "{line} in {}", page.0);
        }
        assert!(page.0.ends_with("m_sum 90.721\nm_count 4\n"), "{}", page.0);
    }
}
