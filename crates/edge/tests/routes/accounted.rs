//! What `explain` says of who asks: which key believes a token and what that says, exactly why not, and what bans it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edge::explain::{
    AuthAccount, Explanation, Outcome, Question, TokenReason, TokenRefusal, Transport, UnixTime,
};
use model::{
    Authentication, ClaimPath, CredentialPlace, FetchedKeys, Host, JwtAlgorithm, JwtKeys, KeysAt,
    Proof, Requirement, Scheme, Secret, Url, ValueMatch,
};
use policy::Bans;
use policy::bans::{Ban, Banned};
use telemetry::Ending;
use testkit::edge::Wanted;
use testkit::password::{STAFF, basic, partners, staff};
use testkit::token::{signed, token, token_until};

use crate::Stage;
use crate::auth::users;
use crate::explained::explain;

/// A route that asks for `users`, after `change`.
fn asking(change: impl FnOnce(&mut Authentication, &mut Wanted)) -> Stage {
    Stage::with(|wanted| {
        let mut users = users();
        wanted.routes[0].policies.auth = vec![users.name.clone()];
        change(&mut users, wanted);
        wanted.auth.push(users);
    })
}

fn with_token(stage: &Stage, token: &str) -> Explanation {
    explain(&stage.edge, &[("authorization", &format!("Bearer {token}"))])
}

/// What the only way makes of a request.
fn account(explanation: &Explanation) -> &AuthAccount {
    let [only] = &explanation.auth[..] else { panic!("{:?}", explanation.auth) };
    &only.account
}

fn jwt(authentication: &mut Authentication) -> &mut model::Jwt {
    let Proof::Jwt(jwt) = &mut authentication.proof else { panic!("it is by tokens") };
    jwt
}

