//! What a new configuration changes, by route and service, and what it leaves as it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::route::Action;
use model::{Intent, Route, ServiceName};
use rollout::reload::{Place, Touched};

/// The places of `after` of which anything can be told. A service that is as it was, and gets requests by a route that is not, is
/// neither changed nor left.
pub(crate) fn scope(before: &Intent, after: &Intent) -> BTreeMap<Place, Touched> {
    let rest = |intent: &Intent| Intent {
        routes: Vec::new(),
        services: BTreeMap::new(),
        // Nobody's request depends on one.
        jobs: BTreeMap::new(),
        ..intent.clone()
    };
    let is_all = rest(before) != rest(after) || is_reordered(before, after);
    let changes =
        |service: &ServiceName| before.services.get(service) != after.services.get(service);
    let is_same = |route: &Arc<Route>| before.routes.contains(route);
    let is_changed =
        |route: &Arc<Route>| is_all || !is_same(route) || services_of(route).any(&changes);
    let mut places = BTreeMap::new();
    for route in &after.routes {
        let touched = if is_changed(route) { Touched::Changed } else { Touched::Left };
        places.insert(Place::Route(route.id()), touched);
    }
    let by_changed = |service: &ServiceName| {
        let mut changed = after.routes.iter().filter(|route| is_changed(route));
        changed.any(|route| services_of(route).any(|it| it == service))
    };
    for service in after.services.keys() {
        if is_all || changes(service) {
            places.insert(Place::Service(service.clone()), Touched::Changed);
        } else if !by_changed(service) {
            places.insert(Place::Service(service.clone()), Touched::Left);
        }
        // What comes by a changed route is part of how long a service takes.
        let is_touched = is_all || changes(service) || by_changed(service);
        let touched = if is_touched { Touched::Changed } else { Touched::Left };
        places.insert(Place::Times(service.clone()), touched);
    }
    if is_all || before.routes != after.routes {
        places.insert(Place::Unrouted, Touched::Changed);
    }
    places
}

/// Whether the same routes stand in another order, which may decide between two.
fn is_reordered(before: &Intent, after: &Intent) -> bool {
    let kept = |of: &Intent, other: &Intent| -> Vec<Arc<Route>> {
        of.routes.iter().filter(|route| other.routes.contains(route)).cloned().collect()
    };
    kept(before, after) != kept(after, before)
}

fn services_of(route: &Route) -> impl Iterator<Item = &ServiceName> {
    let shares = match &route.action {
        Action::Forward(destination) => &destination.shares[..],
        Action::Redirect(_) | Action::Respond(_) => &[],
    };
    shares.iter().map(|share| &share.service)
}

#[cfg(test)]
mod tests {
    use config::Origin;

    use super::*;

    const SERVICES: &str = "
[listeners.web]
bind = \"127.0.0.1:8080\"
[services.api]
targets = [\"127.0.0.1:1\"]
[services.chat]
targets = [\"127.0.0.1:2\"]
";

    fn intent(text: &str) -> Intent {
        let environment = config::Environment::of_process();
        let origin = Origin { name: "plimsoll.toml".to_owned(), dir: "/srv".into(), environment };
        config::parse(&format!("{SERVICES}{text}"), &origin).unwrap().intent
    }

    fn touched(before: &str, after: &str) -> Vec<String> {
        let after = intent(after);
        let name = |place: &Place| match place {
            Place::Route(id) => {
                after.routes.iter().find(|route| route.id() == *id).unwrap().to_string()
            }
            Place::Service(service) => service.to_string(),
            Place::Unrouted => "none".to_owned(),
            Place::Times(service) => format!("times of {service}"),
        };
        let scope = scope(&intent(before), &after);
        let mut all: Vec<String> =
            scope.iter().map(|(place, touched)| format!("{} {touched:?}", name(place))).collect();
        all.sort();
        all
    }

    const ROUTES: &str = "
[[routes]]
path = \"/a\"
to = \"api\"
[[routes]]
path = \"/b\"
to = \"api\"
[[routes]]
path = \"/c\"
to = \"chat\"
";

    #[test]
    fn a_route_that_is_edited_is_changed_and_its_service_is_neither() {
        let after =
            ROUTES.replace("path = \"/a\"", "path = \"/a\"\nrewrite = { strip_prefix = \"/a\" }");
        let expected = [
            "/a Changed",
            "/b Left",
            "/c Left",
            "chat Left",
            "none Changed",
            "times of api Changed",
            "times of chat Left",
        ];
        assert_eq!(touched(ROUTES, &after), expected);
    }

    #[test]
    fn all_routes_of_a_service_that_is_edited_are_changed() {
        let after = format!("{ROUTES}\n[services.more]\ntargets = [\"127.0.0.1:3\"]\n");
        let expected = [
            "/a Left",
            "/b Left",
            "/c Left",
            "api Left",
            "chat Left",
            "more Changed",
            "times of api Left",
            "times of chat Left",
            "times of more Changed",
        ];
        assert_eq!(touched(ROUTES, &after), expected, "nothing else is touched by a new one");
        let to = ROUTES.replace("to = \"chat\"", "to = \"api\"");
        assert!(touched(ROUTES, &to).contains(&"/c Changed".to_owned()));
    }

    #[test]
    fn what_is_of_all_requests_changes_all_and_so_does_the_order_of_routes() {
        let after = format!("{ROUTES}\n[server]\ndrain = \"7s\"\n");
        assert!(touched(ROUTES, &after).iter().all(|it| it.ends_with("Changed")));
        let moved = "\n[[routes]]\npath = \"/a\"\nto = \"api\"\n";
        let reordered = format!("{}{moved}", ROUTES.replace(moved, "\n"));
        assert!(touched(ROUTES, &reordered).iter().all(|it| it.ends_with("Changed")));
    }
}
