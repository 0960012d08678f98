//! Names and passwords: who is believed, what clients are told, and that nobody is held up while a password is checked.

use edge::explain::{Outcome, Question, Transport};
use model::{Authentication, ClaimHeader, ClaimPath, Credential};
use telemetry::Ending;
use testkit::edge::{Wanted, route};
use testkit::h2_client::request;
use testkit::password::{Flood, SLOW, STAFF, basic, ended, staff};
use testkit::token::token;
use testkit::{H2Client, Protocol, RawClient, Talk, eventually};

use crate::Stage;
use crate::auth::users;

/// A route that asks for `staff`, after `change`; `/open` asks nobody.
fn asking(text: &str, change: impl FnOnce(&mut Authentication, &mut Wanted)) -> Stage {
    Stage::with(|wanted| {
        let mut staff = staff(text);
        staff.claims =
            vec![ClaimHeader { header: "x-user".into(), claim: ClaimPath(vec!["sub".into()]) }];
        wanted.routes[0].policies.auth = vec![staff.name.clone()];
        let mut open = route();
        open.matcher.path = model::PathMatch::Exact("/open".into());
        wanted.routes.push(open);
        change(&mut staff, wanted);
        wanted.auth.push(staff);
    })
}

fn by(name: &str, password: &str) -> Talk {
    Talk::get("/").field("Authorization", &basic(name, password))
}

const CHALLENGE: &str = "Basic realm=\"staff\", charset=\"UTF-8\"";

#[test]
fn who_knows_the_password_is_told_to_the_instance() {
    let stage = asking(STAFF, |staff, _| staff.credential = Credential::Removed);
    for protocol in Protocol::ALL {
        for (name, password) in [("alice", "hello"), ("bob", "s:e cä"), ("alice", "hello")] {
            let seen = stage.seen(protocol, by(name, password).field("x-user", "root"));
            assert_eq!(seen.fields("x-user").collect::<Vec<_>>(), [name], "{protocol:?}");
            assert_eq!(seen.fields("authorization").count(), 0, "{protocol:?}");
        }
        // A body is sent on whole after the wait.
        let talk = Talk::new("POST", "/").field("Authorization", &basic("alice", "hello"));
        let seen = stage.seen(protocol, talk.body("abc").trailer("x-sum", "1"));
        assert_eq!(seen.body, b"abc", "{protocol:?}");
    }
}

#[test]
fn who_does_not_is_told_how_it_could_and_the_instance_is_not_asked() {
    let stage = asking(STAFF, |_, _| {});
    for protocol in Protocol::ALL {
        for talk in [
            Talk::get("/"),
            by("alice", "hell"),
            // Once more: that it was wrong is remembered.
            by("alice", "hell"),
            by("alice", ""),
            by("", "hello"),
            by("carol", "hello"),
            by("alice", "s:e cä"),
            by("alice", "hello\0"),
            Talk::get("/").field("Authorization", "Basic nonsense"),
            Talk::get("/").field("Authorization", "Basic"),
            Talk::get("/").field("Authorization", "Bearer YWxpY2U6aGVsbG8="),
            by("alice", "hello").field("Authorization", &basic("bob", "s:e cä")),
        ] {
            let reply = stage.ask(protocol, talk);
            assert_eq!(reply.status, 401, "{protocol:?}");
            assert_eq!(reply.fields("www-authenticate"), [CHALLENGE], "{protocol:?}");
        }
        assert_eq!(stage.ask(protocol, by("alice", "hello")).status, 200, "{protocol:?}");
    }
    assert_eq!(stage.origin.journal().len(), Protocol::ALL.len());
}

