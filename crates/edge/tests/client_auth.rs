//! Certificates that clients show: whose are believed, what a client sees whose is not, and hosts of listeners that ask
//! otherwise.

use std::io;
use std::sync::Arc;

use edge::ListenerTls;
use model::{ClientAuth, ClientDemand};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, Error, HandshakeKind, ServerConfig};
use testkit::{Authority, H2Client, Origin, RawClient, TestEdge, eventually};
use wire::tls::Alpn::{Http1, Http2};
use wire::tls::{ClientTrust, Demand, Files};

const BOTH: [&rustls::SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A server's end that asks clients for certificates.
fn asking(authority: &Authority, clients: &ClientTrust) -> Arc<ServerConfig> {
    authority.server_for(&[authority.issue(&["a.example"])], &[Http2, Http1], Some(clients))
}

fn start(authority: &Authority, clients: &ClientTrust) -> (Origin, TestEdge) {
    let origin = Origin::polite("let in");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.tls = Some(asking(authority, clients));
    });
    (origin, edge)
}

/// What becomes of a request by a client with this end.
fn get(edge: &TestEdge, config: ClientConfig) -> Result<u16, AlertDescription> {
    let mut client = RawClient::connect_tls(edge.address(), config, "a.example");
    // Over TLS 1.3 the client has sent its request before the server has looked at its certificate.
    client.try_send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    client.try_answer().map(|answer| answer.status).map_err(|error| alert(&error))
}

fn alert(error: &io::Error) -> AlertDescription {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::AlertReceived(alert)) => *alert,
        _ => panic!("no alert came, but {error:?}"),
    }
}

fn ci(authority: &Authority) -> Files {
    authority.issue_to("ci", &[])
}

#[test]
fn a_certificate_of_the_authority_is_let_in_over_both_versions_and_both_protocols() {
    let authority = Authority::default();
    let (_origin, edge) = start(&authority, &authority.trust(None, Demand::Required));
    let ci = ci(&authority);
    for version in BOTH {
        assert_eq!(get(&edge, authority.client_showing(&[version], &[Http1], &ci)), Ok(200));
        let config = authority.client_showing(&[version], &[Http2], &ci);
        let client = H2Client::connect_tls(edge.address(), config, "a.example");
        assert_eq!(client.get("/").text(), "let in", "{version:?}");
    }
}

#[test]
fn a_client_without_one_is_told_that_one_is_required() {
    let authority = Authority::default();
    let (origin, edge) = start(&authority, &authority.trust(None, Demand::Required));
    for version in BOTH {
        let refused = get(&edge, authority.client_of(&[version], &[Http1]));
        assert_eq!(refused, Err(AlertDescription::CertificateRequired), "{version:?}");
    }
    assert!(origin.journal().is_empty(), "nothing of it came to an instance");
    let (_origin, edge) = start(&authority, &authority.trust(None, Demand::Optional));
    for version in BOTH {
        assert_eq!(get(&edge, authority.client_of(&[version], &[Http1])), Ok(200));
    }
}

#[test]
fn a_certificate_of_another_authority_or_an_expired_or_revoked_one_is_refused_also_where_none_is_needed()
 {
    let (authority, other) = (Authority::default(), Authority::default());
    let (ci, gone, foreign) = (ci(&authority), ci(&authority), other.issue_to("ci", &[]));
    let expired = authority.issue_expired(&["a.example"]);
    let crl = authority.revoke(&[&gone]);
    for demand in [Demand::Required, Demand::Optional] {
        let (origin, edge) = start(&authority, &authority.trust(Some(&crl), demand));
        for version in BOTH {
            let get = |files| get(&edge, authority.client_showing(&[version], &[Http1], files));
            assert_eq!(get(&foreign), Err(AlertDescription::UnknownCA), "{version:?}");
            assert_eq!(get(&expired), Err(AlertDescription::CertificateExpired), "{version:?}");
            assert_eq!(get(&gone), Err(AlertDescription::CertificateRevoked), "{version:?}");
            assert_eq!(get(&ci), Ok(200), "{version:?}");
        }
        assert_eq!(origin.journal().len(), 2);
    }
}

#[test]
fn an_old_list_of_revoked_ones_is_asked_on_and_an_authority_without_a_list_lets_nobody_in() {
    let (authority, other) = (Authority::default(), Authority::default());
    let (ci, gone) = (ci(&authority), ci(&authority));
    let old = authority.trust(Some(&authority.revoke_until(&[&gone], 2021)), Demand::Required);
    assert!(old.warnings()[0].to_string().contains("was to be replaced"), "{:?}", old.warnings());
    let (_origin, edge) = start(&authority, &old);
    let of =
        |edge: &TestEdge, files| get(edge, authority.client_showing(&[&TLS13], &[Http1], files));
    assert_eq!(of(&edge, &ci), Ok(200));
    assert_eq!(of(&edge, &gone), Err(AlertDescription::CertificateRevoked));

    let of_another = authority.trust(Some(&other.revoke(&[])), Demand::Required);
    let said = of_another.warnings()[0].to_string();
    assert!(said.contains("has no list of what `CN=authority"), "{said}");
    let (_origin, edge) = start(&authority, &of_another);
    assert_eq!(of(&edge, &ci), Err(AlertDescription::UnknownCA));
}

