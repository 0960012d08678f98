//! Origins that answer nonsense, asked over both protocols: the client gets 502 or 504 or a visible
//! cut, never a wrong body, and what the origin sent too much of never reaches another client.

use std::time::Duration;

use testkit::{
    H2Origin, H2Step, Origin, Protocol, RawClient, Seen, Step, TestEdge, ask, eventually,
};

const FINE: &str = "what everybody else gets";
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// What the client may see.
enum Expect {
    /// An answer of the proxy's own.
    Status(u16),
    /// An answer that begins and visibly does not end.
    Cut,
    /// The answer as far as it makes sense.
    Whole(u16, &'static str),
}

use Expect::{Cut, Status, Whole};

/// Asks for `path` of an origin that answers it as `nonsense` says, over both protocols; then sees
/// that the next clients get what is theirs, over another connection.
fn holds(what: &str, method: &str, expect: &Expect, nonsense: Vec<Step>) {
    for protocol in Protocol::ALL {
        let nonsense = nonsense.clone();
        let origin = Origin::start(move |request| match &*request.target {
            "/fine" => vec![Step::answer(200, FINE)],
            _ => nonsense.clone(),
        });
        let edge = TestEdge::with(&[origin.address()], |wanted| {
            wanted.service.timeouts.first_byte = Duration::from_millis(500);
            wanted.service.timeouts.idle = Duration::from_millis(500);
            wanted.service.retry.attempts = 1;
        });
        let seen = ask(protocol, edge.address(), method, "/nonsense");
        match expect {
            Status(status) => assert_eq!(seen.status(), Some(*status), "{what}, {protocol:?}"),
            Cut => assert_eq!(seen, Seen::Cut, "{what}, {protocol:?}"),
            Whole(status, body) => {
                assert_eq!(seen, Seen::Whole(*status, (*body).to_owned()), "{what}, {protocol:?}");
            }
        }
        for _ in 0..3 {
            let next = ask(protocol, edge.address(), "GET", "/fine");
            assert_eq!(next, Seen::Whole(200, FINE.to_owned()), "after {what}, {protocol:?}");
        }
        let fine = origin.journal().into_iter().find(|request| request.target == "/fine");
        assert_ne!(fine.map(|request| request.connection), Some(0), "{what}: not used again");
    }
}

fn sends(text: impl Into<Vec<u8>>) -> Vec<Step> {
    vec![Step::send(text), Step::Wait(Duration::from_secs(2))]
}

#[test]
fn a_head_that_is_none_is_a_502() {
    let huge = "x".repeat(70_000);
    let many: String = (0..2000).map(|n| format!("a{n}: b\r\n")).collect();
    for (what, head) in [
        ("no status line", "hello world\r\n\r\n".to_owned()),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n".into()),
        ("a version nobody has", "HTTP/3.7 200 OK\r\n\r\n".into()),
        ("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n".into()),
        ("a status out of range", "HTTP/1.1 099 OK\r\n\r\n".into()),
        ("a status that is no number", "HTTP/1.1 2x0 OK\r\n\r\n".into()),
        ("a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n".into()),
        ("a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n".into()),
        ("a NUL", "HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n".into()),
        ("a bare CR", "HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n".into()),
        ("a blank in a name", "HTTP/1.1 200 OK\r\nA b: c\r\nContent-Length: 0\r\n\r\n".into()),
        ("a field without a name", "HTTP/1.1 200 OK\r\n: b\r\n\r\n".into()),
        ("a header without end", format!("HTTP/1.1 200 OK\r\nA: {huge}")),
        ("too many fields", format!("HTTP/1.1 200 OK\r\n{many}\r\n")),
    ] {
        holds(what, "GET", &Status(502), sends(head));
    }
}

#[test]
fn a_body_that_could_be_read_two_ways_is_a_502() {
    for (what, fields) in [
        ("a length and another coding", "Content-Length: 3\r\nTransfer-Encoding: gzip\r\n"),
        ("two lengths", "Content-Length: 3\r\nContent-Length: 4\r\n"),
        ("a list of lengths", "Content-Length: 3, 4\r\n"),
        ("a signed length", "Content-Length: +3\r\n"),
        ("a negative length", "Content-Length: -3\r\n"),
        ("a length in hexadecimal", "Content-Length: 0x3\r\n"),
        ("an empty length", "Content-Length: \r\n"),
        ("a length over 64 bits", "Content-Length: 18446744073709551616\r\n"),
        ("chunked and not last", "Transfer-Encoding: chunked, gzip\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n"),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n3\r\nabc\r\n0\r\n\r\n");
        holds(what, "GET", &Status(502), sends(answer));
    }
}

#[test]
fn a_body_that_breaks_off_is_a_visible_cut() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort";
    let chunked = |rest: &str| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n{rest}")
    };
    for (what, sent) in [
        ("shorter than its length", length.to_owned()),
        ("no last chunk", chunked("")),
        ("a chunk cut short", chunked("A\r\nabc")),
        ("no end of the trailers", chunked("0\r\nX-T: 1\r\n")),
    ] {
        holds(what, "GET", &Cut, vec![Step::send(sent.clone()), Step::Close]);
        holds(what, "GET", &Cut, vec![Step::send(sent.clone()), Step::Reset]);
        // Nothing more comes, and nothing ends.
        holds(what, "GET", &Cut, sends(sent));
    }
}

