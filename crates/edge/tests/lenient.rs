//! Instances that cannot be changed (`accept_unsafe_violations`): what they mean reaches the client, and
//! what stands behind it reaches nobody.

use std::time::Duration;

use edge::{Asker, OwnFault, OwnRequest};
use model::{UpstreamProtocol, Violations};
use testkit::{Origin, Protocol, RawClient, Seen, Step, TestEdge, ask};

/// What such programs write, each with the body `fine`.
const VIOLATIONS: [(&str, &str); 7] = [
    ("LF", "HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 4\n\nfine"),
    ("CR LF and LF", "HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 4\r\n\nfine"),
    ("no body", "HTTP/1.1 200 OK\nX-A: 1\nTransfer-Encoding: chunked\n\n4\r\nfine\r\n0\r\n\r\n"),
    (
        "padded sizes",
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n4   \r\nfine\r\n0  \r\n\r\n",
    ),
    (
        "LF in chunks",
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\nfine\n0\n\n",
    ),
    (
        "two codings",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\nfine\r\n0\r\n\r\n",
    ),
    (
        "a coding twice, and a length",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\nX-A: 1\r\nContent-Length: 1\r\n\r\n\
         4\r\nfine\r\n0\r\n\r\n",
    ),
];

/// A second response that nobody asked for.
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

fn start(violations: Violations, response: &str) -> (Origin, TestEdge) {
    let response = response.to_owned();
    let origin = Origin::start(move |_| vec![Step::send(&*response)]);
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.violations = violations;
        wanted.service.retry.attempts = 1;
        wanted.service.passive = None;
    });
    (origin, edge)
}

#[test]
fn what_is_meant_is_passed_on_where_that_is_wanted_and_nowhere_else() {
    for (what, response) in VIOLATIONS {
        for protocol in Protocol::ALL {
            let (_origin, edge) = start(Violations::Refused, response);
            let seen = ask(protocol, edge.address(), "GET", "/");
            assert_ne!(seen, Seen::Whole(200, "fine".to_owned()), "{what}, {protocol:?}: strict");
            let (_origin, edge) = start(Violations::Accepted, response);
            let seen = ask(protocol, edge.address(), "GET", "/");
            assert_eq!(seen, Seen::Whole(200, "fine".to_owned()), "{what}, {protocol:?}");
        }
        let (_origin, edge) = start(Violations::Accepted, response);
        let answer = RawClient::connect(edge.address()).get("/");
        assert_eq!((&*answer.text(), answer.field("x-a")), ("fine", Some("1")), "{what}");
        let bare = answer.head.replace("\r\n", "");
        assert!(!bare.contains(['\r', '\n']), "{what}: lines end as they should");
    }
}

#[test]
fn a_connection_on_which_anything_was_mended_is_not_used_again() {
    for (what, response) in VIOLATIONS {
        // With and without more behind it.
        for response in [response.to_owned(), format!("{response}{POISON}")] {
            let (origin, edge) = start(Violations::Accepted, &response);
            for _ in 0..3 {
                assert_eq!(RawClient::connect(edge.address()).get("/").text(), "fine", "{what}");
            }
            let used: Vec<_> = origin.journal().iter().map(|request| request.connection).collect();
            assert_eq!(used, [0, 1, 2], "{what}");
        }
    }
}

#[test]
fn a_connection_on_which_nothing_was_is_kept() {
    let (origin, edge) = start(
        Violations::Accepted,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    );
    let mut client = RawClient::connect(edge.address());
    (0..3).for_each(|_| assert_eq!(client.get("/").text(), "fine"));
    assert!(origin.journal().iter().all(|request| request.connection == 0));
}

#[test]
fn what_could_be_meant_in_two_ways_is_refused_all_the_same() {
    for response in [
        "HTTP/1.1 200 OK\nContent-Length: 4\nContent-Length: 5\n\nfine",
        "HTTP/1.1 200 OK\r\nContent-Length: 4, 5\r\n\r\nfine",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4 4\r\nfine\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 4\r\nfine\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\rX: 1\r\nContent-Length: 4\r\n\r\nfine",
        "HTTP/1.1 200 OK\nX: 1\n continued\nContent-Length: 4\n\nfine",
    ] {
        let (_origin, edge) = start(Violations::Accepted, response);
        for protocol in Protocol::ALL {
            let seen = ask(protocol, edge.address(), "GET", "/");
            assert_ne!(seen, Seen::Whole(200, "fine".to_owned()), "{response:?}, {protocol:?}");
        }
    }
}

#[test]
fn checks_read_as_requests_do() {
    let (origin, _edge) = start(Violations::Accepted, VIOLATIONS[0].1);
    let asker = Asker::start().expect("a thread starts");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let asked = |violations| {
        runtime.block_on(asker.ask(OwnRequest {
            address: origin.address(),
            protocol: UpstreamProtocol::H1,
            tls: None,
            violations,
            method: "GET",
            target: "/".to_owned(),
            host: "a".to_owned(),
            fields: Vec::new(),
            body: None,
            kept: 1024,
            timeout: Duration::from_secs(10),
        }))
    };
    assert_eq!(asked(Violations::Accepted).expect("it is read").body, b"fine");
    assert!(matches!(asked(Violations::Refused), Err(OwnFault::Nonsense(_))));
}
