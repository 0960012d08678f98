//! `plimsoll certificates`, and the certificates that are ordered: with a real CA (pebble).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use testkit::pebble::{Looks, Pebble};
use testkit::{Fork, RedisServer};

use crate::sandbox::{Running, Sandbox};

const HOST: &str = "shop.example.com";
const KEPT: &str = "state/certificates/hosts/shop.example.com/certificate.pem";

/// A new machine, with a CA that takes its time; `None` where there is no CA.
fn start() -> Option<(Pebble, Sandbox, Running)> {
    // The ports where a CA looks were free a moment ago: another program may have taken one.
    for _ in 0..5 {
        let pebble = Pebble::start(Looks::Within(3))?;
        let (directory, http, tls) = (pebble.directory(), pebble.http, pebble.tls);
        let sandbox = Sandbox::new(&format!(
            "[acme]\ndirectory = \"{directory}\"\nca = \"root.pem\"\n\
             [listeners.web]\nbind = \"127.0.0.1:{http}\"\nredirect_https = true\n\
             [listeners.secure]\nbind = \"127.0.0.1:{tls}\"\ntls = {{ acme = \"ops@example.com\" }}\n\
             [[routes]]\nhost = \"{HOST}\"\nrespond = {{ status = 200, body = \"fine\" }}\n"
        ));
        std::fs::write(sandbox.path().join("root.pem"), pebble.root()).unwrap();
        if let Ok(running) = catch_unwind(AssertUnwindSafe(|| sandbox.run())) {
            return Some((pebble, sandbox, running));
        }
    }
    panic!("no ports are free");
}

/// What `GET /` gets over TLS from a client that trusts who issued what is kept.
fn get(sandbox: &Sandbox, port: u16) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    if let Ok(kept) = CertificateDer::pem_file_iter(sandbox.path().join(KEPT)) {
        kept.skip(1).for_each(|it| roots.add(it.unwrap()).unwrap());
    }
    ask(roots, HOST, port)
}

/// What `GET /` gets from `name` over TLS.
fn ask(roots: RootCertStore, name: &'static str, port: u16) -> io::Result<String> {
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = StreamOwned::new(session, socket);
    let head = format!("GET / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn a_new_machine_comes_to_https_also_where_it_is_killed_in_an_order_and_stays_there_without_the_ca()
{
    let Some((pebble, sandbox, mut running)) = start() else { return };
    let port = pebble.tls;
    // The order has begun, and the CA takes its time to look.
    running.wait_for("account opened with a CA");
    get(&sandbox, port).unwrap_err();
    let printed = sandbox.plimsoll(&["certificates"]);
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(printed.stdout.contains(HOST), "{}", printed.stdout);
    running.signal(Signal::KILL);
    running.wait_for_signal();

    let mut running = sandbox.run();
    if !sandbox.path().join(KEPT).exists() {
        running.wait_for("certificate issued");
    }
    let text = get(&sandbox, port).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("fine"), "{text}");
    let accounts = std::fs::read_dir(sandbox.path().join("state/certificates/accounts")).unwrap();
    assert_eq!(accounts.count(), 1, "the account was kept before the first order");

    let printed = sandbox.plimsoll(&["certificates"]).stdout;
    let line = printed.lines().find(|it| it.contains(HOST)).unwrap();
    assert!(line.contains("Pebble Intermediate CA") && line.contains("ECDSA P-256"), "{printed}");
    let printed = sandbox.plimsoll(&["certificates", "--json"]).stdout;
    let document: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let certificate = &document["certificates"][0];
    assert_eq!(certificate["hosts"][0], HOST);
    assert_eq!(certificate["why"], "third_left");
    assert!(certificate["next"].as_str() < certificate["expires"].as_str(), "{printed}");

    drop(pebble);
    running.signal(Signal::KILL);
    running.wait_for_signal();
    let _running = sandbox.run();
    assert!(get(&sandbox, port).unwrap().starts_with("HTTP/1.1 200 "), "no CA is asked");
}

#[test]
fn the_root_of_the_own_ca_is_printed_and_a_client_that_has_it_is_served() {
    let sandbox = Sandbox::new(
        "[listeners.secure]\nbind = \"127.0.0.1:0\"\ntls = { internal = true }\n\
         [listeners.web]\nbind = \"127.0.0.1:0\"\n[[routes]]\nrespond = { status = 200, body = \"fine\" }\n",
    );
    let checked = sandbox.plimsoll(&["check"]);
    assert!(checked.stdout.contains("own CA issues the certificates for localhost"), "{checked:?}");
    let mut running = sandbox.run();
    running.wait_for("certificate issued");
    let printed = sandbox.plimsoll(&["certificates", "--ca"]);
    assert_eq!((printed.code, &*printed.stderr), (Some(0), ""));
    let root = CertificateDer::from_pem_slice(printed.stdout.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let status = sandbox.plimsoll(&["status", "--json"]).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let address: SocketAddr =
        status["listeners"][0]["addresses"][0].as_str().unwrap().parse().unwrap();
    let text = ask(roots, "localhost", address.port()).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("fine"), "{text}");
    let document = sandbox.plimsoll(&["certificates", "--ca", "--json"]).stdout;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["root"].as_str(), Some(&*printed.stdout));
    assert!(document["name"].as_str().unwrap().starts_with("Plimsoll internal CA of "));
}

