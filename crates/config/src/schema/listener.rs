//! `[listeners.NAME]`.

use super::{ADDRESS, Absent, Empty, FILE, Key, Later, NETWORK, Shape, TIMEOUT, Table};

pub(crate) static LISTENER: Table = Table {
    header: "[listeners.NAME]",
    noun: "a listener",
    doc: "One or several addresses that clients connect to. Names of listeners and services are \
    made \
          of letters, digits, `-` and `_`.",
    keys: &[
        Key::new(
            "bind",
            Shape::Either(&[
                Shape::Text(&ADDRESS),
                Shape::List { of: &Shape::Text(&ADDRESS), empty: Empty::Refused },
            ]),
            Absent::Fault,
            "\"0.0.0.0:8080\"",
            "Where it listens: an IP address with a port, or a list of them. Port 0 is any free \
             one.",
        )
        .aka(&["listen", "address", "addr", "port", "host"]),
        Key::new(
            "protocols",
            Shape::List { of: &Shape::Word(&["h1", "h2"], PROTOCOLS_LATER), empty: Empty::Refused },
            Absent::Texts(&["h1", "h2"]),
            "[\"h1\", \"h2\"]",
            "The versions of HTTP that it speaks. `h2` is chosen by ALPN over TLS, by prior \
             knowledge \
             on clear text.",
        )
        .aka(&["protocol", "http2", "alpn"]),
        Key::new(
            "tls",
            Shape::Table(&TLS),
            Absent::Means("clear text"),
            "{ certificates = [{ cert = \"fullchain.pem\", key = \"privkey.pem\" }] }",
            "Speak TLS.",
        )
        .aka(&["ssl", "https", "certificate", "certificates", "cert"]),
        Key::new(
            "redirect_https",
            Shape::Either(&[Shape::Flag, Shape::Count(1..=65_535)]),
            Absent::Flag(false),
            "true",
            "Redirect every request to `https` on the same host: with `true` to the port of the file's \
             TLS listener (443 where there are several and one has it), or to this port, as where a \
             container's port is mapped to another. Only for clear text. What a trusted proxy says came by \
             `https` is served.",
        )
        .aka(&["https_redirect", "force_https", "force_ssl", "ssl_redirect"]),
        Key::new(
            "trusted_proxies",
            Shape::List { of: &Shape::Text(&NETWORK), empty: Empty::Allowed },
            Absent::Texts(&[]),
            "[\"10.0.0.0/8\"]",
            "The networks whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed; \
             none by default. The connection's own address counts, never one that the PROXY \
             protocol names: \
             a balancer that passes bytes on belongs in `proxy_protocol.from`, one that writes \
             these headers belongs here.",
        )
        .aka(&["set_real_ip_from", "real_ip", "trusted_ips", "forwarded_headers"]),
        Key::new(
            "proxy_protocol",
            Shape::Either(&[Shape::Flag, Shape::Table(&PROXY_PROTOCOL)]),
            Absent::Flag(false),
            "{ from = [\"10.0.0.0/8\"] }",
            "A connection begins with a header of the PROXY protocol, version 1 or 2, which names \
             the client. `true`: every connection, and every peer is believed, so only the \
             balancer may be able to reach the port.",
        )
        .aka(&["accept_proxy"]),
        Key::new(
            "limits",
            Shape::Table(&LIMITS),
            Absent::Inner,
            "{ body = \"10MiB\" }",
            "The limits of one client.",
        )
        .aka(&["limit"]),
        Key::new(
            "timeouts",
            Shape::Table(&TIMEOUTS),
            Absent::Inner,
            "{ idle = \"75s\" }",
            "How long a client may take.",
        )
        .aka(&["timeout"]),
    ],
    later: &[],
};

pub(crate) static PROXY_PROTOCOL: Table = Table {
    header: "[listeners.NAME.proxy_protocol]",
    noun: "the PROXY protocol",
    doc: "Which peers begin a connection with a header of the PROXY protocol. It names the \
    client, for \
          `from` of routes, `ip_hash`, logs and `X-Forwarded-For`; whether the client's own \
          `X-Forwarded-*` is believed is decided by `trusted_proxies`.",
    keys: &[Key::new(
        "from",
        Shape::List { of: &Shape::Text(&NETWORK), empty: Empty::Refused },
        Absent::Fault,
        "[\"10.0.0.0/8\"]",
        "The balancers that send the header, and must. A connection from any other peer begins \
         with its request, and a header on it gets 400.",
    )
    .aka(&["trusted", "networks", "trusted_ips"])],
    later: &[],
};

static PROTOCOLS_LATER: &[Later] = &[Later { name: "h3", what: "HTTP/3" }];

