//! Signed requests as the file has them: good on one of two edges that share a store, and by the keys that were read last.

use std::net::SocketAddr;
use std::time::Duration;

use testkit::signed::SignerKey;
use testkit::{Protocol, RedisServer, Talk};

use crate::bench::{Bench, Origin};
use crate::redis::{is_installed, section};

async fn status(address: SocketAddr, talk: Talk) -> u16 {
    let asked = tokio::task::spawn_blocking(move || talk.over(Protocol::H1, address).status);
    asked.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_is_good_on_one_edge_and_keys_follow_each_other_by_reloads() {
    if !is_installed() {
        return;
    }
    let (redis, origin) = (RedisServer::start(&[]), Origin::start("one").await);
    let (old, new) = (SignerKey::new("old"), SignerKey::new("new"));
    let room = tempfile::tempdir().unwrap();
    let peers = room.path().join("peers.pem");
    std::fs::write(&peers, old.pem()).unwrap();
    let text = format!(
        "[services.api]\ntargets = [\"{}\"]\n{}[auth.peers]\nsignature = {{ keys = {peers:?} }}\n\
         [policies]\nauth = \"peers\"\n",
        origin.address,
        section(&redis)
    );
    let edges = [Bench::start(&text).await, Bench::start(&text).await];
    let mut addresses = Vec::new();
    for edge in &edges {
        edge.until("its store is up", |status| {
            status.store.as_ref().is_some_and(|it| it.why.is_none())
        })
        .await;
        addresses.push(edge.address().await);
    }
    let both = async |key: &SignerKey| {
        let talk = key.sign(Talk::get("/"));
        let (here, there) = (status(addresses[0], talk.clone()), status(addresses[1], talk));
        let (here, there) = tokio::join!(here, there);
        [here.min(there), here.max(there)]
    };
    for _ in 0..5 {
        assert_eq!(both(&old).await, [200, 401]);
    }
    assert_eq!(both(&new).await, [401, 401], "it is not known yet");
    for (keys, told) in
        [(vec![&old, &new], [[200, 401], [200, 401]]), (vec![&new], [[401, 401], [200, 401]])]
    {
        let text: String = keys.iter().map(|key| key.pem()).collect();
        std::fs::write(&peers, text).unwrap();
        for edge in &edges {
            edge.handle.reload().await.unwrap();
        }
        // Each worker serves by what was read once it has taken that up.
        for (key, told) in [&old, &new].into_iter().zip(told) {
            let taken_up = async { while both(key).await != told {} };
            let waited = tokio::time::timeout(Duration::from_secs(30), taken_up).await;
            assert!(waited.is_ok(), "it is not {told:?}");
        }
    }
}
