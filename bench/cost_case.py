"""The cases whose cost is counted. Owns the requests; it starts and counts nothing."""

from dataclasses import dataclass

from deployment import Front
from gate import Algorithm, Gate, LimitKey, Told
from lockstep import Requests

SMALL = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

CLOSING = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"

LARGE = b"GET /1m HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

BROWSER = (
    b"GET /?q=1 HTTP/1.1\r\n"
    b"Host: shop.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    b"Accept-Language: en-GB,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: https://shop.example.com/category/books?page=3\r\n"
    b"Cookie: session=0f4c0d6e7b1a4a9c8f6e5d4c3b2a1908; theme=dark; consent=1\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Priority: u=0, i\r\n"
    b"\r\n"
)


@dataclass(frozen=True)
class Streams:
    """HTTP/2 by h2load: so many streams on each connection."""

    connections: int
    streams: int


@dataclass(frozen=True)
class CostCase:
    """One line of the table."""

    name: str
    title: str
    load: Requests | Streams
    rounds: int
    """How often each connection (or stream) asks while it is counted."""
    front: Front = Front.PLAIN
    access_log: bool = False
    gate: Gate | None = None
    routes: None = None


CASES: tuple[CostCase, ...] = (
    CostCase("small", "128 B over 64 kept connections", Requests(64, SMALL), rounds=300),
    CostCase("small-logged", "the same, with the access log to a file",
             Requests(64, SMALL), rounds=300, access_log=True),
    CostCase("browser", "the head of a browser, 12 fields, 64 kept connections",
             Requests(64, BROWSER), rounds=100),
    CostCase("small-1000", "128 B over 1,000 kept connections", Requests(1000, SMALL), rounds=20),
    CostCase("new", "a new connection for each request, 64 at a time",
             Requests(64, CLOSING, close=True), rounds=50),
    CostCase("tls", "128 B over 64 kept TLS connections",
             Requests(64, SMALL, tls=True), rounds=100, front=Front.TLS),
    CostCase("h2", "128 B over 4 HTTP/2 connections of 100 streams, clear text",
             Streams(4, 100), rounds=20, front=Front.H2C),
    CostCase("bearer", "a request with a token (ES256) on a route that asks for none",
             Requests(64, SMALL), rounds=300, gate=Gate(sent=Algorithm.ES256)),
    CostCase("token", "a token that was seen before (ES256), 64 kept connections",
             Requests(64, SMALL), rounds=300, gate=Gate(Algorithm.ES256)),
    CostCase("token-limit", "the same, and a limit by its subject",
             Requests(64, SMALL), rounds=300, gate=Gate(Algorithm.ES256, limit=LimitKey.SUBJECT)),
    CostCase("token-told", "the same, and its subject told to the instance",
             Requests(64, SMALL), rounds=300,
             gate=Gate(Algorithm.ES256, Told.SUBJECT, LimitKey.SUBJECT)),
    CostCase("limit", "a limit by address, 64 kept connections",
             Requests(64, SMALL), rounds=300, gate=Gate(limit=LimitKey.ADDRESS)),
    CostCase("large", "1 MiB over 16 kept connections", Requests(16, LARGE), rounds=10),
)  # fmt: skip
