//! The PROXY protocol before HTTP and TLS: whose address counts, and what ends a connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use model::ProxyProtocol;
use testkit::{
    Authority, DEADLINE, FrameClient, H2Client, Origin, RawClient, Request, Step, TestEdge,
    eventually, frames,
};
use wire::tls::Alpn::Http1;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Version 2 with this command, family and content.
fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, family]);
    header.extend((content.len() as u16).to_be_bytes());
    header.extend_from_slice(content);
    header
}

const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80];

fn v6() -> Vec<u8> {
    let source: std::net::Ipv6Addr = "2001:db8::7".parse().expect("an address");
    [&source.octets()[..], &[0; 15], &[1, 0x30, 0x39, 0, 80]].concat()
}

fn start() -> (Origin, TestEdge) {
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.proxy_protocol = ProxyProtocol::FromAnyone;
        wanted.listener.timeouts.header = Duration::from_millis(300);
    });
    (origin, edge)
}

/// Who the instance was told has asked last.
fn asked_by(origin: &Origin) -> String {
    let journal = origin.journal();
    let last: &Request = journal.last().expect("it was asked");
    last.fields("x-forwarded-for").collect::<Vec<_>>().join(", ")
}

#[test]
fn the_client_is_whom_the_header_names() {
    let (origin, edge) = start();
    let tlv = [&V4[..], &[0x04, 0, 2, 1, 2]].concat();
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 12345 80\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(1, 0x11, &V4), "192.0.2.7"),
        (v2(1, 0x21, &v6()), "2001:db8::7"),
        (v2(1, 0x11, &tlv), "192.0.2.7"),
        (v2(0, 0x00, &[]), "127.0.0.1"),
    ] {
        let mut whole = RawClient::connect(edge.address());
        whole.send(&header).send(GET);
        assert_eq!(whole.answer().status, 200, "{header:?}");
        assert_eq!(asked_by(&origin), client, "{header:?}");
        // The first byte of the request may come with the header, or each byte alone.
        let mut piecewise = RawClient::connect(edge.address());
        for byte in header.iter().chain(GET.as_bytes()) {
            piecewise.send([*byte]);
        }
        assert_eq!(piecewise.answer().status, 200, "{header:?}");
        assert_eq!(asked_by(&origin), client, "{header:?}");
    }
}

#[test]
fn http_2_and_tls_begin_right_after_the_header() {
    let (origin, edge) = start();
    let header = b"PROXY TCP4 192.0.2.8 10.0.0.1 12345 80\r\n";
    let mut client = FrameClient::connect_after(edge.address(), header);
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    client.send_head(frames::END_STREAM, 1, &fields);
    client.next_of(frames::kind::HEADERS).expect("an answer comes");
    assert_eq!(asked_by(&origin), "192.0.2.8");

    let authority = Authority::default();
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.proxy_protocol = ProxyProtocol::FromAnyone;
        wanted.tls = Some(authority.server(&[&["a.example"]], &[Http1]));
    });
    let config = authority.client(&[Http1]);
    let mut client = RawClient::connect_tls_after(edge.address(), header, config, "a.example");
    assert_eq!(client.get("/").status, 200);
    assert_eq!(asked_by(&origin), "192.0.2.8");
}

#[test]
fn without_a_right_header_nothing_is_forwarded() {
    let (origin, edge) = start();
    let huge = v2(1, 0x11, &[&V4[..], &[0x04, 0x20, 0], &[0; 0x2000]].concat());
    let end_of_line = format!("PROXY TCP4 {}", "1".repeat(200));
    for header in [
        &b""[..],
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n",
        b"PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1",
        end_of_line.as_bytes(),
        &v2(1, 0x11, &V4[..8]),
        &v2(7, 0x11, &V4),
        &v2(1, 0x12, &V4),
        &v2(1, 0x11, &V4)[..20],
        &huge,
    ] {
        let mut stream = TcpStream::connect(edge.address()).expect("somebody listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket takes a timeout");
        stream.write_all(header).expect("the connection is open");
        if header.ends_with(b"\n") {
            // It may have been closed meanwhile.
            let _ = stream.write_all(GET.as_bytes());
        }
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        let is_open = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!ended.is_err_and(is_open) && answer.is_empty(), "{header:?}: {answer:?}");
    }
    eventually("no connection is held", || edge.edge.connections() == 0);
    assert!(origin.journal().is_empty(), "{:?}", origin.journal());
}

#[test]
fn where_it_is_not_expected_a_header_is_no_request() {
    let origin = Origin::polite("fine");
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send("PROXY TCP4 192.0.2.7 10.0.0.1 12345 80\r\n").send(GET);
    assert_eq!(client.answer().status, 400);
    assert!(origin.journal().is_empty());
}

#[test]
fn ipv6_is_listened_on_and_balanced_over() {
    let origin = Origin::on_ipv6(|_| vec![Step::answer(200, "six")]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.bind = vec![SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0))];
    });
    assert!(edge.address().is_ipv6());
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    assert_eq!(client.answer().text(), "six");
    let journal = origin.journal();
    let seen = |name| journal[0].fields(name).collect::<Vec<_>>();
    assert_eq!((seen("host"), seen("x-forwarded-for")), (vec!["[::1]:80"], vec!["::1"]));
    assert_eq!(seen("forwarded"), ["for=\"[::1]\";host=\"[::1]:80\";proto=http"]);
    assert_eq!(H2Client::connect(edge.address()).get("/").text(), "six");
}

#[test]
fn only_who_is_listed_names_a_client_and_nobody_is_trusted_for_a_name() {
    let origin = Origin::polite("fine");
    let start = |from: &str, trusted: &str| {
        TestEdge::with(&[origin.address()], |wanted| {
            let network = |text: &str| text.parse().expect("a network");
            wanted.listener.proxy_protocol = ProxyProtocol::From(vec![network(from)]);
            wanted.listener.trusted_proxies = vec![network(trusted)];
        })
    };
    let header = b"PROXY TCP6 ::ffff:10.9.9.9 ::1 12345 80\r\n";
    let get = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";

    let stranger = start("192.0.2.0/24", "10.0.0.0/8");
    let mut client = RawClient::connect(stranger.address());
    assert_eq!(client.send(header).send(get).answer().status, 400, "for him it is no request");
    let mut client = RawClient::connect(stranger.address());
    assert_eq!(client.send(get).answer().status, 200, "he speaks for himself");
    assert_eq!(asked_by(&origin), "127.0.0.1");

    let listed = start("127.0.0.1/32", "10.0.0.0/8");
    let mut client = RawClient::connect(listed.address());
    assert_eq!(client.send(header).send(get).answer().status, 200);
    assert_eq!(asked_by(&origin), "10.9.9.9", "named, but not trusted for that");

    let trusted = start("127.0.0.1/32", "127.0.0.0/8");
    let mut client = RawClient::connect(trusted.address());
    assert_eq!(client.send(header).send(get).answer().status, 200);
    assert_eq!(asked_by(&origin), "6.6.6.6, 10.9.9.9");
    let journal = origin.journal();
    let last = journal.last().expect("it was asked");
    assert_eq!(last.field("x-real-ip"), Some("10.9.9.9"), "no proxy: its word ends the chain");
}
