//! Who must prove who it is: what is believed, what instances are told of it, and what clients are that prove nothing.

use std::time::{Duration, SystemTime};

use model::{
    Action, Authentication, ClaimHeader, ClaimPath, Credential, CredentialPlace, Jwt, JwtAlgorithm,
    JwtKeys, Proof, Redirect, RefusedAs, Requirement, Secret, ValueMatch,
};
use testkit::edge::Wanted;
use testkit::token::{TOKEN_SECRET, signed, token, token_until};
use testkit::{Protocol, Talk};

use crate::{Stage, edits};

pub(crate) fn users() -> Authentication {
    Authentication {
        name: "users".into(),
        proof: Proof::Jwt(Jwt {
            keys: JwtKeys::Secret(Secret::new(TOKEN_SECRET)),
            algorithms: vec![JwtAlgorithm::Hs256],
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Duration::ZERO,
            places: vec![CredentialPlace::Bearer],
        }),
        claims: vec![told("x-roles", "roles"), told("x-user-id", "sub")],
        credential: Credential::Kept,
        refused: RefusedAs::Unauthorized,
    }
}

fn told(header: &str, claim: &str) -> ClaimHeader {
    ClaimHeader { header: header.to_owned(), claim: ClaimPath(vec![claim.to_owned()]) }
}

fn jwt(authentication: &mut Authentication) -> &mut Jwt {
    match &mut authentication.proof {
        Proof::Jwt(jwt) => jwt,
        other => panic!("{other:?}"),
    }
}

/// A route that asks for `users`, after `change`.
fn asking(change: impl FnOnce(&mut Authentication, &mut Wanted)) -> Stage {
    Stage::with(|wanted| {
        let mut users = users();
        wanted.routes[0].policies.auth = vec![users.name.clone()];
        change(&mut users, wanted);
        wanted.auth.push(users);
    })
}

pub(crate) fn bearer(token: &str) -> Talk {
    Talk::get("/").field("Authorization", &format!("Bearer {token}"))
}

const ALICE: &str = r#""sub":"alice","roles":["USER","ADMIN"]"#;

#[test]
fn who_proves_it_is_told_to_the_instance_and_nobody_else_can_say_so() {
    let stage = asking(|_, _| {});
    for protocol in Protocol::ALL {
        let talk = bearer(&token(ALICE))
            .field("X-User-Id", "root")
            .field("x_user_id", "root")
            .field("X-Roles", "OWNER")
            .field("x-user-name", "kept");
        let seen = stage.seen(protocol, talk);
        assert_eq!(seen.fields("x-user-id").collect::<Vec<_>>(), ["alice"], "{protocol:?}");
        assert_eq!(seen.fields("x-roles").collect::<Vec<_>>(), ["USER,ADMIN"], "{protocol:?}");
        assert_eq!(seen.fields("x_user_id").count(), 0, "{protocol:?}");
        assert_eq!(seen.fields("x-user-name").count(), 1, "{protocol:?}");
        assert_eq!(seen.fields("authorization").count(), 1, "{protocol:?}");
        // The second time it is remembered, and the same.
        let seen = stage.seen(protocol, bearer(&token(ALICE)));
        assert_eq!(seen.fields("x-user-id").collect::<Vec<_>>(), ["alice"], "{protocol:?}");
    }
}

#[test]
fn a_claim_cannot_be_said_in_trailers_nor_where_a_route_asks_nobody() {
    let open = Stage::with(|wanted| wanted.auth.push(users()));
    for protocol in Protocol::ALL {
        let talk = Talk::get("/").field("X-User-Id", "root").field("x_roles", "OWNER");
        let seen = open.seen(protocol, talk);
        assert_eq!(seen.fields("x-user-id").count() + seen.fields("x_roles").count(), 0);
        let talk = Talk::new("POST", "/").body("abc").trailer("X-User-Id", "root");
        let talk = talk.trailer("x_user_id", "root").trailer("X-Roles", "OWNER");
        let seen = open.seen(protocol, talk.trailer("x-sum", "1"));
        for name in ["x-user-id", "x_user_id", "x-roles"] {
            assert!(!seen.trailers.to_lowercase().contains(name), "{name} {protocol:?}");
        }
        assert!(seen.trailers.to_lowercase().contains("x-sum"), "{protocol:?}");
    }
}

