"""The cases, in the order of the page, with the ratios that Plimsoll has set itself.

A case without limits of its own asks for no more than the better of nginx and HAProxy.
"""

from case import Case, Http1Load, Http2Load, IdleLoad
from deployment import Front, RouteKey, Routes
from gate import Algorithm, Asked, Gate, LimitKey, Told

KIB = 1024
MIB = 1024 * KIB


def _route_cases() -> list[Case]:
    return [
        Case(
            name=f"routes-{key.value}-{count}",
            title=f"{count:,} routes by {key.value}, 64 connections",
            load=Http1Load(connections=64),
            routes=Routes(key, count),
        )
        for key in RouteKey
        for count in (10, 1_000, 10_000)
    ]


def _gate_cases() -> list[Case]:
    return [
        Case(
            name=f"gate-{algorithm.value.lower()}",
            title=f"a token ({algorithm.value}), a limit by its subject, the subject told, 64 connections",
            load=Http1Load(connections=64),
            gate=Gate(algorithm, Told.SUBJECT, LimitKey.SUBJECT),
            limits={"haproxy": 0.75},
        )
        for algorithm in Algorithm
    ]


CASES: tuple[Case, ...] = (
    Case(
        name="keepalive-64",
        title="128 B responses, 64 connections",
        load=Http1Load(connections=64),
        dressed=True,
        limits={"nginx": 0.78, "haproxy": 0.85},
    ),
    Case(
        name="keepalive-1000",
        title="128 B responses, 1,000 connections",
        load=Http1Load(connections=1_000),
        dressed=True,
        limits={"nginx": 0.65},
    ),
    Case(
        name="new-connections",
        title="a new connection for each request",
        load=Http1Load(connections=64, close=True),
    ),
    Case(
        name="tls-h1",
        title="TLS, 128 B responses, 64 connections",
        load=Http1Load(connections=64),
        front=Front.TLS,
        dressed=True,
        limits={"nginx": 0.80},
    ),
    Case(
        name="tls-new-connections",
        title="a new TLS connection for each request",
        load=Http1Load(connections=64, close=True),
        front=Front.TLS,
    ),
    Case(
        name="tls-h2",
        title="HTTP/2 over TLS, 4 connections of 100 streams",
        load=Http2Load(connections=4, streams=100),
        front=Front.TLS,
        dressed=True,
        limits={"nginx": 0.65},
    ),
    Case(
        name="h2c",
        title="HTTP/2 on clear text, 4 connections of 100 streams",
        load=Http2Load(connections=4, streams=100),
        front=Front.H2C,
    ),
    Case(
        name="body-10k",
        title="10 KiB responses, 64 connections",
        load=Http1Load(connections=64, path="/10k", answer_bytes=10 * KIB),
    ),
    Case(
        name="body-1m",
        title="1 MiB responses, 16 connections",
        load=Http1Load(connections=16, path="/1m", answer_bytes=MIB),
        limits={"nginx": 0.70},
    ),
    Case(
        name="tls-body-1m",
        title="1 MiB responses over TLS, 16 connections",
        load=Http1Load(connections=16, path="/1m", answer_bytes=MIB),
        front=Front.TLS,
        limits={"nginx": 0.65},
    ),
    Case(
        name="upload-1m",
        title="1 MiB uploads, 16 connections",
        load=Http1Load(
            connections=16, path="/upload", upload_bytes=MIB, answer_bytes=len(str(MIB))
        ),
    ),
    *_route_cases(),
    Case(
        name="access-log",
        title="access log to a file, 64 connections",
        load=Http1Load(connections=64),
        access_log=True,
    ),
    Case(
        name="limit",
        title="a limit by address, 64 connections",
        load=Http1Load(connections=64),
        gate=Gate(limit=LimitKey.ADDRESS),
    ),
    *_gate_cases(),
    Case(
        name="auth-request",
        title="another service is asked of each request, 64 connections",
        load=Http1Load(connections=64),
        gate=Gate(asked=Asked.SERVICE),
        limits={"nginx": 1.0},
    ),
    Case(
        name="idle",
        title="memory of an idle connection, 10,000 open",
        load=IdleLoad(connections=10_000),
        limits={"nginx": 1.0},
    ),
    Case(
        name="tls-idle",
        title="memory of an idle TLS connection, 2,000 open",
        load=IdleLoad(connections=2_000),
        front=Front.TLS,
        limits={"nginx": 1.0},
    ),
)
