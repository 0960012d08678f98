//! What clients over TCP may see and do, with and without a token, and what they cannot keep others from.

use admin::{Guard, Operation, Token, Tokens};
use http::Method;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::backend::{Scripted, WRITTEN};
use crate::{SECRET, concrete, guard, question, send, serve_tcp, status_of};

#[tokio::test]
async fn what_does_not_exist_is_a_problem_too() {
    let token = guard();
    let (_server, address) = serve_tcp(token, Scripted::default()).await;
    for (line, status, kind) in [
        ("GET /v1/nothing HTTP/1.1", 404, "urn:plimsoll:no-such-resource"),
        ("DELETE /v1/status HTTP/1.1", 405, "urn:plimsoll:method-not-allowed"),
    ] {
        let head = format!("{line}\r\nhost: a\r\nauthorization: Bearer {SECRET}");
        let answer = send(address, &head, "").await;
        assert_eq!(status_of(&answer), status);
        assert!(answer.contains("application/problem+json"));
        assert!(answer.contains(kind), "{answer}");
    }
}

#[tokio::test]
async fn over_tcp_without_a_token_one_only_looks() {
    let (_server, address) = serve_tcp(Guard::ReadOnly, Scripted::default()).await;
    for operation in Operation::ALL {
        let line = format!("{} {} HTTP/1.1\r\n", operation.method(), concrete(operation));
        let head = format!("{line}host: localhost\r\ncontent-type: application/json");
        let body = serde_json::to_string(&question()).unwrap();
        let looks = operation.method() == Method::GET || operation == Operation::Explain;
        let answer = send(address, &head, &body).await;
        assert_eq!(status_of(&answer), if looks { 200 } else { 401 }, "{answer}");
    }
}

#[tokio::test]
async fn what_instances_wrote_is_told_only_to_those_who_show_the_token_that_may_act() {
    const LOOKS: &str = "another-secret-that-only-looks-around";
    let backend = || Scripted { writes: true, ..Scripted::default() };
    let (_server, address) = serve_tcp(Guard::ReadOnly, backend()).await;
    let token = |text| Some(Token::new(text).unwrap());
    let tokens = Guard::Tokens(Tokens::new(token(SECRET), token(LOOKS)).unwrap());
    let (_other, with_token) = serve_tcp(tokens, backend()).await;
    let tell =
        [Operation::DeployEvents, Operation::History, Operation::ShowDeploy, Operation::Judge];
    for path in tell.map(concrete) {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost");
        let without = send(address, &head, "").await;
        assert!(without.contains("\"output\"") && !without.contains("postgres://"), "{without}");
        let shown = |token| format!("{head}\r\nauthorization: Bearer {token}");
        let looks = send(with_token, &shown(LOOKS), "").await;
        assert!(looks.contains("\"output\"") && !looks.contains("postgres://"), "{looks}");
        let acts = send(with_token, &shown(SECRET), "").await;
        assert!(acts.contains("postgres://"), "{acts}");
    }
}

#[tokio::test]
async fn what_jobs_wrote_is_told_only_to_those_who_show_the_token_that_may_act() {
    let (_server, address) = serve_tcp(Guard::ReadOnly, Scripted::default()).await;
    let (_other, with_token) = serve_tcp(guard(), Scripted::default()).await;
    for path in [Operation::Jobs, Operation::ShowJob, Operation::JobOutput].map(concrete) {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost");
        let without = send(address, &head, "").await;
        assert!(status_of(&without) == 200 && !without.contains(WRITTEN), "{without}");
        let shown = format!("{head}\r\nauthorization: Bearer {SECRET}");
        let acts = send(with_token, &shown, "").await;
        assert!(acts.contains(WRITTEN), "{acts}");
    }
}

#[tokio::test]
async fn what_a_program_needs_to_run_is_told_over_the_socket_alone() {
    let (_server, address) = serve_tcp(guard(), Scripted::default()).await;
    let line = format!("POST {} HTTP/1.1", concrete(Operation::Surroundings));
    let head = format!("{line}\r\nhost: a\r\nauthorization: Bearer {SECRET}");
    let answer = send(address, &head, "").await;
    assert_eq!(status_of(&answer), 403, "{answer}");
    assert!(answer.contains("urn:plimsoll:socket-alone"), "{answer}");
    assert!(!answer.contains("postgres://"), "{answer}");
}

#[tokio::test]
async fn bodies_that_never_come_keep_nobody_out() {
    let (_server, address) = serve_tcp(Guard::ReadOnly, Scripted::default()).await;
    let head = "POST /v1/explain HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 99\r\n\r\n{";
    let mut stalled = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    let asking = send(address, "GET /metrics HTTP/1.1\r\nhost: localhost", "");
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), asking).await;
    assert_eq!(status_of(&answer.expect("it is not kept waiting")), 200);
}

#[tokio::test]
async fn who_deploys_is_one_short_printable_line() {
    let (_server, address) = serve_tcp(guard(), Scripted::default()).await;
    let head = format!(
        "POST /v1/services/api/deploys HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         authorization: Bearer {SECRET}"
    );
    for (who, status) in [
        ("ops@vm", 200),
        ("", 200),
        ("J\u{fc}rgen", 200),
        ("a\nb", 400),
        ("\u{1b}[2J", 400),
        ("\u{202e}spo", 400),
        (&"x".repeat(129), 400),
    ] {
        let body = serde_json::json!({ "version": "1.4.2", "who": who }).to_string();
        let answer = send(address, &head, &body).await;
        assert_eq!(status_of(&answer), status, "{who:?}: {answer}");
    }
}
