//! A listener that sends everything to `https`: where to, and where that cannot be said.

use std::num::NonZeroU16;

use testkit::{H2Client, RawClient, TestEdge};

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
