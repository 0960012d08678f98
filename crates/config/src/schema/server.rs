//! The file itself, `[server]`, `[admin]` and `[log]`.

use std::time::Duration;

use super::defaults::{DEFAULTS_KEY, INCLUDE_KEY};
use super::{
    ADDRESS, Absent, DAY, Format, Key, LISTENER, Later, ROUTE, SERVICE, Shape, Table, VARIABLE,
};
use crate::schema::Empty;

pub(crate) static ROOT: Table = Table {
    header: "",
    noun: "the file",
    doc: "",
    keys: &[
        INCLUDE_KEY,
        Key::new(
            "server",
            Shape::Table(&SERVER),
            Absent::Inner,
            "{ drain = \"30s\" }",
            "The program as a whole.",
        )
        .aka(&["global", "main", "plimsoll"]),
        Key::new(
            "admin",
            Shape::Table(&ADMIN),
            Absent::Inner,
            "{ bind = \"127.0.0.1:7070\" }",
            "The API that the commands talk to.",
        )
        .aka(&["api", "dashboard", "metrics"]),
        Key::new(
            "log",
            Shape::Table(&LOG),
            Absent::Inner,
            "{ level = \"info\" }",
            "What is written, and where.",
        )
        .aka(&["logging", "access_log", "error_log"]),
        DEFAULTS_KEY,
        Key::new(
            "listeners",
            Shape::Names { names: "NAME", of: &Shape::Table(&LISTENER) },
            Absent::Fault,
            "{ web = { bind = \"0.0.0.0:8080\" } }",
            "Where clients connect; at least one.",
        )
        .aka(&["frontend", "frontends", "entrypoints", "entryPoints", "bind", "listen"]),
        Key::new(
            "services",
            Shape::Names { names: "NAME", of: &Shape::Table(&SERVICE) },
            Absent::Means("none; the routes redirect or respond themselves"),
            "{ api = { targets = [\"10.0.0.11:8080\"] } }",
            "The groups of instances that requests go to.",
        )
        .aka(&["backend", "backends", "upstream", "upstreams", "cluster", "clusters"]),
        Key::new(
            "routes",
            Shape::List { of: &Shape::Table(&ROUTE), empty: Empty::Allowed },
            Absent::Means("everything goes to the only service; with several an error"),
            "[{ to = \"api\" }]",
            "Which requests go where.",
        )
        .aka(&["rules", "locations", "location"]),
    ],
    later: &[Later { name: "cache", what: "caching" }],
};

pub(crate) static SERVER: Table = Table {
    header: "[server]",
    noun: "the server",
    doc: "The program as a whole. `state_dir`, `workers` and `memory` take effect at the next \
          start, not on a reload.",
    keys: &[
        Key::new(
            "state_dir",
            Shape::Text(&Format { noun: "the path of a directory", pattern: None }),
            Absent::Means(
                "`/var/lib/plimsoll` for root, else `$XDG_STATE_HOME/plimsoll` or \
                 `~/.local/state/plimsoll`",
            ),
            "\"/var/lib/plimsoll\"",
            "Where the admin socket, the journal and the logs are kept.",
        )
        .aka(&["data_dir", "dir", "run_dir"]),
        Key::new(
            "workers",
            Shape::Count(1..=1024),
            Absent::Means("one for each core"),
            "2",
            "Threads that serve requests.",
        )
        .aka(&["threads", "worker_processes", "nbthread"]),
        Key::new(
            "memory",
            Shape::Size(16 << 20..=1 << 40),
            Absent::Text("512MiB"),
            "\"512MiB\"",
            "What all threads together may hold for clients: heads, buffers, bodies that are sent \
             ahead, responses that wait to be read. One client may have a quarter of it. Requests \
             beyond it are refused: 503 over \
             HTTP/1, REFUSED_STREAM over HTTP/2.",
        )
        .aka(&["memory_max", "max_memory", "buffer_memory"]),
        Key::new(
            "drain",
            Shape::Duration(Duration::ZERO..=DAY),
            Absent::Text("30s"),
            "\"30s\"",
            "How long Plimsoll waits for open exchanges when it stops, before it cuts them off; \
             `\"0s\"` cuts them at once.",
        )
        .aka(&["grace", "shutdown_timeout", "stop_timeout"]),
    ],
    later: &[],
};

pub(crate) static ADMIN: Table = Table {
    header: "[admin]",
    noun: "the admin API",
    doc: "The API that the commands talk to. It is always there as the socket \
          `state_dir/admin.sock`, for its owner.",
    keys: &[
        Key::new(
            "bind",
            Shape::Text(&ADDRESS),
            Absent::Means("only the socket"),
            "\"127.0.0.1:7070\"",
            "Also on TCP, at this address: the API and `/metrics`.",
        )
        .aka(&["listen", "address", "port"]),
        Key::new(
            "token_env",
            Shape::Text(&VARIABLE),
            Absent::Means("no token: read-only, and only where `bind` is a loopback address"),
            "\"PLIMSOLL_TOKEN\"",
            "The environment variable with the token that clients on TCP must show: at least 16 bytes \
             (`openssl rand -hex 32` makes one). The token itself is never in the file.",
        )
        .aka(&["token"]),
        Key::new(
            "token_file",
            Shape::Text(&Format { noun: "the path of a file", pattern: Some(".") }),
            Absent::Means("none"),
            "\"/etc/plimsoll/token\"",
            "A file with that token, instead of a variable. No user but its owner may read it.",
        )
        .aka(&["token_path"]),
        Key::new(
            "read_token_env",
            Shape::Text(&VARIABLE),
            Absent::Means("no such token"),
            "\"PLIMSOLL_READ\"",
            "The environment variable with a second token, which lets clients on TCP read and \
             never act: for `/metrics` and dashboards.",
        )
        .aka(&["read_token", "metrics_token", "readonly_token_env"]),
        Key::new(
            "plain_text",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Allows `bind` to be another than a loopback address although its traffic, tokens \
             included, can be read and changed on its way: set it where something else protects \
             that traffic (a VPN, a proxy that \
             speaks TLS).",
        )
        .aka(&["insecure", "allow_plain_text", "plaintext"]),
    ],
    later: &[],
};

pub(crate) static LOG: Table = Table {
    header: "[log]",
    noun: "the log",
    doc: "What is written, and where.",
    keys: &[
        Key::new(
            "level",
            Shape::Word(&["error", "warn", "info", "debug", "trace"], &[]),
            Absent::Text("info"),
            "\"info\"",
            "The least severe level that is written.",
        ),
        Key::new(
            "format",
            Shape::Word(&["text", "json"], &[]),
            Absent::Text("text"),
            "\"text\"",
            "How lines are written: for people, or as one JSON object each.",
        ),
        Key::new(
            "access",
            Shape::Text(&Format {
                noun: "\"stdout\", \"off\" or the path of a file",
                pattern: None,
            }),
            Absent::Text("stdout"),
            "\"access.log\"",
            "Where the access log goes. A file is appended to, and opened again on a reload; \
             directories that are missing are made, with mode 0750.",
        )
        .aka(&["access_log", "file", "output"]),
    ],
    later: &[],
};

/// Sinks of the access log that are named by a word or the scheme of a URL.
pub(crate) static ACCESS_LATER: &[Later] = &[
    Later { name: "kafka", what: "the access log on a Kafka topic" },
    Later { name: "syslog", what: "the access log on syslog" },
    Later { name: "otlp", what: "the access log by OpenTelemetry" },
];
