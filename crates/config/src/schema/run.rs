//! What `[services.NAME]` says of instances that Plimsoll runs itself.

use std::time::Duration;

use super::{Absent, Empty, Format, Key, Shape, TEXT, TIMEOUT, Table};

const COMMAND: Format = Format { noun: "a program with its arguments", pattern: Some(r"\S") };
const VERSION: Format = Format {
    noun: "a version such as \"1.4.2\"",
    pattern: Some("^[A-Za-z0-9_][A-Za-z0-9._+~:@-]*$"),
};
const PATH: Format = Format { noun: "a path", pattern: Some(".") };
const VARIABLE: Format =
    Format { noun: "the name of a variable", pattern: Some("^[A-Za-z_][A-Za-z0-9_]*$") };
const ACCOUNT: Format = Format {
    noun: "a user such as \"app\" or \"1000:1000\"",
    pattern: Some("^[A-Za-z0-9_][A-Za-z0-9_.@-]*[$]?(:[A-Za-z0-9_][A-Za-z0-9_.@-]*[$]?)?$"),
};
const INHERITED: Format = Format {
    noun: "the name of a variable, or its beginning and `*`",
    pattern: Some("^([A-Za-z_][A-Za-z0-9_]*[*]?|[*])$"),
};
const STEP: Format = Format {
    noun: "a share and a duration such as \"5% 30s\"",
    pattern: Some(r"^[0-9.]+% +[0-9]+(ms|s|m|h|d)$"),
};
const WARM_UP: Format = Format {
    noun: "a method and a path such as \"GET /products\"",
    pattern: Some("^(GET|HEAD) +/"),
};
const COUNT_OR_SHARE: Format =
    Format { noun: "a share such as \"25%\"", pattern: Some(r"^[0-9.]+%$") };
/// A canary's steps by default.
pub(crate) const STEPS: &[&str] = &["5% 30s", "25% 1m", "50% 1m"];
/// May be no time at all.
const SPAN: Shape = Shape::Duration(Duration::ZERO..=Duration::from_secs(7 * 86_400));

/// All keys of a service that say something only of instances that Plimsoll runs.
pub(crate) const KEYS: [&str; 12] = [
    "command",
    "version",
    "replicas",
    "directory",
    "env",
    "env_file",
    "secrets",
    "user",
    "inherit",
    "deploy",
    "stop",
    "restart",
];

pub(super) static COMMANDS: [Shape; 3] = [
    Shape::Text(&COMMAND),
    Shape::List { of: &Shape::Text(&TEXT), empty: Empty::Refused },
    Shape::Table(&SHELL),
];

pub(super) const COMMAND_KEY: Key = Key::new(
    "command",
    Shape::Either(&COMMANDS),
    Absent::Means("Plimsoll does not run the instances; they are at `targets`"),
    "\"./server --port $PORT\"",
    "The command of an instance. A text is split as a shell splits it, but no shell runs; a list \
     is used as it is. `{version}`, `$PORT`, `$VERSION`, `$INSTANCE` and `$SERVICE` are \
     substituted.",
)
.verbatim()
.aka(&["cmd", "exec", "run", "start", "entrypoint", "program"]);

pub(super) const VERSION_KEY: Key = Key::new(
    "version",
    Shape::Text(&VERSION),
    Absent::Means("nothing runs before the first deploy"),
    "\"1.4.1\"",
    "The release that runs first; afterwards the journal decides.",
)
.aka(&["release", "tag"]);

pub(super) const REPLICAS_KEY: Key =
    Key::new("replicas", Shape::Count(1..=1000), Absent::Count(1), "2", "How many instances run.")
        .aka(&["instances_count", "count", "scale", "processes"]);

pub(super) const DIRECTORY_KEY: Key = Key::new(
    "directory",
    Shape::Text(&PATH),
    Absent::Means("the directory of the file"),
    "\"/srv/api\"",
    "Where the instances run. A relative one starts at the directory of the file. `{version}` is \
     substituted.",
)
.aka(&["dir", "cwd", "working_dir", "workdir", "working_directory"]);

