//! What a CA looks for: found before anything else that a listener or a route says, and nothing else than that.

use std::io::Read;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::SystemTime;

use edge::explain::{Outcome, Question, Transport};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use testkit::{Authority, Origin, Protocol, RawClient, Talk, TestEdge};
use wire::tls::Alpn::{Http1, Http2};
use wire::tls::{
    Alpn, Certificate, Certificates, Ordered, OrderedHosts, Proof, Resumption, server_config,
};

const PATH: &str = "/.well-known/acme-challenge/a-token";

/// One whose listener sends everything to `https`, and whose route refuses everybody.
fn guarded() -> TestEdge {
    TestEdge::with(&[testkit::origin::refusing_address()], |wanted| {
        wanted.listener.redirect_https = NonZeroU16::new(443);
        wanted.routes[0].policies.deny = vec!["127.0.0.0/8".parse().expect("a network")];
    })
}

#[test]
fn a_token_is_found_before_redirects_and_policies() {
    let edge = guarded();
    let challenges = edge.edge.challenges();
    for protocol in Protocol::ALL {
        challenges.put("a-token", "a-token.of-a-key");
        let found = Talk::get(PATH).over(protocol, edge.address());
        assert_eq!((found.status, &*found.body), (200, "a-token.of-a-key"), "{protocol:?}");
        assert_eq!(found.field("content-type"), Some("application/octet-stream"));
        let found = Talk::new("HEAD", PATH).over(protocol, edge.address());
        assert_eq!((found.status, &*found.body), (200, ""), "{protocol:?}");
        // Everything else is what it always was.
        for talk in [
            Talk::get("/"),
            Talk::get("/.well-known/acme-challenge/"),
            Talk::get("/.well-known/acme-challenge/other"),
            Talk::get("/.well-known/acme-challenge/a-token/more"),
            Talk::new("POST", PATH),
        ] {
            assert_eq!(talk.over(protocol, edge.address()).status, 308, "{protocol:?}");
        }
        challenges.remove("a-token");
        assert_eq!(Talk::get(PATH).over(protocol, edge.address()).status, 308, "{protocol:?}");
    }
}

#[test]
fn explain_says_what_a_ca_finds() {
    let edge = guarded();
    let question = Question {
        method: "GET",
        entrance: Some((Transport::Clear, edge.address().port())),
        authority: "shop.example",
        target: PATH,
        fields: &[],
        peer: [127, 0, 0, 1].into(),
    };
    let outcome = || edge.edge.explain(question).expect("it can be asked").expect("it is served");
    assert!(matches!(outcome().outcome, Outcome::RedirectedToHttps(_)));
    edge.edge.challenges().put("a-token", "a-token.of-a-key");
    assert!(matches!(outcome().outcome, Outcome::Responded { status: 200, .. }));
}

/// An edge whose host's certificate has come, or is still to come.
fn ordering(origin: &Origin) -> (Arc<Ordered>, TestEdge) {
    let all = Arc::new(Ordered::default());
    let certificates = Certificates::load(&[], SystemTime::now()).expect("there are none");
    let hosts = OrderedHosts::new(["a.example"], all.clone());
    let certificates = Arc::new(certificates.with_ordered(hosts));
    let resumption = Resumption::new().expect("a key can be drawn");
    let tls = server_config(certificates, &[Http2, Http1, Alpn::Proof], &resumption, None);
    let edge = TestEdge::with(&[origin.address()], |wanted| wanted.tls = Some(tls));
    (all, edge)
}

#[test]
fn a_certificate_that_comes_is_served_at_once_and_closes_no_connection() {
    let (origin, authority) = (Origin::polite("fine"), Authority::default());
    let (all, edge) = ordering(&origin);
    let issue = || {
        let issued = Certificate::load(&authority.issue(&["a.example"]), SystemTime::now());
        all.put([("a.example", &issued.expect("it was issued"))]);
    };
    issue();
    let connect =
        || RawClient::connect_tls(edge.address(), authority.client(&[Http1]), "a.example");
    let shown = |client: &RawClient| client.tls().peer_certificates().map(|it| it[0].to_vec());
    let mut before: Vec<_> = (0..100).map(|_| connect()).collect();
    for client in &mut before {
        assert_eq!(client.get("/").status, 200);
    }
    issue();
    let mut after = connect();
    assert_eq!(after.get("/").status, 200);
    assert_ne!(shown(&after), shown(&before[0]), "the new one is served");
    for client in &mut before {
        assert_eq!(client.get("/").status, 200, "no connection is closed");
    }
}

#[test]
fn a_ca_that_looks_by_tls_is_shown_the_proof_and_taken_leave_of() {
    let (origin, authority) = (Origin::polite("fine"), Authority::default());
    let (all, edge) = ordering(&origin);
    let files = authority.issue(&["a.example"]);
    let issued = Certificate::load(&files, SystemTime::now()).expect("it was issued");
    let key = PrivateKeyDer::from_pem_file(&files.key).expect("it was written");
    let certificate = rustls::pki_types::CertificateDer::from_pem_file(&files.cert);
    let certificate = certificate.expect("it was written").to_vec();
    let proof = Proof { certificate: certificate.clone(), key: key.secret_der().to_vec() };
    all.prove("a.example", proof).expect("the key is good");
    let config = authority.client(&[Alpn::Proof]);
    let mut ca = RawClient::connect_tls(edge.address(), config, "a.example");
    ca.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(ca.read_to_end().unwrap_or_default(), b"", "nothing is served");
    assert_eq!(ca.tls().peer_certificates().expect("there is one")[0].to_vec(), certificate);
    assert_eq!(ca.tls().alpn_protocol(), Some(Alpn::Proof.id()));
    assert!(origin.journal().is_empty());
    // A proof is no certificate: browsers get none until it has come.
    let mut browser = std::net::TcpStream::connect(edge.address()).expect("it listens");
    let name = "a.example".try_into().expect("a name");
    let config = Arc::new(authority.client(&[Http1]));
    let mut session = rustls::ClientConnection::new(config, name).expect("it is set up");
    let refused = rustls::Stream::new(&mut session, &mut browser).read(&mut [0]);
    assert!(refused.is_err(), "{refused:?}");
    all.put([("a.example", &issued)]);
    let config = authority.client(&[Http1]);
    assert_eq!(RawClient::connect_tls(edge.address(), config, "a.example").get("/").status, 200);
}
