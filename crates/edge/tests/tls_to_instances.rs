//! TLS with instances: whose certificates are believed, what they are asked for, how connections are kept, and what a client gets
//! where there is no TLS with any.

use std::net::{SocketAddr, TcpListener};

use edge::{HandshakeFault, ServiceTlsPlan};
use model::{ServiceTls, UpstreamProtocol};
use telemetry::Ending;
use telemetry::event::Kind;
use testkit::origin::refusing_address;
use testkit::talk::{Line, Talk};
use testkit::{
    AccessLines, Authority, H2Origin, H2Step, Origin, Protocol, RawClient, Step, TestEdge, TlsFront,
};
use wire::tls::Alpn::{self, Http1, Http2};
use wire::tls::Demand;

fn fine() -> Origin {
    Origin::start(|_| vec![Step::answer(200, "fine")])
}

/// An edge over `targets`, with which it speaks TLS as `plan` says.
fn over(targets: &[SocketAddr], plan: ServiceTlsPlan) -> TestEdge {
    TestEdge::with(targets, |wanted| wanted.service_tls = Some(plan))
}

/// TLS before `to`, with a certificate for loopback.
fn front(authority: &Authority, to: SocketAddr) -> TlsFront {
    TlsFront::start(authority.server(&[&["127.0.0.1"]], &[Http1]), to)
}

#[test]
fn requests_go_over_tls_and_its_connections_are_kept() {
    for protocol in Protocol::ALL {
        let (authority, origin) = (Authority::default(), fine());
        let front = front(&authority, origin.address());
        let edge = over(&[front.address()], authority.toward_instances(None, Http1));
        let mut line = Line::open(protocol, edge.address());
        for _ in 0..3 {
            let reply = line.ask(Talk::new("POST", "/").body("x"));
            assert_eq!((reply.status, &*reply.body), (200, "fine"));
        }
        assert_eq!(origin.journal().len(), 3);
        let handshakes = front.handshakes();
        assert_eq!(handshakes.len(), 1, "{protocol:?}: {handshakes:?}");
        assert_eq!(handshakes[0].server_name, None, "an address is not asked for by name");
        assert_eq!(edge.live(front.address()).handshake_failure(), None);
    }
}

#[test]
fn http_2_is_agreed_on_in_the_handshake_and_says_https() {
    for protocol in Protocol::ALL {
        let authority = Authority::default();
        let origin = H2Origin::start(|_| vec![H2Step::Head(200, &[]), H2Step::Echo, H2Step::End]);
        let server = authority.server(&[&["127.0.0.1"]], &[Http1, Http2]);
        let front = TlsFront::start(server, origin.address());
        let edge = TestEdge::with(&[front.address()], |wanted| {
            wanted.service.protocol = UpstreamProtocol::H2;
            wanted.service_tls = Some(authority.toward_instances(None, Http2));
        });
        let mut line = Line::open(protocol, edge.address());
        for _ in 0..3 {
            let reply = line.ask(Talk::new("POST", "/").body("echoed"));
            assert_eq!((reply.status, &*reply.body), (200, "echoed"));
        }
        assert_eq!(front.handshakes().len(), 1, "{protocol:?}");
        let schemes: Vec<_> =
            origin.journal().iter().map(|head| head.uri.scheme_str().map(str::to_owned)).collect();
        assert_eq!(schemes, vec![Some("https".to_owned()); 3], "{protocol:?}");
    }
}

#[test]
fn one_name_is_asked_for_and_checked_where_it_is_set() {
    let (authority, origin) = (Authority::default(), fine());
    let server = authority.server(&[&["api.internal"]], &[Http1]);
    let front = TlsFront::start(server, origin.address());
    let named = ServiceTlsPlan {
        server_name: Some("api.internal".to_owned()),
        ..authority.toward_instances(None, Http1)
    };
    let edge = over(&[front.address()], named);
    assert_eq!(RawClient::connect(edge.address()).get("/").status, 200);
    assert_eq!(front.handshakes()[0].server_name.as_deref(), Some("api.internal"));
}

