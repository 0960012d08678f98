//! `health` of a service: its active checks.

use model::{
    GrpcProbe, HealthCheck, HealthProbe, HttpProbe, ProbeHeaders, ProbeMethod, Service,
    UpstreamProtocol,
};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::read::named::named;
use crate::read::{narrow, shell};
use crate::schema::{AUTHORITY, Absent, Format, HEADER_VALUE, Key, Shape, TEXT, TIMEOUT, Table};
use crate::section::Section;
use crate::value::header::Side;
use crate::value::{duration, header, host, path, status};

use super::command::{self, COMMANDS};

const TARGET_PATH: Format = Format { noun: "a path, with a query if need be", pattern: Some("^/") };

const STATUSES: Format = Format {
    noun: "status codes and ranges of them such as \"200-399\" or \"200,204-206\"",
    pattern: Some("^[0-9, -]+$"),
};

const GRPC_SERVICE: Format = Format { noun: "the name of a gRPC service", pattern: Some(".") };

pub(crate) const KEY: Key = Key::new(
    "health",
    Shape::Table(&HEALTH),
    Absent::Means("no active checks"),
    "{ path = \"/health\" }",
    "Checks every instance regularly.",
)
.aka(&["healthcheck", "health_check", "check", "checks", "probe"]);

pub(crate) static HEALTH: Table = Table {
    header: "[services.NAME.health]",
    noun: "a health check",
    doc: "Checks every instance regularly. A check is one of five: a request (`path`), a \
          connection (`tcp`), gRPC's health service (`grpc`), a program (`command`), or the \
          instance's own notification (`notify`). The first pass of a new instance is enough to \
          send it traffic. A response is read as those to clients are: one that they would get as \
          502 passes no check. A shortage of Plimsoll's own (descriptors, ports, memory) counts \
          against no instance.",
    keys: &[
        Key::new(
            "path",
            Shape::Text(&TARGET_PATH),
            Absent::Means("another kind of check is named"),
            "\"/health\"",
            "The path that an HTTP check requests.",
        )
        .aka(&["uri", "url", "endpoint", "http"]),
        Key::new(
            "method",
            Shape::Word(&["GET", "HEAD"], &[]),
            Absent::Text("GET"),
            "\"HEAD\"",
            "The method of that request.",
        ),
        Key::new(
            "headers",
            Shape::Names { names: "HEADER", of: &Shape::Text(&HEADER_VALUE) },
            Absent::Means("none but `User-Agent: plimsoll-health` and `Accept: */*`"),
            "{ \"x-forwarded-proto\" = \"https\" }",
            "Headers that are sent, or gRPC's metadata. Their values are shown nowhere.",
        )
        .aka(&["header", "request_headers", "metadata"]),
        Key::new(
            "tcp",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "Only opens a connection, instead of asking for `path`.",
        ),
        Key::new(
            "grpc",
            Shape::Either(&[Shape::Flag, Shape::Text(&GRPC_SERVICE)]),
            Absent::Flag(false),
            "\"shop.v1.Cart\"",
            "Calls `grpc.health.v1.Health/Check` for this service, or with `true` for the server as a \
             whole; `SERVING` passes. The service has `protocol = \"h2\"`.",
        )
        .aka(&["grpc_health", "grpc_service"]),
        Key::new(
            "command",
            Shape::Either(&COMMANDS),
            Absent::Means("another kind of check is named"),
            "\"./check --ping\"",
            "A program that is run in the instance's directory and with its environment, `$PORT` included; \
             it passes when it exits with 0. The first line of its output is the reason when it \
             does not. It is \
             killed with all that it started when its time is over. Only for instances that Plimsoll runs.",
        )
        .verbatim()
        .aka(&["cmd", "exec", "script", "test"]),
        Key::new(
            "notify",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "The instance reports its own state, as services of systemd do (sd_notify): `READY=1`, \
             `STOPPING=1`, and `STATUS=` for people, on the socket that `$NOTIFY_SOCKET` names. Only for \
             instances that Plimsoll runs.",
        )
        .aka(&["sd_notify", "notify_socket", "systemd"]),
        Key::new(
            "host",
            Shape::Text(&AUTHORITY),
            Absent::Means("the target's own address"),
            "\"api.internal\"",
            "The `Host` that is sent.",
        ),
        Key::new(
            "interval",
            TIMEOUT,
            Absent::Text("2s"),
            "\"2s\"",
            "From one check of an instance to the next.",
        )
        .aka(&["every", "period", "inter"]),
        Key::new(
            "timeout",
            TIMEOUT,
            Absent::Text("1s"),
            "\"1s\"",
            "How long a check may take: until the whole response is there, or its first 64 KiB.",
        ),
        Key::new(
            "healthy",
            Shape::Count(1..=100),
            Absent::Count(2),
            "2",
            "Passes in a row until an unhealthy instance is healthy.",
        )
        .aka(&["rise", "healthy_threshold", "passes", "success_threshold"]),
        Key::new(
            "unhealthy",
            Shape::Count(1..=100),
            Absent::Count(3),
            "3",
            "Failures in a row until a healthy instance is unhealthy.",
        )
        .aka(&["fall", "unhealthy_threshold", "fails", "failure_threshold"]),
        Key::new(
            "status",
            Shape::Text(&STATUSES),
            Absent::Text("200-399"),
            "\"200,204-206\"",
            "Responses that pass.",
        )
        .aka(&["expect", "codes", "matcher", "expected_status"]),
        Key::new(
            "body",
            Shape::Text(&TEXT),
            Absent::Means("any"),
            "\"ok\"",
            "What the first 64 KiB of the response must contain.",
        )
        .aka(&["contains", "match"]),
    ],
    later: &[],
};

