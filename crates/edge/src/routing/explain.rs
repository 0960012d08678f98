//! Why a route won and the others lost, for `plimsoll explain`.

use std::fmt;

use model::{HostMatch, PathMatch, Route};

use super::{
    Request, RouteIndex, RouteTable, has_cookie, has_header, has_method, host_of, is_from, key,
};

/// A route that was looked at.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its place in the order of the file.
    pub route: RouteIndex,
    /// What it is, as people know it.
    pub label: String,
    /// Why it lost; `None` for the one that won.
    pub lost: Option<Lost>,
}

/// Why a route lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Another host.
    Host,
    /// Another path.
    Path,
    /// Another method.
    Method,
    /// This header is missing or different.
    Header(String),
    /// This cookie is missing or different.
    Cookie(String),
    /// This query parameter is missing or different.
    Query(String),
    /// The client is in none of its networks.
    From,
    /// It matches, but the winner is more specific or stands before it.
    LessSpecific,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("another host"),
            Self::Path => f.write_str("another path"),
            Self::Method => f.write_str("another method"),
            Self::Header(name) => write!(f, "header `{name}` is missing or different"),
            Self::Cookie(name) => write!(f, "cookie `{name}` is missing or different"),
            Self::Query(name) => write!(f, "query parameter `{name}` is missing or different"),
            Self::From => f.write_str("the client's address is in none of its networks"),
            Self::LessSpecific => {
                f.write_str("matches, but the winner is more specific or comes first")
            }
        }
    }
}

impl RouteTable {
    /// Every route with why it lost, and the one that won.
    pub(crate) fn explain(&self, request: &Request<'_>) -> Vec<Candidate> {
        let winner = self.find_at(&self.host_of(request), &request.path, request);
        let candidates = (0u32..).map(RouteIndex).zip(&self.routes);
        candidates
            .map(|(index, route)| Candidate {
                route: index,
                label: route.in_full(),
                lost: (winner != Some(index))
                    .then(|| mismatch(route, request).unwrap_or(Lost::LessSpecific)),
            })
            .collect()
    }
}

/// The first condition that `request` does not meet.
fn mismatch(route: &Route, request: &Request<'_>) -> Option<Lost> {
    let matcher = &route.matcher;
    let wrong = |list: &[(String, model::ValueMatch)],
                 has: &dyn Fn(&str, &model::ValueMatch) -> bool| {
        list.iter().find(|(name, wanted)| !has(name, wanted)).map(|(name, _)| name.clone())
    };
    if !matcher.hosts.is_empty() && !matcher.hosts.iter().any(|host| is_host(host, &request.host()))
    {
        return Some(Lost::Host);
    }
    if !is_path(&matcher.path, &request.path) {
        return Some(Lost::Path);
    }
    if !has_method(route, request) {
        return Some(Lost::Method);
    }
    wrong(&matcher.headers, &|name, wanted| has_header(request, name, wanted))
        .map(Lost::Header)
        .or_else(|| {
            wrong(&matcher.cookies, &|name, wanted| has_cookie(request, name, wanted))
                .map(Lost::Cookie)
        })
        .or_else(|| {
            wrong(&matcher.query, &|name, wanted| request.has_query(name, |v| wanted.matches(v)))
                .map(Lost::Query)
        })
        .or_else(|| (!is_from(matcher, request)).then_some(Lost::From))
}

fn is_host(wanted: &HostMatch, host: &[u8]) -> bool {
    match wanted {
        HostMatch::Exact(name) => *host_of(name.as_bytes()) == *host,
        HostMatch::Wildcard(name) => host
            .strip_suffix(name.as_bytes())
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with(b".")),
    }
}

fn is_path(wanted: &PathMatch, path: &[u8]) -> bool {
    match wanted {
        PathMatch::Any => true,
        PathMatch::Exact(exact) => *key(exact) == *path,
        PathMatch::Prefix(prefix) => {
            path.strip_prefix(&*key(prefix)).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
        }
        PathMatch::Expression(expression) => {
            std::str::from_utf8(path).is_ok_and(|path| expression.regex().is_match(path))
        }
    }
}
