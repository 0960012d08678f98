//! The order of routes, by example and against a plain restatement of it.

use std::sync::Arc;

use model::{
    Action, Expression, HostMatch, Matcher, PathMatch, Policies, Respond, Route, ValueMatch,
};
use proptest::prelude::*;
use wire::buffer::Pool;
use wire::head::{HeadBuilder, RequestHead};

use super::{Lost, Request, RouteTable};
use server::{Server, route_of};

mod server;

fn route(matcher: Matcher) -> Arc<Route> {
    let own = Respond { status: 200, body: String::new(), content_type: String::new() };
    Arc::new(Route { matcher, action: Action::Respond(own), policies: Policies::default() })
}

fn host(text: &str) -> HostMatch {
    match text.strip_prefix("*.") {
        Some(rest) => HostMatch::Wildcard(rest.into()),
        None => HostMatch::Exact(text.into()),
    }
}

fn path(text: &str) -> PathMatch {
    match (text.strip_prefix('~'), text.strip_suffix("/*")) {
        (Some(expression), _) => PathMatch::Expression(Expression::new(expression).unwrap()),
        (None, Some("")) => PathMatch::Any,
        (None, Some(prefix)) => PathMatch::Prefix(prefix.into()),
        (None, None) => PathMatch::Exact(text.into()),
    }
}

/// A matcher for `hosts` (none for any) and `path`.
fn at(hosts: &[&str], text: &str) -> Matcher {
    Matcher {
        hosts: hosts.iter().map(|text| host(text)).collect(),
        path: path(text),
        ..Matcher::default()
    }
}

fn head(method: &str, authority: &str, target: &str, fields: &[(&str, &str)]) -> RequestHead {
    let mut builder = HeadBuilder::new(&Pool::default());
    fields.iter().for_each(|(name, value)| builder.field(name.as_bytes(), value.as_bytes()));
    builder.request(method.as_bytes(), authority.as_bytes(), target.as_bytes())
}

fn find(matchers: &[Matcher], head: &RequestHead) -> Option<usize> {
    let routes: Vec<_> = matchers.iter().cloned().map(route).collect();
    let table = RouteTable::compile(&routes).unwrap();
    let request = Request::new(head, "192.0.2.1".parse().unwrap()).unwrap();
    let found = table.find(&request).unwrap().map(|index| index.0 as usize);
    let explained = table.explain(&request);
    let won: Vec<_> = explained.iter().filter(|candidate| candidate.lost.is_none()).collect();
    assert_eq!(won.first().map(|candidate| candidate.route.0 as usize), found);
    found
}

fn get(matchers: &[Matcher], authority: &str, target: &str) -> Option<usize> {
    find(matchers, &head("GET", authority, target, &[]))
}

#[test]
fn the_more_specific_host_wins_and_then_the_more_specific_path() {
    let matchers = [
        at(&[], "/*"),
        at(&[], "/a/b"),
        at(&["*.example.com"], "/*"),
        at(&["*.eu.example.com"], "/*"),
        at(&["shop.example.com"], "/*"),
        at(&["shop.example.com"], "/a/*"),
        at(&["shop.example.com"], "/a/b/*"),
        at(&["shop.example.com"], "/a/b"),
        at(&["shop.example.com"], "~^/v[0-9]+/"),
    ];
    for (authority, target, wanted) in [
        ("other.org", "/x", 0),
        ("other.org", "/a/b", 1),
        ("a.example.com", "/a/b", 2),
        ("a.eu.example.com:80", "/", 3),
        ("SHOP.example.com", "/", 4),
        ("shop.example.com", "/a", 5),
        ("shop.example.com", "/ab", 4),
        ("shop.example.com", "/a/b", 7),
        ("shop.example.com", "/a/b/", 6),
        ("shop.example.com", "/a/b/c/d", 6),
        ("shop.example.com", "/a/x/../b/c", 6),
        ("shop.example.com", "/v2/x", 8),
        ("example.com", "/x", 0),
    ] {
        assert_eq!(get(&matchers, authority, target), Some(wanted), "{authority}{target}");
    }
}

