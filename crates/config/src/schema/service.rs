//! `[services.NAME]`.

use super::defaults::OWN_KEY;
use super::health::HEALTH;
use super::{Absent, Empty, Format, Key, Later, Shape, TIMEOUT, Table, run};

const ORIGIN: Format =
    Format { noun: "an address or a name with a port", pattern: Some(r":[0-9]+$") };
const HASH_KEY: Format = Format {
    noun: "\"ip\", \"path\", \"header:NAME\", \"cookie:NAME\" or \"query:NAME\"",
    pattern: Some("^(ip|path|(header|cookie|query):.+)$"),
};
const CONDITION: Format = Format {
    noun: "\"connect\", \"reset\", \"timeout\" or a status from \"500\" to \"599\"",
    pattern: Some("^(connect|reset|timeout|5[0-9][0-9])$"),
};
const COOKIE: Format =
    Format { noun: "the name of a cookie", pattern: Some("^[!#-'*+.0-9A-Z^-z|~-]+$") };
const COOKIE_DOMAIN: Format = Format { noun: "a domain such as \"example.com\"", pattern: None };
const COOKIE_PATH: Format = Format { noun: "a path such as \"/shop\"", pattern: Some("^/") };

/// The weight of a target or of a route's share.
pub(super) const WEIGHT: Shape = Shape::Count(0..=65_535);