#[test]
fn sessions_are_taken_up_again() {
    let (authority, origin) = (Authority::default(), fine());
    let front = front(&authority, origin.address());
    let edge = over(&[front.address()], authority.toward_instances(None, Http1));
    let mut client = RawClient::connect(edge.address());
    for n in 1..=3 {
        assert_eq!(client.get("/").text(), "fine", "by a connection of its own");
        origin.close_connections();
        assert_eq!(origin.connections(), n);
    }
    let resumed: Vec<_> = front.handshakes().iter().map(|it| it.is_resumed).collect();
    assert_eq!(resumed, [false, true, true]);
    assert_eq!(edge.live(front.address()).outcomes().failures, 0);
}

#[test]
fn a_certificate_is_shown_to_those_that_ask_for_one() {
    for protocol in Protocol::ALL {
        let (authority, origin) = (Authority::default(), fine());
        let clients = authority.trust(None, Demand::Required);
        let server =
            authority.server_for(&[authority.issue(&["127.0.0.1"])], &[Http1], Some(&clients));
        let front = TlsFront::start(server, origin.address());
        let own = authority.issue_to("plimsoll", &[]);
        let with = over(&[front.address()], authority.toward_instances(Some(&own), Http1));
        assert_eq!(Line::open(protocol, with.address()).get("/").status, 200);
        assert!(front.handshakes()[0].has_certificate);

        let without = over(&[front.address()], authority.toward_instances(None, Http1));
        let asked = Line::open(protocol, without.address()).ask(Talk::new("POST", "/").body("x"));
        assert_eq!(asked.status, 502, "{protocol:?}");
        let why = without.live(front.address()).handshake_failure();
        let wanted = "it refuses TLS with us: it wants a certificate of ours: set `client`";
        assert_eq!(why.as_deref(), Some(wanted));
        assert_eq!(origin.journal().len(), 1);
    }
}

/// Takes connections and closes them at once.
fn closing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || listener.incoming().for_each(drop));
    address
}

/// Answers whatever comes in the clear.
fn plain() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address
}

/// Instances with whom there is no TLS, each with what is said of it.
fn faulty(authority: &Authority) -> Vec<(SocketAddr, Option<TlsFront>, &'static str)> {
    let at = |server| {
        let front = TlsFront::start(server, refusing_address());
        (front.address(), Some(front))
    };
    let alpn: &[Alpn] = &[Http1];
    let expired = authority.server_of(&[authority.issue_expired(&["127.0.0.1"])], alpn);
    let other = authority.server(&[&["other.internal"]], alpn);
    let unknown = Authority::default().server(&[&["127.0.0.1"]], alpn);
    let h2_only = authority.server(&[&["127.0.0.1"]], &[Http2]);
    let with = |(address, front), why| (address, front, why);
    vec![
        with(at(expired), "its certificate is not trusted for 127.0.0.1: it has expired"),
        with(at(other), "its certificate is not trusted for 127.0.0.1: it is for other.internal"),
        with(
            at(unknown),
            "its certificate is not trusted for 127.0.0.1: no authority that is trusted here has issued it: give its \
             authority as `ca`, or have the server send its whole chain",
        ),
        with(
            at(h2_only),
            "it does not agree on HTTP/1.1 in the TLS handshake (ALPN): change the service's `protocol`",
        ),
        (plain(), None, "it does not speak TLS"),
        (closing(), None, "it closes the connection in the TLS handshake"),
    ]
}

#[test]
fn without_tls_there_is_no_request_and_the_reason_is_told() {
    let authority = Authority::default();
    for (address, _front, why) in faulty(&authority) {
        for protocol in Protocol::ALL {
            let log = AccessLines::default();
            let lines = log.clone();
            let edge = TestEdge::with(&[address], |wanted| {
                wanted.service_tls = Some(authority.toward_instances(None, Http1));
                wanted.access_log = Some(log);
            });
            let reply = Line::open(protocol, edge.address()).get("/");
            assert_eq!(reply.status, 502, "{why}");
            assert_eq!(edge.live(address).handshake_failure().as_deref(), Some(why));
            assert!(edge.has_told(Kind::InstanceTlsFailed), "{why}");
            assert_eq!(edge.live(address).outcomes().failures, 1, "{why}");
            drop(edge);
            let lines = lines.all();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert_eq!(lines[0].field("ending"), Ending::UpstreamTls.as_str(), "{why}");
        }
    }
}