#[test]
fn more_conditions_win_and_a_failed_one_gives_way_to_the_less_specific() {
    let exact = |text: &str| ValueMatch::Exact(text.into());
    let plain = at(&[], "/a/*");
    let methods = Matcher { methods: vec!["POST".into()], ..plain.clone() };
    let header = Matcher { headers: vec![("x-beta".into(), exact("1"))], ..plain.clone() };
    let query = Matcher { query: vec![("debug".into(), exact("1"))], ..plain.clone() };
    let cookie = Matcher { cookies: vec![("beta".into(), exact("1"))], ..plain.clone() };
    let from = Matcher { from: vec!["10.0.0.0/8".parse().unwrap()], ..plain.clone() };
    let matchers = [at(&[], "/*"), plain, query, header, methods, cookie, from];
    let find = |method, target, fields: &[(&str, &str)]| {
        find(&matchers, &head(method, "a", target, fields))
    };
    assert_eq!(find("GET", "/a/x", &[]), Some(1));
    assert_eq!(find("GET", "/a/x?debug=1", &[]), Some(2));
    assert_eq!(find("GET", "/a/x?debug=1", &[("x-beta", "1")]), Some(3));
    assert_eq!(find("POST", "/a/x?debug=1", &[("x-beta", "1")]), Some(4));
    assert_eq!(find("GET", "/a/x", &[("cookie", "z=0; beta=1")]), Some(5));
    assert_eq!(find("GET", "/b", &[]), Some(0));
}

#[test]
fn a_route_around_which_dots_lead_is_not_walked_around() {
    let matchers = [at(&[], "/*"), at(&[], "/admin/*")];
    for target in ["/admin/x", "/public/../admin/x", "/%61dmin/x", "/./admin//x", "/./admin"] {
        assert_eq!(get(&matchers, "a", target), Some(1), "{target}");
    }
}

#[test]
fn a_path_that_servers_read_in_two_ways_takes_no_route_unless_all_lead_to_one() {
    let matchers = [at(&[], "/*"), at(&[], "/admin/*"), at(&[], "/shop/*"), at(&[], "/login")];
    let refused = |target: &str| {
        let routes: Vec<_> = matchers.iter().cloned().map(route).collect();
        let table = RouteTable::compile(&routes).unwrap();
        let head = head("GET", "a", target, &[]);
        let request = Request::new(&head, "192.0.2.1".parse().unwrap());
        request.is_err() || table.find(&request.unwrap()).is_err()
    };
    for target in [
        "/x%2f..%2fadmin/secret.txt",
        "/%2fadmin/secret.txt",
        "/admin%2fsecret.txt",
        "/admin;x/secret.txt",
        "/x\\..\\admin\\secret.txt",
        "/x%5c..%5cadmin",
        "/shop/..;/admin",
        "/shop/%252e%252e/admin",
        "/%2561dmin/x",
        "/admin//../shop/x",
        "/login;jsessionid=1",
        "/shop/%00",
        "/shop/%0d%0a",
        "/shop/%c0%ae%c0%ae/admin",
        "/shop%2f",
        "//x/admin/secret",
        "///x/admin/secret",
        "//x@y:80/admin/secret",
        "//x\\admin/secret",
        "/\\x/admin/secret",
        "/%2fx/admin/secret",
        "//admin/secret",
        "//x/%2e%2e/y/shop",
        "/admin%3fx",
        "/admin%23y",
        "/admin%253fx",
        "/login%3f",
    ] {
        assert!(refused(target), "{target}");
    }
    for (target, wanted) in [
        ("/shop/a%2Fb", 2),
        ("/shop/group%2Fproject/raw;v=1/a\\b", 2),
        ("/shop/;jsessionid=1", 2),
        ("/shop/100%25", 2),
        ("/shop/%2561", 2),
        ("/shop/https://e.example/", 2),
        ("/x%2Fy", 0),
        ("/admin/a%2F..%2Fb", 1),
        ("/admin%21", 0),
        ("//x", 0),
        ("//x//y/", 0),
        ("/shop/what%3F", 2),
        ("/shop/a%23b%3fc", 2),
    ] {
        assert_eq!(get(&matchers, "a", target), Some(wanted), "{target}");
    }
}

#[test]
fn routes_hold_however_their_path_is_spelt() {
    let matchers = [at(&[], "/*"), at(&[], "/caf%C3%A9/*"), at(&[], "/a%20b"), at(&[], "/x!/*")];
    for (target, wanted) in [
        ("/caf%c3%a9/x", 1),
        ("/café/x", 1),
        ("/a%20b", 2),
        ("/x!/y", 3),
        ("/x%21/y", 3),
        ("/%78%21", 3),
        ("/cafe/x", 0),
    ] {
        assert_eq!(get(&matchers, "a", target), Some(wanted), "{target}");
    }
}

#[test]
fn losers_are_told_why() {
    let matchers = [
        at(&["b"], "/*"),
        at(&[], "/x"),
        Matcher { methods: vec!["PUT".into()], ..at(&[], "/*") },
        at(&[], "/*"),
    ];
    let routes: Vec<_> = matchers.into_iter().map(route).collect();
    let table = RouteTable::compile(&routes).unwrap();
    let head = head("GET", "a", "/", &[]);
    let request = Request::new(&head, "192.0.2.1".parse().unwrap()).unwrap();
    let lost: Vec<_> =
        table.explain(&request).into_iter().map(|candidate| candidate.lost).collect();
    assert_eq!(lost, [Some(Lost::Host), Some(Lost::Path), Some(Lost::Method), None]);
}

