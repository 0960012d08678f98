//! `[services.NAME.health]`.

use super::run::COMMANDS;
use super::{Absent, Format, Key, Shape, TEXT, TIMEOUT, Table};

const TARGET_PATH: Format = Format { noun: "a path, with a query if need be", pattern: Some("^/") };
const STATUSES: Format = Format {
    noun: "status codes and ranges of them such as \"200-399\" or \"200,204-206\"",
    pattern: Some("^[0-9, -]+$"),
};
const HOST: Format = Format { noun: "a host, with a port if need be", pattern: None };
const HEADER_VALUE: Format = Format { noun: "a header's value", pattern: None };
const GRPC_SERVICE: Format = Format { noun: "the name of a gRPC service", pattern: Some(".") };

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
            Shape::Text(&HOST),
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
