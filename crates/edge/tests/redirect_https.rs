//! A listener that sends everything to `https`: where to, and where that cannot be said.

use std::num::NonZeroU16;

use testkit::{H2Client, Origin, RawClient, TestEdge};

fn redirecting(port: u16) -> TestEdge {
    TestEdge::with(&[testkit::origin::refusing_address()], |wanted| {
        wanted.listener.redirect_https = NonZeroU16::new(port);
    })
}

fn location(edge: &TestEdge, head: &str) -> Option<String> {
    let answer = RawClient::connect(edge.address()).send(head).answer();
    let is_redirect = answer.status == 308;
    is_redirect.then(|| answer.field("location").expect("it leads somewhere").to_owned())
}

#[test]
fn the_same_place_at_the_port_of_https() {
    for (port, shown) in [(443, ""), (8443, ":8443")] {
        let edge = redirecting(port);
        for (target, host, path) in [
            ("/x?y=1", "Shop.example:8080", "/x?y=1"),
            ("http://shop.example/x", "shop.example", "/x"),
            ("http://shop.example", "shop.example", "/"),
            ("/a|b\"<ä>//%2F", "shop.example", "/a%7Cb%22%3C%C3%A4%3E//%2F"),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let wanted = format!("https://shop.example{shown}{path}");
            assert_eq!(location(&edge, &head), Some(wanted), "{target}");
        }
        let v6 = "GET /x HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n";
        assert_eq!(location(&edge, v6), Some(format!("https://[::1]{shown}/x")));
        let star = "OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n\r\n";
        assert_eq!(location(&edge, star), Some(format!("https://shop.example{shown}")));
    }
}

#[test]
fn a_client_that_names_no_host_is_told_that_it_must() {
    let edge = redirecting(443);
    let answer = RawClient::connect(edge.address()).send("GET /x HTTP/1.0\r\n\r\n").answer();
    assert_eq!((answer.status, answer.field("location")), (400, None));
    let over_h2 = H2Client::connect(edge.address()).get("/x");
    assert_eq!(over_h2.status, 308);
    assert!(over_h2.field("location").is_some_and(|to| to.starts_with("https://")));
}

/// Behind a proxy that speaks TLS with clients, a redirect would lead back to itself for ever.
#[test]
fn what_a_trusted_proxy_says_came_by_https_is_served() {
    let origin = Origin::polite("fine");
    let listening = |trusted: &str| {
        TestEdge::with(&[origin.address()], |wanted| {
            wanted.listener.redirect_https = NonZeroU16::new(443);
            wanted.listener.trusted_proxies = vec![trusted.parse().expect("a network")];
        })
    };
    let (behind, open) = (listening("127.0.0.0/8"), listening("192.0.2.0/24"));
    for (field, is_https) in [
        ("X-Forwarded-Proto: https", true),
        ("X-Forwarded-Proto: HTTPS", true),
        ("Forwarded: for=192.0.2.1;proto=https", true),
        ("X-Forwarded-Proto: http", false),
        ("Forwarded: for=192.0.2.1;proto=http", false),
        ("X-Forwarded-For: 192.0.2.1", false),
        // Both families: the chain is read from one, and never from both.
        ("X-Forwarded-Proto: http\r\nForwarded: for=192.0.2.1;proto=https", false),
    ] {
        let head = format!("GET /x HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        let status =
            |edge: &TestEdge| RawClient::connect(edge.address()).send(&*head).answer().status;
        assert_eq!(status(&behind), if is_https { 200 } else { 308 }, "{field}");
        assert_eq!(status(&open), 308, "{field} of anybody");
        let fields: Vec<_> = field.split("\r\n").filter_map(|line| line.split_once(": ")).collect();
        let mut request = http::Request::get("http://a/x");
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request.body(()).expect("a request");
        let over_h2 = H2Client::connect(behind.address()).ask(request, b"", None);
        assert_eq!(over_h2.status, if is_https { 200 } else { 308 }, "{field} over HTTP/2");
    }
}
