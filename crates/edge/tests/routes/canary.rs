//! A release that is tried on a share of the requests: who sees it, and for how long.

use std::collections::BTreeSet;
use std::sync::Arc;

use edge::Bar;
use model::{Balance, Hash, HashAlgorithm, HashKey};
use testkit::{Origin, Protocol, Step, Talk, TestEdge};

use crate::jar;

#[test]
fn during_a_canary_a_client_stays_with_its_release() {
    let (old, new) = (Origin::polite("old"), Origin::polite("new"));
    let mut edge = TestEdge::start(&[old.address(), new.address()]);
    edge.split(0.5, &[new.address()]);
    testkit::eventually("clients are drawn a number", || {
        let reply = Talk::get("/").over(Protocol::H1, edge.address());
        jar(&reply).starts_with("plimsoll_release-api=")
    });
    for protocol in Protocol::ALL {
        let mut seen = BTreeSet::new();
        for _ in 0..16 {
            let first = Talk::get("/").over(protocol, edge.address());
            let jar = jar(&first);
            for _ in 0..4 {
                let again = Talk::get("/").field("Cookie", &jar).over(protocol, edge.address());
                assert_eq!((again.body.as_str(), again.field("set-cookie")), (&*first.body, None));
            }
            seen.insert(first.body);
        }
        assert_eq!(seen.len(), 2, "{protocol:?}: each release has its share");
    }
}

/// Two releases, the second of which is tried on a share, and their origins.
fn releases(share: f64) -> (TestEdge, [Origin; 2]) {
    let origins = [Origin::polite("old"), Origin::polite("new")];
    let mut edge = TestEdge::start(&[origins[0].address(), origins[1].address()]);
    edge.split(share, &[origins[1].address()]);
    edge.settle();
    (edge, origins)
}

#[test]
fn a_share_of_nothing_gets_nothing_and_one_of_all_gets_all() {
    for (share, name) in [(0.0, "old"), (1.0, "new")] {
        let (edge, _origins) = releases(share);
        for protocol in Protocol::ALL {
            for _ in 0..20 {
                let reply = Talk::get("/").over(protocol, edge.address());
                assert_eq!(reply.body, name, "{protocol:?} {share}");
            }
        }
    }
}

#[test]
fn as_the_share_grows_a_client_moves_once_and_never_back() {
    let (mut edge, origins) = releases(0.0);
    let mut jars = Vec::new();
    for protocol in Protocol::ALL {
        for _ in 0..20 {
            jars.push((protocol, jar(&Talk::get("/").over(protocol, edge.address()))));
        }
    }
    let mut moved = BTreeSet::new();
    for share in [0.25, 0.5, 0.75, 1.0] {
        edge.split(share, &[origins[1].address()]);
        edge.settle();
        for (n, (protocol, jar)) in jars.iter().enumerate() {
            let reply = Talk::get("/").field("Cookie", jar).over(*protocol, edge.address());
            match &*reply.body {
                "new" => drop(moved.insert(n)),
                _ => assert!(!moved.contains(&n), "client {n} went back at {share}"),
            }
        }
    }
    assert_eq!(moved.len(), jars.len());
}

#[test]
fn a_cookie_that_was_made_up_or_is_anothers_is_worth_nothing() {
    let (edge, _origins) = releases(0.5);
    for protocol in Protocol::ALL {
        let given = jar(&Talk::get("/").over(protocol, edge.address()));
        let (name, token) = given.split_once('=').expect("a pair");
        let (first, rest) = token.split_at(1);
        let forged = format!("{}{rest}", if first == "A" { "B" } else { "A" });
        for cookie in [
            format!("{name}={forged}"),
            format!("{name}="),
            format!("{name}={rest}"),
            format!("plimsoll_release-other={token}"),
            format!("{name}-x={token}"),
        ] {
            let reply = Talk::get("/").field("Cookie", &cookie).over(protocol, edge.address());
            let new = reply.field("set-cookie").unwrap_or_else(|| panic!("{cookie} was believed"));
            assert!(new.starts_with(name), "{new}");
        }
        let among = format!("a=b; {name}={token}; c=d");
        let reply = Talk::get("/").field("Cookie", &among).over(protocol, edge.address());
        assert_eq!(reply.field("set-cookie"), None, "{protocol:?}: it is known");
    }
}

#[test]
fn clients_that_are_balanced_by_a_hash_need_no_cookie_and_stay() {
    let (mut edge, _origins) = releases(0.5);
    edge.republish(|intent| {
        let api = intent.services.get_mut("api").expect("it is there");
        let key = HashKey::Header("x-user".into());
        let hash = Hash { key, algorithm: HashAlgorithm::Ring, load_bound: None };
        Arc::make_mut(api).balance = Balance::Hash(hash);
    });
    edge.settle();
    let asks = |protocol, user: usize| {
        let talk = Talk::get("/").field("X-User", &user.to_string());
        let reply = talk.over(protocol, edge.address());
        assert_eq!(reply.field("set-cookie"), None, "{protocol:?}");
        reply.body
    };
    let seen: Vec<_> = (0..40).map(|user| asks(Protocol::H1, user)).collect();
    for protocol in Protocol::ALL {
        for (user, before) in seen.iter().enumerate() {
            assert_eq!(&asks(protocol, user), before, "{protocol:?} {user}");
        }
    }
    assert_eq!(BTreeSet::from_iter(seen).len(), 2, "each release has its share");
}

#[test]
fn what_fails_on_the_new_release_is_asked_of_the_old_one_where_that_is_safe() {
    let old = Origin::polite("old");
    for (failing, status) in
        [(Step::answer(500, "broken"), 500), (Step::answer(504, "late"), 504), (Step::Reset, 502)]
    {
        let new =
            [failing.clone(), failing].map(|failing| Origin::start(move |_| vec![failing.clone()]));
        let canary = new.each_ref().map(Origin::address);
        let mut edge = TestEdge::start(&[old.address(), canary[0], canary[1]]);
        edge.split(1.0, &canary);
        edge.settle();
        for protocol in Protocol::ALL {
            let reply = Talk::get("/").over(protocol, edge.address());
            assert_eq!(reply.body, "old", "{protocol:?} {status}: no client feels it");
            let post = Talk::new("POST", "/").body("x").over(protocol, edge.address());
            assert_eq!(post.status, status, "{protocol:?}: what may have run is not sent again");
        }
        let asked: usize = new.iter().map(|it| it.journal().len()).sum();
        assert_eq!(asked, 4, "{status}: the new release was asked first, and once");
    }
}

#[test]
fn where_one_release_cannot_serve_the_other_one_does() {
    let (edge, [old, new]) = releases(0.5);
    for (barred, left) in [(&old, "new"), (&new, "old")] {
        let live = edge.live(barred.address());
        live.put(Bar::Unhealthy);
        for protocol in Protocol::ALL {
            for _ in 0..20 {
                let reply = Talk::get("/").over(protocol, edge.address());
                assert_eq!(reply.body, left, "{protocol:?}");
            }
        }
        live.lift(Bar::Unhealthy);
    }
}
