//! Requests that are signed with a secret: whose they are, that they are good once and only as they came, and that secrets follow each
//! other while requests run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use edge::explain::{Outcome, Question, Transport};
use model::{Authentication, ClaimHeader, ClaimPath, Credential};
use telemetry::Ending;
use testkit::edge::Wanted;
use testkit::password::ended;
use testkit::signed::{APP_SECRET, HmacSigner, WINDOW, app};
use testkit::token::token;
use testkit::{AccessLines, Protocol, Talk, eventually};

use crate::Stage;
use crate::auth::users;

const OTHER_SECRET: &[u8] = b"another secret, which is as long as that";

/// A route that asks for `app`, whose only secret is [`APP_SECRET`], after `change`.
pub(crate) fn asking(change: impl FnOnce(&mut Authentication, &mut Wanted)) -> Stage {
    Stage::with(|wanted| {
        let mut app = app(&[("", APP_SECRET)]);
        app.claims =
            vec![ClaimHeader { header: "x-user".into(), claim: ClaimPath(vec!["sub".into()]) }];
        wanted.routes[0].policies.auth = vec![app.name.clone()];
        change(&mut app, wanted);
        wanted.auth.push(app);
    })
}

/// `talk`, signed as it should be.
pub(crate) fn signed(talk: Talk) -> Talk {
    HmacSigner::new(APP_SECRET).sign(talk)
}

#[test]
fn what_is_signed_is_the_secret_s_owner_s_and_comes_whole() {
    let stage = asking(|app, _| app.credential = Credential::Removed);
    let large = "x".repeat(64 * 1024);
    for protocol in Protocol::ALL {
        for talk in [
            Talk::get("/login?next=%2Fa&b="),
            Talk::new("DELETE", "/"),
            Talk::new("POST", "/login").body("user=alice"),
            Talk::new("POST", "/login").body("user=alice").trailer("X-Sum", "1"),
            Talk::new("POST", "/login").trailer("X-Sum", "1"),
            Talk::new("PUT", "/").body(large.as_str()),
            Talk::new("PUT", "/").body(large.as_str()).trailer("X-User", "root"),
        ] {
            let (method, body) = (talk.method().to_owned(), talk.content().to_owned());
            let seen = stage.seen(protocol, signed(talk).field("x-user", "root"));
            assert_eq!(seen.body, body, "{protocol:?} {method}");
            assert_eq!(seen.fields("x-user").collect::<Vec<_>>(), ["app"], "{protocol:?}");
            for name in ["x-signature", "x-nonce", "x-timestamp"] {
                assert_eq!(seen.fields(name).count(), 0, "{protocol:?} {name}");
            }
        }
    }
    let closed = asking(|_, _| {}).seen(Protocol::H1, signed(Talk::get("/")));
    assert_eq!(closed.fields("x-signature").count(), 1, "it is kept unless it is to be taken out");
}

#[test]
fn what_was_changed_is_late_or_is_not_signed_is_401_and_the_instance_is_not_asked() {
    let stage = asking(|_, _| {});
    let post = || Talk::new("POST", "/login?a=1").body("user=alice");
    let at = |time: SystemTime| HmacSigner { at: time, ..HmacSigner::new(APP_SECRET) }.sign(post());
    let (now, over) = (SystemTime::now(), WINDOW + Duration::from_secs(30));
    for protocol in Protocol::ALL {
        for (talk, ending) in [
            (post(), Ending::AuthMissing),
            (signed(post()).body("user=mallory"), Ending::AuthForged),
            (signed(post()).body(""), Ending::AuthForged),
            (signed(Talk::get("/login")).body("user=alice"), Ending::AuthForged),
            (signed(Talk::new("POST", "/login?a=2")).body("user=alice"), Ending::AuthForged),
            (HmacSigner::new(OTHER_SECRET).sign(post()), Ending::AuthForged),
            (post().field("X-Signature", &"0".repeat(64)), Ending::AuthMalformed),
            (signed(post()).field("X-Nonce", "12345678"), Ending::AuthMalformed),
            (signed(post()).field("X_Nonce", "12345678"), Ending::AuthMalformed),
            (signed(post()).field("x_signature", "0"), Ending::AuthMalformed),
            (at(now - over), Ending::AuthExpired),
            (at(now + over), Ending::AuthNotYet),
        ] {
            let before = ended(&stage.edge, ending);
            let reply = stage.ask(protocol, talk);
            assert_eq!(reply.status, 401, "{protocol:?} {ending}");
            assert_eq!(reply.fields("www-authenticate"), ["Hmac realm=\"app\""], "{protocol:?}");
            eventually(ending.as_str(), || ended(&stage.edge, ending) == before + 1);
        }
    }
    assert!(stage.origin.journal().is_empty());
}