#[test]
fn chunks_that_are_none_are_a_visible_cut() {
    for (what, chunk) in [
        ("a size that is no number", "zz\r\nabc\r\n"),
        ("an empty size", "\r\nabc\r\n"),
        ("a signed size", "+3\r\nabc\r\n"),
        ("a size with a prefix", "0x3\r\nabc\r\n"),
        ("a size over 64 bits", "10000000000000000\r\nabc\r\n"),
        ("no line after a chunk", "3\r\nabcX\r\n0\r\n\r\n"),
        ("a bare LF after a size", "3\nabc\r\n0\r\n\r\n"),
        ("a trailer that is none", "0\r\nno colon\r\n\r\n"),
    ] {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
        holds(what, "GET", &Cut, sends(format!("{head}{chunk}")));
    }
}

#[test]
fn an_origin_that_says_nothing_is_a_502_and_one_that_waits_a_504() {
    holds("closes", "GET", &Status(502), vec![Step::Close]);
    holds("resets", "GET", &Status(502), vec![Step::Reset]);
    let half = "HTTP/1.1 200 OK\r\nContent-Le";
    holds("closes in its head", "GET", &Status(502), vec![Step::send(half), Step::Close]);
    holds("resets in its head", "GET", &Status(502), vec![Step::send(half), Step::Reset]);
    holds("waits", "GET", &Status(504), vec![Step::Wait(Duration::from_secs(2))]);
    holds("waits in its head", "GET", &Status(504), sends(half));
}

#[test]
fn informational_answers_without_end_are_a_502() {
    holds("1xx", "GET", &Status(502), sends("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10_000)));
    holds("1xx, then nothing", "GET", &Status(504), sends("HTTP/1.1 103 Early Hints\r\n\r\n"));
}

#[test]
fn a_switch_that_nobody_asked_for_is_a_502() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    holds("101", "GET", &Status(502), sends(head));
}

#[test]
fn a_switch_to_what_was_not_asked_for_is_a_502() {
    let ask = |asked: &str, agreed: &'static str| {
        let head = format!("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\n{agreed}\r\n");
        let origin = Origin::start(move |_| vec![Step::send(head.clone()), Step::Echo]);
        let edge = TestEdge::start(&[origin.address()]);
        let mut client = RawClient::connect(edge.address());
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: {asked}\r\n\r\n"
        ));
        client.head().status
    };
    assert_eq!(ask("websocket", "Upgrade: WebSocket\r\n"), 101);
    assert_eq!(ask("echo, websocket", "Upgrade: websocket\r\n"), 101);
    for agreed in ["", "Upgrade: \r\n", "Upgrade: echo\r\n", "Upgrade: websocket, echo\r\n"] {
        assert_eq!(ask("websocket", agreed), 502, "{agreed:?}");
    }
}