#[test]
fn no_session_is_taken_up_where_certificates_are_asked_for() {
    let authority = Authority::default();
    let (_origin, mut edge) = start(&authority, &authority.trust(None, Demand::Required));
    let ci = ci(&authority);
    for version in BOTH {
        let config = authority.client_showing(&[version], &[Http1], &ci);
        for _ in 0..3 {
            let mut client = RawClient::connect_tls(edge.address(), config.clone(), "a.example");
            assert_eq!(client.get("/").status, 200);
            assert_ne!(client.tls().handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        }
        // What is revoked since is refused, whatever the client kept.
        let crl = authority.revoke(&[&ci]);
        edge.change_tls(asking(&authority, &authority.trust(Some(&crl), Demand::Required)));
        edge.settle();
        assert_eq!(get(&edge, config), Err(AlertDescription::CertificateRevoked), "{version:?}");
        edge.change_tls(asking(&authority, &authority.trust(None, Demand::Required)));
        edge.settle();
    }
}

#[test]
fn a_session_that_began_without_a_certificate_is_none_where_one_is_required() {
    let authority = Authority::default();
    let origin = Origin::polite("let in");
    let files = [authority.issue(&["a.example"])];
    let open = authority.server_of(&files, &[Http1]);
    let asking =
        authority.server_for(&files, &[Http1], Some(&authority.trust(None, Demand::Required)));
    let mut edge = TestEdge::with(&[origin.address()], |wanted| wanted.tls = Some(open.clone()));
    for version in BOTH {
        let config = authority.client_of(&[version], &[Http1]);
        assert_eq!(get(&edge, config.clone()), Ok(200));
        edge.change_tls(asking.clone());
        edge.settle();
        let refused = get(&edge, config);
        assert_eq!(refused, Err(AlertDescription::CertificateRequired), "{version:?}");
        edge.change_tls(open.clone());
        edge.settle();
    }
}

fn client_auth() -> ClientAuth {
    ClientAuth { ca: "clients.pem".into(), crl: None, demand: ClientDemand::Required }
}

#[test]
fn a_host_of_a_listener_that_asks_otherwise_is_misdirected_and_every_other_is_served() {
    let authority = Authority::default();
    let origin = Origin::polite("let in");
    let mut edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.tls = Some(authority.server(&[&["*.shop.example"]], &[Http2, Http1]));
        wanted.certified = vec!["*.shop.example".to_owned()];
    });
    let clients = authority.trust(None, Demand::Required);
    let files = [authority.issue(&["a.shop.example"])];
    let config = authority.server_for(&files, &[Http2, Http1], Some(&clients));
    let tls =
        ListenerTls { config, clients: Some(clients), names: ["a.shop.example".into()].into() };
    let closed = edge.also_at("closed", tls, Some(client_auth()));
    let ci = ci(&authority);
    let at = |host: &str, over: &str| {
        let (config, address) = match over {
            "open" => (authority.client(&[Http1]), edge.address()),
            _ => (authority.client_showing(&[&TLS13], &[Http1], &ci), closed),
        };
        let name = if over == "open" { "b.shop.example" } else { "a.shop.example" };
        let mut client = RawClient::connect_tls(address, config, name);
        let mut ask = |host: &str| {
            client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).answer().status
        };
        let status = ask(host);
        // The connection goes on, for the hosts that it is for.
        assert_eq!(ask(name), 200);
        status
    };
    eventually("the other listener's names are known", || at("a.shop.example", "open") == 421);
    assert_eq!(at("A.Shop.Example.:443", "open"), 421, "in whatever spelling");
    assert_eq!(at("b.shop.example", "open"), 200);
    assert_eq!(at("unknown", "open"), 200, "it is nobody's");
    assert_eq!(at("a.shop.example", "closed"), 200);
    assert_eq!(at("b.shop.example", "closed"), 421);

    // As a browser does that has a connection to the same address (RFC 9113 §9.1.1).
    let client =
        H2Client::connect_tls(edge.address(), authority.client(&[Http2]), "b.shop.example");
    let coalesced = |host: &str| {
        let uri = format!("https://{host}/");
        let request = http::Request::builder().method("GET").uri(uri).body(()).expect("it is one");
        client.ask(request, b"", None).status
    };
    assert_eq!((coalesced("a.shop.example"), coalesced("b.shop.example")), (421, 200));
}