pub(crate) static SERVICE: Table = Table {
    header: "[services.NAME]",
    noun: "a service",
    doc: "A group of instances that do the same, and how requests are spread over them.",
    keys: &[
        Key::new(
            "targets",
            Shape::List {
                of: &Shape::Either(&[Shape::Text(&ORIGIN), Shape::Table(&TARGET)]),
                empty: Empty::Refused,
            },
            Absent::Means("Plimsoll runs the instances itself, by `command`"),
            "[\"10.0.0.11:8080\", { address = \"10.0.0.12:8080\", weight = 3 }]",
            "Where the instances are. A name stands for every address it resolves to, and is looked \
             up again when its TTL expires.",
        )
        .aka(&["target", "servers", "server", "upstreams", "backends", "addresses", "endpoints", "instances", "hosts"]),
        Key::new(
            "protocol",
            Shape::Word(&["h1", "h2"], &[Later { name: "h3", what: "HTTP/3" }]),
            Absent::Text("h1"),
            "\"h1\"",
            "The protocol to the instances: HTTP/1.1, or HTTP/2 on clear text by prior \
             knowledge, as gRPC servers speak it.",
        )
        .aka(&["protocols", "grpc", "http2"]),
        Key::new(
            "accept_unsafe_violations",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "For programs that cannot be changed: responses over HTTP/1.1 may have lines that end with LF alone, \
             blanks behind a chunk's size, and `chunked` said twice, which are 502 otherwise. A connection on which \
             that was so is not used again. Unsafe, since a program that puts a client's line breaks into \
             its headers is no longer stopped.",
        )
        .aka(&[
            "accept_violations",
            "accept_invalid_http_response",
            "accept_unsafe_violations_in_http_response",
            "insecure_http_parser",
            "lenient",
        ]),
        Key::new(
            "balance",
            Shape::Either(&[
                Shape::Word(
                    &["least_conn", "round_robin", "random", "p2c", "ip_hash", "peak_ewma"],
                    &[],
                ),
                Shape::Table(&HASH),
            ]),
            Absent::Text("least_conn"),
            "\"least_conn\"",
            "How an instance is chosen: the fewest requests in flight (ties in rotation), in \
             turn, at random, the less loaded of two picked at random, by the client's address, \
             the \
             lowest expected latency; or, as a table, by a part of the request.",
        )
        .aka(&["lb", "algorithm", "policy", "strategy", "load_balancing", "method"]),
        Key::new(
            "sticky",
            Shape::Table(&STICKY),
            Absent::Means("off"),
            "{}",
            "A signed cookie keeps a client with its instance.",
        )
        .aka(&["stickiness", "session", "affinity"]),
        Key::new(
            "slow_start",
            TIMEOUT,
            Absent::Means("off: an instance gets its full share at once"),
            "\"10s\"",
            "How long a new instance takes from its first share of the traffic to its full one.",
        )
        .aka(&["slowstart", "warmup", "ramp"]),
        Key::new(
            "max_connections",
            Shape::Count(1..=1_000_000),
            Absent::Means("no limit"),
            "200",
            "The most requests in flight on one instance; more wait in the queue.",
        )
        .aka(&["max_conns", "maxconn", "connections", "concurrency"]),
        Key::new(
            "queue",
            Shape::Table(&QUEUE),
            Absent::Inner,
            "{ length = 1000, timeout = \"5s\" }",
            "Where requests wait while all instances have their `max_connections`, or while there is none \
             where Plimsoll runs them.",
        ),
        Key::new(
            "health",
            Shape::Table(&HEALTH),
            Absent::Means("no active checks"),
            "{ path = \"/health\" }",
            "Checks every instance regularly.",
        )
        .aka(&["healthcheck", "health_check", "check", "checks", "probe"]),
        Key::new(
            "passive",
            Shape::Either(&[Shape::Flag, Shape::Table(&PASSIVE)]),
            Absent::Inner,
            "{ max_fails = 3 }",
            "Ejects instances that fail requests for a while; `false` switches it off.",
        )
        .aka(&["outlier_detection", "circuit_breaker", "max_fails", "ejection"]),
        Key::new(
            "retry",
            Shape::Table(&RETRY),
            Absent::Inner,
            "{ attempts = 2 }",
            "Sends a request that failed on one instance to another, where that is safe.",
        )
        .aka(&["retries", "proxy_next_upstream"]),
        Key::new(
            "keep_alive",
            Shape::Table(&KEEP_ALIVE),
            Absent::Inner,
            "{ idle = \"50s\" }",
            "How long connections to the instances are kept for the next request.",
        )
        .aka(&["keepalive", "keepalive_timeout", "idle_timeout"]),
        Key::new(
            "timeouts",
            Shape::Table(&TIMEOUTS),
            Absent::Inner,
            "{ first_byte = \"60s\" }",
            "How long an instance may take.",
        )
        .aka(&["timeout", "proxy_read_timeout", "proxy_connect_timeout"]),
        run::COMMAND_KEY,
        run::VERSION_KEY,
        run::REPLICAS_KEY,
        run::DIRECTORY_KEY,
        run::ENV_KEY,
        run::ENV_FILE_KEY,
        run::SECRETS_KEY,
        run::USER_KEY,
        run::INHERIT_KEY,
        run::DEPLOY_KEY,
        run::STOP_KEY,
        run::RESTART_KEY,
        OWN_KEY,
    ],
    later: &[
        Later { name: "image", what: "instances that Docker runs" },
        Later { name: "tls", what: "TLS to the servers" },
        Later { name: "limits", what: "the memory and processor time of an instance" },
    ],
};

/// What stands for `targets` where somebody else does not run the instances.
pub(crate) static RUNS: &[&str] = &["command", "image"];

pub(crate) static TARGET: Table = Table {
    header: "[[services.NAME.targets]]",
    noun: "a target",
    doc: "One instance, or all that a name resolves to. A text is short for a table with only its \
          `address`.",
    keys: &[
        Key::new(
            "address",
            Shape::Text(&ORIGIN),
            Absent::Fault,
            "\"10.0.0.11:8080\"",
            "Where it is.",
        )
        .aka(&["addr", "host", "url", "target", "server", "port"]),
        Key::new(
            "weight",
            WEIGHT,
            Absent::Count(1),
            "3",
            "Its share relative to the other targets; 0 gets nothing.",
        ),
        Key::new(
            "backup",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Gets traffic only when no other target can.",
        ),
    ],
    later: &[],
};

