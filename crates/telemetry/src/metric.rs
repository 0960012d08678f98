//! The names of all metrics and labels.
//!
//! Names follow Prometheus's conventions: base units, the unit in the name, `_total` for what only
//! grows; `process_*` are the names that every client library uses for them. The values of labels
//! come from the configuration and from enums, never from a client, so that nobody outside can
//! make series.

/// Declares the metrics, in the order in which they are shown.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident = $kind:ident $base:literal $([$unit:ident])? {$($label:ident),*};)*) => {
        /// A metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Metric {
            /// Every metric, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name without unit and suffix.
            pub(crate) const fn base(self) -> &'static str {
                match self {
                    $(Self::$name => $base,)*
                }
            }

            /// What its values do.
            pub const fn kind(self) -> Kind {
                match self {
                    $(Self::$name => Kind::$kind,)*
                }
            }

            /// The unit of its values, if they have one.
            pub const fn unit(self) -> Option<Unit> {
                const NONE: Option<Unit> = None;
                match self {
                    $(Self::$name => { $(const NONE: Option<Unit> = Some(Unit::$unit);)? NONE })*
                }
            }

            /// Its labels, in the order in which they are written.
            pub const fn labels(self) -> &'static [Label] {
                match self {
                    $(Self::$name => &[$(Label::$label),*],)*
                }
            }

            /// What it tells, in a sentence or more.
            pub fn help(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)*
                }
            }
        }
    };
}

/// Declares the labels with their names.
macro_rules! labels {
    ($($(#[doc = $doc:literal])+ $name:ident = $key:literal,)*) => {
        /// A label of a metric.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Label {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Label {
            /// Every label.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)*
                }
            }

            /// What its values say.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)*
                }
            }
        }
    };
}

labels! {
    /// The service's name in the configuration.
    Service = "service",
    /// The instance's name, unique within its service.
    Instance = "service_instance",
    /// The listener's name in the configuration.
    Listener = "listener",
    /// The class of the status that the client saw, or `none` if it saw none. For an error of
    /// Plimsoll that a gRPC client got as a gRPC status, the class of the equivalent HTTP status.
    Class = "class",
    /// The name of a gRPC status, or `none` where the call broke off without one.
    GrpcStatus = "grpc_status",
    /// The outcome of an attempt: a response with 1xx or 2xx, with 3xx, with 4xx or a gRPC status that is the client's
    /// doing, with 5xx or a gRPC status that says that the server failed, no whole response, or none before the client
    /// gave up. Once a response has begun its status counts, whether or not its client reads on; what Plimsoll itself
    /// caused counts nowhere.
    Outcome = "outcome",
    /// The one word for how an exchange ended, as the access log has it.
    Ending = "ending",
    /// How an instance stands.
    State = "state",
    /// The route, as `explain` shows it: methods, hosts, path, and what else it asks of a request, without values.
    Route = "route",
    /// The limit's name in the configuration.
    Limit = "limit",
    /// What a limit decided: the request passed, was refused, or would have been refused if the limit did not only
    /// observe.
    Decision = "decision",
    /// The name of a rule of abuse in the configuration.
    Abuse = "abuse",
    /// What came of a refusal that a rule of abuse counts: nothing yet, a ban, or what would have been one if the rule did not
    /// only observe.
    Verdict = "verdict",
    /// A host that a certificate is for.
    Host = "host",
    /// The authentication's name in the configuration.
    Authentication = "auth",
    /// What became of finding out who a request is from: another was asked, the request waited with others that asked the
    /// same, what was found before still held, or what was asked (and is counted as that, too) gave nothing that could be used.
    Inquiry = "inquiry",
    /// What is fetched from outside: the DNS names of targets, the certificates of listeners.
    FeedKind = "feed",
    /// The version of Plimsoll.
    Version = "version",
}