pub(super) const ENV_KEY: Key = Key::new(
    "env",
    Shape::Names { names: "VARIABLE", of: &Shape::Text(&TEXT) },
    Absent::Means("nothing besides what is inherited"),
    "{ SPRING_PROFILES_ACTIVE = \"prod\" }",
    "The instances' environment, besides what they `inherit`. `{version}` is substituted in the \
     values.",
)
.aka(&["environment", "variables", "vars"]);

pub(super) const ENV_FILE_KEY: Key = Key::new(
    "env_file",
    Shape::Text(&PATH),
    Absent::Means("none"),
    "\".env\"",
    "A file of `NAME=value` lines for their environment; `env` overrides it. It is read when an \
     instance \
     is started. `{version}` is substituted.",
)
.aka(&["dotenv", "environment_file"]);

pub(super) const SECRETS_KEY: Key = Key::new(
    "secrets",
    Shape::List { of: &Shape::Text(&VARIABLE), empty: Empty::Allowed },
    Absent::Texts(&[]),
    "[\"SMS_ACCESS\", \"SMS_SECRET_KEY\"]",
    "Variables that must be set and not blank before a release is started. Other services' instances \
     do not get them.",
)
.aka(&["required", "require_env"]);

pub(super) const USER_KEY: Key = Key::new(
    "user",
    Shape::Text(&ACCOUNT),
    Absent::Means("the user that Plimsoll runs as"),
    "\"app:www-data\"",
    "The user that the instances run as: a name or a number, and optionally a group. Plimsoll has \
     to run as root. \
     `HOME`, `USER` and `LOGNAME` are that user's, and its other groups are the instance's, too.",
)
.aka(&["uid", "run_as", "runas", "username", "group"]);

pub(super) const INHERIT_KEY: Key = Key::new(
    "inherit",
    Shape::List { of: &Shape::Text(&INHERITED), empty: Empty::Allowed },
    Absent::Texts(&model::INHERITED),
    "[\"PATH\", \"LANG\", \"TZ\", \"JAVA_*\"]",
    "What the instances find of Plimsoll's own environment in theirs: names of variables, and beginnings \
     of names followed by `*`. `secrets` are inherited besides. A beginning never gives them other \
     services' `secrets`, Plimsoll's tokens, what begins with `PLIMSOLL_` or what its service manager \
     meant for it.",
)
.aka(&["pass_env", "passenv", "env_keep", "inherit_env"]);

pub(super) const DEPLOY_KEY: Key = Key::new(
    "deploy",
    Shape::Table(&DEPLOY),
    Absent::Inner,
    "{ strategy = \"canary\", steps = [\"5% 30s\"] }",
    "How a release is replaced by the next.",
)
.aka(&["rollout", "update", "deployment"]);

pub(super) const STOP_KEY: Key = Key::new(
    "stop",
    Shape::Table(&STOP),
    Absent::Inner,
    "{ signal = \"SIGTERM\", timeout = \"30s\" }",
    "How an instance is stopped, once no request reaches it.",
)
.aka(&["kill", "shutdown", "stop_signal", "stop_timeout"]);

pub(super) const RESTART_KEY: Key = Key::new(
    "restart",
    Shape::Table(&RESTART),
    Absent::Inner,
    "{ backoff = \"100ms\", max_backoff = \"30s\" }",
    "When an instance that exited is restarted.",
);

pub(crate) static SHELL: Table = Table {
    header: "[services.NAME.command]",
    noun: "a command for a shell",
    doc: "A script that `/bin/sh` runs, for what needs one: pipes, several commands. End it with `exec`, so \
          that no shell remains between Plimsoll and the program.",
    keys: &[Key::new(
        "shell",
        Shape::Text(&COMMAND),
        Absent::Fault,
        "\"./migrate && exec ./server --port $PORT\"",
        "The script. `{version}` is substituted; the shell has the variables.",
    )
    .aka(&["script", "sh"])],
    later: &[],
};

