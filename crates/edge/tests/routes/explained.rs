//! What `explain` says of a request, beside what then becomes of it.

use std::num::NonZeroU16;
use std::sync::{Arc, OnceLock};

use edge::explain::{
    ChosenBy, Explanation, Forward, Outcome, Question, ReleaseBy, ShareBy, Transport, Unserved,
};
use edge::{Bar, PreviewRule};
use model::{
    Action, Balance, Destination, Hash, HashAlgorithm, HashKey, Intent, Preview, Share, Sticky,
};
use testkit::{Origin, Protocol, RawClient, Step, Talk, TestEdge};

use crate::{cors, jar, networks};

/// An edge over instances that say their addresses.
struct Stage {
    edge: TestEdge,
    origins: Vec<Origin>,
    /// Requests that are kept in flight.
    held: u32,
}

impl Stage {
    fn new(instances: usize, balance: Balance) -> Self {
        let origins: Vec<_> = (0..instances).map(|_| origin()).collect();
        let addresses: Vec<_> = origins.iter().map(Origin::address).collect();
        let edge = TestEdge::with(&addresses, |wanted| wanted.service.balance = balance);
        Self { edge, origins, held: 0 }
    }

    /// Changes the service.
    fn change(&mut self, change: impl FnOnce(&mut Intent)) {
        self.edge.republish(change);
        self.edge.settle();
    }

    /// The second instance is a new release that is tried on half of the requests.
    fn canary(&mut self) {
        self.edge.split(0.5, &[self.origins[1].address()]);
        self.edge.settle();
    }

    fn explain(&self, fields: &[(&str, &str)]) -> Explanation {
        explain(&self.edge, fields)
    }

    /// The instance that is named for a request with these fields, and why.
    fn named(&self, fields: &[(&str, &str)]) -> (String, ChosenBy, Option<ReleaseBy>) {
        let forwards = forwards(self.explain(fields));
        let forwards: Vec<_> = forwards.iter().filter(|it| it.by.is_some()).collect();
        let [forward] = forwards[..] else { panic!("{forwards:?}") };
        let choice = forward.choice.clone().expect("it is served").expect("one can serve");
        (choice.live.address.to_string(), choice.by, choice.release)
    }

    /// The instance that answers such a request.
    fn answers(&self, protocol: Protocol, fields: &[(&str, &str)]) -> String {
        let talk =
            fields.iter().fold(Talk::get("/"), |talk, (name, value)| talk.field(name, value));
        let reply = talk.over(protocol, self.edge.address());
        assert_eq!(reply.status, 200);
        reply.body
    }

    fn in_flight(&self) -> u32 {
        let services: Vec<_> = self.edge.edge.services().collect();
        services.iter().flat_map(|it| it.instances).map(|live| live.in_flight()).sum()
    }

    /// What is named answers, over both protocols.
    fn agrees(&self, fields: &[(&str, &str)]) -> (ChosenBy, Option<ReleaseBy>) {
        let mut why = None;
        for protocol in Protocol::ALL {
            testkit::eventually("earlier claims have ended", || self.in_flight() == self.held);
            let (named, by, release) = self.named(fields);
            assert_eq!(self.answers(protocol, fields), named, "{protocol:?} {fields:?}");
            why = Some((by, release));
        }
        why.expect("there are protocols")
    }
}

/// One that says its address, and answers `/hold` never.
fn origin() -> Origin {
    let address = Arc::new(OnceLock::new());
    let own = address.clone();
    let origin = Origin::start(move |request| match &*request.target {
        "/hold" => Vec::new(),
        _ => vec![Step::answer(200, own.get().map_or("", String::as_str))],
    });
    address.set(origin.address().to_string()).expect("it is set once");
    origin
}

pub(crate) fn explain(edge: &TestEdge, fields: &[(&str, &str)]) -> Explanation {
    explain_of("GET", edge, fields)
}

