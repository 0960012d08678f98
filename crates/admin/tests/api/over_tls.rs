//! The API over TLS, and a client elsewhere: what it sends, whom it believes, and what it says of everything that goes wrong.

use std::net::SocketAddr;
use std::sync::Arc;

use admin::{
    Client, ClientError, Guard, Kind, NoRemote, ReloadRequest, Remote, TlsConfigs, Token, Tokens,
};
use outbound::{CertificateFault, Fault};
use testkit::Authority;
use tokio::sync::watch;
use wire::tls::Alpn;

use crate::backend::Scripted;
use crate::{SECRET, guard, question, send, serve_door, serve_tcp, status_of};

const LOOKS: &str = "another-secret-that-only-looks-around";

/// Shows a certificate of `authority` for these names, and takes another one.
fn showing(authority: &Authority, names: &[&str]) -> (watch::Sender<ServerTls>, TlsConfigs) {
    watch::channel(Some(authority.server(&[names], &[Alpn::Http1])))
}

type ServerTls = Option<Arc<tokio_rustls::rustls::ServerConfig>>;

/// Asks `address` by `scheme`, believing `authority`, with `token`.
fn client(url: &str, authority: &Authority, token: Option<&str>) -> Client {
    let token = token.map(|text| Token::new(text).unwrap());
    Client::remote(Remote::new(url, Some(&authority.pem()), token).unwrap())
}

fn https(address: SocketAddr) -> String {
    format!("https://{address}")
}

#[tokio::test]
async fn a_client_elsewhere_does_over_tls_what_its_token_lets_it() {
    let authority = Authority::default();
    let (_show, tls) = showing(&authority, &["127.0.0.1"]);
    let token = |text| Some(Token::new(text).unwrap());
    let tokens = Guard::Tokens(Tokens::new(token(SECRET), token(LOOKS)).unwrap());
    let (server, address) = serve_door(tokens, Some(tls), Scripted::default()).await;
    assert_eq!(server.url(), Some(https(address)));
    let acts = client(&https(address), &authority, Some(SECRET));
    assert_eq!(acts.status().await.unwrap().revision, 3);
    acts.reload_as(&ReloadRequest::default()).await.unwrap();
    acts.explain(&question()).await.unwrap();
    let events = acts.events().await.unwrap();
    acts.follow_events(&events.last).await.unwrap();

    let kind = |error| match error {
        ClientError::Problem(problem) => problem.kind,
        error => panic!("{error}"),
    };
    let looks = client(&https(address), &authority, Some(LOOKS));
    assert!(looks.status().await.is_ok() && looks.explain(&question()).await.is_ok());
    assert_eq!(kind(looks.reload().await.unwrap_err()), Kind::OnlyLooks);
    let wrong = client(&https(address), &authority, Some("not-the-token-at-all"));
    assert_eq!(kind(wrong.status().await.unwrap_err()), Kind::Unauthorized);
    let without = client(&https(address), &authority, None);
    assert_eq!(kind(without.status().await.unwrap_err()), Kind::Unauthorized);
}

#[tokio::test]
async fn a_client_believes_no_certificate_but_one_for_its_host_of_its_authority() {
    let (authority, other) = (Authority::default(), Authority::default());
    let (_show, tls) = showing(&authority, &["edge.example.com"]);
    let (_server, address) = serve_door(guard(), Some(tls), Scripted::default()).await;
    let fault = async |client: Client| match client.status().await.unwrap_err() {
        error @ ClientError::Unreached { .. } => {
            let text = error.to_string();
            let ClientError::Unreached { fault, .. } = error else { unreachable!() };
            (*fault, text)
        }
        error => panic!("{error}"),
    };
    let named = client(&https(address), &authority, Some(SECRET));
    let (name, text) = fault(named).await;
    let Fault::Certificate { why: CertificateFault::Name(names), .. } = name else {
        panic!("{name}")
    };
    assert_eq!(names, ["edge.example.com"], "{text}");
    let (issuer, text) = fault(client(&https(address), &other, Some(SECRET))).await;
    assert!(matches!(issuer, Fault::Certificate { why: CertificateFault::Issuer, .. }), "{issuer}");
    assert!(text.ends_with("has issued the certificate of 127.0.0.1"), "{text}");
}

