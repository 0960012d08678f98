//! Reads `[[routes]]`.

use std::sync::Arc;

use model::{Action, Destination, Matcher, PathMatch, Policies, Rewrite, Route, RouteId, Share};

use super::{Context, Seen, action, headers, matcher};
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::policy;
use crate::section::Section;
use crate::value::header::Side;
use crate::value::{host, path};

/// Reads all routes. Without any, the only service gets everything. `None` only if a fault was
/// added.
pub(super) fn routes(root: &Section<'_>, context: &mut Context<'_>) -> Option<Vec<Arc<Route>>> {
    let node = root.node("routes");
    let mut routes = Vec::new();
    let mut seen = Seen::default();
    let mut count = 0;
    for item in node.iter().flat_map(Node::items) {
        count += 1;
        let before = context.faults.errors();
        let Some(section) = item.section() else {
            continue;
        };
        let matcher = matcher::matcher(&section);
        // What is faulty is left out of the matcher, which then matches more than is meant.
        let is_whole = context.faults.errors() == before;
        let Some(route) = route(&section, matcher, context) else {
            continue;
        };
        if is_whole {
            check_distinct(&section, &route, &mut seen);
        }
        routes.push(Arc::new(route));
    }
    let is_meant = root.is_meant("routes") || root.is_meant("services");
    if count == 0 && !is_meant && node.is_none_or(|node| node.is_list()) {
        routes.extend(default_route(root, context));
    }
    Some(routes)
}

/// What a file without routes means.
fn default_route(root: &Section<'_>, context: &mut Context<'_>) -> Option<Arc<Route>> {
    let mut services = context.services.iter();
    let (first, more) = (services.next(), services.len());
    let flaw = |why: String, hint: &str| {
        Flaw::new(Code::Missing, "there are no routes", why, hint.to_owned())
    };
    match (first, more) {
        (Some(name), 0) => {
            context.used.insert(name.clone());
            let shares = vec![Share { service: name.clone(), weight: 1 }];
            let action = Action::Forward(Destination { shares });
            Some(Arc::new(Route {
                matcher: Matcher::default(),
                action,
                policies: Policies::default(),
            }))
        }
        (Some(name), more) => {
            let hint = format!(
                "add one for each service, for example `[[routes]]` and below it \
                 `host = \"{name}.example.com\"` and `to = \"{name}\"`"
            );
            let why = format!(
                "{} services are there, and nothing says which requests each gets",
                more + 1
            );
            root.report(flaw(why, &hint));
            context.used.extend(context.services.iter().cloned());
            None
        }
        (None, _) => {
            let hint = "add a service, `[services.api]` and below it \
                        `targets = [\"10.0.0.11:8080\"]`; it gets everything";
            root.report(flaw("and there is no service that could get everything".to_owned(), hint));
            None
        }
    }
}

fn route(
    section: &Section<'_>,
    matcher: Option<Matcher>,
    context: &mut Context<'_>,
) -> Option<Route> {
    // It was heeded before anything is read.
    section.flag("defaults");
    let action = action::action(section, context);
    let policies = policies(section, matcher.as_ref());
    if !section.has("to") {
        for key in ["rewrite", "request_headers", "body"] {
            refuse_without_to(section, key);
        }
    }
    Some(Route { matcher: matcher?, action: action?, policies })
}

fn policies(section: &Section<'_>, matcher: Option<&Matcher>) -> Policies {
    let edits = |key, side| section.section(key, |edits| headers::edits(edits, side));
    Policies {
        deny: policy::deny::read(section),
        cors: policy::cors::read(section),
        rewrite: section.section("rewrite", |rewrite| self::rewrite(rewrite, matcher)),
        request_headers: edits("request_headers", Side::Request),
        response_headers: edits("response_headers", Side::Response),
        body: section.node("body").and_then(|node| node.body_limit()),
    }
}

fn rewrite(section: &Section<'_>, matcher: Option<&Matcher>) -> Rewrite {
    let strip_prefix = section.parse("strip_prefix", path::parse_prefix);
    if let (Some(prefix), Some(matcher)) = (&strip_prefix, matcher)
        && !path::implies(&matcher.path, prefix)
    {
        refuse_prefix(section, prefix, &matcher.path);
    }
    Rewrite {
        strip_prefix,
        add_prefix: section.parse("add_prefix", path::parse_prefix),
        host: section.parse("host", host::parse_authority),
    }
}

fn refuse_prefix(section: &Section<'_>, prefix: &str, path: &PathMatch) {
    let why = match path {
        PathMatch::Any => "the route takes any path".to_owned(),
        PathMatch::Expression(_) => "an expression does not say how a path begins".to_owned(),
        PathMatch::Exact(_) | PathMatch::Prefix(_) => format!("the route takes {path}"),
    };
    let flaw = Flaw::new(
        Code::Conflict,
        format!("paths of this route need not begin with {prefix}"),
        why,
        format!("give the route `path = \"{prefix}/*\"`, or remove `strip_prefix`"),
    );
    section.report_at("strip_prefix", flaw, &[]);
}

fn refuse_without_to(section: &Section<'_>, key: &'static str) {
    if !section.has(key) || !(section.has("redirect") || section.has("respond")) {
        return;
    }
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`{key}` has no effect"),
        "Plimsoll responds itself, no instance gets the request",
        format!("remove `{key}`, or send the requests to a service with `to`"),
    );
    section.report_at(key, flaw, &[]);
}

/// Two routes whose matchers are equal are a mistake: no request could ever reach the second.
fn check_distinct(section: &Section<'_>, route: &Route, seen: &mut Seen<RouteId>) {
    let place = ["path", "host", "methods"].into_iter().find_map(|key| section.entry_span(key));
    let place = place.unwrap_or_else(|| section.span());
    let Some(first) = seen.insert(route.id(), place.clone()) else {
        return;
    };
    let flaw = Flaw::new(
        Code::IndistinctRoutes,
        format!("two routes that match the same requests: {route}"),
        "this route would never get a request",
        "remove one of them, or let them differ in host, path, methods, headers, query, cookies \
         or from",
    );
    section.report_span(place, flaw, &[(first, "all that it would get goes here")]);
}