#[test]
fn without_a_ca_of_its_own_there_is_no_root() {
    let sandbox = Sandbox::new(
        "[listeners.web]\nbind = \"127.0.0.1:0\"\n[[routes]]\nrespond = { status = 204 }\n",
    );
    let _running = sandbox.run();
    let printed = sandbox.plimsoll(&["certificates", "--ca"]);
    assert_eq!((printed.code, &*printed.stdout), (Some(3), ""));
    assert!(printed.stderr.contains("internal = true"), "{}", printed.stderr);
}

/// Where the CA looks, and the store; `None` where there is no CA or no Redis.
fn site() -> Option<(Pebble, RedisServer, Fork, Fork)> {
    if !testkit::has(&["redis-server", "redis-cli"]) {
        return None;
    }
    for _ in 0..5 {
        let pebble = Pebble::start(Looks::Within(3))?;
        if let (Ok(http), Ok(tls)) = (Fork::at(pebble.http), Fork::at(pebble.tls)) {
            return Some((pebble, RedisServer::start(&[]), http, tls));
        }
    }
    panic!("no ports are free");
}

/// An edge, and where its listeners are: of clear text, and of TLS.
struct Place {
    sandbox: Sandbox,
    running: Running,
    addresses: [SocketAddr; 2],
}

impl Place {
    fn start(pebble: &Pebble, redis: &RedisServer) -> Self {
        let (directory, store) = (pebble.directory(), redis.port);
        let sandbox = Sandbox::new(&format!(
            "[acme]\ndirectory = \"{directory}\"\nca = \"root.pem\"\n\
             [store]\nredis = \"redis://127.0.0.1:{store}\"\ntimeout = \"2s\"\nsecret_env = \"STORE_SECRET\"\n\
             [listeners.a]\nbind = \"127.0.0.1:0\"\n\
             [listeners.b]\nbind = \"127.0.0.1:0\"\ntls = {{ acme = \"ops@example.com\" }}\n\
             [[routes]]\nhost = \"{HOST}\"\nrespond = {{ status = 200, body = \"fine\" }}\n"
        ));
        std::fs::write(sandbox.path().join("root.pem"), pebble.root()).unwrap();
        let running = sandbox.run_with_variable("STORE_SECRET", "0123456789abcdef0123456789abcdef");
        let status = sandbox.plimsoll(&["status", "--json"]).stdout;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let address = |index: usize| {
            status["listeners"][index]["addresses"][0].as_str().unwrap().parse().unwrap()
        };
        let addresses = [address(0), address(1)];
        Self { sandbox, running, addresses }
    }

    fn kept(&self) -> Option<String> {
        std::fs::read_to_string(self.sandbox.path().join(KEPT)).ok()
    }
}

/// Waits until `condition` holds: longer than a turn lasts that nobody keeps, and an order takes.
fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "still not so: {what}");
        // What it waits for needs the processors, too.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Two edges, of which the second has ordered in the place of the first.
struct Takeover {
    first: Place,
    second: Place,
    /// Whom they ask, and the ways of the CA.
    _site: (Pebble, RedisServer, Fork, Fork),
}

/// One edge is hit by `signal` in its order, and another that starts then orders in its place.
fn another_takes_over(signal: Signal) -> Option<Takeover> {
    let (pebble, redis, http, tls) = site()?;
    let mut first = Place::start(&pebble, &redis);
    first.running.wait_for("account opened with a CA");
    first.running.signal(signal);
    let second = Place::start(&pebble, &redis);
    http.lead(&second.addresses[..1]);
    tls.lead(&second.addresses[1..]);
    until("the other has ordered", || second.kept().is_some());
    assert!(first.kept().is_none(), "it was in its order");
    let text = get(&second.sandbox, second.addresses[1].port()).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    let account = |place: &Place| {
        let accounts = place.sandbox.path().join("state/certificates/accounts");
        let one = std::fs::read_dir(accounts).unwrap().next().unwrap().unwrap();
        std::fs::read_to_string(one.path()).unwrap()
    };
    assert_eq!(account(&first), account(&second), "all order with one account");
    Some(Takeover { first, second, _site: (pebble, redis, http, tls) })
}

#[test]
fn where_the_edge_that_orders_is_killed_another_one_orders_within_seconds() {
    another_takes_over(Signal::KILL);
}

#[test]
fn an_edge_that_wakes_in_an_order_that_has_passed_to_another_serves_what_that_one_has() {
    let Some(Takeover { first, second, _site }) = another_takes_over(Signal::STOP) else { return };
    let kept = second.kept().unwrap();
    first.running.signal(Signal::CONT);
    until("it has what the other has", || first.kept().as_ref() == Some(&kept));
    let text = get(&first.sandbox, first.addresses[1].port()).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
    assert_eq!(second.kept(), Some(kept), "nothing was overwritten");
}
