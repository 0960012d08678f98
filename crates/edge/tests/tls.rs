//! TLS in front of exchanges: which certificate, which protocol, and how connections end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use testkit::h2_client::request;
use testkit::{Authority, DEADLINE, H2Client, Origin, RawClient, Step, TestEdge, eventually};
use wire::tls::Alpn::{Http1, Http2};

/// Answers with the request's body, or its protocol where it has none.
fn echo() -> Origin {
    Origin::start(|request| {
        let proto = request.fields("x-forwarded-proto").next().unwrap_or_default().to_owned();
        match request.body.is_empty() {
            true => vec![Step::answer(200, &proto)],
            false => vec![Step::answer(200, &String::from_utf8_lossy(&request.body))],
        }
    })
}

fn start(certificates: &[&[&str]]) -> (Authority, Origin, TestEdge) {
    let (authority, origin) = (Authority::default(), echo());
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.tls = Some(authority.server(certificates, &[Http2, Http1]));
        wanted.listener.timeouts.header = Duration::from_millis(300);
    });
    (authority, origin, edge)
}

/// The certificate that a client gets that asks for this name.
fn certificate(authority: &Authority, address: SocketAddr, name: &str) -> Vec<u8> {
    let mut client = RawClient::connect_tls(address, authority.client(&[Http1]), name);
    assert_eq!(client.get("/").status, 200, "{name}");
    client.tls().peer_certificates().expect("there is one")[0].to_vec()
}

#[test]
fn exchanges_pass_over_both_versions_and_both_protocols() {
    let (authority, _origin, edge) = start(&[&["a.example"]]);
    for version in [&TLS12, &TLS13] {
        let config = authority.client_of(&[version], &[Http1]);
        let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
        for _ in 0..3 {
            assert_eq!(client.get("/").text(), "https", "{version:?}");
        }
        assert_eq!(client.tls().protocol_version(), Some(version.version));
        let config = authority.client_of(&[version], &[Http2]);
        let client = H2Client::connect_tls(edge.address(), config, "a.example");
        assert_eq!(client.get("/").text(), "https", "{version:?}");
    }
}

#[test]
fn the_protocol_is_the_one_that_was_agreed_on() {
    let (authority, origin, edge) = start(&[&["a.example"]]);
    for (offered, agreed) in
        [(&[Http1][..], Some(&b"http/1.1"[..])), (&[], None), (&[Http1, Http2], Some(b"h2"))]
    {
        let config = authority.client(offered);
        let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        // Over h2 this is no preface: the connection ends without an exchange.
        let is_answered = client.try_answer().is_ok();
        assert_eq!(client.tls().alpn_protocol(), agreed);
        assert_eq!(is_answered, agreed != Some(b"h2"));
    }
    assert_eq!(origin.journal().len(), 2);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.tls = Some(authority.server(&[&["a.example"]], &[Http1]));
        wanted.listener.protocols = vec![model::Protocol::H1];
    });
    let config = authority.client(&[Http2, Http1]);
    let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.tls().alpn_protocol(), Some(&b"http/1.1"[..]), "h2 is not offered");
}

#[test]
fn a_certificate_is_chosen_by_name_among_several() {
    let (authority, _origin, edge) = start(&[&["a.example"], &["b.example", "*.c.example"]]);
    let of = |name| certificate(&authority, edge.address(), name);
    assert_ne!(of("a.example"), of("b.example"));
    assert_eq!(of("b.example"), of("any.c.example"));
}