metrics! {
    /// Exchanges that ended, by how they ended.
    Exchanges = Counter "plimsoll_exchanges" {Ending};
    /// Requests that were refused before they could be routed.
    Refused = Counter "plimsoll_requests_refused" {};
    /// Memory held for clients, of what `server.memory` allows.
    MemoryHeld = Gauge "plimsoll_memory_held" [Bytes] {};
    /// Requests that a route's policies refused, by the word that the access log has. A route has the series from its
    /// first refusal on.
    PolicyRefusals = Counter "plimsoll_policy_refusals" {Route, Ending};
    /// Requests of a route that a limit was asked for, by what it decided.
    LimitRequests = Counter "plimsoll_limit_requests" {Limit, Route, Decision};
    /// Memory that the keys of a limit take.
    LimitMemory = Gauge "plimsoll_limit_memory" [Bytes] {Limit};
    /// Refusals that a rule of abuse has counted, by what came of them.
    AbuseRefusals = Counter "plimsoll_abuse_refusals" {Abuse, Verdict};
    /// Memory that the keys of a rule of abuse take.
    AbuseMemory = Gauge "plimsoll_abuse_memory" [Bytes] {Abuse};
    /// Requests for which it took a while, or would have, to find out who they are from: by `basic`, `forward` and `introspect`.
    AuthInquiries = Counter "plimsoll_auth_inquiries" {Authentication, Inquiry};

    /// Open connections of clients.
    Connections = Gauge "plimsoll_connections" {Listener};
    /// Connections of clients that were accepted.
    Accepted = Counter "plimsoll_connections_accepted" {Listener};
    /// How often accepting had to wait, because descriptors or the limit of connections were
    /// used up.
    AcceptWaits = Counter "plimsoll_accept_waits" {Listener};
    /// Connections that were closed at once, because their client had reached its limit.
    ConnectionsRefused = Counter "plimsoll_connections_refused" {Listener};
    /// TLS handshakes with clients that failed.
    HandshakesFailed = Counter "plimsoll_tls_handshakes_failed" {Listener};

    /// Requests that went to a service and ended.
    Requests = Counter "plimsoll_requests" {Service, Class};
    /// gRPC calls that went to a service and ended, by their status: the server's, or Plimsoll's where it
    /// had none. A service has the series from its first call on.
    GrpcCalls = Counter "plimsoll_grpc_calls" {Service, GrpcStatus};
    /// From a request's head to the end of its response, upgraded connections excepted.
    RequestDuration = Histogram "plimsoll_request_duration" [Seconds] {Service};
    /// Bytes received from clients, heads and framing included.
    Received = Counter "plimsoll_received" [Bytes] {Service};
    /// Bytes sent to clients, heads and framing included.
    Sent = Counter "plimsoll_sent" [Bytes] {Service};
    /// Second and further attempts.
    Retries = Counter "plimsoll_retries" {Service};
    /// Retries that the budget did not allow.
    RetryBudgetExhausted = Counter "plimsoll_retry_budget_exhausted" {Service};
    /// Requests that wait for an instance.
    QueueLength = Gauge "plimsoll_queue_length" {Service};
    /// Requests that found the queue full.
    QueueFull = Counter "plimsoll_queue_full" {Service};
    /// Requests that waited too long in the queue.
    QueueTimeouts = Counter "plimsoll_queue_timeouts" {Service};

    /// Whether the instance may get traffic, and its last requests did not all fail: 1 or 0.
    InstanceUp = Gauge "plimsoll_instance_up" {Service, Instance};
    /// How the instance stands: 1 for that, 0 for all else.
    InstanceState = Gauge "plimsoll_instance_state" {Service, Instance, State};
    /// Attempts on the instance that ended.
    InstanceRequests = Counter "plimsoll_instance_requests" {Service, Instance, Outcome};
    /// From an attempt's start to the response's head.
    InstanceFirstByte = Histogram "plimsoll_instance_first_byte" [Seconds] {Service, Instance};
    /// The instance's share relative to the others' weights.
    InstanceWeight = Gauge "plimsoll_instance_weight" {Service, Instance};
    /// Requests in flight on the instance.
    InstanceInFlight = Gauge "plimsoll_instance_in_flight" {Service, Instance};
    /// Connections opened to the instance.
    InstanceConnects = Counter "plimsoll_instance_connects" {Service, Instance};
    /// Bytes sent to the instance, heads and framing included.
    InstanceSent = Counter "plimsoll_instance_sent" [Bytes] {Service, Instance};
    /// Bytes received from the instance, heads and framing included.
    InstanceReceived = Counter "plimsoll_instance_received" [Bytes] {Service, Instance};
    /// How often the instance was ejected because requests failed.
    InstanceEjections = Counter "plimsoll_instance_ejections" {Service, Instance};
    /// Whether the instance fails more often than its siblings: 1 or 0. Compared are requests by the same routes in the same seconds.
    InstanceOutlier = Gauge "plimsoll_instance_outlier" {Service, Instance};

    /// Lines of the access log that were dropped because its destination was too slow or failed.
    AccessLogDropped = Counter "plimsoll_access_log_dropped" {};
    /// How often writing the access log failed.
    AccessLogErrors = Counter "plimsoll_access_log_errors" {};
    /// The number of the configuration that is served; the first is 1.
    ConfigRevision = Gauge "plimsoll_config_revision" {};
    /// The number of the snapshot that is served. A DNS answer, a drain or a failed check makes a
    /// new one of the same configuration.
    SnapshotGeneration = Gauge "plimsoll_snapshot_generation" {};
    /// Whether the configuration was applied when it was last read: 1 or 0.
    ReloadSuccess = Gauge "plimsoll_config_last_reload_success" {};
    /// When the configuration was last read, as Unix time.
    ReloadTime = Gauge "plimsoll_config_last_reload_timestamp" [Seconds] {};
    /// Inputs from outside whose last fetch failed. What they gave before stays in use, and they are fetched
    /// again soon.
    FeedStale = Gauge "plimsoll_feed_stale" {FeedKind};
    /// How many days the certificate of a host is good still: 0 where it has expired, or has not come yet. Certificates from files, by each name in them, and
    /// those that are ordered.
    CertificateDaysLeft = Gauge "plimsoll_certificate_days_left" {Host};
    /// How many bans hold. At 100,000 no more are taken up.
    Bans = Gauge "plimsoll_bans" {};
    /// Whether the store that edges share can be written to: 1 or 0. Absent where there is none.
    StoreUp = Gauge "plimsoll_store_up" {};
    /// Calls of the store that edges share that failed, those not counted that were not made because it was down.
    StoreErrors = Counter "plimsoll_store_errors" {};
    /// Buckets of limits that were settled with other edges, each time counted.
    StoreSettlements = Counter "plimsoll_store_settlements" {};
    /// Requests that limits counted and other edges were not told of, as there was no room for them.
    StoreSettlementsLost = Counter "plimsoll_store_settlements_lost" {};
    /// The version of Plimsoll; always 1.
    Build = Info "plimsoll_build" {Version};

    /// CPU time spent, user and system.
    ProcessCpu = Counter "process_cpu" [Seconds] {};
    /// Open file descriptors.
    ProcessOpenFds = Gauge "process_open_fds" {};
    /// The most file descriptors that may be open.
    ProcessMaxFds = Gauge "process_max_fds" {};
    /// Resident memory.
    ProcessResidentMemory = Gauge "process_resident_memory" [Bytes] {};
    /// Virtual memory.
    ProcessVirtualMemory = Gauge "process_virtual_memory" [Bytes] {};
    /// Threads.
    ProcessThreads = Gauge "process_threads" {};
    /// When the process started, as Unix time.
    ProcessStart = Gauge "process_start_time" [Seconds] {};
}

