//! What `explain` says of requests that come to no instance, beside the response that such a request then gets.

use std::sync::Arc;

use balance::Eligibility;
use edge::Bar;
use edge::explain::{Explanation, Outcome, Question, Transport, Unserved};
use model::{BodyLimit, Service, UpstreamProtocol};
use telemetry::Ending;
use testkit::edge::route;
use testkit::{Origin, Protocol, Talk, TestEdge};

use crate::Stage;

/// A request, as a question and as it is sent.
#[derive(Clone)]
struct Case {
    method: &'static str,
    path: &'static str,
    fields: Vec<(String, String)>,
    body: usize,
}

impl Case {
    fn of(method: &'static str, path: &'static str) -> Self {
        Self { method, path, fields: Vec::new(), body: 0 }
    }

    fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(self, bytes: usize) -> Self {
        Self { body: bytes, ..self }
    }

    fn explained(&self, edge: &TestEdge) -> Explanation {
        let mut fields = self.fields.clone();
        if self.body > 0 {
            fields.push(("content-length".to_owned(), self.body.to_string()));
        }
        let question = Question {
            method: self.method,
            entrance: Some((Transport::Clear, edge.address().port())),
            authority: "example.com",
            target: self.path,
            fields: &fields,
            peer: [127, 0, 0, 1].into(),
        };
        edge.edge.explain(question).expect("it makes sense").expect("something is served")
    }

    fn status(&self, protocol: Protocol, edge: &TestEdge) -> u16 {
        let talk = Talk::new(self.method, self.path);
        let talk = self.fields.iter().fold(talk, |talk, (name, value)| talk.field(name, value));
        let talk = if self.body > 0 { talk.body(vec![b'x'; self.body]) } else { talk };
        talk.over(protocol, edge.address()).status
    }
}

#[test]
fn what_is_refused_on_the_way_is_told_with_the_status_that_its_client_gets() {
    let stage = Stage::with(|wanted| {
        wanted.listener.limits.body = BodyLimit::Bytes(100);
        let mut below = route();
        below.matcher.path = model::PathMatch::Prefix("/api".into());
        below.policies.rewrite.strip_prefix = Some("/api".into());
        below.policies.body = Some(BodyLimit::Bytes(10));
        wanted.routes.insert(0, below);
    });
    let edge = &stage.edge;
    let via = stage.seen(Protocol::H1, Talk::get("/")).fields("via").next().map(str::to_owned);
    let via = via.expect("the edge names itself");
    for (case, status, ending) in [
        (Case::of("TRACE", "/"), 405, Ending::MethodNotAllowed),
        (Case::of("GET", "/").field("via", &via), 508, Ending::Loop),
        (Case::of("POST", "/").body(101), 413, Ending::BodyTooLarge),
        (Case::of("POST", "/api/x").body(11), 413, Ending::BodyTooLarge),
        (Case::of("GET", "/api/%2fx/y"), 400, Ending::BadRequest),
    ] {
        let explanation = case.explained(edge);
        let Outcome::Refused { status: told, ending: why } = explanation.outcome else {
            panic!("{status}: {:?}", explanation.outcome)
        };
        assert_eq!((told, why), (status, ending), "{} {}", case.method, case.path);
        for protocol in Protocol::ALL {
            assert_eq!(case.status(protocol, edge), status, "{protocol:?} {}", case.path);
        }
    }
    for case in [Case::of("POST", "/").body(100), Case::of("POST", "/api/x").body(10)] {
        let outcome = case.explained(edge).outcome;
        assert!(matches!(outcome, Outcome::Forwarded(_)), "{outcome:?}");
        for protocol in Protocol::ALL {
            assert_eq!(case.status(protocol, edge), 200, "{protocol:?} {}", case.path);
        }
    }
    let outcome = Case::of("CONNECT", "/").explained(edge).outcome;
    let ending = Ending::MethodNotAllowed;
    assert!(matches!(outcome, Outcome::Refused { status: 405, ending: it } if it == ending));
}

#[test]
fn an_options_that_may_go_no_further_is_told_to_be_responded_to_here() {
    let stage = Stage::with(|_| {});
    let options = |forwards| Case::of("OPTIONS", "/").field("max-forwards", forwards);
    let outcome = options("0").explained(&stage.edge).outcome;
    let ending = Ending::Respond;
    assert!(matches!(outcome, Outcome::Responded { status: 200, ending: it } if it == ending));
    for protocol in Protocol::ALL {
        assert_eq!(options("0").status(protocol, &stage.edge), 200);
    }
    assert_eq!(stage.origin.journal().len(), 0, "no instance has seen it");
    assert!(matches!(options("1").explained(&stage.edge).outcome, Outcome::Forwarded(_)));
}

#[test]
fn an_instance_that_is_tried_though_none_is_healthy_is_told_as_such() {
    let stage = Stage::with(|_| {});
    let chosen = || match Case::of("GET", "/").explained(&stage.edge).outcome {
        Outcome::Forwarded(mut forwards) => {
            forwards.remove(0).choice.expect("it is served").expect("one can serve").eligibility
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(chosen(), Eligibility::Healthy);
    stage.edge.live(stage.origin.address()).put(Bar::Unhealthy);
    assert_eq!(chosen(), Eligibility::Unhealthy);
    assert_eq!(Case::of("GET", "/").status(Protocol::H1, &stage.edge), 200, "it is tried");
}

/// Each byte of such a path becomes three over HTTP/2.
#[test]
fn a_target_that_http_2_cannot_carry_is_told_for_the_service_that_speaks_it() {
    let origin = Origin::polite("fine");
    let mut edge = TestEdge::start(&[origin.address()]);
    edge.add_service("next", &[origin.address()], |intent| {
        let next: &mut Arc<Service> = intent.services.get_mut("next").expect("it was added");
        Arc::make_mut(next).protocol = UpstreamProtocol::H2;
        let share = |service: &str| model::Share { service: service.into(), weight: 50 };
        Arc::make_mut(&mut intent.routes[0]).action = model::Action::Forward(model::Destination {
            shares: vec![share("api"), share("next")],
        });
    });
    edge.settle();
    let path: &'static str = format!("/{}", "<".repeat(wire::target::TARGET_BYTES_MAX - 1)).leak();
    let Outcome::Forwarded(forwards) = Case::of("GET", path).explained(&edge).outcome else {
        panic!("one of them takes it")
    };
    let refused = |place: usize| forwards[place].choice.as_ref().and_then(|it| it.as_ref().err());
    assert_eq!(refused(0), None);
    assert_eq!(refused(1), Some(&Unserved::Unsendable(Ending::UriTooLong)));
    assert_eq!(refused(1).map(|it| it.status()), Some(414));
}
