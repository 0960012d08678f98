//! A server that is asked again and again, against servers that do as they are told.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use outbound::{Client, Excess, Fault, PooledClient, Request, Response, parse};
use testkit::{DEADLINE, Origin, Step};

fn server(origin: &Origin, bytes_max: usize, excess: Excess) -> PooledClient {
    let url = parse(&format!("http://{}/verify?a=b", origin.address())).unwrap();
    let request = Request::get(url, DEADLINE, bytes_max);
    PooledClient::new(Client::nameless(), request, excess)
}

async fn ask(server: &PooledClient, who: &'static str) -> Result<Response, Fault> {
    let name = HeaderName::from_static("x-who");
    let fields = HeaderMap::from_iter([(name, HeaderValue::from_static(who))]);
    server.ask(fields, Bytes::new(), DEADLINE).await
}

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let origin = Origin::start(|_| vec![Step::answer(200, "fine")]);
    let server = server(&origin, 1_024, Excess::Refused);
    for who in ["a", "b", "c"] {
        let response = ask(&server, who).await.unwrap();
        assert_eq!((response.status.as_u16(), &response.body[..]), (200, &b"fine"[..]));
    }
    let asked = origin.journal();
    let who: Vec<_> = asked.iter().filter_map(|it| it.field("x-who")).collect();
    assert_eq!((who, origin.connections()), (vec!["a", "b", "c"], 1));
    assert!(asked.iter().all(|it| it.target == "/verify?a=b" && it.field("connection").is_none()));
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_a_new_one_and_no_request() {
    let origin = Origin::start(|_| vec![Step::answer(200, "fine")]);
    let server = server(&origin, 1_024, Excess::Refused);
    for round in 1..=5 {
        assert_eq!(ask(&server, "a").await.unwrap().status, 200, "{round}");
        // Whether it is noticed before the next request or with it.
        origin.close_connections();
    }
    assert_eq!(origin.journal().len(), 5);
}

#[tokio::test]
async fn one_that_closes_without_a_response_is_asked_once_more_over_a_new_connection_only() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let origin = Origin::start(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => vec![Step::answer(200, "fine")],
        _ => vec![Step::Close],
    });
    let server = server(&origin, 1_024, Excess::Refused);
    ask(&server, "a").await.unwrap();
    let fault = ask(&server, "b").await.unwrap_err();
    assert!(matches!(fault, Fault::Broken { .. }), "{fault}");
    assert_eq!(count.load(Ordering::SeqCst), 3, "it was asked over the old one and a new one");
}

#[tokio::test]
async fn what_asks_at_the_same_time_has_connections_of_its_own() {
    let origin = Origin::start(|request| match request.field("x-who") {
        Some("slow") => vec![Step::Echo],
        _ => vec![Step::answer(200, "fine")],
    });
    let server = Arc::new(server(&origin, 1_024, Excess::Refused));
    let asking = server.clone();
    let slow = tokio::spawn(async move { ask(&asking, "slow").await });
    while origin.connections() == 0 {
        tokio::task::yield_now().await;
    }
    ask(&server, "a").await.unwrap();
    ask(&server, "b").await.unwrap();
    assert_eq!(origin.connections(), 2);
    slow.abort();
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_or_does_not_matter() {
    let origin = Origin::start(|_| {
        vec![Step::send("HTTP/1.1 401 X\r\nContent-Length: 2000\r\n\r\n"), Step::Pour(2_000)]
    });
    let refusing = server(&origin, 1_024, Excess::Refused);
    assert!(matches!(ask(&refusing, "a").await, Err(Fault::TooLarge(1_024))));
    let dropping = server(&origin, 1_024, Excess::Dropped);
    for round in 2..=3 {
        let response = ask(&dropping, "a").await.unwrap();
        assert_eq!((response.status.as_u16(), response.body.len()), (401, 0));
        assert_eq!(
            origin.connections(),
            round,
            "one that was not read to its end is not used again"
        );
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_none_whatever_its_head_says() {
    for head in ["HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nfine", "HTTP/1.1 200 X\r\nX-A: b"] {
        let origin = Origin::start(move |_| vec![Step::send(head), Step::Close]);
        for excess in [Excess::Refused, Excess::Dropped] {
            let fault = ask(&server(&origin, 1_024, excess), "a").await.unwrap_err();
            assert!(matches!(fault, Fault::Broken { .. }), "{fault}");
        }
    }
}