/// The rank of a match by the stated order, read off the matcher alone: less is better.
fn rank(
    matcher: &Matcher,
    place: usize,
    authority: &str,
    target: &str,
) -> Option<impl Ord + use<>> {
    let hosts = matcher.hosts.iter().filter_map(|host| match host {
        HostMatch::Exact(name) => (name == authority).then_some((0, 0)),
        HostMatch::Wildcard(name) => {
            authority.ends_with(&format!(".{name}")).then(|| (1, usize::MAX - name.len()))
        }
    });
    let host = if matcher.hosts.is_empty() { Some((2, 0)) } else { hosts.min() }?;
    let path = match &matcher.path {
        PathMatch::Exact(path) => (path == target).then_some((0, 0)),
        PathMatch::Prefix(prefix) => (target == prefix
            || target.starts_with(&format!("{prefix}/")))
        .then(|| (1, usize::MAX - prefix.len())),
        PathMatch::Expression(expression) => expression.regex().is_match(target).then_some((2, 0)),
        PathMatch::Any => Some((3, 0)),
    }?;
    let method = matcher.methods.is_empty() || matcher.methods.iter().any(|method| method == "GET");
    method.then_some((host, path, matcher.methods.is_empty(), place))
}

fn matchers() -> impl Strategy<Value = Vec<Matcher>> {
    let hosts = prop::collection::vec(prop::sample::select(vec!["a.b", "b", "*.b", "*.a.b"]), 0..3);
    let paths = prop::sample::select(vec!["/*", "/x", "/x/*", "/x/y/*", "/x/y", "~^/x", "~y$"]);
    let methods = prop::sample::select(vec![&[][..], &["GET"], &["PUT"]]);
    let matcher = (hosts, paths, methods).prop_map(|(hosts, path, methods)| {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        Matcher { methods, ..at(&hosts, path) }
    });
    prop::collection::vec(matcher, 0..12)
}

proptest! {
    #[test]
    fn the_tables_find_what_the_order_says(
        matchers in matchers(),
        authority in prop::sample::select(vec!["a.b", "b", "c.b", "c.a.b", "z"]),
        target in prop::sample::select(vec!["/", "/x", "/x/", "/x/y", "/x/y/z", "/xy", "/q"]),
    ) {
        let ranked = matchers.iter().enumerate().filter_map(|(place, matcher)| {
            rank(matcher, place, authority, target).map(|rank| (rank, place))
        });
        prop_assert_eq!(get(&matchers, authority, target), ranked.min().map(|(_, place)| place));
    }
}

fn servers() -> impl Strategy<Value = Server> {
    let stages = (1..3usize, 0..4usize, 0..4usize, 0..4usize, 0..4usize, 0..4usize);
    let habits = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (stages, habits).prop_map(|(stages, habits)| {
        let (decodings, parameters, backslashes, queries, fragments, authorities) = stages;
        let (merges, keeps_slashes, authority_first, is_loose) = habits;
        Server {
            decodings,
            parameters,
            backslashes,
            queries,
            fragments,
            authorities,
            authority_first,
            is_loose,
            merges,
            keeps_slashes,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn whatever_a_server_reads_takes_the_route_that_was_taken(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "/", "/", "/", "admin", "a", "b", "/a/b", "/admin/", "..", ".", "/../", "//", "%2f", "%2F",
            "%5c", "\\", ";", ";x", "%3b", "%2e", "%2E%2e", "%25", "%252f", "%252e", "%255c", "%253b",
            "%61", "%2561", "x", "%20", "=", "%62", "%3f", "%23", "%253F", "%2523", "@y:80",
        ]), 0..9),
        server in servers(),
    ) {
        let path = format!("/{}", pieces.concat());
        let routes: Vec<_> =
            ["/*", "/admin/*", "/a/b/*"].map(|path| route(at(&[], path))).into();
        let table = RouteTable::compile(&routes).unwrap();
        let head = head("GET", "a", &path, &[]);
        let Ok(request) = Request::new(&head, "192.0.2.1".parse().unwrap()) else { return Ok(()) };
        let Ok(found) = table.find(&request) else { return Ok(()) };
        let Some(segments) = server.read(&path) else {
            return Err(TestCaseError::fail(format!("{path}: {server:?} finds it above the root")));
        };
        prop_assert_eq!(found.map(|it| it.0 as usize), Some(route_of(&segments)), "{} {:?}", path, segments);
    }
}