/// A kind of check: the key that names it, what it is in words, and which keys have no meaning beside it.
struct Kind {
    key: &'static str,
    written: &'static str,
    /// What it does, as in "this only opens a connection".
    does: &'static str,
    /// Why others have no meaning beside it.
    why: &'static str,
    without: &'static [&'static str],
}

/// Each kind but that by HTTP, which is named by `path`.
const KINDS: [Kind; 4] = [
    Kind {
        key: "tcp",
        written: "tcp = true",
        does: "this only opens a connection",
        why: "a check by TCP asks for nothing",
        without: &["path", "method", "headers", "host", "status", "body"],
    },
    Kind {
        key: "grpc",
        written: "grpc",
        does: "this calls gRPC's health service",
        why: "a check by gRPC calls what it is defined to call, and `SERVING` passes",
        without: &["path", "method", "status", "body"],
    },
    Kind {
        key: "command",
        written: "command",
        does: "this runs a program",
        why: "a program is run, and nothing is asked for",
        without: &["path", "method", "headers", "host", "status", "body"],
    },
    Kind {
        key: "notify",
        written: "notify = true",
        does: "this waits for the instance's word",
        why: "the instance says by itself how it is, and is not asked",
        without: &[
            "path",
            "method",
            "headers",
            "host",
            "status",
            "body",
            "interval",
            "timeout",
            "healthy",
            "unhealthy",
        ],
    },
];

/// Reads a check.
pub(crate) fn read(section: &Section<'_>) -> Option<HealthCheck> {
    let probe = probe(section);
    let (interval, timeout) = (section.duration("interval"), section.duration("timeout"));
    let (healthy, unhealthy) = (section.count("healthy"), section.count("unhealthy"));
    if section.has("timeout") && timeout > interval {
        section.report_at(
            "timeout",
            Flaw::new(
                Code::NoEffect,
                "a check may take longer than the `interval`",
                "no check begins while one is under way, so a slow server is checked less often",
                format!("let `timeout` be {} or less", duration::written(interval)),
            ),
            &[],
        );
    }
    let (probe, healthy, unhealthy) = (probe?, narrow(healthy)?, narrow(unhealthy)?);
    // What an instance says holds from its first word on.
    let (healthy, unhealthy) = match probe {
        HealthProbe::Notify => (1, 1),
        _ => (healthy, unhealthy),
    };
    Some(HealthCheck { probe, interval, timeout, healthy, unhealthy })
}

/// Refuses a check that cannot be made of the service as the rest of its table describes it.
pub(crate) fn refuse_impossible(section: &Section<'_>, service: &Service) {
    let flaw = match service.health.as_ref().map(|check| &check.probe) {
        Some(HealthProbe::Grpc(_)) if service.protocol == UpstreamProtocol::H1 => Flaw::new(
            Code::Conflict,
            "a check by gRPC of a service that is spoken to in HTTP/1.1",
            "gRPC needs HTTP/2, and a check must meet what requests meet",
            "add `protocol = \"h2\"` to the service, or ask by `path`",
        ),
        Some(HealthProbe::Command(_)) if service.run.is_none() => Flaw::new(
            Code::Conflict,
            "a check by a program needs instances that Plimsoll runs",
            "it is run where an instance runs, with its environment",
            "ask by `path`, `grpc` or `tcp`",
        ),
        Some(HealthProbe::Notify) if section.has("image") => Flaw::new(
            Code::Conflict,
            "`notify` needs instances that are processes of this machine",
            "a container does not see Plimsoll's `$NOTIFY_SOCKET`",
            "ask by `path`, `grpc`, `tcp` or `command`",
        ),
        Some(HealthProbe::Notify) if service.run.is_none() => Flaw::new(
            Code::Conflict,
            "`notify` needs instances that Plimsoll runs",
            "only what Plimsoll starts has its `$NOTIFY_SOCKET`",
            "ask by `path`, `grpc` or `tcp`",
        ),
        _ => return,
    };
    section.report_at("health", flaw, &[]);
}