fn explain_of(method: &str, edge: &TestEdge, fields: &[(&str, &str)]) -> Explanation {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let fields: Vec<_> = fields.iter().map(own).collect();
    let question = Question {
        method,
        entrance: Some((Transport::Clear, edge.address().port())),
        authority: "example.com",
        target: "/",
        fields: &fields,
        peer: [127, 0, 0, 1].into(),
    };
    edge.edge.explain(question).expect("it makes sense").expect("something is served")
}

/// The services that share the route's requests.
fn forwards(explanation: Explanation) -> Vec<Forward> {
    match explanation.outcome {
        Outcome::Forwarded(forwards) => forwards,
        other => panic!("{other:?}"),
    }
}

/// The status that a client is said to get, where an instance responds with 200.
fn status_told(outcome: &Outcome) -> u16 {
    match outcome {
        Outcome::Forwarded(_) => 200,
        Outcome::RedirectedToHttps(_) => 308,
        Outcome::Redirected { status, .. }
        | Outcome::Responded { status, .. }
        | Outcome::Refused { status, .. } => *status,
        Outcome::Depends(auth) => panic!("it depends on {auth}"),
    }
}

fn by_header() -> Balance {
    let key = HashKey::Header("x-user".into());
    Balance::Hash(Hash { key, algorithm: HashAlgorithm::Ring, load_bound: None })
}

#[test]
fn the_instance_that_a_hash_or_a_cookie_leads_to_is_named() {
    let mut stage = Stage::new(4, by_header());
    for user in 0..12 {
        let why = stage.agrees(&[("X-User", &user.to_string())]);
        assert_eq!(why, (ChosenBy::Key, None));
    }
    stage.change(|intent| {
        let api = Arc::make_mut(intent.services.get_mut("api").expect("it is there"));
        (api.balance, api.sticky) = (Balance::Random, Some(Sticky::named("stay")));
    });
    for _ in 0..8 {
        let given = jar(&Talk::get("/").over(Protocol::H1, stage.edge.address()));
        assert_eq!(stage.agrees(&[("Cookie", &given)]), (ChosenBy::Cookie, None));
    }
    assert_eq!(stage.named(&[]).1, ChosenBy::Chance, "a client without one may get any");
}

#[test]
fn the_next_turn_is_named_and_not_taken() {
    let stage = Stage::new(3, Balance::RoundRobin);
    let mut seen = Vec::new();
    for _ in 0..6 {
        let first = stage.named(&[]);
        assert_eq!(stage.named(&[]), first, "to ask takes no turn");
        assert_eq!(first.1, ChosenBy::Turn);
        stage.agrees(&[]);
        seen.push(first.0);
    }
    // Both protocols ask once each time: every second turn of three.
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3, "each has its turn");
}

#[test]
fn the_least_loaded_instance_is_named() {
    let mut stage = Stage::new(2, Balance::LeastConn);
    let mut held = RawClient::connect(stage.edge.address());
    held.send("GET /hold HTTP/1.1\r\nHost: example.com\r\n\r\n");
    stage.held = 1;
    testkit::eventually("one is busy", || stage.in_flight() == stage.held);
    let busy = stage.origins.iter().map(Origin::address);
    let busy: Vec<_> = busy.filter(|it| stage.edge.live(*it).in_flight() > 0).collect();
    for _ in 0..3 {
        assert_eq!(stage.agrees(&[]), (ChosenBy::Load, None));
        assert_ne!(stage.named(&[]).0, busy[0].to_string());
    }
    drop(held);
}

