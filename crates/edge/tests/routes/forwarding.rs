//! Who is believed, and what instances are told of where a request came from.

use testkit::{Origin, Protocol, Talk, TestEdge};

use crate::{Stage, networks};

#[test]
fn what_a_client_says_of_its_way_is_dropped_in_every_spelling() {
    let stage = Stage::routed(|_| {});
    let names = [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Forwarded-Client-Cert",
        "X_Forwarded_Prefix",
        "x.forwarded.port",
        "X_Forwarded_Anything",
        "X-Real-IP",
        "X_Real_IP",
        "Forwarded",
        "X-Original-URL",
        "X_Original_URL",
        "X-Rewrite-URL",
        "True-Client-IP",
        "X-Client-IP",
        "CF-Connecting-IP",
        "Front-End-Https",
        "Proxy",
        "X-Request-Id",
        "X_Request_Id",
    ];
    for protocol in Protocol::ALL {
        let talk = names.iter().fold(Talk::get("/"), |talk, name| talk.field(name, "6.6.6.6"));
        let seen = stage.seen(protocol, talk);
        assert!(!seen.head.contains("6.6.6.6"), "{protocol:?}: {}", seen.head);
        seen.has(&[
            ("x-forwarded-for", "127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "80"),
            ("x-forwarded-host", "example.com"),
        ]);
        assert_eq!(seen.field("x-forwarded-prefix"), None);
        let forwarded = "for=127.0.0.1;host=\"example.com\";proto=http";
        assert_eq!(seen.field("forwarded"), Some(forwarded));
        assert_eq!(seen.field("x-request-id").map(str::len), Some(32));
    }
}

#[test]
fn behind_a_trusted_proxy_both_families_tell_one_chain() {
    let stage = Stage::behind_a_proxy(|_| {});
    for protocol in Protocol::ALL {
        let asked = Talk::get("/")
            .host("a.example")
            .field("X-Forwarded-For", "6.6.6.6, ::ffff:1.2.3.4")
            .field("X-Forwarded-For", ", 10.0.0.7,")
            .field("X-Forwarded-Proto", "HTTPS")
            .field("X-Forwarded-Port", "8443")
            .field("X-Forwarded-Host", "shop.example:8443")
            .field("X-Forwarded-Prefix", "/outer")
            .field("X-Forwarded-Server", "edge-1")
            .field("X-Original-URL", "/asked")
            .field("X-Request-Id", "given-7")
            .field("Forwarded", "for=9.9.9.9;proto=gopher;host=evil");
        let seen = stage.seen(protocol, asked);
        let list = "6.6.6.6, 1.2.3.4, 10.0.0.7, 127.0.0.1";
        assert_eq!(seen.field("x-forwarded-for"), Some(list), "{protocol:?}");
        assert_eq!(
            seen.field("forwarded"),
            Some(
                "for=6.6.6.6, for=1.2.3.4;host=\"shop.example:8443\";proto=https, for=10.0.0.7, \
                 for=127.0.0.1"
            )
        );
        seen.has(&[
            ("x-real-ip", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "8443"),
            ("x-forwarded-host", "shop.example:8443"),
            ("x-forwarded-prefix", "/outer"),
            ("x-forwarded-server", "edge-1"),
            ("x-original-url", "/asked"),
            ("x-request-id", "given-7"),
        ]);
    }
}

#[test]
fn a_proxy_that_speaks_the_other_family_is_understood_too() {
    let stage = Stage::behind_a_proxy(|_| {});
    for protocol in Protocol::ALL {
        let forwarded = "for=\"[2001:db8::1]:4711\";proto=https;host=shop.example";
        let seen = stage.seen(protocol, Talk::get("/").field("Forwarded", forwarded));
        seen.has(&[
            ("x-forwarded-for", "2001:db8::1, 127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-host", "shop.example"),
            ("x-real-ip", "2001:db8::1"),
        ]);
        let told = "for=\"[2001:db8::1]\";host=\"shop.example\";proto=https, for=127.0.0.1";
        assert_eq!(seen.field("forwarded"), Some(told));
    }
}

#[test]
fn no_list_has_an_empty_element() {
    let stage = Stage::behind_a_proxy(|_| {});
    for protocol in Protocol::ALL {
        for (sent, list) in [
            ("", "127.0.0.1"),
            ("1.2.3.4,", "1.2.3.4, 127.0.0.1"),
            (" , ,1.2.3.4", "1.2.3.4, 127.0.0.1"),
            ("x y, 1.2.3.4:81", "unknown, 1.2.3.4, 127.0.0.1"),
        ] {
            let seen = stage.seen(protocol, Talk::get("/").field("X-Forwarded-For", sent));
            assert_eq!(seen.field("x-forwarded-for"), Some(list), "{protocol:?} {sent:?}");
            let elements = seen.field("forwarded").expect("it is there").split(", ").count();
            assert_eq!(elements, list.split(", ").count());
        }
    }
}

#[test]
fn a_client_is_known_by_its_ipv4_address_however_it_is_written() {
    let origin = Origin::polite("fine");
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.listener.trusted_proxies = networks(&["127.0.0.1/32"]);
        wanted.routes[0].matcher.from = networks(&["192.0.2.0/24"]);
    });
    for protocol in Protocol::ALL {
        let from = |client: &str| {
            let talk = Talk::get("/").field("X-Forwarded-For", client);
            talk.over(protocol, edge.address()).status
        };
        for client in ["192.0.2.5", "::ffff:192.0.2.5", "[::ffff:c000:205]:80", "::FFFF:192.0.2.5"]
        {
            assert_eq!(from(client), 200, "{protocol:?} {client}");
        }
        assert_eq!(from("192.0.3.5"), 404);
    }
}

#[test]
fn who_is_trusted_is_asked_anew_for_each_request_of_a_connection() {
    let mut stage = Stage::behind_a_proxy(|_| {});
    let mut client = testkit::RawClient::connect(stage.edge.address());
    let mut ask = |stage: &Stage| {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        let seen = stage.origin.journal().pop().expect("it was asked");
        seen.field("x-real-ip").map(str::to_owned)
    };
    assert_eq!(ask(&stage).as_deref(), Some("6.6.6.6"));
    stage.edge.republish(|intent| {
        let listener = intent.listeners.values_mut().next().expect("there is one");
        std::sync::Arc::make_mut(listener).trusted_proxies.clear();
    });
    testkit::eventually("it is taken up", || ask(&stage).as_deref() == Some("127.0.0.1"));
}