fn probe(section: &Section<'_>) -> Option<HealthProbe> {
    let mut kinds = KINDS.iter().filter(|kind| names(section, kind.key));
    let Some(kind) = kinds.next() else { return http(section).map(HealthProbe::Http) };
    for other in kinds {
        refuse_beside(section, kind, other.key);
    }
    for key in kind.without.iter().filter(|key| section.has(key)) {
        refuse_beside(section, kind, key);
    }
    match kind.key {
        "tcp" => Some(HealthProbe::Tcp),
        "grpc" => grpc(section).map(HealthProbe::Grpc),
        "command" => {
            let node = section.node("command")?;
            let command = command::read(&node)?;
            shell::warn_of_command(&node, &command);
            Some(HealthProbe::Command(command))
        }
        _ => Some(HealthProbe::Notify),
    }
}

/// Whether `key` is there and names its kind; a wrong type is reported.
fn names(section: &Section<'_>, key: &'static str) -> bool {
    match section.node(key) {
        None => false,
        Some(node) if node.is_flag() => node.flag() == Some(true),
        Some(node) if key == "grpc" && !node.is_text() => node.wrong_type::<()>().is_some(),
        Some(_) if key == "grpc" || key == "command" => true,
        Some(node) => node.flag().is_some(),
    }
}

fn http(section: &Section<'_>) -> Option<HttpProbe> {
    if !section.has("path") {
        section.report(Flaw::new(
            Code::Missing,
            format!("{} does not say what to ask", section.called()),
            "no kind of check is named",
            "write `path = \"/health\"` to ask by HTTP, `tcp = true` to only connect, or one of \
             `grpc`, `command` and `notify`",
        ));
    }
    let method = section.word("method", |word| match word {
        "GET" => Some(ProbeMethod::Get),
        "HEAD" => Some(ProbeMethod::Head),
        _ => None,
    });
    let host = section.parse("host", host::parse_authority);
    let headers = headers(section, &[]);
    let status = section.parse_or_default("status", status::parse_ranges);
    let body = section.parse("body", body);
    if body.is_some() && method == ProbeMethod::Head {
        section.report_at(
            "body",
            Flaw::new(
                Code::Conflict,
                "`body` and `method = \"HEAD\"` exclude each other",
                "a response to HEAD has no body",
                "remove one of them",
            ),
            &[],
        );
    }
    let path = section.parse("path", path::parse_request_target);
    Some(HttpProbe { method, path: path?, host, headers, status: status?, body })
}

fn grpc(section: &Section<'_>) -> Option<GrpcProbe> {
    let host = section.parse("host", host::parse_authority);
    // Without the one it is no gRPC; of the other there is nothing to choose.
    let headers = headers(section, &["content-type", "accept"]);
    let service = match section.node("grpc") {
        Some(node) if node.is_text() => node.parse(grpc_service)?,
        _ => String::new(),
    };
    Some(GrpcProbe { service, host, headers })
}

fn grpc_service(text: &str) -> Result<String, Flaw> {
    const BYTES_MAX: usize = 1024;
    let flaw = |why, hint| Err(Flaw::invalid("not the name of a gRPC service", why, hint));
    match text.len() {
        0 => flaw("it is empty", "write `grpc = true` for the server as a whole"),
        1..=BYTES_MAX => Ok(text.to_owned()),
        _ => flaw("it is too long", "write a name such as \"shop.v1.Cart\""),
    }
}

/// The headers that are set, sorted by name; `ours` cannot be.
fn headers(section: &Section<'_>, ours: &[&str]) -> ProbeHeaders {
    // Any value may be a secret, whatever its name.
    let is_secret = |_: &str| true;
    let name = |text: &str| {
        let name = header::parse_name(text)?;
        if name == "host" {
            return Err(Flaw::invalid(
                "`host` is no header here",
                "it is a key of the check",
                "write `host = \"...\"` beside `headers`",
            ));
        }
        if ours.contains(&&*name) {
            let what = format!("`{name}` cannot be set");
            return Err(Flaw::invalid(what, "gRPC says what it is", "leave it out"));
        }
        header::check_editable(&name, Side::Request).map(|()| name)
    };
    let set = named(section, "headers", is_secret, name, header::parse_value);
    ProbeHeaders(set.into_iter().map(|set| (set.name, set.value)).collect())
}

fn refuse_beside(section: &Section<'_>, kind: &Kind, key: &'static str) {
    let written = KINDS.iter().find(|other| other.key == key).map_or(key, |other| other.written);
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`{written}` and `{}` exclude each other", kind.written),
        kind.why,
        "remove one of them",
    );
    let span = section.entry_span(kind.key).unwrap_or_else(|| section.span());
    section.report_at(key, flaw, &[(span, kind.does)]);
}

fn body(text: &str) -> Result<String, Flaw> {
    const BYTES_MAX: usize = 64 << 10;
    match text.len() {
        0 => Err(Flaw::invalid(
            "an empty text is in every response",
            "it is empty",
            "leave `body` out",
        )),
        1..=BYTES_MAX => Ok(text.to_owned()),
        _ => Err(Flaw::invalid(
            "the text is too long",
            "only the first 64 KiB of a response are looked at",
            "look for something shorter",
        )),
    }
}
