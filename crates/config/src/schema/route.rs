//! `[[routes]]`.

use super::defaults::OWN_KEY;
use super::service::WEIGHT;
use super::{Absent, Empty, Format, Key, Later, NETWORK, Shape, TEXT, Table};
use crate::policy;

const HOST: Format = Format {
    noun: "a host such as \"api.example.com\" or \"*.example.com\"",
    pattern: Some(r"^(\*\.)?[^*/:\s]+$|^\[[0-9A-Fa-f:.]+\]$"),
};
const PATH: Format = Format {
    noun: "a path (\"/cart\"), a prefix (\"/chat/*\") or an expression (\"~^/v[0-9]+/\")",
    pattern: Some("^[/~]"),
};
const METHOD: Format =
    Format { noun: "a method such as \"GET\"", pattern: Some("^[!#-'*+.0-9A-Z^-z|~-]+$") };
const VALUE: Format = Format { noun: "a value, or an expression behind \"~\"", pattern: None };
const HEADER_VALUE: Format = Format { noun: "a header's value", pattern: None };
const HEADER_NAME: Format =
    Format { noun: "a header's name", pattern: Some("^[!#-'*+.0-9A-Z^-z|~-]+$") };
const PREFIX: Format =
    Format { noun: "a path without a slash at its end", pattern: Some("^/.*[^/]$") };
const SERVICE_NAME: Format = Format { noun: "a service's name", pattern: Some("^[A-Za-z0-9_-]+$") };
const LOCATION: Format =
    Format { noun: "an absolute URL, or a path", pattern: Some("^(https?://[^/]|/)") };
const AUTHORITY: Format = Format { noun: "a host, with a port if need be", pattern: None };
const MEDIA_TYPE: Format = Format { noun: "a media type", pattern: Some("^[^/]+/[^/]+") };

pub(crate) static ROUTE: Table = Table {
    header: "[[routes]]",
    noun: "a route",
    doc: "Which requests go where. The most specific route wins: exact host, wildcard host, any \
          host; then exact path, longest prefix, expression, any path; then a route that names \
          methods; then the one with more headers, then with more query parameters; then the order \
          of the file. All conditions of a route must match; anything else may be arbitrary. \
          Exactly one of `to`, `redirect` and `respond` says what happens. A file with one \
          service and no routes sends everything to that service.",
    keys: &[
        Key::new(
            "host",
            Shape::Either(&[
                Shape::Text(&HOST),
                Shape::List { of: &Shape::Text(&HOST), empty: Empty::Refused },
            ]),
            Absent::Means("any host"),
            "\"api.example.com\"",
            "A host without port, or a list of them. `*.example.com` is every name that ends so, \
             but not `example.com`.",
        )
        .aka(&["hosts", "hostname", "hostnames", "server_name", "domain", "domains"]),
        Key::new(
            "path",
            Shape::Text(&PATH),
            Absent::Means("any path"),
            "\"/chat/*\"",
            "`/cart` is that path, `/chat/*` is `/chat` and everything below it, `/*` is any path, \
             and what begins with `~` is a regular expression that is looked for in the path \
             (write `^` where it should begin).",
        )
        .aka(&["prefix", "path_prefix", "paths", "location", "uri", "url"]),
        Key::new(
            "methods",
            Shape::List { of: &Shape::Text(&METHOD), empty: Empty::Refused },
            Absent::Means("any method"),
            "[\"GET\", \"POST\"]",
            "One of these methods.",
        )
        .aka(&["method", "verbs"]),
        Key::new(
            "headers",
            Shape::Names { names: "HEADER", of: &Shape::Text(&VALUE) },
            Absent::Means("any headers"),
            "{ \"x-beta\" = \"1\" }",
            "These headers with these values.",
        )
        .aka(&["header"]),
        Key::new(
            "query",
            Shape::Names { names: "PARAMETER", of: &Shape::Text(&VALUE) },
            Absent::Means("any query"),
            "{ debug = \"1\" }",
            "These query parameters with these values.",
        )
        .aka(&["params", "args", "query_params"]),
        Key::new(
            "cookies",
            Shape::Names { names: "COOKIE", of: &Shape::Text(&VALUE) },
            Absent::Means("any cookies"),
            "{ beta = \"1\" }",
            "These cookies with these values.",
        )
        .aka(&["cookie"]),
        Key::new(
            "from",
            Shape::List { of: &Shape::Text(&NETWORK), empty: Empty::Refused },
            Absent::Means("any client"),
            "[\"10.0.0.0/8\"]",
            "A client from one of these networks.",
        )
        .aka(&["source", "client", "clients", "src", "source_ip", "remote_ip"]),
        Key::new(
            "to",
            Shape::Either(&[
                Shape::Text(&SERVICE_NAME),
                Shape::Names { names: "SERVICE", of: &WEIGHT },
            ]),
            Absent::Means("`redirect` or `respond` must be there"),
            "\"api\"",
            "The service, or several with their weights.",
        )
        .aka(&[
            "service",
            "services",
            "backend",
            "upstream",
            "proxy_pass",
            "target",
            "forward",
        ]),
        Key::new(
            "redirect",
            Shape::Either(&[Shape::Text(&LOCATION), Shape::Table(&REDIRECT)]),
            Absent::Means("`to` or `respond` must be there"),
            "\"https://new.example.com\"",
            "Sends the client elsewhere.",
        )
        .aka(&["return", "redir"]),
        Key::new(
            "respond",
            Shape::Table(&RESPOND),
            Absent::Means("`to` or `redirect` must be there"),
            "{ status = 503, body = \"back soon\" }",
            "Responds without an instance.",
        )
        .aka(&["response", "answer", "fixed_response", "static_response"]),
        policy::deny::KEY,
        policy::cors::KEY,
        Key::new(
            "rewrite",
            Shape::Table(&REWRITE),
            Absent::Inner,
            "{ add_prefix = \"/v2\" }",
            "Changes the request that the instance gets. Only with `to`.",
        )
        .aka(&["strip_prefix", "replace_path"]),
        Key::new(
            "request_headers",
            Shape::Table(&HEADER_EDITS),
            Absent::Inner,
            "{ set = { \"x-env\" = \"prod\" } }",
            "Changes the headers that the instance sees. Only with `to`.",
        )
        .aka(&["proxy_set_header", "set_headers", "header_up"]),
        Key::new(
            "response_headers",
            Shape::Table(&HEADER_EDITS),
            Absent::Inner,
            "{ remove = [\"server\"] }",
            "Changes the headers that the client sees.",
        )
        .aka(&["add_header", "header_down"]),
        Key::new(
            "body",
            Shape::SizeOrUnlimited,
            Absent::Means("the listener's `limits.body`"),
            "\"50MiB\"",
            "How large a request's body may be. Only with `to`.",
        )
        .aka(&["client_max_body_size", "body_limit", "max_body"]),
        OWN_KEY,
    ],
    later: &[
        Later { name: "auth", what: "authentication" },
        Later { name: "limit", what: "rate limits" },
        Later { name: "cache", what: "caching" },
        Later { name: "mirror", what: "sending a copy of each request elsewhere" },
        Later { name: "compress", what: "compressing responses" },
        Later { name: "files", what: "serving files" },
        Later { name: "hold", what: "holding requests" },
    ],
};