#[test]
fn what_the_standard_settles_is_read_as_it_settles_it() {
    let chunked = "3\r\nabc\r\n0\r\n\r\n";
    let both = "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n";
    for fields in [both, "Transfer-Encoding: chunked\r\nContent-Length: no number\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{chunked}{POISON}");
        holds("a length beside chunks", "GET", &Whole(200, "abc"), sends(answer));
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        holds("the same without a body", "HEAD", &Whole(200, ""), sends(head));
    }
    for fields in [
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length \t: 3\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\nabc{POISON}");
        holds("one length", "GET", &Whole(200, "abc"), sends(answer));
    }
}

/// What stands in the head that a client gets, a line each.
fn head_of(method: &str, fields: String) -> Vec<String> {
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    let origin = Origin::start(move |_| vec![Step::send(answer.clone()), Step::Echo]);
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
    client.head().head.to_ascii_lowercase().lines().map(str::to_owned).collect()
}

#[test]
fn a_length_is_told_once_and_never_beside_a_coding() {
    let told = |method: &str, fields: &str| {
        let mut lines = head_of(method, fields.to_owned());
        lines.retain(|line| line.contains("length") || line.contains("encoding"));
        lines
    };
    for method in ["GET", "HEAD"] {
        for fields in ["Content-Length: 0\r\nContent-Length: 0\r\n", "Content-Length : 0, 0\r\n"] {
            assert_eq!(told(method, fields), ["content-length: 0"], "{method} {fields:?}");
        }
    }
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(told("GET", both), ["transfer-encoding: chunked"]);
    assert!(told("HEAD", both).is_empty());
}

#[test]
fn blanks_before_a_colon_go_no_further() {
    let lines = head_of("GET", "X-A : 1\r\nX-B\t: 2\r\nContent-Length : 0\r\n".into());
    for line in ["x-a: 1", "x-b: 2", "content-length: 0"] {
        assert!(lines.iter().any(|it| it.split_whitespace().collect::<Vec<_>>().join(" ") == line));
    }
    assert!(!lines.iter().any(|line| line.contains(" :") || line.contains("\t:")), "{lines:?}");
}

#[test]
fn a_response_may_have_many_fields() {
    let fields: String = (0..900).map(|n| format!("a{n}: {n}\r\n")).collect();
    let lines = head_of("GET", format!("{fields}Content-Length: 0\r\n"));
    assert_eq!(lines.iter().filter(|line| line.starts_with('a')).count(), 900);
}

