//! Reads what a route's requests must be like.

use ipnet::IpNet;
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

/// Equal for two matchers that are equal but for the order of what they list, which means nothing.
pub(super) fn identity(matcher: &Matcher) -> Vec<u8> {
    let mut identity = Identity(Vec::with_capacity(192));
    identity.list(&matcher.hosts, |host| match host {
        HostMatch::Exact(name) => (b'=', name),
        HostMatch::Wildcard(name) => (b'*', name),
    });
    match &matcher.path {
        PathMatch::Any => identity.text(b'*', ""),
        PathMatch::Exact(path) => identity.text(b'=', path),
        PathMatch::Prefix(path) => identity.text(b'/', path),
        PathMatch::Expression(expression) => identity.text(b'~', expression.regex().as_str()),
    }
    identity.list(&matcher.methods, |method| (b'=', method));
    for values in [&matcher.headers, &matcher.query, &matcher.cookies] {
        identity.count(values.len());
        for (name, value) in values {
            identity.text(b'=', name);
            match value {
                ValueMatch::Exact(value) => identity.text(b'=', value),
                ValueMatch::Expression(value) => identity.text(b'~', value.regex().as_str()),
            }
        }
    }
    let networks: Vec<String> = matcher.from.iter().map(IpNet::to_string).collect();
    identity.list(&networks, |network| (b'=', network));
    identity.0
}

/// Parts behind one another, each with its length, so that no two sequences look the same.
struct Identity(Vec<u8>);

impl Identity {
    fn count(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&count.to_le_bytes());
    }

    /// A text of which `kind` says how it is meant.
    fn text(&mut self, kind: u8, text: &str) {
        self.0.push(kind);
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], read: impl Fn(&T) -> (u8, &str)) {
        let mut parts: Vec<(u8, &str)> = items.iter().map(read).collect();
        parts.sort_unstable();
        self.count(parts.len());
        parts.into_iter().for_each(|(kind, text)| self.text(kind, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> Matcher {
        Matcher { path: path::parse_match(path).unwrap(), ..Matcher::default() }
    }

    #[test]
    fn order_does_not_tell_matchers_apart() {
        let with = |methods: [&str; 2]| Matcher {
            methods: methods.map(str::to_owned).to_vec(),
            ..path("/a")
        };
        assert_eq!(identity(&with(["GET", "PUT"])), identity(&with(["PUT", "GET"])));
    }

    #[test]
    fn what_differs_tells_matchers_apart() {
        let value = |text: &str| expression::parse_value(text).unwrap();
        let matchers = [
            path("/a"),
            path("/a/*"),
            path("/*"),
            path("~/a"),
            path("~^/*$"),
            Matcher { hosts: vec![HostMatch::Exact("a".to_owned())], ..path("/a") },
            Matcher { hosts: vec![HostMatch::Wildcard("a".to_owned())], ..path("/a") },
            Matcher { methods: vec!["GET".to_owned()], ..path("/a") },
            Matcher { headers: vec![("a".to_owned(), value("b"))], ..path("/a") },
            Matcher { headers: vec![("a".to_owned(), value("~b"))], ..path("/a") },
            Matcher { query: vec![("a".to_owned(), value("b"))], ..path("/a") },
            Matcher { cookies: vec![("a".to_owned(), value("b"))], ..path("/a") },
            Matcher { from: vec!["10.0.0.0/8".parse().unwrap()], ..path("/a") },
        ];
        let distinct: std::collections::HashSet<_> = matchers.iter().map(identity).collect();
        assert_eq!(distinct.len(), matchers.len());
    }
}