#[tokio::test]
async fn clear_text_where_tls_is_spoken_and_the_other_way_are_told() {
    let authority = Authority::default();
    let (_show, tls) = showing(&authority, &["127.0.0.1"]);
    let (_server, secure) = serve_door(guard(), Some(tls), Scripted::default()).await;
    let (_other, plain) = serve_tcp(guard(), Scripted::default()).await;
    let error = client(&https(plain), &authority, Some(SECRET)).status().await.unwrap_err();
    let ClientError::Unreached { fault, .. } = &error else { panic!("{error}") };
    assert!(matches!(**fault, Fault::Tls { .. }), "{error}");
    let clear = client(&format!("http://{secure}"), &authority, Some(SECRET));
    let error = clear.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Broken(_)), "{error}");
    // To this machine it may be in the clear.
    let clear = client(&format!("http://{plain}"), &authority, Some(SECRET));
    assert!(clear.status().await.is_ok());
    let remote = Remote::new("http://192.0.2.1:7070", None, None);
    assert!(matches!(remote, Err(NoRemote::InTheClear)), "{remote:?}");
}

#[tokio::test]
async fn another_certificate_is_shown_from_the_next_connection_on() {
    let (old, new) = (Authority::default(), Authority::default());
    let (show, tls) = showing(&old, &["127.0.0.1"]);
    let open = Scripted { events: telemetry::Events::default(), ..Scripted::default() };
    let (_server, address) = serve_door(guard(), Some(tls), open).await;
    let (of_old, of_new) =
        (client(&https(address), &old, Some(SECRET)), client(&https(address), &new, Some(SECRET)));
    assert!(of_old.version().await.is_ok() && of_new.version().await.is_err());
    let events = of_old.events().await.unwrap();
    let mut stream = of_old.follow_events(&events.last).await.unwrap();
    show.send_replace(Some(new.server(&[&["127.0.0.1"]], &[Alpn::Http1])));
    assert!(of_old.version().await.is_err() && of_new.version().await.is_ok());
    // What is open stays open: nothing comes, and it does not end.
    let next = tokio::time::timeout(std::time::Duration::from_millis(50), stream.next()).await;
    assert!(next.is_err(), "{next:?}");
    // Without any there is no connection.
    show.send_replace(None);
    assert!(of_new.version().await.is_err());
}

#[tokio::test]
async fn handshakes_that_never_come_keep_nobody_out() {
    let authority = Authority::default();
    let (_show, tls) = showing(&authority, &["127.0.0.1"]);
    let (_server, address) = serve_door(guard(), Some(tls), Scripted::default()).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let asking = client(&https(address), &authority, Some(SECRET));
    let asked = tokio::time::timeout(std::time::Duration::from_secs(5), asking.version()).await;
    assert!(asked.expect("it is not kept waiting").is_ok());
}

#[tokio::test]
async fn what_is_no_api_of_plimsoll_is_told() {
    let origin = testkit::Origin::polite("some other server");
    let authority = Authority::default();
    let other = client(&format!("http://{}", origin.address()), &authority, Some(SECRET));
    let error = other.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreadable(_)), "{error}");
    let (_server, address) = serve_tcp(guard(), Scripted::default()).await;
    let below = client(&format!("http://{address}/edge"), &authority, Some(SECRET));
    let ClientError::Problem(problem) = below.status().await.unwrap_err() else {
        panic!("there is nothing below /edge")
    };
    assert_eq!(problem.kind, Kind::NoSuchResource);
    let answer = send(address, "GET /edge/v1/status HTTP/1.1\r\nhost: a", "").await;
    assert_eq!(status_of(&answer), 401, "{answer}");
}