#[test]
fn what_comes_after_an_answer_is_nobodys() {
    let after = |head: &str| sends(format!("{head}{POISON}"));
    holds(
        "a body",
        "GET",
        &Whole(200, "abc"),
        after("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    holds("chunks", "GET", &Whole(200, "abc"), after(chunked));
    holds("204", "GET", &Whole(204, ""), after("HTTP/1.1 204 No Content\r\n\r\n"));
    holds(
        "304",
        "GET",
        &Whole(304, ""),
        after("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    );
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    holds("HEAD with a body", "HEAD", &Whole(200, ""), after(head));
}

#[test]
fn bytes_on_a_kept_connection_close_it() {
    let origin = Origin::start(|request| match &*request.target {
        "/late" => vec![
            Step::answer(200, "late"),
            Step::Wait(Duration::from_millis(50)),
            Step::send(POISON),
        ],
        _ => vec![Step::answer(200, FINE)],
    });
    let edge = TestEdge::start(&[origin.address()]);
    let mut client = RawClient::connect(edge.address());
    assert_eq!(client.get("/late").text(), "late");
    // What it sends unasked arrives while nobody uses the connection.
    std::thread::sleep(Duration::from_millis(150));
    for _ in 0..3 {
        assert_eq!(client.get("/fine").text(), FINE);
    }
    assert_eq!(origin.journal()[1].connection, 1, "another connection");
}

/// The same of an origin that speaks HTTP/2: one stream is nonsense, the others are not.
fn holds_h2(what: &str, expect: &Expect, nonsense: Vec<H2Step>) {
    for protocol in Protocol::ALL {
        let nonsense = nonsense.clone();
        let origin = H2Origin::start(move |head| match head.uri.path() {
            "/fine" => vec![H2Step::Head(200, &[]), H2Step::Data(FINE.into()), H2Step::End],
            _ => nonsense.clone(),
        });
        let edge = TestEdge::with(&[origin.address()], |wanted| {
            wanted.service.protocol = model::UpstreamProtocol::H2;
            wanted.service.timeouts.first_byte = Duration::from_millis(500);
            wanted.service.timeouts.idle = Duration::from_millis(500);
            wanted.service.retry.attempts = 1;
        });
        let seen = ask(protocol, edge.address(), "GET", "/nonsense");
        match expect {
            Status(status) => assert_eq!(seen.status(), Some(*status), "{what}, {protocol:?}"),
            Cut => assert_eq!(seen, Seen::Cut, "{what}, {protocol:?}"),
            Whole(status, body) => {
                assert_eq!(seen, Seen::Whole(*status, (*body).to_owned()), "{what}, {protocol:?}");
            }
        }
        for _ in 0..3 {
            let next = ask(protocol, edge.address(), "GET", "/fine");
            assert_eq!(next, Seen::Whole(200, FINE.to_owned()), "after {what}, {protocol:?}");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_is_a_502_or_a_visible_cut() {
    let reset = H2Step::Reset(h2::Reason::INTERNAL_ERROR);
    let begun = |then: &[H2Step]| {
        let wait = H2Step::Wait(Duration::from_millis(50));
        let begun = [H2Step::Head(200, &[]), H2Step::Data(b"begun".to_vec()), wait];
        begun.into_iter().chain(then.iter().cloned()).collect()
    };
    holds_h2("reset at once", &Status(502), vec![reset.clone()]);
    holds_h2("aborted at once", &Status(502), vec![H2Step::Abort, H2Step::Hang]);
    holds_h2("reset in the body", &Cut, begun(&[reset]));
    holds_h2("aborted in the body", &Cut, begun(&[H2Step::Abort, H2Step::Hang]));
    holds_h2("hangs", &Status(504), vec![H2Step::Hang]);
    holds_h2("hangs in the body", &Cut, begun(&[H2Step::Hang]));
    let hints = vec![H2Step::Inform(103); 1000];
    holds_h2("1xx", &Status(502), hints.into_iter().chain([H2Step::Hang]).collect());
}

#[test]
fn a_length_that_the_data_contradict_is_a_visible_cut() {
    let head = || H2Step::Head(200, &[("content-length", "9")]);
    let data = |text: &str| H2Step::Data(text.into());
    holds_h2("too short", &Cut, vec![head(), data("short"), H2Step::End]);
    holds_h2("too long", &Cut, vec![head(), data("much too long"), H2Step::End]);
}

#[test]
fn a_stream_that_hangs_is_given_up_and_the_connection_kept() {
    let origin = H2Origin::start(|head| match head.uri.path() {
        "/fine" => vec![H2Step::Head(200, &[]), H2Step::Data(FINE.into()), H2Step::End],
        _ => vec![H2Step::Hang],
    });
    let edge = TestEdge::with(&[origin.address()], |wanted| {
        wanted.service.protocol = model::UpstreamProtocol::H2;
        wanted.service.timeouts.first_byte = Duration::from_millis(200);
        wanted.service.retry.attempts = 1;
    });
    let mut client = RawClient::connect(edge.address());
    assert_eq!(client.get("/hang").status, 504);
    eventually("the origin is told", || origin.given_up() == 1);
    assert_eq!(client.get("/fine").text(), FINE);
    assert_eq!(origin.connections(), 1);
}