#[test]
fn of_several_ways_any_will_do_and_each_is_told() {
    let stage = asking(STAFF, |_, wanted| {
        let users = users();
        wanted.routes[0].policies.auth.insert(0, users.name.clone());
        wanted.auth.push(users);
    });
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, by("alice", "hello")).status, 200, "{protocol:?}");
        let bearer =
            Talk::get("/").field("Authorization", &format!("Bearer {}", token(r#""sub":"alice""#)));
        assert_eq!(stage.ask(protocol, bearer).status, 200, "{protocol:?}");
        for talk in [Talk::get("/"), by("alice", "hell")] {
            let reply = stage.ask(protocol, talk);
            assert_eq!(reply.status, 401, "{protocol:?}");
            let challenges = reply.fields("www-authenticate");
            assert_eq!(challenges, ["Bearer realm=\"users\"", CHALLENGE], "{protocol:?}");
        }
        let bad = Talk::get("/").field("Authorization", "Bearer nonsense");
        let told = stage.ask(protocol, bad);
        let challenges = told.fields("www-authenticate");
        assert_eq!(challenges, ["Bearer realm=\"users\", error=\"invalid_token\"", CHALLENGE]);
    }
}

#[test]
fn a_reload_that_changes_the_users_believes_nobody_by_what_was() {
    let mut stage = asking(STAFF, |_, _| {});
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, by("alice", "hello")).status, 200, "{protocol:?}");
        assert_eq!(stage.ask(protocol, by("bob", "s:e cä")).status, 200, "{protocol:?}");
    }
    stage.edge.republish(|intent| {
        let bob = STAFF.lines().nth(1).expect("he is there");
        intent.auth.insert("staff".into(), staff(bob).into());
    });
    stage.edge.settle();
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, by("alice", "hello")).status, 401, "{protocol:?}");
        assert_eq!(stage.ask(protocol, by("bob", "s:e cä")).status, 200, "{protocol:?}");
    }
}

#[test]
fn a_flood_of_wrong_passwords_hurts_nobody_who_need_not_be_checked() {
    let stage = asking(&format!("{STAFF}{SLOW}"), |_, _| {});
    // Each worker believes her.
    for protocol in Protocol::ALL {
        let mut lines: Vec<_> =
            (0..8).map(|_| testkit::Line::open(protocol, stage.edge.address())).collect();
        lines.iter_mut().for_each(|line| assert_eq!(line.ask(by("alice", "hello")).status, 200));
    }
    let flood = Flood::begin(&stage.edge);
    let refused_before = ended(&stage.edge, Ending::AuthForged);
    for protocol in Protocol::ALL {
        for _ in 0..50 {
            assert_eq!(stage.ask(protocol, Talk::get("/open")).status, 200, "{protocol:?}");
        }
        assert_eq!(stage.ask(protocol, Talk::get("/")).status, 401, "{protocol:?}");
    }
    let checked = ended(&stage.edge, Ending::AuthForged) - refused_before;
    assert!((checked as usize) < flood.count() / 2, "most still wait: {checked}");
}

#[test]
fn where_there_is_no_room_to_check_a_password_it_is_503_and_not_401() {
    let stage = asking(SLOW, |_, _| {});
    let flood = Flood::begin(&stage.edge);
    // One more of the same client finds no room either, or none in time.
    let over_h1 = stage.ask(Protocol::H1, by("carol", "wrong over HTTP/1"));
    assert_eq!((over_h1.status, over_h1.field("www-authenticate")), (503, None));
    assert!(over_h1.field("retry-after").is_some());
    let refused = flood.refused();
    assert_eq!(refused.status, 503);
    assert!(refused.field("retry-after").is_some() && refused.field("www-authenticate").is_none());
}

#[test]
fn who_leaves_is_waited_for_no_longer() {
    let stage = asking(SLOW, |_, _| {});
    let _flood = Flood::begin(&stage.edge);
    let closed = || ended(&stage.edge, Ending::ClientClosed);
    let before = closed();
    let h2 = H2Client::connect(stage.edge.address());
    let mut wrong = request("GET", "/");
    let value = basic("carol", "wrong, too").parse().expect("it is plain");
    wrong.headers_mut().insert("authorization", value);
    h2.begin(wrong, true).reset(h2::Reason::CANCEL);
    let mut h1 = RawClient::connect(stage.edge.address());
    let secret = basic("carol", "wrong again");
    h1.send(format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {secret}\r\n\r\n"));
    h1.reset();
    // Where there was no room for one of them it was refused.
    eventually("both have ended", || closed() + ended(&stage.edge, Ending::AuthBusy) >= before + 3);
}

#[test]
fn explain_does_not_check_passwords() {
    let stage = asking(STAFF, |_, _| {});
    let explained = |fields: &[(String, String)]| {
        let question = Question {
            method: "GET",
            entrance: Some((Transport::Clear, stage.edge.address().port())),
            authority: "example.com",
            target: "/",
            fields,
            peer: [127, 0, 0, 1].into(),
        };
        stage.edge.edge.explain(question).expect("it makes sense").expect("it is served").outcome
    };
    let with = explained(&[("authorization".to_owned(), basic("alice", "hello"))]);
    assert!(matches!(&with, Outcome::Depends(auth) if auth.as_str() == "staff"), "{with:?}");
    let without = explained(&[]);
    assert!(
        matches!(without, Outcome::Refused { status: 401, ending: Ending::AuthMissing }),
        "{without:?}"
    );
}
