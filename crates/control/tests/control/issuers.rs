//! Keys that are fetched: no request that should pass fails while they change, and none passes that should not. Servers that are asked about
//! requests: how the status tells of them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use control::IssuerStatus;
use testkit::origin::refusing_address;
use testkit::token::{IssuerKey, jwks};
use testkit::{Origin as Issuer, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::bench::{Bench, Origin};

/// An issuer whose set a test replaces.
fn issuer(set: &Arc<Mutex<String>>) -> Issuer {
    let set = set.clone();
    Issuer::start(move |_| vec![Step::answer(200, &set.lock().unwrap())])
}

/// A route that asks for tokens by the keys at `address`.
fn guarded(origin: &Origin, address: SocketAddr) -> String {
    format!(
        "[services.api]\ntargets = [\"{}\"]\n[auth.users]\njwt = {{ jwks = \"http://{address}/keys\" }}\n\
         [[routes]]\npath = \"/users\"\nto = \"api\"\nauth = \"users\"",
        origin.address
    )
}

/// The status for `token`, on a new connection.
async fn ask(at: SocketAddr, token: &str) -> u16 {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!(
        "GET /users HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response.split(' ').nth(1).expect("a status").parse().expect("a number")
}

/// Asks with `token` until the status is as wanted.
async fn until(at: SocketAddr, token: &str, status: u16) {
    let asked = async {
        while ask(at, token).await != status {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.expect("it is so in the end");
}

async fn stands(bench: &Bench) -> IssuerStatus {
    bench.handle.status().await.unwrap().issuers[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_while_requests_run_and_a_withdrawn_one_is_believed_no_more() {
    let [old, stays, new, forged] = ["old", "stays", "new", "new"].map(IssuerKey::new);
    let token = |key: &IssuerKey| key.token(r#""sub":"alice""#);
    let set = Arc::new(Mutex::new(jwks(&[&old, &stays])));
    let (issuer, origin) = (issuer(&set), Origin::start("one").await);
    let bench = Bench::start(&guarded(&origin, issuer.address())).await;
    let at = bench.address().await;
    assert_eq!(ask(at, &token(&old)).await, 200);

    let began = Instant::now();
    let requests = Requests::start(at, token(&stays), 200);
    *set.lock().unwrap() = jwks(&[&stays, &new]);
    // It names a key that is not known yet: the set is fetched for it.
    let forgeries = Requests::start(at, token(&forged), 401);
    until(at, &token(&new), 200).await;
    // Its token had been believed, and was remembered.
    until(at, &token(&old), 401).await;
    forgeries.end().await;
    requests.end().await;
    assert_eq!(stands(&bench).await.keys, Some(2));
    let (fetched, most) = (issuer.journal().len(), 3 + began.elapsed().as_secs() / 10);
    assert!(fetched as u64 <= most, "forged tokens had the keys fetched {fetched} times");
}

/// Requests with one token, one after the other, whose status never changes.
struct Requests {
    is_over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Requests {
    fn start(at: SocketAddr, token: String, status: u16) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let task = tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                assert_eq!(ask(at, &token).await, status);
            }
        });
        Self { is_over, task }
    }

    async fn end(self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_down_over_a_restart_is_done_without() {
    let key = IssuerKey::new("a");
    let token = key.token(r#""sub":"alice""#);
    let set = Arc::new(Mutex::new(jwks(&[&key])));
    let (issuer, origin) = (issuer(&set), Origin::start("one").await);
    let mut bench = Bench::start(&guarded(&origin, issuer.address())).await;
    assert_eq!(ask(bench.address().await, &token).await, 200);
    let file = bench.state("keys.json");
    testkit::eventually("they are kept", || file.exists());

    drop(issuer);
    bench.restart().await;
    assert_eq!(ask(bench.address().await, &token).await, 200);
    let IssuerStatus { keys, fault, .. } = stands(&bench).await;
    assert_eq!(keys, Some(1));
    let fault = fault.expect("it is told that they are old");
    assert!(fault.contains("cannot connect to "), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_routes_that_need_them_wait_for_none_and_recover_by_themselves() {
    let key = IssuerKey::new("a");
    let token = key.token(r#""sub":"alice""#);
    let origin = Origin::start("one").await;
    let known = Arc::new(Mutex::new(jwks(&[&key])));
    let first = issuer(&known);
    let bench = Bench::start(&guarded(&origin, first.address())).await;
    let at = bench.address().await;
    assert_eq!(ask(at, &token).await, 200);

    // A reload tells at once, and is taken up.
    let nowhere = refusing_address();
    bench.edit(&first.address().to_string(), &nowhere.to_string());
    bench.handle.reload().await.unwrap();
    assert_eq!(ask(at, &token).await, 503);
    let IssuerStatus { keys, fault, .. } = stands(&bench).await;
    assert!(keys.is_none() && fault.is_some(), "{fault:?}");

    let set = known.lock().unwrap().clone();
    let _late = Issuer::at(nowhere, move |_| vec![Step::answer(200, &set)]);
    until(at, &token, 200).await;
    let IssuerStatus { keys, fault, .. } = stands(&bench).await;
    assert_eq!((keys, fault), (Some(1), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_issuer_gives_by_accident_replaces_no_keys() {
    let key = IssuerKey::new("a");
    let token = key.token(r#""sub":"alice""#);
    let set = Arc::new(Mutex::new(jwks(&[&key])));
    let (issuer, origin) = (issuer(&set), Origin::start("one").await);
    let bench = Bench::start(&guarded(&origin, issuer.address())).await;
    let at = bench.address().await;
    assert_eq!(ask(at, &token).await, 200);
    *set.lock().unwrap() = r#"{"keys":[]}"#.to_owned();
    // A key that is not known has them fetched anew.
    assert_eq!(ask(at, &IssuerKey::new("b").token(r#""sub":"alice""#)).await, 401);
    bench.until("it is told", |status| status.issuers[0].fault.is_some()).await;
    assert_eq!(ask(at, &token).await, 200);
    // What was not well is asked for anew by a reload.
    *set.lock().unwrap() = "<html>".to_owned();
    bench.handle.reload().await.unwrap();
    let fault = stands(&bench).await.fault.expect("it is still so");
    assert!(fault.contains("gives no keys that can be used"), "{fault}");
    assert_eq!(ask(at, &token).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_responds_byte_by_byte_holds_up_neither_requests_nor_the_status() {
    let key = IssuerKey::new("a");
    let token = key.token(r#""sub":"alice""#);
    let (set, drips) = (jwks(&[&key]), Arc::new(AtomicBool::new(false)));
    let does = drips.clone();
    let issuer = Issuer::start(move |_| match does.load(Ordering::SeqCst) {
        false => vec![Step::answer(200, &set)],
        // Byte by byte, and never to its end.
        true => {
            let head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n", set.len());
            let bytes = set.bytes().take(set.len() - 1);
            let pieces = bytes
                .map(|byte| vec![byte])
                .flat_map(|byte| [Step::Send(byte), Step::Wait(Duration::from_millis(50))]);
            std::iter::once(Step::send(head)).chain(pieces).chain([Step::Echo]).collect()
        }
    });
    let origin = Origin::start("one").await;
    let bench = Bench::start(&guarded(&origin, issuer.address())).await;
    let at = bench.address().await;
    assert_eq!(ask(at, &token).await, 200);
    drips.store(true, Ordering::SeqCst);
    // A key that is not known has them fetched anew.
    let unknown = IssuerKey::new("b").token(r#""sub":"alice""#);
    assert_eq!(ask(at, &unknown).await, 401);
    testkit::eventually("they are fetched", || issuer.journal().len() == 2);
    for _ in 0..20 {
        assert_eq!(ask(at, &token).await, 200);
        assert_eq!(ask(at, &unknown).await, 401);
        assert_eq!(stands(&bench).await.keys, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_about_requests_and_is_gone_is_told_until_it_responds() {
    let origin = Origin::start("one").await;
    let file = |address: SocketAddr| {
        let guarded = guarded(&origin, address);
        let asks = format!("forward = {{ to = \"http://{address}/verify?key=s3cret\" }}");
        guarded.replace(&format!("jwt = {{ jwks = \"http://{address}/keys\" }}"), &asks)
    };
    let bench = Bench::start(&file(refusing_address())).await;
    let at = bench.address().await;
    let stands = async || bench.handle.status().await.unwrap().auth_servers[0].clone();
    assert_eq!(stands().await.fault, None, "nobody was asked");
    assert_eq!(ask(at, "any").await, 503);
    let failing = stands().await;
    assert_eq!(failing.auth.as_str(), "users");
    assert!(!failing.url.contains("s3cret"), "{}", failing.url);
    let fault = failing.fault.expect("it fails");
    assert!(fault.why.contains("refused"), "{}", fault.why);
    let service = Issuer::start(|_| vec![Step::answer(200, "")]);
    bench.write(&file(service.address()));
    bench.handle.reload().await.unwrap();
    assert_eq!(ask(at, "any").await, 200);
    assert_eq!(stands().await.fault, None);
}