#[test]
fn the_log_names_the_secret_and_what_became_of_the_signature() {
    let lines = AccessLines::default();
    let stage = asking(|it, wanted| {
        it.proof = app(&[("2026-11", APP_SECRET), ("2026-05", OTHER_SECRET)]).proof;
        wanted.access_log = Some(lines.clone());
    });
    let signer = HmacSigner { key_id: Some("2026-05"), ..HmacSigner::new(OTHER_SECRET) };
    for protocol in Protocol::ALL {
        let talk = signer.sign(Talk::new("POST", "/login").body("user=alice"));
        assert_eq!(stage.ask(protocol, talk.clone()).status, 200, "{protocol:?}");
        assert_eq!(stage.ask(protocol, talk).status, 401, "{protocol:?}");
        // Under another id it is another's.
        let other = HmacSigner { key_id: Some("2026-11"), ..signer.clone() };
        assert_eq!(stage.ask(protocol, other.sign(Talk::get("/"))).status, 401, "{protocol:?}");
    }
    drop(stage);
    let told = |ending: Ending| {
        let all = lines.all();
        let of = all.iter().filter(|line| line.field("ending") == ending.as_str());
        of.count()
    };
    assert_eq!((told(Ending::Ok), told(Ending::AuthReplayed), told(Ending::AuthForged)), (2, 2, 2));
    let passed = lines.all().into_iter().filter(|line| line.field("ending") == "ok");
    for line in passed {
        assert_eq!((line.field("auth"), line.field("subject")), ("app", "2026-05"));
    }
}

#[test]
fn a_request_is_good_once_by_whatever_protocol_it_comes_again() {
    let stage = asking(|_, _| {});
    for (first, then) in [(Protocol::H1, Protocol::H2), (Protocol::H2, Protocol::H1)] {
        let talk = signed(Talk::new("POST", "/login").body("user=alice"));
        assert_eq!(stage.ask(first, talk.clone()).status, 200);
        let before = ended(&stage.edge, Ending::AuthReplayed);
        assert_eq!(stage.ask(then, talk.clone()).status, 401);
        assert_eq!(stage.ask(first, talk).status, 401);
        eventually("both are counted", || ended(&stage.edge, Ending::AuthReplayed) == before + 2);
    }
    assert_eq!(stage.origin.journal().len(), 2);
}

#[test]
fn a_body_that_is_not_the_one_does_not_use_the_nonce_up() {
    let stage = asking(|_, _| {});
    for protocol in Protocol::ALL {
        let talk = signed(Talk::new("POST", "/login").body("user=alice"));
        assert_eq!(stage.ask(protocol, talk.clone().body("user=mallo")).status, 401);
        assert_eq!(stage.ask(protocol, talk).status, 200, "{protocol:?}");
    }
}

/// Clients that ask without a pause, and with which secret each does.
#[derive(Default)]
struct Rotation {
    secret: AtomicUsize,
    /// What each client's request that runs was signed with.
    in_use: [AtomicUsize; 2],
    served: AtomicUsize,
}

impl Rotation {
    /// A request begins: the place of the secret that signs it.
    fn begin(&self, client: usize) -> usize {
        let secret = self.secret.load(Ordering::SeqCst);
        self.in_use[client].store(secret, Ordering::SeqCst);
        secret
    }

    /// Waits until no request runs that was signed with another secret than the one at `place`.
    fn all_sign_with(&self, place: usize) {
        self.secret.store(place, Ordering::SeqCst);
        eventually("all have gone over", || {
            self.in_use.iter().all(|it| it.load(Ordering::SeqCst) == place)
        });
    }

    /// Waits until more were served.
    fn more(&self) {
        let before = self.served.load(Ordering::SeqCst);
        eventually("more are served", || self.served.load(Ordering::SeqCst) > before + 20);
    }
}

/// Ends the clients when it is dropped.
struct End<'a>(&'a Rotation);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.secret.store(usize::MAX, Ordering::SeqCst);
    }
}