#[test]
fn new_certificates_are_for_new_connections_and_old_ones_go_on() {
    let (authority, _origin, mut edge) = start(&[&["a.example"]]);
    let before = certificate(&authority, edge.address(), "a.example");
    let config = authority.client(&[Http1]);
    let mut old = RawClient::connect_tls(edge.address(), config.clone(), "a.example");
    assert_eq!(old.get("/").status, 200);
    edge.change_tls(authority.server(&[&["a.example"]], &[Http2, Http1]));
    eventually("new connections get the new one", || {
        certificate(&authority, edge.address(), "a.example") != before
    });
    assert_eq!(old.get("/").status, 200, "the old connection goes on");
    assert_eq!(old.tls().peer_certificates().expect("there is one")[0].to_vec(), before);
    // The same configuration keeps its sessions: its tickets are good after the change, too.
    let mut resumed = RawClient::connect_tls(edge.address(), config, "a.example");
    assert_eq!(resumed.get("/").status, 200);
    assert_eq!(resumed.tls().handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn large_bodies_pass_both_ways_byte_for_byte() {
    let (authority, _origin, edge) = start(&[&["a.example"]]);
    let body: String = (0..3_000_000_u32).map(|n| char::from(b'a' + (n * 7 % 26) as u8)).collect();
    let config = authority.client(&[Http1]);
    let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
    assert!(client.send(&body).answer().text() == body);
    let client = H2Client::connect_tls(edge.address(), authority.client(&[Http2]), "a.example");
    let answer = client.ask(request("PUT", "/"), body.as_bytes(), None);
    assert!(answer.cut.is_none() && answer.text() == body);
}

#[test]
fn a_connection_is_closed_with_a_word() {
    let (authority, _origin, edge) = start(&[&["a.example"]]);
    for version in [&TLS12, &TLS13] {
        let config = authority.client_of(&[version], &[Http1]);
        let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        // Without close_notify rustls would tell of an end that an attacker could have made.
        assert!(client.read_to_end().is_ok_and(|rest| rest.is_empty()), "{version:?}");
    }
}

/// Sends `bytes` where a handshake is expected; what comes back until the connection is closed.
fn instead_of_a_handshake(edge: &TestEdge, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(edge.address()).expect("somebody listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket takes a timeout");
    stream.write_all(bytes).expect("the connection is open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it ends, and is not reset");
    answer
}

#[test]
fn what_is_no_handshake_ends_the_connection_and_nothing_else() {
    let (authority, origin, edge) = start(&[&["a.example"]]);
    let failed = || {
        let (_, live) = edge.edge.listeners().next().expect("there is one");
        live.handshakes_failed.load(Ordering::Relaxed)
    };
    let alert = 21;
    for (n, (what, bytes)) in [
        ("clear text", &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..]),
        ("nothing at all", b""),
        ("half a handshake", b"\x16\x03\x01\x02\x00\x01\x00"),
        ("SSLv2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = instead_of_a_handshake(&edge, bytes);
        assert!(answer.first().is_none_or(|kind| *kind == alert), "{what}: {answer:?}");
        eventually("it is counted", || failed() == n as u64 + 1);
    }
    eventually("no connection is held", || edge.edge.connections() == 0);
    let config = authority.client(&[Http1]);
    assert_eq!(RawClient::connect_tls(edge.address(), config, "a.example").get("/").status, 200);
    assert_eq!(origin.journal().len(), 1);
}

/// A record in clear text (RFC 8446 §5.1).
fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a record's length has 16 bits");
    [&[kind, 3, 3], &length.to_be_bytes()[..], payload].concat()
}

/// A ClientHello of TLS 1.0 or 1.1, as programs that speak nothing newer send it.
fn old_hello(minor: u8) -> Vec<u8> {
    let ciphers = [0xc0, 0x09, 0xc0, 0x13, 0x00, 0x2f];
    let body =
        [&[3, minor][..], &[7; 32], &[0], &[0, ciphers.len() as u8], &ciphers, &[1, 0]].concat();
    let length = (body.len() as u32).to_be_bytes();
    record(22, &[&[1], &length[1..], &body].concat())
}

const ALERT: u8 = 21;
const FATAL: u8 = 2;

/// What is sent behind the record that ends the handshake would make the kernel reset the connection,
/// and the alert would be lost with it.
#[test]
fn a_handshake_that_fails_ends_with_its_alert_though_more_was_sent() {
    const DECODE_ERROR: u8 = 50;
    const UNEXPECTED_MESSAGE: u8 = 10;
    const HANDSHAKE_FAILURE: u8 = 40;
    const PROTOCOL_VERSION: u8 = 70;
    let (_authority, _origin, edge) = start(&[&["a.example"]]);
    for (what, bytes, description) in [
        ("a record of no type", record(0, b"x"), &[DECODE_ERROR][..]),
        ("data before keys", record(23, b"x"), &[UNEXPECTED_MESSAGE]),
        // rustls looks for signature algorithms, which these versions do not have, before it looks at
        // the version.
        ("TLS 1.0", old_hello(1), &[HANDSHAKE_FAILURE, PROTOCOL_VERSION]),
        ("TLS 1.1", old_hello(2), &[HANDSHAKE_FAILURE, PROTOCOL_VERSION]),
    ] {
        for more in [0, 200_000] {
            let answer = instead_of_a_handshake(&edge, &[&*bytes, &vec![0; more]].concat());
            let [ALERT, 3, _, 0, 2, level, told] = answer[..] else {
                panic!("{what}, {more} more: {answer:?}");
            };
            assert_eq!(level, FATAL, "{what}");
            assert!(description.contains(&told), "{what}: {told}");
        }
    }
}

/// The client's TLS over a socket to which a test can write by itself.
fn agreed(edge: &TestEdge, config: rustls::ClientConfig) -> (rustls::ClientConnection, TcpStream) {
    let mut socket = TcpStream::connect(edge.address()).expect("somebody listens");
    socket.set_read_timeout(Some(DEADLINE)).expect("a socket takes a timeout");
    let name = "a.example".try_into().expect("a name");
    let mut tls = rustls::ClientConnection::new(config.into(), name).expect("a client");
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).expect("the handshake passes");
    }
    (tls, socket)
}

#[test]
fn what_is_no_tls_later_ends_with_an_alert_and_no_word_of_a_good_end() {
    use rustls::AlertDescription::{BadRecordMac, DecodeError};
    let (authority, _origin, edge) = start(&[&["a.example"]]);
    for version in [&TLS12, &TLS13] {
        for (what, bytes, description) in [
            ("a record of no type", record(0, b"x"), DecodeError),
            ("a record that was not sealed", record(23, &[7; 100]), BadRecordMac),
            ("a record that is too long", record(23, &[7; 20_000]), DecodeError),
        ] {
            for more in [0, 200_000] {
                let config = authority.client_of(&[version], &[Http1]);
                let (mut tls, mut socket) = agreed(&edge, config);
                socket.write_all(&[&*bytes, &vec![0; more]].concat()).expect("it is open");
                let ended = loop {
                    match tls.read_tls(&mut socket) {
                        Ok(0) => break None,
                        Ok(_) => match tls.process_new_packets() {
                            Ok(state) if state.peer_has_closed() => panic!("{what}: a good end"),
                            Ok(_) => {}
                            Err(error) => break Some(error),
                        },
                        Err(error) => panic!("{what}, {more} more: {error}"),
                    }
                };
                let rest = socket.read_to_end(&mut Vec::new());
                rest.unwrap_or_else(|error| {
                    panic!("{what}, {more} more, after the alert: {error}")
                });
                let wanted = rustls::Error::AlertReceived(description);
                assert!(ended == Some(wanted), "{what}, {more} more, {version:?}: {ended:?}");
            }
        }
    }
}
