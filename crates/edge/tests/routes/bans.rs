//! Who is banned, after it was proven who it is; and the route that bans the token of who logs out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use edge::explain::Outcome;
use model::{BanToken, ClaimPath, RefusedAs, Requirement, ValueMatch};
use policy::Bans;
use policy::bans::{Ban, Banned};
use telemetry::Ending;
use testkit::edge::Wanted;
use testkit::token::{token, token_until};
use testkit::{Origin, Protocol, Step, Talk, TestEdge};

use crate::Stage;
use crate::auth::{bearer, users};
use crate::explained::explain;

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970")
}

fn sha256(token: &str) -> [u8; 32] {
    digest::digest(&digest::SHA256, token.as_bytes())
        .as_ref()
        .try_into()
        .expect("a SHA-256 has 32 bytes")
}

/// A route that asks for `users`, after `change`.
fn asking(change: impl FnOnce(&mut Wanted)) -> Stage {
    Stage::with(|wanted| {
        wanted.routes[0].policies.auth = vec!["users".into()];
        wanted.auth.push(users());
        change(wanted);
    })
}

/// Bans these, and nobody else, of which every worker knows then.
fn ban(stage: &mut Stage, all: impl IntoIterator<Item = Banned>) {
    let mut bans = Bans::default();
    for banned in all {
        let until = now() + Duration::from_secs(3_600);
        bans.put(Ban { banned, at: now(), until, reason: None }, now()).expect("there is room");
    }
    stage.edge.edge.ban(&bans.into());
    stage.edge.settle();
}

const ALICE: &str = r#""sub":"alice","jti":"7","iss":"https://id.example","iat":1000"#;
const BOB: &str = r#""sub":"bob","jti":"8","iss":"https://id.example""#;

#[test]
fn who_is_banned_gets_in_by_nothing_and_others_do() {
    let mut stage = asking(|_| {});
    let (alice, bob) = (token(ALICE), token(&format!("{BOB},\"iat\":{}", now().as_secs())));
    let id = |issuer: Option<&str>| Banned::TokenId {
        issuer: issuer.map(str::to_owned),
        id: "7".to_owned(),
    };
    for banned in [
        Banned::Subject("alice".to_owned()),
        id(None),
        id(Some("https://id.example")),
        Banned::Token(sha256(&alice)),
        Banned::IssuedBefore(Some("alice".to_owned())),
    ] {
        for protocol in Protocol::ALL {
            ban(&mut stage, []);
            // It was believed, and is remembered.
            assert_eq!(stage.ask(protocol, bearer(&alice)).status, 200, "{banned:?}");
            let asked = stage.origin.journal().len();
            ban(&mut stage, [banned.clone()]);
            let reply = stage.ask(protocol, bearer(&alice));
            assert_eq!(reply.status, 401, "{banned:?} {protocol:?}");
            let challenge = reply.field("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
            assert!(!reply.body.contains("ban"), "{}", reply.body);
            assert_eq!(stage.origin.journal().len(), asked, "the instance is not asked");
            assert_eq!(stage.ask(protocol, bearer(&bob)).status, 200, "{banned:?}");
        }
    }
    for other in [id(Some("https://other.example")), Banned::Token([7; 32])] {
        ban(&mut stage, [other.clone()]);
        assert_eq!(stage.ask(Protocol::H1, bearer(&alice)).status, 200, "{other:?}");
    }
    ban(&mut stage, [Banned::IssuedBefore(None)]);
    for token in [&alice, &bob, &token(BOB)] {
        assert_eq!(stage.ask(Protocol::H1, bearer(token)).status, 401, "all of them are older");
    }
}

#[test]
fn a_ban_counts_before_a_requirement_and_is_403_where_clients_are_older() {
    let mut stage = asking(|wanted| {
        wanted.auth[0].refused = RefusedAs::Forbidden;
        wanted.routes[0].policies.require = vec![Requirement {
            claim: ClaimPath(vec!["roles".to_owned()]),
            one_of: vec![ValueMatch::Exact("ADMIN".to_owned())],
        }];
    });
    ban(&mut stage, [Banned::Subject("alice".to_owned())]);
    let alice = token(ALICE);
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, bearer(&alice));
        assert_eq!((reply.status, reply.field("www-authenticate")), (403, None), "{protocol:?}");
    }
    let explained = explain(&stage.edge, &[("authorization", &format!("Bearer {alice}"))]);
    let Outcome::Refused { status, ending } = explained.outcome else { panic!("it is refused") };
    assert_eq!((status, ending), (403, Ending::Banned));
}

/// The bans that the edge has asked for.
fn asked_for(edge: &mut TestEdge) -> Vec<Ban> {
    std::iter::from_fn(|| edge.banned.try_recv().ok()).collect()
}

/// A route that logs out; its instance responds with `status`.
fn logout(status: u16) -> (Origin, TestEdge) {
    let origin = Origin::start(move |_| vec![Step::answer(status, "bye")]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.routes[0].policies.auth = vec!["users".into()];
        wanted.routes[0].policies.ban_token = BanToken::OnSuccess;
        wanted.service.retry.attempts = 1;
        wanted.auth.push(users());
    });
    (origin, edge)
}

#[test]
fn a_logout_that_succeeds_bans_the_token_until_it_expires() {
    let (_origin, mut edge) = logout(202);
    let end = SystemTime::now() + Duration::from_secs(600);
    let until = Duration::from_secs(end.duration_since(UNIX_EPOCH).unwrap().as_secs());
    let long = format!(r#""sub":"alice","jti":"{}""#, "x".repeat(2_000));
    for protocol in Protocol::ALL {
        for (claims, banned) in [
            (ALICE, Some(("7", Some("https://id.example")))),
            (r#""sub":"alice","jti":"9""#, Some(("9", None))),
            (r#""sub":"alice""#, None),
            (&long, None),
        ] {
            let token = token_until(claims, end);
            let reply = bearer(&token).over(protocol, edge.address());
            assert_eq!(reply.status, 202, "{protocol:?}");
            let banned = match banned {
                Some((id, issuer)) => {
                    Banned::TokenId { issuer: issuer.map(str::to_owned), id: id.to_owned() }
                }
                None => Banned::Token(sha256(&token)),
            };
            let asked = asked_for(&mut edge);
            let [ban] = &asked[..] else { panic!("{asked:?}") };
            assert_eq!((&ban.banned, ban.until), (&banned, until), "{protocol:?}");
        }
        // Who proves nothing has no token to ban.
        assert_eq!(Talk::get("/").over(protocol, edge.address()).status, 401);
        assert!(asked_for(&mut edge).is_empty());
    }
}

#[test]
fn a_logout_that_fails_bans_nothing() {
    for status in [302, 403, 500] {
        let (_origin, mut edge) = logout(status);
        for protocol in Protocol::ALL {
            assert_eq!(bearer(&token(ALICE)).over(protocol, edge.address()).status, status);
            assert!(asked_for(&mut edge).is_empty(), "{status} {protocol:?}");
        }
    }
}
