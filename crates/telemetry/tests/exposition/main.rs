//! What is scraped: held whole, and read back by a strict reader of the format.

mod openmetrics;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Generation, Revision};
use openmetrics::Series;
use telemetry::metric::Kind;
use telemetry::scrape::{
    AbuseSample, AccessLogSample, CertificateSample, ConfigSample, FeedKind, FeedSample,
    InquirySample, InstanceSample, InstanceState, LimitSample, LimitUseSample, ListenerSample,
    RefusalSample, ServiceSample, StoreSample,
};
use telemetry::{
    Ending, EndingCounters, GrpcStatus, Histogram, HistogramSnapshot, Metric, Process, Scrape,
};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn times(micros: &[u64]) -> HistogramSnapshot {
    let histogram = Histogram::default();
    micros.iter().for_each(|n| histogram.record(Duration::from_micros(*n)));
    histogram.snapshot()
}

fn instance(name: &str, state: InstanceState) -> InstanceSample {
    InstanceSample {
        name: name.into(),
        is_up: state == InstanceState::Healthy,
        state,
        weight: 3,
        in_flight: 2,
        outcomes: [40, 3, 2, 1, 1, 5],
        first_byte: times(&[900, 4_000]),
        connects: 5,
        bytes_to: 1_000,
        bytes_from: 2_000,
        ejections: 1,
        is_outlier: false,
    }
}

fn service(name: &str, instances: Vec<InstanceSample>) -> ServiceSample {
    ServiceSample {
        name: name.into(),
        by_class: [1, 0, 40, 3, 2, 1],
        grpc: [(Some(GrpcStatus::Ok), 30), (None, 2)].into_iter().collect(),
        duration: times(&[500, 1_000, 1_001, 240_000, 90_000_000]),
        bytes_in: 10_000,
        bytes_out: 20_000,
        retries: 4,
        budget_exhausted: 1,
        queued: 7,
        queue_full: 2,
        queue_timeouts: 3,
        instances,
    }
}

fn scrape(services: Vec<ServiceSample>) -> Scrape {
    let endings = EndingCounters::default();
    for ending in [Ending::Ok, Ending::Ok, Ending::ClientClosed] {
        endings.count(ending);
    }
    Scrape {
        version: "0.1.0",
        exchanges: endings.totals(),
        refused: 6,
        memory_held: 4096,
        listeners: vec![ListenerSample {
            name: "web".into(),
            open: 12,
            accepted: 340,
            waits: 1,
            refused: 3,
            handshakes_failed: 2,
        }],
        services,
        access_log: AccessLogSample { dropped_lines: 9, write_errors: 1 },
        config: ConfigSample {
            revision: Revision(3),
            generation: Generation(17),
            read_at: at(1_767_225_600),
            is_taken_up: true,
        },
        refusals: vec![RefusalSample {
            route: "~^/v[0-9]+\\.\"".into(),
            ending: Ending::Denied,
            count: 4,
        }],
        certificates: vec![CertificateSample {
            host: "shop.example.com".to_owned(),
            left: Duration::from_secs(86_400 * 44 + 43_200),
        }],
        bans: 4,
        store: Some(StoreSample { is_up: true, errors: 3, settled: 40, lost: 2 }),
        limit_uses: vec![LimitUseSample {
            limit: "per-user".into(),
            route: "/api/*".into(),
            outcomes: [70, 8, 9],
        }],
        abuse: vec![AbuseSample { name: "guessing".into(), outcomes: [40, 2, 1], bytes: 8192 }],
        limits: vec![LimitSample { name: "per-user".into(), bytes: 4096 }],
        inquiries: vec![InquirySample { auth: "legacy".into(), outcomes: [7, 3, 40, 1] }],
        feeds: vec![FeedSample { feed: FeedKind::Names, stale: 2 }],
        process: Some(Process {
            cpu: Duration::from_millis(1_230),
            open_fds: 14,
            max_fds: Some(1024),
            resident_bytes: 12 << 20,
            virtual_bytes: 120 << 20,
            threads: 5,
            started: at(1_767_225_000),
        }),
    }
}

fn full() -> Scrape {
    let instances = vec![
        instance("10.0.0.11:8080", InstanceState::Healthy),
        instance("10.0.0.12:8080", InstanceState::Ejected),
    ];
    scrape(vec![service("api", instances), service("shop", vec![])])
}

#[test]
fn the_text_is_the_committed_one() {
    insta::assert_snapshot!(full().encode());
}

#[test]
fn every_metric_is_there_once_as_the_reference_says() {
    let families = openmetrics::read(&full().encode()).unwrap();
    assert_eq!(families.len(), Metric::ALL.len());
    for (family, metric) in families.iter().zip(Metric::ALL) {
        assert_eq!(family.help, metric.help());
        assert_eq!(family.kind, metric.kind().as_str(), "{metric:?}");
        assert_eq!(family.unit.as_deref(), metric.unit().map(|unit| unit.as_str()));
        let labels: Vec<_> = metric.labels().iter().map(|label| label.as_str()).collect();
        assert!(!family.series.is_empty(), "{metric:?}");
        for series in &family.series {
            let is_histogram = metric.kind() == Kind::Histogram;
            assert!(is_histogram || series.name == metric.name());
            assert_eq!(series.labels_but("le").map(|(key, _)| key).collect::<Vec<_>>(), labels);
        }
    }
}

#[test]
fn a_histogram_s_buckets_are_cumulative() {
    let families = openmetrics::read(&full().encode()).unwrap();
    let family = families.iter().find(|it| it.name == "plimsoll_request_duration_seconds").unwrap();
    let within = |le: &str| {
        let wanted = [("service", "api"), ("le", le)];
        let is_it = |it: &&Series| wanted.iter().all(|(key, value)| it.label(key) == Some(value));
        family.series.iter().find(is_it).unwrap().value
    };
    // 1 ms lies in a bucket that ends above it, and so counts as longer.
    assert_eq!(["0.001", "0.0025", "0.25", "60.0", "+Inf"].map(within), [1.0, 3.0, 4.0, 4.0, 5.0]);
}

#[test]
fn names_cannot_break_out_of_their_quotes() {
    let name = "a\"b\\c\nd} 1\n# EOF";
    let services = vec![service(name, vec![instance(name, InstanceState::Drained)])];
    let families = openmetrics::read(&scrape(services).encode()).unwrap();
    let up = families.iter().find(|family| family.name == "plimsoll_instance_up").unwrap();
    assert_eq!((up.series[0].label("service"), up.series.len()), (Some(name), 1));
    assert_eq!((up.series[0].label("service_instance"), up.series[0].value), (Some(name), 0.0));
}

#[test]
fn nothing_configured_is_still_a_page() {
    let empty = Scrape { listeners: vec![], process: None, ..scrape(vec![]) };
    let families = openmetrics::read(&empty.encode()).unwrap();
    let total: f64 = families[0].series.iter().map(|series| series.value).sum();
    assert_eq!((families[0].name.as_str(), total), ("plimsoll_exchanges", 3.0));
}
