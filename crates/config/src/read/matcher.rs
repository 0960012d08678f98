//! Reads what a route's requests must be like.

use model::{HostMatch, Matcher, PathMatch, ValueMatch};

use super::named::named;
use super::{distinct, networks};
use crate::faults::Flaw;
use crate::node::Node;
use crate::section::Section;
use crate::value::{expression, header, host, path};

/// Reads a matcher; `None` only if its path, by which it is known, is wrong.
pub(super) fn matcher(section: &Section<'_>) -> Option<Matcher> {
    let path = match section.node("path") {
        Some(node) => node.parse(path::parse_match),
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
    let named = named(section, key, header::is_secret, read_name, expression::parse_value);
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