#[test]
fn a_token_that_is_believed_says_by_which_key_and_what_it_says() {
    let stage = asking(|_, _| {});
    let end = SystemTime::now() + Duration::from_secs(600);
    let long = "x".repeat(1_000);
    let claims =
        format!(r#""sub":"alice","roles":["USER","ADMIN"],"realm":{{"a":1}},"note":"{long}""#);
    let explained = with_token(&stage, &token_until(&claims, end));
    let AuthAccount::Token(told) = account(&explained) else { panic!("{explained:?}") };
    assert_eq!((told.algorithm, &told.key_id), (JwtAlgorithm::Hs256, &None));
    let until = end.duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(told.until, Some(UnixTime::from_secs(until)));
    let said =
        |name: &str| told.claims.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
    assert_eq!(said("sub"), Some("alice"));
    assert_eq!(said("roles"), Some("[USER, ADMIN]"));
    assert_eq!(said("realm"), Some("{...}"));
    assert!(said("note").is_some_and(|it| it.len() < 200 && it.ends_with("...")));
    assert!(matches!(explained.outcome, Outcome::Forwarded(_)));
    let many: Vec<_> = (0..40).map(|n| format!("\"c{n}\":{n}")).collect();
    let explained = with_token(&stage, &token(&many.join(",")));
    let AuthAccount::Token(told) = account(&explained) else { panic!("{explained:?}") };
    assert_eq!(told.claims.len() + told.more, 41, "with its end");
    assert!(told.more > 0);
}

#[test]
fn a_token_that_is_not_says_exactly_why_and_what_was_wanted() {
    let stage = asking(|users, _| {
        jwt(users).issuers = vec!["https://id.example".to_owned()];
        jwt(users).audiences = vec!["shop".to_owned()];
    });
    let second = |seconds| UnixTime::from_secs(seconds);
    let ours = r#""iss":"https://id.example""#;
    let (one, two) = (token(ours), token(r#""sub":"b""#));
    let forged = format!("{}.{}", one.rsplit_once('.').unwrap().0, two.rsplit_once('.').unwrap().1);
    let (wanted, issuers) = (vec!["shop".to_owned()], vec!["https://id.example".to_owned()]);
    for (token, reason) in [
        (
            token_until(ours, UNIX_EPOCH + Duration::from_secs(1_000)),
            TokenReason::Expired(second(1_000)),
        ),
        (token(r#""nbf":9999999999,"iat":5"#), TokenReason::NotYet(second(9_999_999_999))),
        (forged, TokenReason::Signature(None)),
        (
            token(r#""aud":"shop","iss":"other""#),
            TokenReason::Issuer { is: Some("other".into()), wanted: issuers.clone() },
        ),
        (token(r#""aud":"shop""#), TokenReason::Issuer { is: None, wanted: issuers }),
        (
            token(&format!(r#"{ours},"aud":["a","b"]"#)),
            TokenReason::Audience { is: vec!["a".into(), "b".into()], wanted: wanted.clone() },
        ),
        (one, TokenReason::Audience { is: Vec::new(), wanted }),
        (
            signed(r#"{"alg":"HS384"}"#, "{}"),
            TokenReason::Algorithm { is: JwtAlgorithm::Hs384, wanted: vec![JwtAlgorithm::Hs256] },
        ),
        (
            signed(r#"{"alg":"HS256","crit":["x"]}"#, "{}"),
            TokenReason::Plain(TokenRefusal::Critical),
        ),
        (signed(r#"{"alg":"HS256"}"#, "{}"), TokenReason::Plain(TokenRefusal::NoExpiry)),
        ("nonsense".to_owned(), TokenReason::Plain(TokenRefusal::Malformed)),
    ] {
        let explained = with_token(&stage, &token);
        assert_eq!(account(&explained), &AuthAccount::Refused(reason), "{token}");
        assert!(matches!(explained.outcome, Outcome::Refused { status: 401, .. }));
    }
    assert_eq!(account(&explain(&stage.edge, &[])), &AuthAccount::Missing);
}

#[test]
fn other_ways_say_whose_the_key_is_and_check_no_password() {
    let stage = Stage::with(|wanted| {
        let (staff, partners) =
            (staff(STAFF), partners(vec![CredentialPlace::Header("x-api-key".to_owned())]));
        wanted.routes[0].policies.auth = vec![staff.name.clone(), partners.name.clone()];
        wanted.auth.extend([staff, partners]);
    });
    let accounts = |fields: &[(&str, &str)]| -> Vec<_> {
        explain(&stage.edge, fields).auth.into_iter().map(|it| it.account).collect()
    };
    assert_eq!(
        accounts(&[("x-api-key", "one")]),
        [AuthAccount::Missing, AuthAccount::ApiKey("acme".to_owned())]
    );
    assert_eq!(
        accounts(&[("x-api-key", "three")]),
        [AuthAccount::Missing, AuthAccount::KeyUnknown]
    );
    let password = basic("alice", "hello");
    let asked = accounts(&[("authorization", &password), ("x-api-key", "one")]);
    assert_eq!(asked, [AuthAccount::Depends, AuthAccount::ApiKey("acme".to_owned())]);
}

#[test]
fn a_ban_and_a_requirement_that_is_not_met_are_told_in_full() {
    let admin = Requirement {
        claim: ClaimPath(vec!["roles".to_owned()]),
        one_of: vec![ValueMatch::Exact("ADMIN".to_owned())],
    };
    let mut stage = asking(|_, wanted| wanted.routes[0].policies.require = vec![admin.clone()]);
    let explained = with_token(&stage, &token(r#""sub":"alice","roles":"USER""#));
    assert_eq!((&explained.unmet[..], &explained.ban), (&[admin][..], &None));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for banned in [
        Banned::Subject("alice".to_owned()),
        Banned::IssuedBefore(None),
        Banned::Address("127.0.0.0/8".parse().unwrap()),
    ] {
        let until = now + Duration::from_secs(3_600);
        let ban = Ban { banned, at: now, until, reason: Some("stolen".to_owned()) };
        let mut bans = Bans::default();
        bans.put(ban.clone(), now).unwrap();
        stage.edge.edge.ban(&bans.into());
        stage.edge.settle();
        let explained = with_token(&stage, &token(r#""sub":"alice","roles":"ADMIN""#));
        assert_eq!(explained.ban, Some(ban));
        assert!(matches!(explained.outcome, Outcome::Refused { ending: Ending::Banned, .. }));
    }
}

#[test]
fn a_file_that_is_not_served_leaves_open_what_its_issuer_would_say() {
    let fetched = |users: &mut Authentication| {
        let (scheme, host) = (Scheme::Https, Host::Name("id.example".to_owned()));
        let at = KeysAt::Jwks(Url { scheme, host, port: 443, target: "/keys".to_owned() });
        jwt(users).keys = JwtKeys::Fetched(FetchedKeys { at, ca: None });
    };
    let mut stage = asking(|users, _| fetched(users));
    let token = token(r#""sub":"alice""#);
    // Served it is what a request finds: they could not be fetched.
    let served = with_token(&stage, &token);
    assert_eq!(account(&served), &AuthAccount::NoKeys);
    assert!(matches!(served.outcome, Outcome::Refused { ending: Ending::AuthUnready, .. }));
    let mut intent = None;
    stage.edge.republish(|it| intent = Some(it.clone()));
    let fields = [("authorization".to_owned(), format!("Bearer {token}"))];
    let question = |fields| Question {
        method: "GET",
        entrance: Some((Transport::Clear, 80)),
        authority: "example.com",
        target: "/",
        fields,
        peer: [127, 0, 0, 1].into(),
    };
    let intent = intent.expect("it is served");
    let explained = edge::explain::explain(&intent, question(&fields)).expect("it makes sense");
    assert_eq!(account(&explained), &AuthAccount::NoKeys);
    assert!(
        matches!(&explained.outcome, Outcome::Depends(auth) if auth.as_str() == "users"),
        "{explained:?}"
    );
    let without = edge::explain::explain(&intent, question(&[])).expect("it makes sense");
    assert!(matches!(without.outcome, Outcome::Refused { ending: Ending::AuthMissing, .. }));
    // A secret stands in the file, and says all.
    let mut own = intent.clone();
    own.auth.values_mut().for_each(|it| {
        let it = std::sync::Arc::make_mut(it);
        jwt(it).keys = JwtKeys::Secret(Secret::new(testkit::token::TOKEN_SECRET));
    });
    let explained = edge::explain::explain(&own, question(&fields)).expect("it makes sense");
    assert!(matches!(account(&explained), AuthAccount::Token(_)));
}