pub(crate) static STOP: Table = Table {
    header: "[services.NAME.stop]",
    noun: "a way to stop",
    doc: "How an instance is stopped, once no request reaches it.",
    keys: &[
        Key::new(
            "signal",
            Shape::Word(
                &[
                    "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH",
                    "SIGKILL",
                ],
                &[],
            ),
            Absent::Text("SIGTERM"),
            "\"SIGTERM\"",
            "The signal that asks it to stop.",
        ),
        Key::new(
            "timeout",
            TIMEOUT,
            Absent::Text("30s"),
            "\"30s\"",
            "How long it may take before it is killed.",
        )
        .aka(&["grace", "grace_period"]),
        Key::new(
            "to",
            Shape::Word(&["all", "first"], &[]),
            Absent::Text("all"),
            "\"first\"",
            "Which processes get the signal: all of an instance, or only its first, which stops \
             the others itself. Those that remain once the first has exited are killed then.",
        )
        .aka(&["mode", "kill_mode", "killmode", "target"]),
    ],
    later: &[],
};

pub(crate) static RESTART: Table = Table {
    header: "[services.NAME.restart]",
    noun: "restarts",
    doc: "When an instance that exited is restarted. Pauses double with each short run and are \
    randomised.",
    keys: &[
        Key::new("backoff", TIMEOUT, Absent::Text("100ms"), "\"100ms\"", "The first pause.")
            .aka(&["delay", "min_backoff"]),
        Key::new("max_backoff", TIMEOUT, Absent::Text("30s"), "\"30s\"", "No pause is longer.")
            .aka(&["backoff_max", "max_delay"]),
    ],
    later: &[],
};

pub(crate) static DEPLOY: Table = Table {
    header: "[services.NAME.deploy]",
    noun: "a deploy",
    doc: "How a release is replaced by the next. `strategy`, `steps` and `bake` can be said for one deploy on the command line.",
    keys: &[
        Key::new(
            "strategy",
            Shape::Word(&["rolling", "blue-green", "canary", "replace"], &[]),
            Absent::Means("`\"rolling\"`; with `steps`, `\"canary\"`"),
            "\"canary\"",
            "Instance by instance; all new ones beside all old ones, switched at once; the same, with the \
             traffic shifted in steps; the old ones first, while requests wait in the queue (see `queue.timeout`).",
        )
        .aka(&["type", "kind", "mode"]),
        Key::new(
            "surge",
            Shape::Either(&[Shape::Count(1..=1000), Shape::Text(&COUNT_OR_SHARE)]),
            Absent::Count(1),
            "\"25%\"",
            "Of a rolling deploy alone: how many instances start at a time, as a number or as a share of `replicas`.",
        )
        .aka(&["max_surge", "batch", "parallel"]),
        Key::new(
            "steps",
            Shape::List { of: &Shape::Text(&STEP), empty: Empty::Refused },
            Absent::Texts(STEPS),
            "[\"5% 30s\", \"25% 1m\", \"50% 1m\"]",
            "Of a canary alone, which they make it where no `strategy` is named: the share of the traffic that the new release gets, and how long it is watched.",
        )
        .aka(&["weights", "stages"]),
        Key::new(
            "bake",
            SPAN,
            Absent::Text("30s"),
            "\"30s\"",
            "How long the old release stays warm after the full shift, while the new one is watched.",
        )
        .aka(&["watch", "soak", "min_ready"]),
        Key::new(
            "ready_timeout",
            TIMEOUT,
            Absent::Text("60s"),
            "\"60s\"",
            "From an instance's start to its first passed health check.",
        )
        .aka(&["start_timeout", "startup_timeout", "deploy_timeout"]),
        Key::new(
            "min_healthy",
            SPAN,
            Absent::Text("0s"),
            "\"10s\"",
            "How long the checks of a new instance have to pass on end before it counts as ready and may get \
             requests. It comes on top of `ready_timeout`; with 0 the first check that passes is enough.",
        )
        .aka(&["min_healthy_time", "min_ready_seconds", "minReadySeconds", "settle"]),
        Key::new(
            "warm_up",
            Shape::List { of: &Shape::Text(&WARM_UP), empty: Empty::Allowed },
            Absent::Texts(&[]),
            "[\"GET /\", \"GET /products?page=1\"]",
            "Requests to a new instance after its first passed check and before it gets traffic, \
             one after \
             the other, with the check's `host` and `headers`. It takes at most half of `ready_timeout`; failures \
             are shown and delay nothing.",
        )
        .aka(&["warmup", "preload", "prewarm"]),
        Key::new(
            "drain",
            Shape::Either(&[SPAN, Shape::Table(&DRAIN)]),
            Absent::Text("30s"),
            "{ uploads = \"5m\", tunnels = \"10s\" }",
            "How long open exchanges get before an old instance is asked to stop: a time for all, \
             or one for \
             each kind.",
        )
        .aka(&["drain_timeout"]),
        Key::new(
            "judge",
            Shape::Table(&JUDGE),
            Absent::Inner,
            "{ max_error_rate = \"1%\" }",
            "How the judge decides whether the new release is promoted.",
        )
        .aka(&["analysis", "metrics"]),
    ],
    later: &[],
};

