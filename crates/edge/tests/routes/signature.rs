//! Requests that are signed as RFC 9421 has it: whose they are, that they are good once, and only as they came.

use std::time::{Duration, SystemTime};

use model::{Authentication, ClaimHeader, ClaimPath, Credential, NonceRule, Proof};
use telemetry::Ending;
use testkit::edge::Wanted;
use testkit::password::ended;
use testkit::signed::{SignerKey, WINDOW, nonce, peers};
use testkit::{Protocol, Talk, eventually};

use crate::{Stage, networks};

/// A route that asks for `peers`, after `change`.
fn asking(keys: &[&SignerKey], change: impl FnOnce(&mut Authentication, &mut Wanted)) -> Stage {
    Stage::with(|wanted| {
        let mut peers = peers(keys);
        peers.claims =
            vec![ClaimHeader { header: "x-peer".into(), claim: ClaimPath(vec!["sub".into()]) }];
        wanted.routes[0].policies.auth = vec![peers.name.clone()];
        change(&mut peers, wanted);
        wanted.auth.push(peers);
    })
}

fn changed(peers: &mut Authentication) -> &mut model::MessageSignature {
    let Proof::Signature(signature) = &mut peers.proof else { panic!("it is one") };
    signature
}

#[test]
fn what_is_signed_is_the_key_s_owner_s_and_comes_whole() {
    let (acme, umbrella) = (SignerKey::new("acme"), SignerKey::new("umbrella"));
    let stage = asking(&[&acme, &umbrella], |peers, _| peers.credential = Credential::Removed);
    for protocol in Protocol::ALL {
        for (key, name) in [(&acme, "acme"), (&umbrella, "umbrella")] {
            for talk in [
                Talk::get("/orders?id=1&b=%2F"),
                Talk::new("POST", "/orders").body("ten"),
                Talk::new("POST", "/orders").body("ten").trailer("X-Peer", "root"),
                Talk::new("PUT", "/orders").body("x".repeat(64 * 1024)),
            ] {
                let body = talk.content().to_owned();
                let seen = stage.seen(protocol, key.sign(talk).field("x-peer", "root"));
                assert_eq!(seen.body, body, "{protocol:?}");
                assert_eq!(seen.fields("x-peer").collect::<Vec<_>>(), [name], "{protocol:?}");
                assert_eq!(seen.fields("signature").count(), 0, "{protocol:?}");
                assert_eq!(seen.fields("signature-input").count(), 0, "{protocol:?}");
            }
        }
    }
}

#[test]
fn what_was_changed_is_late_or_is_not_signed_is_401_and_the_instance_is_not_asked() {
    let (acme, other) = (SignerKey::new("acme"), SignerKey::new("other"));
    let forger = SignerKey::new("acme");
    let stage = asking(&[&acme, &other], |_, _| {});
    let post = || Talk::new("POST", "/orders").body("ten");
    let at = |time| acme.sign_with(post(), time, &nonce());
    let (now, over) = (SystemTime::now(), WINDOW + Duration::from_secs(30));
    for protocol in Protocol::ALL {
        for (talk, ending) in [
            (post(), Ending::AuthMissing),
            (acme.sign(post()).body("two"), Ending::AuthForged),
            (acme.sign(post()).body("tens"), Ending::AuthForged),
            (acme.sign(post()).host("example.org"), Ending::AuthForged),
            (forger.sign(post()), Ending::AuthForged),
            (SignerKey::new("nobody").sign(post()), Ending::AuthForged),
            // A body that is not covered.
            (acme.sign(Talk::new("POST", "/orders")).body("ten"), Ending::AuthMalformed),
            (acme.sign_with(post(), now, ""), Ending::AuthMalformed),
            (acme.sign(post()).field("Signature", "sig1=:AA==:"), Ending::AuthMalformed),
            (at(now - over), Ending::AuthExpired),
            (at(now + over), Ending::AuthNotYet),
        ] {
            let before = ended(&stage.edge, ending);
            let reply = stage.ask(protocol, talk);
            assert_eq!(reply.status, 401, "{protocol:?} {ending}");
            assert_eq!(reply.fields("www-authenticate"), ["Signature realm=\"peers\""]);
            eventually(ending.as_str(), || ended(&stage.edge, ending) == before + 1);
        }
    }
    assert!(stage.origin.journal().is_empty());
}

#[test]
fn a_request_is_good_once_unless_nonces_are_not_asked_for() {
    let acme = SignerKey::new("acme");
    for (rule, again) in [(NonceRule::Required, 401), (NonceRule::Ignored, 200)] {
        let stage = asking(&[&acme], |peers, _| changed(peers).nonce = rule);
        for protocol in Protocol::ALL {
            for talk in [Talk::get("/"), Talk::new("POST", "/").body("ten")] {
                let talk = acme.sign(talk);
                assert_eq!(stage.ask(protocol, talk.clone()).status, 200, "{protocol:?}");
                assert_eq!(stage.ask(protocol, talk).status, again, "{protocol:?} {rule:?}");
            }
        }
    }
}

#[test]
fn a_body_is_held_only_where_it_is_covered() {
    let acme = SignerKey::new("acme");
    let large = || Talk::new("PUT", "/").body("x".repeat(100_000));
    let held = asking(&[&acme], |_, _| {});
    let passed = asking(&[&acme], |peers, _| {
        changed(peers).covered = vec!["@method".to_owned(), "@target-uri".to_owned()];
    });
    for protocol in Protocol::ALL {
        for talk in [large(), large().trailer("X-Sum", "1")] {
            assert_eq!(held.ask(protocol, acme.sign(talk.clone())).status, 413, "{protocol:?}");
            let seen = passed.seen(protocol, acme.sign(talk));
            assert_eq!(seen.body.len(), 100_000, "{protocol:?}");
        }
    }
    assert!(held.origin.journal().is_empty());
}

#[test]
fn the_scheme_is_that_of_the_first_server_of_ours() {
    let acme = SignerKey::new("acme");
    // It signs for http, and says what a proxy says of a client that came by https.
    let talk = || acme.sign(Talk::get("/")).field("X-Forwarded-Proto", "https");
    let alone = asking(&[&acme], |_, _| {});
    let behind = asking(&[&acme], |_, wanted| {
        wanted.listener.trusted_proxies = networks(&["127.0.0.0/8"]);
    });
    for protocol in Protocol::ALL {
        assert_eq!(alone.ask(protocol, talk()).status, 200, "{protocol:?}");
        assert_eq!(behind.ask(protocol, talk()).status, 401, "{protocol:?}");
        assert_eq!(behind.ask(protocol, acme.sign(Talk::get("/"))).status, 200, "{protocol:?}");
    }
}

#[test]
fn a_key_whose_entry_is_gone_is_believed_no_more() {
    let (acme, umbrella) = (SignerKey::new("acme"), SignerKey::new("umbrella"));
    let mut stage = asking(&[&acme, &umbrella], |_, _| {});
    let ask = |stage: &Stage, key: &SignerKey, protocol| {
        stage.ask(protocol, key.sign(Talk::get("/"))).status
    };
    for protocol in Protocol::ALL {
        assert_eq!((ask(&stage, &acme, protocol), ask(&stage, &umbrella, protocol)), (200, 200));
    }
    stage.edge.republish(|intent| {
        intent.auth.insert("peers".into(), peers(&[&umbrella]).into());
    });
    stage.edge.settle();
    for protocol in Protocol::ALL {
        assert_eq!((ask(&stage, &acme, protocol), ask(&stage, &umbrella, protocol)), (401, 200));
    }
}