#[test]
fn one_secret_follows_another_while_requests_run_and_none_fails() {
    let (old, new) = (("old", APP_SECRET), ("new", OTHER_SECRET));
    let mut stage = asking(|it, _| it.proof = app(&[old]).proof);
    let address = stage.edge.address();
    let rotation = Rotation::default();
    let signers =
        [old, new].map(|(id, secret)| HmacSigner { key_id: Some(id), ..HmacSigner::new(secret) });
    let post = || Talk::new("POST", "/login").body("user=alice");
    let ask = |client: usize, protocol: Protocol| {
        while let Some(signer) = signers.get(rotation.begin(client)) {
            let status = signer.sign(post()).over(protocol, address).status;
            assert_eq!(status, 200, "{protocol:?}");
            rotation.served.fetch_add(1, Ordering::SeqCst);
        }
    };
    std::thread::scope(|scope| {
        // However this ends, its clients end with it.
        let end = End(&rotation);
        for (client, protocol) in Protocol::ALL.into_iter().enumerate() {
            let ask = &ask;
            scope.spawn(move || ask(client, protocol));
        }
        rotation.more();
        stage.edge.republish(|intent| {
            intent.auth.insert("app".into(), app(&[old, new]).into());
        });
        stage.edge.settle();
        rotation.more();
        rotation.all_sign_with(1);
        rotation.more();
        stage.edge.republish(|intent| {
            intent.auth.insert("app".into(), app(&[new]).into());
        });
        stage.edge.settle();
        rotation.more();
        drop(end);
    });
    for (signer, status) in signers.iter().zip([401, 200]) {
        assert_eq!(stage.ask(Protocol::H1, signer.sign(post())).status, status);
    }
    let seen = stage.origin.journal().pop().expect("it was asked");
    assert_eq!(seen.body, b"user=alice");
}

#[test]
fn of_several_ways_any_will_do_and_a_body_is_held_for_none_that_need_not_see_it() {
    for first in ["users", "app"] {
        let stage = asking(|app, wanted| {
            let users = users();
            let names = [users.name.clone(), app.name.clone()];
            wanted.routes[0].policies.auth = match first {
                "users" => names.to_vec(),
                _ => names.into_iter().rev().collect(),
            };
            wanted.auth.push(users);
        });
        let bearer = format!("Bearer {}", token(r#""sub":"alice""#));
        let large = "y".repeat(100_000);
        for protocol in Protocol::ALL {
            let put = || Talk::new("PUT", "/").body(large.as_str());
            for talk in [put(), put().trailer("X-Sum", "1")] {
                // Neither is it too large for a token, nor for one beside a signature.
                let with_token = talk.clone().field("Authorization", &bearer);
                let seen = stage.seen(protocol, with_token.clone());
                assert_eq!(seen.body.len(), large.len(), "{protocol:?}");
                let seen = stage.seen(protocol, signed(with_token));
                assert_eq!(seen.body, large.as_bytes(), "{protocol:?} {first}");
                assert_eq!(stage.ask(protocol, signed(talk)).status, 413, "{protocol:?}");
            }
            assert_eq!(stage.ask(protocol, signed(Talk::get("/"))).status, 200, "{protocol:?}");
            let reply = stage.ask(protocol, Talk::get("/"));
            assert_eq!(reply.status, 401, "{protocol:?}");
            let challenges = reply.fields("www-authenticate");
            assert_eq!(challenges.len(), 2, "{protocol:?}: {challenges:?}");
        }
    }
}

#[test]
fn explain_uses_no_nonce_up_and_says_what_the_head_tells() {
    let stage = asking(|_, _| {});
    let talk = signed(Talk::get("/"));
    let explained = |fields: Vec<(String, String)>| {
        let question = Question {
            method: "GET",
            entrance: Some((Transport::Clear, stage.edge.address().port())),
            authority: "example.com",
            target: "/",
            fields: &fields,
            peer: [127, 0, 0, 1].into(),
        };
        stage.edge.edge.explain(question).expect("it makes sense").expect("it is served").outcome
    };
    let head = talk.h1_head();
    let lines = head.lines().filter_map(|line| line.split_once(": ")).skip(1);
    let fields: Vec<_> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for _ in 0..2 {
        let outcome = explained(fields.clone());
        assert!(
            matches!(&outcome, Outcome::Depends(auth) if auth.as_str() == "app"),
            "{outcome:?}"
        );
    }
    let outcome = explained(fields[..2].to_vec());
    assert!(
        matches!(outcome, Outcome::Refused { status: 401, ending: Ending::AuthMissing }),
        "{outcome:?}"
    );
    assert_eq!(stage.ask(Protocol::H1, talk).status, 200);
}