#[test]
fn who_proves_nothing_is_told_how_it_could_and_the_instance_is_not_asked() {
    let stage = asking(|users, _| jwt(users).issuers = vec!["https://id.example".into()]);
    let from_issuer = r#""sub":"alice","iss":"https://id.example""#;
    let past = SystemTime::now() - Duration::from_secs(60);
    let valid = token(from_issuer);
    let (signed_part, signature) = valid.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed_part}.{other}{}", &signature[1..]);
    for protocol in Protocol::ALL {
        for (talk, error) in [
            (Talk::get("/"), None),
            (Talk::get("/").field("Authorization", "Basic YTpi"), None),
            (bearer("nonsense"), Some("invalid_token")),
            (bearer(&forged), Some("invalid_token")),
            (bearer(&token_until(from_issuer, past)), Some("invalid_token")),
            (
                bearer(&token(r#""sub":"alice","iss":"https://evil.example""#)),
                Some("invalid_token"),
            ),
            (
                bearer(&signed(r#"{"alg":"none"}"#, r#"{"sub":"a","exp":9999999999}"#)),
                Some("invalid_token"),
            ),
            (bearer(&signed(r#"{"alg":"HS256"}"#, r#"{"sub":"a"}"#)), Some("invalid_token")),
            (bearer(&valid).field("Authorization", "Bearer other"), Some("invalid_token")),
        ] {
            let reply = stage.ask(protocol, talk);
            assert_eq!(reply.status, 401, "{protocol:?} {error:?}");
            let challenge = reply.field("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer realm=\"users\""), "{challenge}");
            assert_eq!(
                challenge.contains("error=\"invalid_token\""),
                error.is_some(),
                "{challenge}"
            );
            assert!(
                !reply.body.contains("expired") && !reply.body.contains("issuer"),
                "{}",
                reply.body
            );
        }
        assert_eq!(stage.ask(protocol, bearer(&valid)).status, 200, "{protocol:?}");
    }
    assert_eq!(stage.origin.journal().len(), Protocol::ALL.len());
}

#[test]
fn older_clients_get_403_and_no_challenge() {
    let stage = asking(|users, _| users.refused = RefusedAs::Forbidden);
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get("/"));
        assert_eq!((reply.status, reply.field("www-authenticate")), (403, None), "{protocol:?}");
        assert!(reply.body.starts_with("403 "), "{}", reply.body);
    }
}

#[test]
fn a_token_is_good_until_it_expires_also_where_it_is_remembered() {
    let stage = asking(|_, _| {});
    let token = token_until(ALICE, SystemTime::now() + Duration::from_secs(2));
    assert_eq!(stage.ask(Protocol::H1, bearer(&token)).status, 200);
    testkit::eventually("it has expired", || stage.ask(Protocol::H1, bearer(&token)).status == 401);
}

#[test]
fn a_requirement_that_is_not_met_is_403_and_says_nothing() {
    let requirement = |claim: &str, values: &[&str]| Requirement {
        claim: ClaimPath(vec![claim.to_owned()]),
        one_of: values.iter().map(|it| ValueMatch::Exact((*it).to_owned())).collect(),
    };
    let stage = asking(|_, wanted| {
        wanted.routes[0].policies.require =
            vec![requirement("roles", &["OWNER", "ADMIN"]), requirement("sub", &["alice", "bob"])];
    });
    for protocol in Protocol::ALL {
        assert_eq!(stage.ask(protocol, bearer(&token(ALICE))).status, 200, "{protocol:?}");
        for claims in
            [r#""sub":"alice","roles":["USER"]"#, r#""sub":"eve","roles":["ADMIN"]"#, r#""a":1"#]
        {
            let reply = stage.ask(protocol, bearer(&token(claims)));
            assert_eq!((reply.status, reply.field("www-authenticate")), (403, None), "{claims}");
        }
        assert_eq!(stage.ask(protocol, Talk::get("/")).status, 401, "{protocol:?}");
    }
}

#[test]
fn a_credential_is_taken_from_its_places_and_out_of_what_instances_see() {
    let stage = asking(|users, _| {
        users.credential = Credential::Removed;
        jwt(users).places = vec![
            CredentialPlace::Bearer,
            CredentialPlace::Cookie("t".to_owned()),
            CredentialPlace::Query("t".to_owned()),
            CredentialPlace::Header("x-token".to_owned()),
        ];
    });
    let token = token(ALICE);
    for protocol in Protocol::ALL {
        let seen = stage.seen(protocol, bearer(&token));
        assert_eq!(seen.fields("authorization").count(), 0, "{protocol:?}");
        let cookie = format!("a=1; t={token}; b=2");
        let seen = stage.seen(protocol, Talk::get("/").field("Cookie", &cookie));
        assert_eq!(seen.fields("cookie").collect::<Vec<_>>(), ["a=1; b=2"], "{protocol:?}");
        let seen = stage.seen(protocol, Talk::get("/").field("Cookie", &format!("t={token}")));
        assert_eq!(seen.fields("cookie").count(), 0, "{protocol:?}");
        let seen = stage.seen(protocol, Talk::get(&format!("/p?a=1&t={token}&b=2")));
        assert_eq!(seen.target, "/p?a=1&b=2", "{protocol:?}");
        let seen = stage.seen(protocol, Talk::get(&format!("/p?t={token}")));
        assert_eq!(seen.target, "/p", "{protocol:?}");
        let seen =
            stage.seen(protocol, Talk::get("/").field("X-Token", &token).field("x_token", &token));
        assert_eq!(seen.fields("x-token").count() + seen.fields("x_token").count(), 0);
    }
}

#[test]
fn any_of_several_will_do_and_a_preflight_needs_none() {
    let stage = asking(|users, wanted| {
        let mut others = users.clone();
        others.name = "others".into();
        jwt(&mut others).issuers = vec!["https://others.example".into()];
        jwt(users).issuers = vec!["https://id.example".into()];
        wanted.routes[0].policies.auth.push(others.name.clone());
        wanted.routes[0].policies.cors = Some(crate::cors::shop());
        wanted.routes[0].policies.request_headers = edits(&[("x-user-id", "route")], &[]);
        wanted.auth.push(others);
    });
    for protocol in Protocol::ALL {
        for (issuer, status) in [("id", 200), ("others", 200), ("evil", 401)] {
            let claims = format!(r#""sub":"a","iss":"https://{issuer}.example""#);
            let talk = bearer(&token(&claims)).field("Origin", "https://shop.example");
            let reply = stage.ask(protocol, talk);
            assert_eq!(reply.status, status, "{protocol:?} {issuer}");
            // Errors can be read by the pages that may use the route, too.
            assert_eq!(reply.fields("access-control-allow-origin"), ["https://shop.example"]);
        }
        // What a route sets has the last word.
        let seen = stage.origin.journal().pop().unwrap();
        assert_eq!(seen.fields("x-user-id").collect::<Vec<_>>(), ["route"]);
        let preflight = Talk::new("OPTIONS", "/")
            .field("Origin", "https://shop.example")
            .field("Access-Control-Request-Method", "PUT");
        assert_eq!(stage.ask(protocol, preflight).status, 204, "{protocol:?}");
    }
}

#[test]
fn credentials_that_differ_are_none_for_the_instance_might_go_by_the_other_one() {
    let stage = asking(|users, _| {
        jwt(users).places =
            vec![CredentialPlace::Header("x-token".into()), CredentialPlace::Cookie("t".into())];
    });
    let (mine, other) = (token(ALICE), token(r#""sub":"root""#));
    for protocol in Protocol::ALL {
        let with = |fields: &[(&str, &str)]| {
            let talk = Talk::get("/").field("X-Token", &mine);
            let talk = fields.iter().fold(talk, |talk, (name, value)| talk.field(name, value));
            stage.ask(protocol, talk).status
        };
        let cookie = |token: &str| format!("t={token}");
        assert_eq!(with(&[("Cookie", &cookie(&other))]), 401, "{protocol:?}");
        assert_eq!(with(&[("x_token", &other)]), 401, "{protocol:?}");
        assert_eq!(with(&[("Cookie", &cookie(&mine))]), 200, "{protocol:?}");
        assert_eq!(with(&[("Cookie", &cookie(""))]), 200, "{protocol:?}");
    }
}

#[test]
fn a_redirect_carries_no_token_on_and_a_route_has_the_last_word_over_the_challenge() {
    let stage = asking(|users, wanted| {
        users.credential = Credential::Removed;
        jwt(users).places = vec![CredentialPlace::Query("t".to_owned())];
        let to = Redirect { to: "https://other.example".into(), status: 302 };
        wanted.routes[0].action = Action::Redirect(to);
        wanted.routes[0].policies.response_headers = edits(&[], &["www-authenticate"]);
    });
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, Talk::get(&format!("/x?a=1&t={}", token(ALICE))));
        assert_eq!(reply.field("location"), Some("https://other.example/x?a=1"), "{protocol:?}");
        let reply = stage.ask(protocol, Talk::get("/x"));
        assert_eq!((reply.status, reply.field("www-authenticate")), (401, None), "{protocol:?}");
    }
}

#[test]
fn a_demand_that_nobody_can_meet_lets_nobody_in() {
    let stage = Stage::with(|wanted| wanted.routes[0].policies.auth = vec!["nobody".into()]);
    for protocol in Protocol::ALL {
        let reply = stage.ask(protocol, bearer(&token(ALICE)));
        assert_eq!((reply.status, reply.field("www-authenticate")), (503, None), "{protocol:?}");
    }
}
