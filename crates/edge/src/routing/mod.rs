//! Which route a request takes: tables compiled from the routes, so that ten thousand cost a
//! request no more than ten.
//!
//! The order is the Gateway API's: exact host, wildcard host (the longest first), any host; then
//! exact path, longest prefix, expression, any path; then a route that names methods; then the one
//! with more headers (cookies and networks count as such), then with more query parameters; then
//! the order of the file. The first that matches whole wins, and a route that fails on its last
//! condition gives way to the next in this order, of a less specific host too.

mod explain;
mod path;
mod readings;
mod request;
mod rewrite;
mod steps;

use std::borrow::Cow;
use std::cmp::Reverse;

use model::{HostMatch, Matcher, PathMatch, Route, ValueMatch};
use regex::bytes::RegexSet;
use rustc_hash::FxHashMap;
use std::sync::Arc;

pub use explain::{Candidate, Lost};
pub use path::BadPath;
pub(crate) use request::{Request, host_of, preflight, query_values};
pub(crate) use rewrite::cut;

use path::key;

/// A route's place in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteIndex(pub u32);

/// Servers may read the request's path in ways that lead to different routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous {
    /// Which of the request's other readings leads elsewhere.
    pub(crate) reading: usize,
    /// Where it leads.
    pub(crate) route: Option<RouteIndex>,
}

/// All routes, compiled.
#[derive(Default)]
pub(crate) struct RouteTable {
    exact_hosts: FxHashMap<Box<[u8]>, PathTable>,
    /// By what follows the `*.`.
    wildcard_hosts: FxHashMap<Box<[u8]>, PathTable>,
    any_host: PathTable,
    routes: Vec<Arc<Route>>,
    /// The one that there is, where it takes every request.
    sole: Option<RouteIndex>,
}

/// The routes of one host, by path.
#[derive(Default)]
struct PathTable {
    exact: FxHashMap<Box<[u8]>, Vec<RouteIndex>>,
    /// By the prefix without its trailing slash.
    prefixes: FxHashMap<Box<[u8]>, Vec<RouteIndex>>,
    longest_prefix: usize,
    expressions: Expressions,
    any: Vec<RouteIndex>,
}

/// Routes with expressions, all tried in one pass over the path.
#[derive(Default)]
struct Expressions {
    set: Option<RegexSet>,
    routes: Vec<RouteIndex>,
}

impl RouteTable {
    /// Compiles `routes`, which are in the order of the file.
    ///
    /// # Errors
    /// When the expressions of one host are too large together.
    pub(crate) fn compile(routes: &[Arc<Route>]) -> Result<Self, regex::Error> {
        let sole = match routes {
            [route] if route.matcher == Matcher::default() => Some(RouteIndex(0)),
            _ => None,
        };
        let mut table = Self { routes: routes.to_vec(), sole, ..Self::default() };
        for (index, route) in (0u32..).map(RouteIndex).zip(routes) {
            let path = &route.matcher.path;
            if route.matcher.hosts.is_empty() {
                table.any_host.insert(path, index);
            }
            for host in &route.matcher.hosts {
                let (hosts, name) = match host {
                    HostMatch::Exact(name) => (&mut table.exact_hosts, name),
                    HostMatch::Wildcard(name) => (&mut table.wildcard_hosts, name),
                };
                hosts.entry((&*host_of(name.as_bytes())).into()).or_default().insert(path, index);
            }
        }
        for paths in table.tables_mut() {
            paths.finish(routes)?;
        }
        Ok(table)
    }

    fn tables_mut(&mut self) -> impl Iterator<Item = &mut PathTable> {
        let hosts = self.exact_hosts.values_mut().chain(self.wildcard_hosts.values_mut());
        hosts.chain([&mut self.any_host])
    }

    /// The route that `request` takes.
    ///
    /// # Errors
    /// When not every reading of its path leads there.
    #[inline]
    pub(crate) fn find(&self, request: &Request<'_>) -> Result<Option<RouteIndex>, Ambiguous> {
        match self.sole {
            // However its path is read.
            Some(route) => Ok(Some(route)),
            None => self.find_in_tables(request),
        }
    }

    fn find_in_tables(&self, request: &Request<'_>) -> Result<Option<RouteIndex>, Ambiguous> {
        let host = self.host_of(request);
        let found = self.find_at(&host, &request.path, request);
        for (reading, path) in request.readings.iter().enumerate() {
            let route = self.find_at(&host, path, request);
            if route != found {
                return Err(Ambiguous { reading, route });
            }
        }
        Ok(found)
    }

    /// The host of `request`, if any route asks for it.
    fn host_of<'a>(&self, request: &Request<'a>) -> Cow<'a, [u8]> {
        match self.exact_hosts.is_empty() && self.wildcard_hosts.is_empty() {
            true => Cow::default(),
            false => request.host(),
        }
    }

    /// The route that `request`, which is for `host`, takes if its path is read as `path`.
    fn find_at(&self, host: &[u8], path: &[u8], request: &Request<'_>) -> Option<RouteIndex> {
        self.tables(host).find_map(|paths| paths.find(path, request, &self.routes))
    }

    /// The route at `index`.
    pub(crate) fn route(&self, index: RouteIndex) -> &Arc<Route> {
        &self.routes[index.0 as usize]
    }

    /// The tables that apply to `host`, the most specific first.
    fn tables<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = &'a PathTable> {
        let exact = (!self.exact_hosts.is_empty()).then(|| self.exact_hosts.get(host)).flatten();
        let has_wildcards = !self.wildcard_hosts.is_empty();
        let dots = host.iter().enumerate().filter(move |(_, byte)| has_wildcards && **byte == b'.');
        let wildcards = dots.filter_map(|(dot, _)| self.wildcard_hosts.get(&host[dot + 1..]));
        exact.into_iter().chain(wildcards).chain([&self.any_host])
    }
}