pub(crate) static HASH: Table = Table {
    header: "[services.NAME.balance]",
    noun: "a balance by hash",
    doc: "Consistent hashing: requests with the same key go to the same instance, and few move when \
          instances come or go.",
    keys: &[
        Key::new(
            "hash",
            Shape::Text(&HASH_KEY),
            Absent::Fault,
            "\"header:x-user\"",
            "The part of a request that is hashed; a request without it is hashed by the client's \
             address.",
        )
        .aka(&["key", "by", "on"]),
        Key::new(
            "algorithm",
            Shape::Word(&["rendezvous", "ring"], &[]),
            Absent::Text("rendezvous"),
            "\"rendezvous\"",
            "Highest random weight (exact weights, for up to a few hundred instances), or a ring \
             of \
             points (for thousands).",
        ),
        Key::new(
            "load_bound",
            Shape::Number(1.0..=100.0),
            Absent::Means("no bound"),
            "1.25",
            "No instance gets more than this times the average load; the next in its order gets the \
             rest.",
        )
        .aka(&["bound", "bounded_load", "balance_factor"]),
    ],
    later: &[],
};

pub(crate) static STICKY: Table = Table {
    header: "[services.NAME.sticky]",
    noun: "a sticky cookie",
    doc: "A signed cookie keeps a client with its instance, as long as that is healthy.",
    keys: &[
        Key::new(
            "cookie",
            Shape::Text(&COOKIE),
            Absent::Means("`plimsoll-NAME`, with the service's name"),
            "\"shop_session\"",
            "The cookie's name. No two services that a client may meet at one host should have the same.",
        )
        .aka(&["name", "cookie_name"]),
        Key::new(
            "ttl",
            Shape::Duration(
                std::time::Duration::from_secs(1)..=std::time::Duration::from_secs(400 * 86_400),
            ),
            Absent::Means("until the client ends its session"),
            "\"1d\"",
            "How long the client keeps it.",
        )
        .aka(&["max_age", "expires", "duration"]),
        Key::new(
            "same_site",
            Shape::Word(&["lax", "strict", "none"], &[]),
            Absent::Text("lax"),
            "\"none\"",
            "From which sites it is sent; `none` where others frame the service.",
        )
        .aka(&["samesite"]),
        Key::new(
            "secure",
            Shape::Either(&[Shape::Word(&["auto"], &[]), Shape::Flag]),
            Absent::Text("auto"),
            "\"auto\"",
            "Whether it is sent over TLS alone. `auto`: where the client speaks TLS, with Plimsoll or with a \
             trusted proxy before it, and always with `same_site = \"none\"`.",
        ),
        Key::new(
            "domain",
            Shape::Text(&COOKIE_DOMAIN),
            Absent::Means("the host that set it"),
            "\"example.com\"",
            "To which domain it is sent, and to all below it.",
        ),
        Key::new(
            "path",
            Shape::Text(&COOKIE_PATH),
            Absent::Text("/"),
            "\"/shop\"",
            "Below which path it is sent.",
        ),
    ],
    later: &[],
};

pub(crate) static QUEUE: Table = Table {
    header: "[services.NAME.queue]",
    noun: "a queue",
    doc: "Where requests wait while all instances have their `max_connections`, or while there is none where \
          Plimsoll runs them, as with the strategy `replace`.",
    keys: &[
        Key::new(
            "length",
            Shape::Count(0..=1_000_000),
            Absent::Count(1000),
            "1000",
            "How many may wait; more get 503 at once.",
        )
        .aka(&["size", "max", "depth"]),
        Key::new(
            "timeout",
            TIMEOUT,
            Absent::Text("5s"),
            "\"5s\"",
            "How long one may wait before it gets 503.",
        ),
    ],
    later: &[],
};

pub(crate) static PASSIVE: Table = Table {
    header: "[services.NAME.passive]",
    noun: "passive ejection",
    doc: "Ejects instances that fail requests for a while. The last one is never ejected.",
    keys: &[
        Key::new(
            "max_fails",
            Shape::Count(1..=1_000_000),
            Absent::Count(3),
            "3",
            "This many failures in a row eject an instance; so does a failure rate of half or more \
             over the last `fail_timeout`, once this many have failed in it.",
        )
        .aka(&["fails", "failures", "consecutive_5xx"]),
        Key::new(
            "fail_timeout",
            TIMEOUT,
            Absent::Text("10s"),
            "\"10s\"",
            "How long the first ejection lasts; each further one that follows soon lasts longer.",
        )
        .aka(&["timeout", "base_ejection_time"]),
        Key::new(
            "max_ejected",
            Shape::Share,
            Absent::Text("50%"),
            "\"50%\"",
            "The share of the instances that may be ejected at once.",
        )
        .aka(&["max_ejection_percent"]),
    ],
    later: &[],
};