pub(crate) static REDIRECT: Table = Table {
    header: "[routes.redirect]",
    noun: "a redirect",
    doc: "Sends the client elsewhere. A text is short for a table with only its `to`.",
    keys: &[
        Key::new(
            "to",
            Shape::Text(&LOCATION),
            Absent::Fault,
            "\"https://new.example.com\"",
            "Where to. Path and query of the request are appended to a URL that has no path of its \
             own.",
        )
        .aka(&["url", "location", "target"]),
        Key::new(
            "status",
            Shape::Count(301..=308),
            Absent::Count(308),
            "302",
            "301, 302, 303, 307 or 308.",
        )
        .aka(&["code"]),
    ],
    later: &[],
};

pub(crate) static RESPOND: Table = Table {
    header: "[routes.respond]",
    noun: "a response",
    doc: "Responds without an instance.",
    keys: &[
        Key::new("status", Shape::Count(200..=599), Absent::Count(200), "503", "The status.")
            .aka(&["code", "status_code"]),
        Key::new("body", Shape::Text(&TEXT), Absent::Text(""), "\"back soon\"", "The body.")
            .aka(&["text", "content", "message"]),
        Key::new(
            "content_type",
            Shape::Text(&MEDIA_TYPE),
            Absent::Text("text/plain; charset=utf-8"),
            "\"application/json\"",
            "The body's type.",
        )
        .aka(&["type", "content-type", "mime"]),
    ],
    later: &[],
};

pub(crate) static REWRITE: Table = Table {
    header: "[routes.rewrite]",
    noun: "a rewrite",
    doc: "Changes the request that the instance gets, in this order.",
    keys: &[
        Key::new(
            "strip_prefix",
            Shape::Text(&PREFIX),
            Absent::Means("nothing is removed"),
            "\"/chat\"",
            "Removed from the start of the path. The route's `path` must say that it is always \
             there.",
        )
        .aka(&["strip", "trim_prefix"]),
        Key::new(
            "add_prefix",
            Shape::Text(&PREFIX),
            Absent::Means("nothing is added"),
            "\"/v2\"",
            "Put before the path.",
        )
        .aka(&["prefix", "prepend"]),
        Key::new(
            "host",
            Shape::Text(&AUTHORITY),
            Absent::Means("as the client sent it"),
            "\"chat.internal\"",
            "What the instance sees as `Host`.",
        )
        .aka(&["host_header", "hostname"]),
    ],
    later: &[],
};

pub(crate) static HEADER_EDITS: Table = Table {
    header: "[routes.request_headers], [routes.response_headers]",
    noun: "changes of headers",
    doc: "Changes of headers. Those that frame a message or belong to one connection only cannot be \
          changed: `host` (see `rewrite.host`), `content-length`, `transfer-encoding`, \
          `connection`, `keep-alive`, `te`, `trailer`, `upgrade`, `expect`, `proxy` and `proxy-*`. \
          A name that servers may read as the same (`x_env` for `x-env`) is replaced and removed with it, in a \
          body's trailers too.",
    keys: &[
        Key::new(
            "set",
            Shape::Names { names: "HEADER", of: &Shape::Text(&HEADER_VALUE) },
            Absent::Means("nothing is set"),
            "{ \"x-env\" = \"prod\" }",
            "Sets these headers to these values, replacing what was there.",
        )
        .aka(&["add", "append", "replace"]),
        Key::new(
            "remove",
            Shape::List { of: &Shape::Text(&HEADER_NAME), empty: Empty::Allowed },
            Absent::Means("nothing is removed"),
            "[\"x-debug\"]",
            "Removes these headers.",
        )
        .aka(&["delete", "unset", "hide", "del"]),
    ],
    later: &[],
};