impl PathTable {
    fn insert(&mut self, path: &PathMatch, index: RouteIndex) {
        match path {
            PathMatch::Exact(path) => self.exact.entry((&*key(path)).into()).or_default(),
            PathMatch::Prefix(path) => {
                let path = key(path);
                self.longest_prefix = self.longest_prefix.max(path.len());
                self.prefixes.entry((&*path).into()).or_default()
            }
            PathMatch::Expression(_) => &mut self.expressions.routes,
            PathMatch::Any => &mut self.any,
        }
        .push(index);
    }

    /// Sorts what was inserted and compiles the expressions.
    fn finish(&mut self, routes: &[Arc<Route>]) -> Result<(), regex::Error> {
        let order = |index: &RouteIndex| specificity(&routes[index.0 as usize].matcher, *index);
        for list in self.exact.values_mut().chain(self.prefixes.values_mut()) {
            list.sort_by_key(order);
        }
        self.any.sort_by_key(order);
        self.expressions.routes.sort_by_key(order);
        self.expressions.compile(routes)
    }

    fn find(
        &self,
        path: &[u8],
        request: &Request<'_>,
        routes: &[Arc<Route>],
    ) -> Option<RouteIndex> {
        let first = |list: &Vec<RouteIndex>| {
            list.iter().copied().find(|index| satisfies(&routes[index.0 as usize], request))
        };
        let exact = (!self.exact.is_empty()).then(|| self.exact.get(path)).flatten();
        exact
            .and_then(first)
            .or_else(|| self.prefixes_of(path).find_map(first))
            .or_else(|| self.expressions.find(path, request, routes))
            .or_else(|| first(&self.any))
    }

    /// The routes whose prefix `path` has, the longest first.
    fn prefixes_of<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = &'a Vec<RouteIndex>> {
        let reach = if self.prefixes.is_empty() { 0 } else { self.longest_prefix + 1 };
        let whole = (path.len() < reach).then_some(path.len());
        let slashes = (0..reach.min(path.len())).rev().filter(|at| *at > 0 && path[*at] == b'/');
        whole.into_iter().chain(slashes).filter_map(|end| self.prefixes.get(&path[..end]))
    }
}

impl Expressions {
    fn compile(&mut self, routes: &[Arc<Route>]) -> Result<(), regex::Error> {
        let texts =
            self.routes.iter().filter_map(|index| match &routes[index.0 as usize].matcher.path {
                PathMatch::Expression(expression) => Some(expression.regex().as_str()),
                _ => None,
            });
        if !self.routes.is_empty() {
            self.set = Some(RegexSet::new(texts)?);
        }
        Ok(())
    }

    fn find(
        &self,
        path: &[u8],
        request: &Request<'_>,
        routes: &[Arc<Route>],
    ) -> Option<RouteIndex> {
        let matched = self.set.as_ref()?.matches(path);
        matched
            .iter()
            .map(|at| self.routes[at])
            .find(|index| satisfies(&routes[index.0 as usize], request))
    }
}

/// Sorts the more specific of two routes with equal host and path first.
fn specificity(matcher: &Matcher, index: RouteIndex) -> impl Ord + use<> {
    let fields =
        matcher.headers.len() + matcher.cookies.len() + usize::from(!matcher.from.is_empty());
    (matcher.methods.is_empty(), Reverse(fields), Reverse(matcher.query.len()), index)
}

/// Whether `request` meets every condition other than host and path.
fn satisfies(route: &Route, request: &Request<'_>) -> bool {
    let matcher = &route.matcher;
    has_method(route, request)
        && matcher.headers.iter().all(|(name, wanted)| has_header(request, name, wanted))
        && matcher.cookies.iter().all(|(name, wanted)| has_cookie(request, name, wanted))
        && matcher.query.iter().all(|(name, wanted)| request.has_query(name, |v| wanted.matches(v)))
        && is_from(matcher, request)
}

/// A route that lets pages of other origins use it takes their preflights as it takes what they ask for.
fn has_method(route: &Route, request: &Request<'_>) -> bool {
    let methods = &route.matcher.methods;
    let takes = |method: &[u8]| methods.iter().any(|wanted| wanted.as_bytes() == method);
    methods.is_empty()
        || takes(request.head.method_text())
        || route.policies.cors.is_some() && preflight(request.head).is_some_and(takes)
}

fn has_header(request: &Request<'_>, name: &str, wanted: &ValueMatch) -> bool {
    request.head.fields.named(name.as_bytes()).any(|value| accepts(wanted, value))
}

fn has_cookie(request: &Request<'_>, name: &str, wanted: &ValueMatch) -> bool {
    request.head.cookie(name.as_bytes()).is_some_and(|value| accepts(wanted, value))
}

fn accepts(wanted: &ValueMatch, value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|value| wanted.matches(value))
}

fn is_from(matcher: &Matcher, request: &Request<'_>) -> bool {
    matcher.from.is_empty() || matcher.from.iter().any(|network| network.contains(&request.client))
}

#[cfg(test)]
mod tests;