pub(crate) static TLS: Table = Table {
    header: "[listeners.NAME.tls]",
    noun: "TLS",
    doc: "TLS 1.2 and 1.3.",
    keys: &[Key::new(
        "certificates",
        Shape::List { of: &Shape::Table(&CERTIFICATE), empty: Empty::Refused },
        Absent::Fault,
        "[{ cert = \"fullchain.pem\", key = \"privkey.pem\" }]",
        "The certificates, chosen by the name that the client asks for. Clients whose name \
         matches none get the first.",
    )
    .aka(&["cert", "certificate", "key", "certs", "ssl_certificate"])],
    later: &[Later { name: "acme", what: "certificates from an ACME authority" }],
};

pub(crate) static CERTIFICATE: Table = Table {
    header: "[[listeners.NAME.tls.certificates]]",
    noun: "a certificate",
    doc: "A certificate and its key. Both files are read again on each reload; relative paths start \
          at the directory of the configuration.",
    keys: &[
        Key::new(
            "cert",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"fullchain.pem\"",
            "The chain as PEM, the server's own certificate first.",
        )
        .aka(&["certificate", "chain", "crt", "ssl_certificate"]),
        Key::new(
            "key",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"privkey.pem\"",
            "The private key as PEM: PKCS#8, PKCS#1 or SEC1.",
        )
        .aka(&["private_key", "privkey", "ssl_certificate_key"]),
    ],
    later: &[],
};

pub(crate) static LIMITS: Table = Table {
    header: "[listeners.NAME.limits]",
    noun: "a listener's limits",
    doc: "The limits of one client.",
    keys: &[
        Key::new(
            "header_bytes",
            Shape::Size(1 << 10..=1 << 20),
            Absent::Text("32KiB"),
            "\"32KiB\"",
            "The request line and all headers together; more gets 431.",
        )
        .aka(&["header", "header_size", "max_header_bytes"]),
        Key::new(
            "headers",
            Shape::Count(1..=10_000),
            Absent::Count(100),
            "100",
            "How many header fields a request may have; more gets 431. (A response may have 1,000.)",
        )
        .aka(&["header_count", "max_headers"]),
        Key::new(
            "body",
            Shape::SizeOrUnlimited,
            Absent::Text("10MiB"),
            "\"10MiB\"",
            "A request's body, of a gRPC call all its messages together; more gets 413. A route's `body` \
             overrides it.",
        )
        .aka(&["client_max_body_size", "body_size", "body_bytes", "max_body"]),
        Key::new(
            "connections",
            Shape::Count(1..=10_000_000),
            Absent::Count(20_000),
            "20000",
            "Open connections at once. When one more comes, the connection that has been idle for \
             longest is closed to make room; where none is idle, new ones wait.",
        )
        .aka(&["max_connections", "maxconn", "worker_connections"]),
        Key::new(
            "connections_per_client",
            Shape::Count(1..=10_000_000),
            Absent::Means("a quarter of `connections`"),
            "100",
            "Open connections at once of one client: one address, of IPv6 one /64, as the socket or \
             the PROXY protocol names it. More are closed as soon as they come. Peers in \
             `trusted_proxies` stand for many clients and have no limit of their own.",
        )
        .aka(&["per_client", "max_connections_per_ip", "limit_conn", "connections_per_ip"]),
    ],
    later: &[],
};

pub(crate) static TIMEOUTS: Table = Table {
    header: "[listeners.NAME.timeouts]",
    noun: "a listener's timeouts",
    doc: "How long a client may take. Those for bodies limit the time without progress, never the \
          whole, so that a large body may take its time.",
    keys: &[
        Key::new(
            "header",
            TIMEOUT,
            Absent::Text("10s"),
            "\"10s\"",
            "From a request's first byte to the end of its head; the TLS handshake likewise.",
        )
        .aka(&["client_header_timeout", "read_header", "http_request"]),
        Key::new(
            "body_idle",
            TIMEOUT,
            Absent::Text("30s"),
            "\"30s\"",
            "Without progress of a request's body. The stream of a gRPC call may be silent for longer: \
             for the service's `tunnel_idle`.",
        )
        .aka(&["body", "client_body_timeout", "read"]),
        Key::new(
            "body_progress",
            Shape::Size(1..=1 << 20),
            Absent::Text("256B"),
            "\"256B\"",
            "How much of a request's body must come within `body_idle` to be progress. Of a body whose \
             length is not known beforehand, such as a gRPC stream, every byte is, as long as no \
             more than 1,000 crawl on a worker at once and none for longer than a day.",
        )
        .aka(&["min_rate", "minrate", "min_body_rate", "body_min_rate"]),
        Key::new(
            "idle",
            TIMEOUT,
            Absent::Text("75s"),
            "\"75s\"",
            "Between two requests on a connection.",
        )
        .aka(&["keepalive", "keep_alive", "keepalive_timeout", "client"]),
        Key::new(
            "write_idle",
            TIMEOUT,
            Absent::Text("30s"),
            "\"30s\"",
            "Without progress of a response that the client should read.",
        )
        .aka(&["write", "send_timeout", "send"]),
    ],
    later: &[],
};
