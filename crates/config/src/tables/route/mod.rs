//! `[[routes]]`.

use std::sync::Arc;

use model::{Action, Destination, Matcher, Policies, Route, RouteId, Share};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::policy;
use crate::read::Context;
use crate::read::seen::Seen;
use crate::schema::{Absent, Empty, Key, Later, Shape, Table};
use crate::section::Section;
use crate::value::header::Side;

use super::defaults;

pub(crate) mod action;
pub(crate) mod matcher;
pub(crate) mod redirect;
pub(crate) mod respond;
pub(crate) mod to;

/// An item of the list.
static EACH: Shape = Shape::Table(&ROUTE);

pub(crate) const KEY: Key = Key::new(
    "routes",
    Shape::List { of: &EACH, empty: Empty::Allowed },
    Absent::Means("everything goes to the only service; with several an error"),
    "[{ to = \"api\" }]",
    "Which requests go where.",
)
.aka(&["rules", "locations", "location"]);

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
        matcher::HOST_KEY,
        matcher::PATH_KEY,
        matcher::METHODS_KEY,
        matcher::HEADERS_KEY,
        matcher::QUERY_KEY,
        matcher::COOKIES_KEY,
        matcher::FROM_KEY,
        to::KEY,
        redirect::KEY,
        respond::KEY,
        policy::deny::KEY,
        policy::cors::KEY,
        policy::auth::KEY,
        policy::require::KEY,
        policy::limit::KEY,
        policy::abuse::KEY,
        policy::ban_token::KEY,
        policy::rewrite::KEY,
        policy::headers::REQUEST_KEY,
        policy::headers::RESPONSE_KEY,
        policy::body::KEY,
        defaults::OWN_KEY,
    ],
    later: &[
        Later { name: "cache", what: "caching" },
        Later { name: "mirror", what: "sending a copy of each request elsewhere" },
        Later { name: "compress", what: "compressing responses" },
        Later { name: "files", what: "serving files" },
        Later { name: "hold", what: "holding requests" },
    ],
};

/// Reads all routes. Without any, the only service gets everything. `None` only if a fault was
/// added.
pub(crate) fn read(root: &Section<'_>, context: &mut Context<'_>) -> Option<Vec<Arc<Route>>> {
    let node = root.node(KEY.name);
    let mut routes = Vec::new();
    let mut seen = Seen::default();
    let mut count = 0;
    for item in node.iter().flat_map(Node::items) {
        count += 1;
        let before = context.faults.errors();
        let Some(section) = item.section() else {
            continue;
        };
        let matcher = matcher::read(&section);
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
    let action = action::read(section, context);
    let policies = policies(section, matcher.as_ref(), context);
    if !section.has("to") {
        ROUTE.keys_that_need("to").for_each(|key| refuse_without_to(section, key));
    }
    Some(Route { matcher: matcher?, action: action?, policies })
}

fn policies(
    section: &Section<'_>,
    matcher: Option<&Matcher>,
    context: &mut Context<'_>,
) -> Policies {
    let auth = policy::auth::read(section, context);
    Policies {
        require: policy::require::read(section, &auth, context),
        limits: policy::limit::read(section, &auth, context),
        abuse: policy::abuse::read(section, &auth, context),
        ban_token: policy::ban_token::read(section, &auth),
        auth,
        deny: policy::deny::read(section),
        cors: policy::cors::read(section),
        rewrite: policy::rewrite::read(section, matcher),
        request_headers: policy::headers::read(section, Side::Request),
        response_headers: policy::headers::read(section, Side::Response),
        body: policy::body::read(section),
    }
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