#[test]
fn a_backup_is_named_where_primaries_are_barred_and_panic_is_known() {
    let mut stage = Stage::new(3, Balance::IpHash);
    let last = stage.origins[2].address();
    stage.edge.change_instances(|instance| instance.backup = instance.address == last);
    stage.edge.settle();
    stage.agrees(&[]);
    for origin in &stage.origins[..2] {
        stage.edge.live(origin.address()).put(Bar::Ejected);
    }
    stage.agrees(&[]);
    assert_eq!(stage.named(&[]).0, last.to_string(), "the backup");
    stage.edge.live(last).put(Bar::Unhealthy);
    stage.agrees(&[]);
    assert_ne!(stage.named(&[]).0, last.to_string(), "panic: the primaries before the backup");
    for origin in &stage.origins {
        stage.edge.live(origin.address()).put(Bar::Drained);
    }
    let forward = forwards(stage.explain(&[])).remove(0);
    let down = Unserved::Refusal(balance::Refusal::Down);
    assert_eq!(forward.choice.map(Result::err), Some(Some(down)));
}

#[test]
fn in_the_middle_of_a_canary_the_release_that_answers_is_named() {
    let mut stage = Stage::new(2, Balance::RoundRobin);
    stage.canary();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..16 {
        let given = jar(&Talk::get("/").over(Protocol::H1, stage.edge.address()));
        let why = stage.agrees(&[("Cookie", &given)]);
        assert_eq!(why, (ChosenBy::Turn, Some(ReleaseBy::Cookie)));
        seen.insert(stage.named(&[("Cookie", &given)]).0);
    }
    assert_eq!(seen.len(), 2, "clients of both releases");
    assert_eq!(stage.named(&[]).2, Some(ReleaseBy::Chance), "a new client is drawn a number");

    stage.change(|intent| {
        let api = Arc::make_mut(intent.services.get_mut("api").expect("it is there"));
        api.balance = by_header();
    });
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..24 {
        let user = [("X-User", &*user.to_string())];
        assert_eq!(stage.agrees(&user), (ChosenBy::Key, Some(ReleaseBy::Key)));
        seen.insert(stage.named(&user).0);
    }
    assert_eq!(seen.len(), 2, "keys of both releases");
}

#[test]
fn a_request_that_asks_for_the_new_release_gets_it_at_any_share_and_no_other_does() {
    let header = Preview::Header("x-release".to_owned());
    let cookie = Preview::Cookie("look".to_owned());
    for (by, ask, other) in [
        (header, ("X-Release", "2.0"), ("X-Release", "2")),
        (cookie, ("Cookie", "a=1; look=2.0; b=2"), ("Cookie", "look=2.0x")),
    ] {
        let mut stage = Stage::new(3, Balance::RoundRobin);
        let new = stage.origins[1].address();
        for share in [0.0, 0.2] {
            let preview = PreviewRule { by: by.clone(), version: "2.0".to_owned() };
            stage.edge.split_with(share, &[new], Some(preview));
            stage.edge.settle();
            let why = stage.agrees(&[ask]);
            assert_eq!(why, (ChosenBy::Turn, Some(ReleaseBy::Preview)), "{ask:?} at {share}");
            assert_eq!(stage.named(&[ask]).0, new.to_string(), "{ask:?} at {share}");
            assert_eq!(stage.named(&[other]).2, Some(ReleaseBy::Chance), "{other:?}");
        }
        stage.edge.split_with(0.0, &[new], None);
        stage.edge.settle();
        assert_ne!(stage.named(&[ask]).0, new.to_string(), "it may not ask");
    }
}

/// A sticky client whose instance is not of the release that the share gives it is not kept there.
#[test]
fn a_sticky_client_follows_the_share_in_a_canary() {
    let mut stage = Stage::new(2, Balance::RoundRobin);
    stage.change(|intent| {
        let api = Arc::make_mut(intent.services.get_mut("api").expect("it is there"));
        api.sticky = Some(Sticky::named("stay"));
    });
    let jars = [0, 1].map(|_| jar(&Talk::get("/").over(Protocol::H1, stage.edge.address())));
    for (share, place) in [(0.0, 0), (1.0, 1)] {
        stage.edge.split(share, &[stage.origins[1].address()]);
        stage.edge.settle();
        for jar in &jars {
            stage.agrees(&[("Cookie", jar)]);
            let (named, ..) = stage.named(&[("Cookie", jar)]);
            assert_eq!(named, stage.origins[place].address().to_string(), "{share}");
        }
    }
}

