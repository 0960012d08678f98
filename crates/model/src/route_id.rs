//! By what a route is known over reloads, whatever its place in the file and whatever it does with a request:
//! all that is observed of it, and the state of its policies, is kept by this.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use crate::route::{HostMatch, Matcher, PathMatch, ValueMatch};

/// A route's identity: equal for two whose matchers are equal but for the order of what they list, which means
/// nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(Arc<[u8]>);

impl RouteId {
    /// The identity of the route with this matcher.
    pub fn of(matcher: &Matcher) -> Self {
        Self(identity(matcher).into())
    }

    /// An identity that no matcher has: of a route of which nothing but its place in a record is known.
    pub fn numbered(number: u32) -> Self {
        Self(number.to_be_bytes().as_slice().into())
    }
}

impl fmt::Debug for RouteId {
    /// Not what it is made of: a header or cookie that a route asks for may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouteId")
    }
}

fn identity(matcher: &Matcher) -> Vec<u8> {
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
    use crate::route::Expression;

    fn with_path(path: PathMatch) -> Matcher {
        Matcher { path, ..Matcher::default() }
    }

    fn exact() -> Matcher {
        with_path(PathMatch::Exact("/a".to_owned()))
    }

    fn expression(text: &str) -> Expression {
        Expression::new(text).unwrap()
    }

    #[test]
    fn order_does_not_tell_matchers_apart() {
        let with = |methods: [&str; 2]| Matcher {
            methods: methods.map(str::to_owned).to_vec(),
            ..exact()
        };
        assert_eq!(RouteId::of(&with(["GET", "PUT"])), RouteId::of(&with(["PUT", "GET"])));
    }

    #[test]
    fn what_differs_tells_matchers_apart() {
        let (value, found) =
            (ValueMatch::Exact("b".to_owned()), ValueMatch::Expression(expression("b")));
        let matchers = [
            exact(),
            with_path(PathMatch::Prefix("/a".to_owned())),
            with_path(PathMatch::Any),
            with_path(PathMatch::Expression(expression("/a"))),
            with_path(PathMatch::Expression(expression("^/*$"))),
            Matcher { hosts: vec![HostMatch::Exact("a".to_owned())], ..exact() },
            Matcher { hosts: vec![HostMatch::Wildcard("a".to_owned())], ..exact() },
            Matcher { methods: vec!["GET".to_owned()], ..exact() },
            Matcher { headers: vec![("a".to_owned(), value.clone())], ..exact() },
            Matcher { headers: vec![("a".to_owned(), found)], ..exact() },
            Matcher { query: vec![("a".to_owned(), value.clone())], ..exact() },
            Matcher { cookies: vec![("a".to_owned(), value.clone())], ..exact() },
            Matcher { from: vec!["10.0.0.0/8".parse().unwrap()], ..exact() },
        ];
        let distinct: std::collections::HashSet<_> = matchers.iter().map(RouteId::of).collect();
        assert_eq!(distinct.len(), matchers.len());
    }
}
