//! Keys of issuers that are as they should be, and of others. 127.0.0.2 is a public address here.

use std::net::{IpAddr, SocketAddr};

use model::{Document, Host};
use outbound::Names;
use testkit::token::{IssuerKey, jwks};
use testkit::{Authority, Origin, Step, TlsFront};

use super::*;

struct Nameless;

impl Names for Nameless {
    fn addresses<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>>> {
        async { Err("the name does not exist".into()) }.boxed()
    }
}

fn standing(address: IpAddr) -> Standing {
    let public: IpAddr = [127, 0, 0, 2].into();
    if address == public { Standing::Public } else { Standing::of(address) }
}

fn issuers() -> IssuerKeys {
    let client = Client::new(Arc::new(Nameless)).with_standing(standing);
    IssuerKeys::new(client, Arc::default())
}

fn url(scheme: Scheme, address: SocketAddr, target: &str) -> Url {
    let (host, port) = (Host::Address(address.ip()), address.port());
    Url { scheme, host, port, target: target.to_owned() }
}

fn source(at: KeysAt) -> Source {
    Source { keys: FetchedKeys { at, ca: None }, algorithms: vec![JwtAlgorithm::EdDsa] }
}

fn at_url(address: SocketAddr) -> Source {
    source(KeysAt::Jwks(url(Scheme::Http, address, "/keys")))
}

fn discovered(address: SocketAddr, issuer: &str) -> Source {
    let document = url(Scheme::Http, address, "/.well-known/openid-configuration");
    source(KeysAt::Discovery { document, issuer: issuer.to_owned() })
}

async fn fetch(source: &Source) -> Outcome<IssuerKeys> {
    issuers().fetch(source).await
}

/// Why there are no keys, with all causes.
async fn fault(source: &Source) -> String {
    chain(&fetch(source).await.unwrap_err())
}

fn json(body: &str) -> Vec<Step> {
    let length = body.len();
    vec![Step::send(format!(
        "HTTP/1.1 200 X\r\nCache-Control: max-age=600\r\nContent-Length: {length}\r\n\r\n{body}"
    ))]
}

#[tokio::test]
async fn a_set_of_a_thousand_keys_is_taken_with_its_lifetime() {
    let keys: Vec<_> = (0..1000).map(|number| IssuerKey::new(&format!("k{number}"))).collect();
    let set = jwks(&keys.iter().collect::<Vec<_>>());
    let origin = Origin::start(move |_| json(&set));
    let fetched = fetch(&at_url(origin.address())).await.unwrap();
    assert_eq!((fetched.value.keys.count(), fetched.lifetime.as_secs()), (1000, 600));
    let asked = &origin.journal()[0];
    assert_eq!(asked.target, "/keys");
    assert!(asked.field("accept").is_some_and(|it| it.contains("application/json")));
}

