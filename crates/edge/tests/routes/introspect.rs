//! Opaque tokens: what their issuer is asked, who is believed by what it says, and for how long.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Authentication, Credential, Introspection, KeyPart, Proof};
use telemetry::{Ending, InquiryOutcome};
use testkit::auth_server::{inquiries, opaque, said};
use testkit::edge::Wanted;
use testkit::limit::{limit, limit_use, requests};
use testkit::origin::refusing_address;
use testkit::password::ended;
use testkit::{Line, Origin, Protocol, Request, Step, Talk, eventually};

use crate::Stage;
use crate::auth::bearer;

/// A route that asks for `opaque`, whose tokens `issuer` knows, after `change`.
fn asking(issuer: &Origin, change: impl FnOnce(&mut Authentication, &mut Wanted)) -> Stage {
    Stage::with(|wanted| {
        let mut opaque = opaque(issuer.address());
        wanted.routes[0].policies.auth = vec![opaque.name.clone()];
        change(&mut opaque, wanted);
        wanted.auth.push(opaque);
    })
}

fn introspection(opaque: &mut Authentication) -> &mut Introspection {
    match &mut opaque.proof {
        Proof::Introspect(introspection) => introspection,
        other => panic!("{other:?}"),
    }
}

/// The token that is asked of.
fn token(request: &Request) -> String {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let token = body.split('&').find_map(|it| it.strip_prefix("token="));
    token.unwrap_or_default().to_owned()
}