const fn drain_of(name: &'static str, doc: &'static str) -> Key {
    Key::new(name, SPAN, Absent::Text("30s"), "\"30s\"", doc)
}

pub(crate) static DRAIN: Table = Table {
    header: "[services.NAME.deploy.drain]",
    noun: "times to drain",
    doc: "How long open exchanges get before an old instance is asked to stop, each kind for \
          itself. It is asked as soon as none is open whose time is not over.",
    keys: &[
        drain_of("requests", "Requests and their responses: they end by themselves."),
        drain_of(
            "uploads",
            "Requests with a body of more than 64 KiB or of no stated length: they end by \
             themselves.",
        ),
        drain_of(
            "streams",
            "Responses to GET of type `text/event-stream` that are not compressed: they are ended \
             between two \
             events, one after another over this time.",
        )
        .aka(&["sse", "event_streams", "eventsource"]),
        drain_of(
            "tunnels",
            "Upgraded connections: they are closed one after another over this time, WebSockets with 1001 \
             (going away).",
        )
        .aka(&["websockets", "ws", "upgrades"]),
    ],
    later: &[],
};

pub(crate) static JUDGE: Table = Table {
    header: "[services.NAME.deploy.judge]",
    noun: "a judge",
    doc: "How the judge decides whether the new release is promoted: it is compared with the old \
    one on the same time's \
          requests, and rolled back as soon as it is certain that it is worse.",
    keys: &[
        Key::new(
            "max_error_rate",
            Shape::Share,
            Absent::Text("1%"),
            "\"1%\"",
            "More of the new release's requests than this may not fail (5xx, resets, timeouts); \"100%\" is \
             no limit.",
        )
        .aka(&["error_rate", "max_errors"]),
        Key::new(
            "confidence",
            Shape::Number(0.5..=0.999_999),
            Absent::Means("0.99"),
            "0.99",
            "How sure it must be that the new release is worse. One that is no worse is rolled back with a \
             chance of at most 1 less this.",
        ),
        Key::new(
            "max_slowdown",
            Shape::Number(1.0..=1000.0),
            Absent::Means("1.5"),
            "1.5",
            "The new release's 95th percentile over the old one's may be at most this.",
        )
        .aka(&["slowdown", "max_latency"]),
        Key::new(
            "min_requests",
            Shape::Count(1..=1_000_000_000),
            Absent::Count(50),
            "50",
            "With fewer requests than this the judge does not call the new release good.",
        )
        .aka(&["min_samples"]),
        Key::new(
            "little_data",
            Shape::Word(&["go_on", "wait", "hold"], &[]),
            Absent::Text("go_on"),
            "\"wait\"",
            "What follows when a watch ends with fewer: the deploy continues, waits until there \
             are enough, or is paused until an operator decides.",
        ),
    ],
    later: &[],
};
