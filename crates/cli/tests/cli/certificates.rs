//! `plimsoll certificates`, and the certificates that are ordered: with a real CA (pebble).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use testkit::pebble::{Looks, Pebble};

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
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), HOST.try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = StreamOwned::new(session, socket);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.example.com\r\nconnection: close\r\n\r\n")?;
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