/// An issuer that knows the tokens `good-NAME`.
fn knows(request: &Request) -> Vec<Step> {
    match token(request).strip_prefix("good-") {
        Some(name) => said(&format!(r#"{{"active":true,"sub":"{name}","aud":"shop"}}"#)),
        None => said(r#"{"active":false}"#),
    }
}

const INVALID: &str = "Bearer realm=\"opaque\", error=\"invalid_token\"";

#[test]
fn the_issuer_is_asked_as_rfc_7662_has_it_and_instances_are_told_what_it_says() {
    let issuer = Origin::start(knows);
    let stage = asking(&issuer, |opaque, _| opaque.credential = Credential::Removed);
    for protocol in Protocol::ALL {
        let name = format!("{protocol:?}");
        let talk = bearer(&format!("good-{name}")).field("X-User-Id", "root");
        let seen = stage.seen(protocol, talk.field("x_user_id", "root"));
        seen.has(&[("x-user-id", &name)]);
        assert_eq!(seen.fields("x_user_id").count() + seen.fields("authorization").count(), 0);
        let asked = issuer.journal().pop().expect("it was asked");
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/introspect"));
        let body = format!("token=good-{name}&token_type_hint=access_token");
        assert_eq!(String::from_utf8_lossy(&asked.body), body, "{protocol:?}");
        asked.has(&[
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept", "application/json"),
            // edge:s3cret
            ("authorization", "Basic ZWRnZTpzM2NyZXQ="),
            ("content-length", &body.len().to_string()),
        ]);
    }
}

#[test]
fn a_token_that_is_not_active_or_not_for_us_is_refused_and_none_at_all_is_not_asked_of() {
    let issuer = Origin::start(|request| match &*token(request) {
        "other" => said(r#"{"active":true,"sub":"a","aud":"other"}"#),
        "expired" => said(r#"{"active":true,"sub":"a","aud":"shop","exp":1000}"#),
        "early" => said(r#"{"active":true,"sub":"a","aud":"shop","nbf":9999999999}"#),
        _ => said(r#"{"active":false}"#),
    });
    let stage = asking(&issuer, |_, _| {});
    for protocol in Protocol::ALL {
        for bad in ["other", "expired", "early", "revoked", "revoked"] {
            let reply = stage.ask(protocol, bearer(bad));
            assert_eq!(reply.status, 401, "{protocol:?} {bad}");
            assert_eq!(reply.fields("www-authenticate"), [INVALID], "{protocol:?} {bad}");
        }
        let before = issuer.journal().len();
        let reply = stage.ask(protocol, Talk::get("/"));
        assert_eq!(reply.fields("www-authenticate"), ["Bearer realm=\"opaque\""], "{protocol:?}");
        assert_eq!(stage.ask(protocol, bearer(&"x".repeat(17 << 10))).status, 401);
        assert_eq!(issuer.journal().len(), before, "{protocol:?}");
    }
    assert!(stage.origin.journal().is_empty());
    let of = |ending| ended(&stage.edge, ending);
    eventually("each has its word", || {
        of(Ending::AuthInactive) == 4
            && [Ending::AuthForeign, Ending::AuthExpired, Ending::AuthNotYet].map(of) == [2; 3]
            && [Ending::AuthMissing, Ending::AuthMalformed].map(of) == [2; 2]
    });
}

#[test]
fn an_issuer_that_cannot_be_understood_lets_nobody_in() {
    let issuer = Origin::start(|request| match &*token(request) {
        "json" => said("yes"),
        "word" => said(r#"{"active":"true","sub":"a","aud":"shop"}"#),
        "twice" => said(r#"{"active":false,"active":true,"sub":"a","aud":"shop"}"#),
        "large" => {
            said(&format!(r#"{{"active":true,"sub":"{}","aud":"shop"}}"#, "a".repeat(70_000)))
        }
        "hangs-up" => vec![
            Step::send("HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n{\"active\":true}"),
            Step::Close,
        ],
        "elsewhere" => {
            vec![Step::send("HTTP/1.1 302 X\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n")]
        }
        status => vec![Step::answer(status.parse().expect("a status"), r#"{"active":true}"#)],
    });
    let mut stage = asking(&issuer, |_, _| {});
    let tokens = "json word twice large hangs-up elsewhere 401 403 500 204";
    for protocol in Protocol::ALL {
        for token in tokens.split(' ') {
            let reply = stage.ask(protocol, bearer(token));
            let told = (reply.status, reply.field("www-authenticate"));
            assert_eq!(told, (503, None), "{protocol:?} {token}");
        }
    }
    stage.edge.republish(|intent| {
        let gone = opaque(refusing_address());
        intent.auth.insert("opaque".into(), gone.into());
    });
    stage.edge.settle();
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, bearer("good-a")).status, 503, "{protocol:?}");
    }
    assert!(stage.origin.journal().is_empty());
    let all = (tokens.split(' ').count() + 1) * Protocol::ALL.len();
    eventually("all have ended", || ended(&stage.edge, Ending::AuthUnavailable) == all as u64);
}

#[test]
fn what_was_said_of_a_token_holds_for_a_while_and_no_longer_than_the_token() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let soon = (now + Duration::from_secs(2)).as_secs();
    let issuer = Origin::start(move |request| match &*token(request) {
        "soon" => said(&format!(r#"{{"active":true,"sub":"a","aud":"shop","exp":{soon}}}"#)),
        _ => knows(request),
    });
    let stage = asking(&issuer, |_, _| {});
    for protocol in Protocol::ALL {
        let mut line = Line::open(protocol, stage.edge.address());
        let (good, bad) = (format!("good-{protocol:?}"), format!("bad-{protocol:?}"));
        for (token, status) in [(&good, 200), (&bad, 401)] {
            let before = issuer.journal().len();
            (0..5).for_each(|_| assert_eq!(line.ask(bearer(token)).status, status));
            assert_eq!(issuer.journal().len(), before + 1, "{protocol:?} {token}");
        }
        eventually("it has expired", || line.ask(bearer("soon")).status == 401);
    }
    assert!(inquiries(&stage.edge, InquiryOutcome::Cached) >= 16);
    let asked_always = asking(&issuer, |opaque, _| introspection(opaque).ttl = Duration::ZERO);
    for protocol in Protocol::ALL {
        let before = issuer.journal().len();
        let mut line = Line::open(protocol, asked_always.edge.address());
        (0..3).for_each(|_| assert_eq!(line.ask(bearer("good-a")).status, 200));
        (0..3).for_each(|_| assert_eq!(line.ask(bearer("bad")).status, 401));
        assert_eq!(issuer.journal().len(), before + 6, "{protocol:?}");
    }
}

#[test]
fn limits_go_by_the_subject_that_the_issuer_says() {
    let issuer = Origin::start(knows);
    let stage = asking(&issuer, |_, wanted| {
        let each = limit("each", requests(2), &[KeyPart::Subject]);
        wanted.routes[0].policies.limits = vec![limit_use(each, 1)];
    });
    for protocol in Protocol::ALL {
        let ask =
            |name: &str| stage.ask(protocol, bearer(&format!("good-{name}-{protocol:?}"))).status;
        let all = ["a", "a", "a", "b"].map(ask);
        assert_eq!(all, [200, 200, 429, 200], "{protocol:?}");
    }
}
