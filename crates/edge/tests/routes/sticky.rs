//! Cookies that keep a client with its instance.

use model::Sticky;
use testkit::{Authority, Origin, Protocol, Reply, Talk, TestEdge};
use wire::tls::Alpn;

use crate::networks;

#[test]
fn a_cookie_knows_how_it_travels() {
    let origin = Origin::polite("fine");
    let authority = Authority::default();
    let start = |is_tls: bool, sticky: Sticky| {
        TestEdge::with(&[origin.address()], |wanted| {
            wanted.service.sticky = Some(sticky);
            wanted.listener.trusted_proxies = networks(&["127.0.0.1/32"]);
            wanted.tls =
                is_tls.then(|| authority.server(&[&["a.example"]], &[Alpn::Http2, Alpn::Http1]));
        })
    };
    let attributes = |reply: Reply| {
        let cookie = reply.field("set-cookie").expect("a cookie").to_owned();
        let (pair, rest) = cookie.split_once("; ").expect("it has attributes");
        assert!(pair.starts_with("stay="), "{pair}");
        rest.to_owned()
    };
    let tls = start(true, Sticky::named("stay"));
    let clear = start(false, Sticky::named("stay"));
    for (protocol, alpn) in [(Protocol::H1, Alpn::Http1), (Protocol::H2, Alpn::Http2)] {
        let over_tls = Talk::get("/").tls(authority.client(&[alpn]), "a.example");
        let plain = "Path=/; HttpOnly; SameSite=Lax";
        let secure = format!("{plain}; Secure");
        assert_eq!(attributes(over_tls.over(protocol, tls.address())), secure, "{protocol:?}");
        assert_eq!(attributes(Talk::get("/").over(protocol, clear.address())), plain);
        for (name, value) in
            [("X-Forwarded-Proto", "https"), ("Forwarded", "for=1.1.1.1;proto=https")]
        {
            let behind = Talk::get("/").field(name, value).over(protocol, clear.address());
            assert_eq!(attributes(behind), secure, "{name}");
        }
    }
    let framed = start(
        false,
        Sticky {
            same_site: model::SameSite::None,
            domain: Some("example.com".into()),
            path: "/shop".into(),
            ttl: Some(std::time::Duration::from_secs(60)),
            ..Sticky::named("stay")
        },
    );
    assert_eq!(
        attributes(Talk::get("/").over(Protocol::H1, framed.address())),
        "Path=/shop; HttpOnly; SameSite=None; Secure; Domain=example.com; Max-Age=60"
    );
}