/// What a metric's values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only grow.
    Counter,
    /// They go up and down.
    Gauge,
    /// They are counted in buckets.
    Histogram,
    /// They are 1, and the labels tell.
    Info,
}

impl Kind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// The unit of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// The word for it, which is part of a metric's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
    }
}

impl Metric {
    /// Its name, by which it is asked for. A histogram's series have `_bucket`, `_sum` and
    /// `_count` behind it.
    pub fn name(self) -> String {
        let mut name = self.base().to_owned();
        for part in self.unit().map(Unit::as_str).into_iter().chain(self.suffix()) {
            name.push('_');
            name.push_str(part);
        }
        name
    }

    fn suffix(self) -> Option<&'static str> {
        match self.kind() {
            Kind::Counter => Some("total"),
            Kind::Info => Some("info"),
            Kind::Gauge | Kind::Histogram => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_what_prometheus_allows() {
        let is_plain = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let names: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        assert!(names.iter().all(|name| is_plain(name)));
        let labels: BTreeSet<_> = Label::ALL.iter().map(|label| label.as_str()).collect();
        assert_eq!(labels.len(), Label::ALL.len());
        assert!(labels.iter().all(|label| is_plain(label)));
        // What Prometheus itself writes into a series.
        assert!(["instance", "job", "le", "quantile"].iter().all(|word| !labels.contains(word)));
    }

    #[test]
    fn units_and_suffixes_are_part_of_the_name() {
        assert_eq!(Metric::Received.name(), "plimsoll_received_bytes_total");
        assert_eq!(Metric::RequestDuration.name(), "plimsoll_request_duration_seconds");
        assert_eq!(Metric::Build.name(), "plimsoll_build_info");
        assert_eq!(Metric::ProcessStart.name(), "process_start_time_seconds");
    }

    #[test]
    fn a_help_is_one_line_of_whole_sentences() {
        for metric in Metric::ALL {
            let help = metric.help();
            let is_whole = help.ends_with('.') || help.ends_with("1 or 0.");
            assert!(is_whole && !help.contains(['\n', '\\', '"', '|']), "{help}");
        }
    }
}
