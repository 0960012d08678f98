//! A signed request that is sent to two edges at once is good on one of them: over a real Redis, and what happens without it.

use std::sync::Barrier;
use std::time::Duration;

use edge::Store;
use model::{Authentication, Login, OnFailure, Redis, RedisNode, Transport};
use testkit::signed::{APP_SECRET, HmacSigner, SignerKey, app, peers};
use testkit::{Protocol, RedisServer, Talk};
use tokio::runtime::Runtime;

use crate::Stage;

/// Two edges that share a store.
struct Pair {
    edges: [Stage; 2],
    /// The stores' own tasks.
    _runtime: Runtime,
}

impl Pair {
    fn new(redis: &RedisServer, auth: &Authentication, on_failure: OnFailure) -> Self {
        let runtime = Runtime::new().expect("a runtime starts");
        let edges = [(), ()].map(|()| {
            let login = Login::default();
            let host = "127.0.0.1".to_owned();
            let node = RedisNode { host, port: redis.port, transport: Transport::Plain, login };
            let wanted = model::Store {
                redis: Redis::Single(Box::new(node)),
                ca: None,
                prefix: "test".to_owned(),
                timeout: Duration::from_secs(5),
                on_failure,
                secret: None,
            };
            let _entered = runtime.enter();
            let store = Store::open(Some(&wanted), &Store::alone());
            let health = runtime.block_on(store.shared().expect("there is one").tried());
            assert!(health.down().is_none(), "{health:?}");
            Stage::with(|wanted| {
                wanted.routes[0].policies.auth = vec![auth.name.clone()];
                wanted.auth.push(auth.clone());
                wanted.store = store;
            })
        });
        Self { edges, _runtime: runtime }
    }

    /// What both edges say to the same request at the same time, in order.
    fn at_once(&self, protocol: Protocol, talk: &Talk) -> [u16; 2] {
        let barrier = Barrier::new(2);
        let ask = |stage: &Stage| {
            barrier.wait();
            stage.ask(protocol, talk.clone()).status
        };
        let [first, second] = &self.edges;
        let mut statuses = std::thread::scope(|scope| {
            let other = scope.spawn(|| ask(second));
            [ask(first), other.join().expect("it is answered")]
        });
        statuses.sort_unstable();
        statuses
    }
}

fn is_installed() -> bool {
    testkit::has(&["redis-server", "redis-cli"])
}

#[test]
fn of_two_edges_that_get_it_at_once_one_lets_it_pass() {
    if !is_installed() {
        return;
    }
    let (redis, acme) = (RedisServer::start(&[]), SignerKey::new("acme"));
    let post = || Talk::new("POST", "/").body("ten");
    let sign = [app(&[("", APP_SECRET)]), peers(&[&acme])];
    for auth in &sign {
        let pair = Pair::new(&redis, auth, OnFailure::Refuse);
        for protocol in Protocol::ALL {
            for _ in 0..10 {
                let talk = match auth.name.as_str() {
                    "app" => HmacSigner::new(APP_SECRET).sign(post()),
                    _ => acme.sign(post()),
                };
                assert_eq!(pair.at_once(protocol, &talk), [200, 401], "{}", auth.name);
            }
        }
        let passed: usize = pair.edges.iter().map(|it| it.origin.journal().len()).sum();
        assert_eq!(passed, 20, "{}", auth.name);
    }
}

#[test]
fn without_the_store_each_edge_knows_its_own_or_refuses_as_the_file_says() {
    if !is_installed() {
        return;
    }
    for (on_failure, statuses) in [(OnFailure::Local, [200, 200]), (OnFailure::Refuse, [503, 503])]
    {
        let mut redis = RedisServer::start(&[]);
        let pair = Pair::new(&redis, &app(&[("", APP_SECRET)]), on_failure);
        let talk = || HmacSigner::new(APP_SECRET).sign(Talk::new("POST", "/").body("ten"));
        assert_eq!(pair.at_once(Protocol::H1, &talk()), [200, 401]);
        redis.end();
        for protocol in Protocol::ALL {
            let talk = talk();
            assert_eq!(pair.at_once(protocol, &talk), statuses, "{protocol:?} {on_failure:?}");
            // Each knows what it has seen itself.
            assert_eq!(pair.at_once(protocol, &talk), [401; 2], "{protocol:?} {on_failure:?}");
        }
    }
}