#[tokio::test]
async fn only_the_issuer_itself_says_where_its_keys_are() {
    let set = jwks(&[&IssuerKey::new("a")]);
    let origin = Origin::start(move |request| match request.target.as_str() {
        "/.well-known/openid-configuration" => json(&format!(
            r#"{{"issuer":"https://id.example.com","jwks_uri":"http://{}/there","x":1}}"#,
            request.field("host").unwrap()
        )),
        "/there" => json(&set),
        _ => vec![Step::answer(404, "")],
    });
    let known = discovered(origin.address(), "https://id.example.com");
    assert_eq!(fetch(&known).await.unwrap().value.keys.count(), 1);
    let other = discovered(origin.address(), "https://id.example.com/");
    let words = "the discovery document is of the issuer \"https://id.example.com\", and not of \"https://id.example.com/\"";
    assert_eq!(fault(&other).await, words);

    for (document, words) in [
        ("{}", "is no discovery document: a JSON object with `issuer` and `jwks_uri`"),
        (r#"{"issuer":"a","issuer":"a","jwks_uri":"http://a/"}"#, "is no discovery document"),
        (
            r#"{"issuer":"a","jwks_uri":"file:///etc/passwd"}"#,
            "only http:// and https:// are asked",
        ),
    ] {
        let origin = Origin::start(move |_| json(document));
        let said = fault(&discovered(origin.address(), "a")).await;
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_discovery_document_that_came_over_tls_leads_to_no_keys_in_the_clear() {
    let keys = Origin::polite("{}");
    let uri = format!(r#"{{"issuer":"a","jwks_uri":"http://{}/"}}"#, keys.address());
    let origin = Origin::start(move |_| json(&uri));
    let authority = Authority::default();
    let server = authority.server(&[&["127.0.0.1"]], &[]);
    let front = TlsFront::start(server, origin.address());
    let document = url(Scheme::Https, front.address(), "/.well-known/openid-configuration");
    let mut source = source(KeysAt::Discovery { document, issuer: "a".to_owned() });
    let ca = Document { name: "ca.pem".to_owned(), text: authority.pem().into() };
    source.keys.ca = Some(ca);
    assert!(matches!(fetch(&source).await, Err(IssuerFault::Downgrade)));
    assert!(keys.journal().is_empty());
}

#[tokio::test]
async fn a_public_issuer_leads_nowhere_inside() {
    let inside = Origin::polite("the metadata of the cloud");
    let target = format!("http://{}/", inside.address());
    let public: SocketAddr = "127.0.0.2:0".parse().unwrap();
    let redirect = format!("HTTP/1.1 302 X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
    let redirects = Origin::at(public, move |_| vec![Step::send(redirect.clone())]);
    let document = format!(r#"{{"issuer":"a","jwks_uri":"{target}"}}"#);
    let names = Origin::at(public, move |_| json(&document));
    for source in [at_url(redirects.address()), discovered(names.address(), "a")] {
        let said = fault(&source).await;
        assert!(said.contains("what a public address names may not lead there"), "{said}");
    }
    assert!(inside.journal().is_empty());
}

#[tokio::test]
async fn what_is_no_set_of_keys_says_what_it_is() {
    let many: Vec<_> = (0..1001).map(|number| IssuerKey::new(&format!("k{number}"))).collect();
    let many = jwks(&many.iter().collect::<Vec<_>>());
    let strange = r#"{"keys":[{"kty":"OKP","crv":"X25519","kid":"a","x":"AA"}]}"#.to_owned();
    for (response, words) in [
        (vec![Step::answer(404, "gone")], "responds with status 404"),
        (json("<html>"), "gives no keys that can be used: "),
        (json(r#"{"keys":{}}"#), "not a JWK Set"),
        (json(&strange), "none of its 1 keys can be used"),
        (json(&many), "more than 1000 keys"),
        (
            json(r#"{"keys":[]}"#),
            "gives a set without a key; it is believed once that was so for 5 minutes",
        ),
        (
            vec![Step::send("HTTP/1.1 200 X\r\n\r\n"), Step::Pour(JWKS_BYTES_MAX + 1), Step::Close],
            "the response has more than 4194304 bytes",
        ),
    ] {
        let origin = Origin::start(move |_| response.clone());
        let said = fault(&at_url(origin.address())).await;
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_set_is_an_accident_at_first_and_then_the_issuers_will() {
    let issuers = issuers();
    let source = at_url("127.0.0.1:1".parse().unwrap());
    let read = |text: &str| {
        KeySet::read(Bytes::copy_from_slice(text.as_bytes()), &[JwtAlgorithm::EdDsa]).unwrap()
    };
    let (empty, full) = (read(r#"{"keys":[]}"#), read(&jwks(&[&IssuerKey::new("a")])));
    let pass = async |time: Duration| tokio::time::sleep(time).await;
    let short = EMPTY_BELIEVED_AFTER - Duration::from_secs(1);

    assert!(!issuers.is_believed(&source, &empty));
    pass(short).await;
    assert!(!issuers.is_believed(&source, &empty));
    assert!(issuers.is_believed(&source, &full), "keys are believed at any time");
    pass(short).await;
    assert!(!issuers.is_believed(&source, &empty), "the time begins anew");
    pass(EMPTY_BELIEVED_AFTER).await;
    assert!(issuers.is_believed(&source, &empty));
}

#[test]
fn keys_that_are_not_used_are_told_unless_that_is_as_it_should_be() {
    let key = IssuerKey::new("good").jwk();
    let set = format!(
        r#"{{"keys":[{key},{{"kty":"RSA","use":"enc","kid":"enc"}},{{"kty":"EC","crv":"secp256k1","kid":"k1"}}]}}"#
    );
    let set = KeySet::read(set.into_bytes().into(), &[JwtAlgorithm::EdDsa]).unwrap();
    let source = at_url("127.0.0.1:1".parse().unwrap());
    let told: Vec<_> = set.told(&source).collect();
    let [Event::KeysTaken(taken), Event::KeySkipped(skipped)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((taken.keys, skipped.id.as_str()), (1, "k1"));
    assert!(skipped.why.contains("secp256k1"), "{}", skipped.why);
}