pub(crate) static RETRY: Table = Table {
    header: "[services.NAME.retry]",
    noun: "a retry",
    doc: "Sends a request that failed on one instance to another. The failures in `on` are \
          retried only where nothing can happen twice: a request that has reached an instance is \
          sent again only if its method is idempotent and its body is still buffered.",
    keys: &[
        Key::new(
            "attempts",
            Shape::Count(1..=10),
            Absent::Count(2),
            "2",
            "How often a request is sent at most, the first time included; 1 is no retry.",
        )
        .aka(&["tries", "retries", "max", "count"]),
        Key::new(
            "budget",
            Shape::Share,
            Absent::Text("20%"),
            "\"20%\"",
            "Retries as a share of the recent requests, so that they cannot overload failing \
             instances.",
        ),
        Key::new(
            "on",
            Shape::List { of: &Shape::Text(&CONDITION), empty: Empty::Allowed },
            Absent::Texts(&["connect", "reset", "timeout", "503"]),
            "[\"connect\", \"reset\", \"timeout\", \"503\"]",
            "The failures to retry: no connection could be opened; it broke, or the response was \
             not HTTP; the instance was too slow; it responded with this status.",
        )
        .aka(&["when", "conditions", "retry_on"]),
    ],
    later: &[],
};

pub(crate) static KEEP_ALIVE: Table = Table {
    header: "[services.NAME.keep_alive]",
    noun: "kept connections",
    doc: "Connections to the instances over HTTP/1.1 are kept between two requests. A server that \
          closes an idle one just as a request arrives on it fails that request, so that Plimsoll \
          should be the first to close.",
    keys: &[
        Key::new(
            "idle",
            TIMEOUT,
            Absent::Text("50s"),
            "\"50s\"",
            "How long one may be idle. Keep it below the time after which the servers close theirs: \
             5 seconds with Node and uvicorn, 2 with gunicorn, 60 to 75 with most others.",
        )
        .aka(&["timeout", "keepalive_timeout", "ttl"]),
        Key::new(
            "honour_hint",
            Shape::Flag,
            Absent::Flag(true),
            "false",
            "Whether a `Keep-Alive: timeout=N` in a response shortens it: the connection is then used \
             until a second before that time, or for half of it where it is shorter than two.",
        )
        .aka(&["honor_hint", "hint", "hints"]),
    ],
    later: &[],
};

pub(crate) static TIMEOUTS: Table = Table {
    header: "[services.NAME.timeouts]",
    noun: "a service's timeouts",
    doc: "How long an instance may take.",
    keys: &[
        Key::new("connect", TIMEOUT, Absent::Text("3s"), "\"3s\"", "To open a connection.")
            .aka(&["proxy_connect_timeout", "dial"]),
        Key::new(
            "first_byte",
            TIMEOUT,
            Absent::Text("60s"),
            "\"60s\"",
            "From the request's end to the head of the response.",
        )
        .aka(&["read", "response", "request", "server", "proxy_read_timeout"]),
        Key::new(
            "idle",
            TIMEOUT,
            Absent::Text("60s"),
            "\"60s\"",
            "Without progress of either body.",
        )
        .aka(&["write", "send"]),
        Key::new(
            "tunnel_idle",
            TIMEOUT,
            Absent::Text("1h"),
            "\"1h\"",
            "Without a byte in either direction of an upgraded connection, such as a WebSocket, or of a \
             gRPC call whose client has not ended its stream.",
        )
        .aka(&["tunnel", "websocket", "stream_idle", "grpc_idle"]),
    ],
    later: &[],
};
