//! Sentinels and a failover, a cluster, TLS.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Edge, PATIENCE, Server, cli, free_port, is_installed, node, wanted};
use model::{Document, Login, Redis, RedisNode, Store, Transport};
use store::{Follower, Nonce, NonceUse, Saying, Settlement};

fn saying(key: &str) -> Saying {
    let (remaining, age) = (Duration::from_secs(60), Duration::ZERO);
    Saying { key: key.into(), text: "ban".into(), remaining, age }
}

/// Everything that edges do with it.
async fn try_all(edge: &Edge) {
    let shared = edge.shared();
    let (age, at_least) = (Duration::ZERO, 0);
    let all: Vec<_> = (0..600)
        .map(|bucket| Settlement { bucket, spent: 9_000_000, age, at_least, flow: 1.0 })
        .collect();
    let gone = shared.settle(&all).await.unwrap();
    assert!(gone.len() == 600 && gone.iter().all(|it| *it >= 9_000_000), "{gone:?}");
    let nonce = Nonce { scope: "app", nonce: b"n", lifetime: Duration::from_secs(60) };
    assert_eq!(edge.0.use_nonce(nonce).await, Ok(NonceUse::First));
    shared.shared_key("limits", [7; 32]).await.unwrap();
    shared.say(&[saying("subject alice")]).await.unwrap();
    let news = Follower::default().read(shared).await.unwrap();
    assert!(news.said.iter().any(|it| it.key == "subject alice"), "{news:?}");
}

#[tokio::test]
async fn a_cluster_does_all_that_one_server_does() {
    if !is_installed() {
        return;
    }
    let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"];
    let options: Vec<&str> = options.into_iter().chain(["--cluster-port", "0"]).collect();
    // Their bus has a port of its own, which must be free, too.
    let servers: Vec<Server> = (0..3)
        .map(|_| {
            let bus = free_port().to_string();
            let mut options = options.clone();
            let last = options.len() - 1;
            options[last] = &bus;
            Server::start(&options)
        })
        .collect();
    let addresses: Vec<_> = servers.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]).args(addresses).args(["--cluster-yes"]);
    let created = create.output().unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
    let nodes = servers.iter().take(2).map(|it| node(it.port)).collect();
    let edge = Edge::of(&wanted(Redis::Cluster(nodes)));
    edge.until_up().await;
    try_all(&edge).await;
    let sizes: Vec<u32> = servers.iter().map(|it| it.cli(&["DBSIZE"]).parse().unwrap()).collect();
    assert!(sizes.iter().all(|size| *size > 50), "every node has some: {sizes:?}");
}

#[tokio::test]
async fn a_failover_by_sentinels_is_followed_and_what_was_said_is_said_again() {
    if !is_installed() {
        return;
    }
    let mut primary = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let end = Instant::now() + PATIENCE;
    while !replica.cli(&["INFO", "replication"]).contains("master_link_status:up") {
        assert!(Instant::now() < end, "the replica does not follow");
    }
    let file = primary.directory().join("sentinel.conf");
    let text = format!(
        "sentinel monitor shop 127.0.0.1 {} 1\nsentinel down-after-milliseconds shop 500\n\
         sentinel failover-timeout shop 5000\n",
        primary.port
    );
    std::fs::write(&file, text).unwrap();
    let sentinel = Server::start_sentinel(&file);
    let sentinels = vec![node(free_port()), node(sentinel.port)];
    let (name, login) = ("shop".to_owned(), Login::default());
    let redis = Redis::Sentinel { sentinels, name, login };
    let edge = Edge::of(&wanted(redis));
    edge.until_up().await;
    try_all(&edge).await;
    let mut follower = Follower::default();
    follower.read(edge.shared()).await.unwrap();
    assert!(!follower.read(edge.shared()).await.unwrap().say_again);
    while !cli(sentinel.port, &["SENTINEL", "replicas", "shop"]).contains(&replica.port.to_string())
    {
        assert!(Instant::now() < end, "the sentinel does not know the replica");
    }
    primary.end();
    edge.shared().settle(&[]).await.unwrap();
    edge.until(|health| health.down().is_some()).await;
    edge.until_up().await;
    assert!(replica.cli(&["INFO", "replication"]).contains("role:master"));
    assert!(follower.read(edge.shared()).await.unwrap().say_again, "it is another server");
}

#[tokio::test]
async fn a_name_that_sentinels_do_not_know_is_said() {
    if !is_installed() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sentinel.conf");
    std::fs::write(&file, "sentinel monitor shop 127.0.0.1 1 1\n").unwrap();
    let sentinel = Server::start_sentinel(&file);
    let (sentinels, login) = (vec![node(sentinel.port)], Login::default());
    let redis = Redis::Sentinel { sentinels, name: "other".into(), login };
    Edge::of(&wanted(redis)).until_down("no primary of this name").await;
}

/// A Redis that speaks TLS alone, by a certificate of its own.
struct SecureServer {
    node: RedisNode,
    certificate: String,
    _server: Server,
    _dir: tempfile::TempDir,
}

impl SecureServer {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
        let options = ["--port", "0", "--tls-port", "{port}", "--tls-cert-file", cert];
        let options = [&options[..], &["--tls-key-file", key, "--tls-auth-clients", "no"]].concat();
        let server = Server::start(&options);
        let mut node = node(server.port);
        node.transport = Transport::Tls;
        Self { node, certificate: made.cert.pem(), _server: server, _dir: dir }
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_here_trusts_is_refused() {
    if !is_installed() {
        return;
    }
    let server = SecureServer::start();
    let edge = Edge::of(&wanted(Redis::Single(Box::new(server.node.clone()))));
    edge.until_down("cannot connect").await;
    let why = edge.until_down("certificate").await;
    assert!(why.contains("UnknownIssuer") || why.contains("certificate"), "{why}");
}

#[tokio::test]
async fn a_certificate_of_the_issuer_that_is_named_is_trusted() {
    if !is_installed() {
        return;
    }
    let server = SecureServer::start();
    let ca = Some(Document { name: "ca.pem".into(), text: server.certificate.as_str().into() });
    let wanted = Store { ca, ..wanted(Redis::Single(Box::new(server.node.clone()))) };
    let edge = Edge::of(&wanted);
    edge.until_up().await;
    try_all(&edge).await;
}