#[test]
fn a_request_that_could_not_be_sent_is_sent_to_another_whatever_it_is() {
    let (authority, origin) = (Authority::default(), fine());
    let good = front(&authority, origin.address());
    for (address, _front, why) in faulty(&authority) {
        for protocol in Protocol::ALL {
            let edge = over(&[address, good.address()], authority.toward_instances(None, Http1));
            let mut line = Line::open(protocol, edge.address());
            for _ in 0..2 {
                let reply = line.ask(Talk::new("POST", "/").body("x"));
                assert_eq!((reply.status, &*reply.body), (200, "fine"), "{why}");
            }
            assert!(edge.live(address).outcomes().failures > 0, "{why}: it was asked");
        }
    }
}

#[test]
fn an_instance_of_http_2_that_agrees_on_nothing_is_not_spoken_to() {
    let authority = Authority::default();
    let front = TlsFront::start(authority.server(&[&["127.0.0.1"]], &[]), refusing_address());
    let edge = TestEdge::with(&[front.address()], |wanted| {
        wanted.service.protocol = UpstreamProtocol::H2;
        wanted.service_tls = Some(authority.toward_instances(None, Http2));
    });
    assert_eq!(RawClient::connect(edge.address()).get("/").status, 502);
    let why = edge.live(front.address()).handshake_failure();
    assert_eq!(why, Some(HandshakeFault::Protocol("HTTP/2").to_string()));
}

#[test]
fn connections_of_another_way_are_not_used_again() {
    let (authority, origin) = (Authority::default(), fine());
    let front = front(&authority, origin.address());
    let plan = authority.toward_instances(None, Http1);
    let mut edge = over(&[front.address()], plan.clone());
    let mut client = RawClient::connect(edge.address());
    assert_eq!(client.get("/").status, 200);
    // The same terms with other files: what is open is good.
    edge.change_service_tls(
        Some(ServiceTls::default()),
        Some(authority.toward_instances(None, Http1)),
    );
    edge.settle();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(front.handshakes().len(), 1);
    // Other terms.
    let terms = ServiceTls { server_name: Some("api.internal".to_owned()), ..Default::default() };
    let named = ServiceTlsPlan { server_name: terms.server_name.clone(), ..plan };
    edge.change_service_tls(Some(terms), Some(named));
    edge.settle();
    assert_eq!(client.get("/").status, 502, "its certificate is not for that name");
    edge.change_service_tls(
        Some(ServiceTls::default()),
        Some(authority.toward_instances(None, Http1)),
    );
    edge.settle();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(front.handshakes().len(), 2);
}

#[test]
fn what_is_to_be_spoken_to_over_tls_is_not_published_without() {
    let mut edge = TestEdge::start(&[refusing_address()]);
    let published = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        edge.change_service_tls(Some(ServiceTls::default()), None)
    }));
    assert!(published.is_err());
}

#[test]
fn large_bodies_and_upgrades_pass_both_ways_byte_for_byte() {
    let authority = Authority::default();
    let origin = Origin::start(|request| match request.field("upgrade") {
        Some(_) => {
            let agree = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
            vec![Step::send(agree), Step::Echo, Step::Close]
        }
        None => vec![Step::answer(200, &String::from_utf8_lossy(&request.body))],
    });
    let front = front(&authority, origin.address());
    let edge = over(&[front.address()], authority.toward_instances(None, Http1));
    let body: String = (0..3_000_000_u32).map(|n| char::from(b'a' + (n * 7 % 26) as u8)).collect();
    for protocol in Protocol::ALL {
        let reply = Line::open(protocol, edge.address()).ask(Talk::new("PUT", "/").body(&*body));
        assert!(reply.status == 200 && reply.body == body, "{protocol:?}");
    }
    let mut client = RawClient::connect(edge.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(client.head().status, 101);
    client.send("through TLS");
    assert_eq!(client.take(11).expect("it comes back"), b"through TLS");
    client.end();
    assert!(client.is_closed());
}
