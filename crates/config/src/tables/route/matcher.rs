//! What a route's requests must be like.

use model::{HostMatch, Matcher, PathMatch, ValueMatch};

use crate::faults::Flaw;
use crate::node::Node;
use crate::read::named::named;
use crate::read::{distinct, networks};
use crate::schema::{Absent, Empty, Format, Key, METHOD, NETWORK, Shape};
use crate::section::Section;
use crate::value::{expression, header, host, path, secret};

const HOST: Format = Format {
    noun: "a host such as \"api.example.com\" or \"*.example.com\"",
    pattern: Some(r"^(\*\.)?[^*/:\s]+$|^\[[0-9A-Fa-f:.]+\]$"),
};

const PATH: Format = Format {
    noun: "a path (\"/cart\"), a prefix (\"/chat/*\") or an expression (\"~^/v[0-9]+/\")",
    pattern: Some("^[/~]"),
};

const VALUE: Format = Format { noun: "a value, or an expression behind \"~\"", pattern: None };

pub(crate) const HOST_KEY: Key = Key::new(
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
.aka(&["hosts", "hostname", "hostnames", "server_name", "domain", "domains"]);

pub(crate) const PATH_KEY: Key = Key::new(
    "path",
    Shape::Text(&PATH),
    Absent::Means("any path"),
    "\"/chat/*\"",
    "`/cart` is that path, `/chat/*` is `/chat` and everything below it, `/*` is any path, \
     and what begins with `~` is a regular expression that is looked for in the path \
     (write `^` where it should begin).",
)
.aka(&["prefix", "path_prefix", "paths", "location", "uri", "url"]);

pub(crate) const METHODS_KEY: Key = Key::new(
    "methods",
    Shape::List { of: &Shape::Text(&METHOD), empty: Empty::Refused },
    Absent::Means("any method"),
    "[\"GET\", \"POST\"]",
    "One of these methods.",
)
.aka(&["method", "verbs"]);

pub(crate) const HEADERS_KEY: Key = Key::new(
    "headers",
    Shape::Names { names: "HEADER", of: &Shape::Text(&VALUE) },
    Absent::Means("any headers"),
    "{ \"x-beta\" = \"1\" }",
    "These headers with these values.",
)
.aka(&["header"]);

pub(crate) const QUERY_KEY: Key = Key::new(
    "query",
    Shape::Names { names: "PARAMETER", of: &Shape::Text(&VALUE) },
    Absent::Means("any query"),
    "{ debug = \"1\" }",
    "These query parameters with these values.",
)
.aka(&["params", "args", "query_params"]);

pub(crate) const COOKIES_KEY: Key = Key::new(
    "cookies",
    Shape::Names { names: "COOKIE", of: &Shape::Text(&VALUE) },
    Absent::Means("any cookies"),
    "{ beta = \"1\" }",
    "These cookies with these values.",
)
.aka(&["cookie"]);

pub(crate) const FROM_KEY: Key = Key::new(
    "from",
    Shape::List { of: &Shape::Text(&NETWORK), empty: Empty::Refused },
    Absent::Means("any client"),
    "[\"10.0.0.0/8\"]",
    "A client from one of these networks.",
)
.aka(&["source", "client", "clients", "src", "source_ip", "remote_ip"]);

/// Reads a matcher; `None` only if its path, by which it is known, is wrong.
pub(crate) fn read(section: &Section<'_>) -> Option<Matcher> {
    let path = match section.node("path") {
        Some(node) => {
            let read = node.parse(|text| Ok((path::parse_match(text)?, path::parameter(text))));
            read.map(|(path, parameter)| {
                parameter.into_iter().for_each(|flaw| node.report(flaw));
                path
            })
        }
        None => Some(PathMatch::Any),
    };
    let hosts = hosts(section);
    let methods = methods(section);
    let headers = values(section, "headers", header_name);
    let query = values(section, "query", parameter_name);
    let cookies = values(section, "cookies", header::parse_cookie);
    let from = section.node("from").map(|node| networks(&node)).unwrap_or_default();
    Some(Matcher { hosts, path: path?, methods, headers, query, cookies, from })
}

fn hosts(section: &Section<'_>) -> Vec<HostMatch> {
    let Some(node) = section.node("host") else {
        return Vec::new();
    };
    let read = |item: &Node<'_>| item.parse(host::parse_match);
    distinct(node.one_or_many(), "host", read, HostMatch::clone)
}

fn methods(section: &Section<'_>) -> Vec<String> {
    let Some(node) = section.node("methods") else {
        return Vec::new();
    };
    let read = |item: &Node<'_>| item.parse(header::parse_method);
    distinct(node.items(), "method", read, String::clone)
}

/// Reads what headers, query parameters or cookies must be like, sorted by name.
fn values(
    section: &Section<'_>,
    key: &'static str,
    read_name: impl Fn(&str) -> Result<String, Flaw>,
) -> Vec<(String, ValueMatch)> {
    let named = named(section, key, secret::is_named, read_name, expression::parse_value);
    named.into_iter().map(|named| (named.name, named.value)).collect()
}

fn header_name(text: &str) -> Result<String, Flaw> {
    let name = header::parse_name(text)?;
    match name.as_str() {
        "host" => Err(Flaw::invalid(
            "`host` is not matched as a header",
            "HTTP/2 sends it in another way",
            "use the route's `host`",
        )),
        _ => Ok(name),
    }
}

fn parameter_name(text: &str) -> Result<String, Flaw> {
    match text.is_empty() {
        true => Err(Flaw::invalid(
            "a query parameter without a name",
            "it is empty",
            "write it like `query = { debug = \"1\" }`",
        )),
        false => Ok(text.to_owned()),
    }
}