#[test]
fn of_services_that_share_a_route_the_one_whose_cookie_the_client_has_is_named() {
    let mut stage = Stage::new(1, Balance::RoundRobin);
    let other = origin();
    stage.edge.add_service("next", &[other.address()], |intent| {
        for (name, service) in &mut intent.services {
            Arc::make_mut(service).sticky = Some(Sticky::named(format!("stay-{name}")));
        }
        let share = |service: &str| Share { service: service.into(), weight: 50 };
        let route = Arc::make_mut(&mut intent.routes[0]);
        route.action = Action::Forward(Destination { shares: vec![share("api"), share("next")] });
    });
    stage.edge.settle();
    let by =
        |fields: &[(&str, &str)]| forwards(stage.explain(fields)).iter().map(|it| it.by).collect();
    let by_chance: Vec<_> = by(&[]);
    assert_eq!(by_chance, [Some(ShareBy::Chance); 2]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..16 {
        let given = jar(&Talk::get("/").over(Protocol::H1, stage.edge.address()));
        assert_eq!(stage.agrees(&[("Cookie", &given)]), (ChosenBy::Cookie, None));
        let by: Vec<_> = by(&[("Cookie", &given)]);
        assert!(by.contains(&Some(ShareBy::Cookie)) && by.contains(&None), "{by:?}");
        seen.insert(stage.named(&[("Cookie", &given)]).0);
    }
    assert_eq!(seen.len(), 2, "clients of both services");
}

#[test]
fn what_a_trusted_proxy_says_came_by_https_is_not_said_to_be_redirected() {
    let origin = origin();
    let listening = |trusted: &str| {
        TestEdge::with(&[origin.address()], |wanted| {
            wanted.listener.redirect_https = NonZeroU16::new(443);
            wanted.listener.trusted_proxies = networks(&[trusted]);
        })
    };
    let (behind, open) = (listening("127.0.0.0/8"), listening("192.0.2.0/24"));
    let https = [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9")];
    let http = [("X-Forwarded-Proto", "http"), ("X-Forwarded-For", "203.0.113.9")];
    for (edge, fields, client) in [
        (&behind, https, "203.0.113.9"),
        (&behind, http, "203.0.113.9"),
        (&open, https, "127.0.0.1"),
    ] {
        let explanation = explain(edge, &fields);
        assert_eq!(explanation.client.to_string(), client);
        for protocol in Protocol::ALL {
            let [one, two] = fields;
            let talk = Talk::get("/").field(one.0, one.1).field(two.0, two.1);
            let is_redirected = talk.over(protocol, edge.address()).status == 308;
            assert_eq!(
                matches!(explanation.outcome, Outcome::RedirectedToHttps(_)),
                is_redirected,
                "{protocol:?} {fields:?}"
            );
        }
    }
}

#[test]
fn what_policies_make_of_a_preflight_is_what_its_client_gets() {
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.routes[0].matcher.methods = vec!["PUT".into()];
        wanted.routes[0].policies.cors = Some(cors::shop());
    });
    for (page, status) in [("https://shop.example", 204), ("https://evil.example", 403)] {
        let fields = [("Origin", page), ("Access-Control-Request-Method", "PUT")];
        let told = status_told(&explain_of("OPTIONS", &edge, &fields).outcome);
        for protocol in Protocol::ALL {
            let talk = Talk::new("OPTIONS", "/");
            let talk = fields.iter().fold(talk, |talk, (name, value)| talk.field(name, value));
            let reply = talk.over(protocol, edge.address());
            assert_eq!((reply.status, told), (status, status), "{protocol:?} {page}");
        }
    }
}
