//! Real servers of Redis with what an edge has of them; and one that follows a script.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use model::{Login, OnFailure, Redis, RedisNode, Secret, Store as Wanted, Transport};
use store::{Health, Shared, Store};
use testkit::RedisServer;
pub(crate) use testkit::redis_server::{free_port, redis_cli as cli};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Longer than anything takes on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What a call may take in these tests.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(2_000);

/// Whether there is a Redis to be tried.
pub(crate) fn is_installed() -> bool {
    testkit::has(&["redis-server", "redis-cli"])
}

/// A server that runs until this is dropped.
pub(crate) struct Server(RedisServer);

impl Deref for Server {
    type Target = RedisServer;

    fn deref(&self) -> &RedisServer {
        &self.0
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut RedisServer {
        &mut self.0
    }
}

impl Server {
    /// Starts one with these options beside the usual ones.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self(RedisServer::start(options))
    }

    /// Starts a sentinel of this file, which it rewrites.
    pub(crate) fn start_sentinel(file: &Path) -> Self {
        Self(RedisServer::start_sentinel(file))
    }

    pub(crate) fn wanted(&self) -> Wanted {
        wanted(Redis::Single(Box::new(node(self.port))))
    }

    /// What an edge has of it, once that is up.
    pub(crate) async fn edge(&self) -> Edge {
        let edge = Edge::of(&self.wanted());
        edge.until_up().await;
        edge
    }
}

/// A store as one edge has it.
pub(crate) struct Edge(pub(crate) Store);

impl Edge {
    pub(crate) fn of(wanted: &Wanted) -> Self {
        Self(Store::open(Some(wanted), &Store::alone()))
    }

    pub(crate) fn shared(&self) -> &Shared {
        self.0.shared().unwrap()
    }

    pub(crate) async fn until(&self, is_wanted: impl Fn(&Health) -> bool) -> Health {
        let wait = async {
            let mut health = self.shared().health();
            while !is_wanted(&health) {
                health = self.shared().changed(&health).await;
            }
            health
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("it stays {:?}", self.shared().health()))
    }

    pub(crate) async fn until_up(&self) {
        self.until(|health| *health == Health::Up).await;
    }

    /// Waits until it is down for a reason that has these words, and says the reason.
    pub(crate) async fn until_down(&self, words: &str) -> String {
        let is_it = |health: &Health| health.down().is_some_and(|it| it.why.contains(words));
        self.until(is_it).await.down().unwrap().to_string()
    }
}

pub(crate) fn node(port: u16) -> RedisNode {
    let (host, transport) = ("127.0.0.1".to_owned(), Transport::Plain);
    RedisNode { host, port, transport, login: Login::default() }
}

pub(crate) fn with_password(port: u16, password: &str) -> RedisNode {
    let password = Some(Secret::new(password.as_bytes()));
    RedisNode { login: Login { password, ..Login::default() }, ..node(port) }
}

pub(crate) fn wanted(redis: Redis) -> Wanted {
    let (prefix, on_failure) = ("plimsoll".into(), OnFailure::Local);
    Wanted { redis, ca: None, prefix, timeout: TIMEOUT, on_failure, secret: None }
}

/// A server that answers each command that it is told with `answer`; what it was told is put in for `{told}`.
pub(crate) async fn scripted(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut told = vec![0; 65_536];
                while let Ok(length @ 1..) = stream.read(&mut told).await {
                    let told = String::from_utf8_lossy(&told[..length]).into_owned();
                    // Each command is an array, and nothing that it has begins with a star.
                    let commands = told.split("\r\n").filter(|line| line.starts_with('*')).count();
                    let answer = answer.replace("{told}", &told.replace("\r\n", " "));
                    let answer = answer.repeat(commands);
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
