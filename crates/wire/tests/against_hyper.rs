//! Our reading of HTTP/1 requests against hyper's: the same bytes, cut at random, are read by both.
//!
//! Whatever we accept, hyper must accept as well and read as the same message, and the next message
//! must begin at the same byte. We may refuse more: that is what a gateway is for. What is plainly
//! right both must accept.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::body::{Error, Source};
use wire::buffer::Pool;
use wire::h1::Conn;
use wire::h1::request::HeadLimits;
use wire::head::Fields;
use wire::socket::Socket;
use wire::stream::Stream;

const LIMITS: HeadLimits = HeadLimits { bytes: 32 * 1024, fields: 100 };

/// Names in lower case and values, by name; of one name in their order.
type Listed = Vec<(String, Vec<u8>)>;

/// A request as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    method: String,
    target: String,
    fields: Listed,
    body: Vec<u8>,
    trailers: Listed,
}

/// What came of a connection.
#[derive(Debug)]
struct Reading {
    messages: Vec<Message>,
    refused: bool,
}

thread_local! {
    /// One for all connections: thousands of listeners would use up the machine's ports.
    static LISTENER: std::net::TcpListener =
        std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
}

fn pair() -> (TcpStream, TcpStream) {
    let (client, server) = LISTENER.with(|listener| {
        let address = listener.local_addr().expect("it is bound");
        let client = std::net::TcpStream::connect(address).expect("it listens");
        (client, listener.accept().expect("it was connected to").0)
    });
    let of_tokio = |stream: std::net::TcpStream| {
        stream.set_nonblocking(true).expect("a socket takes it");
        TcpStream::from_std(stream).expect("a runtime is there")
    };
    (of_tokio(client), of_tokio(server))
}

/// Sends `bytes` in pieces of `cut`, and lets the other side read in between.
async fn send(mut client: TcpStream, bytes: Vec<u8>, cut: usize) {
    client.set_nodelay(true).expect("a socket takes nodelay");
    for piece in bytes.chunks(cut) {
        // The other side may have refused and closed.
        if client.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    let _ = client.shutdown().await;
    // Answers are of no interest, but must not fill the socket.
    let _ = client.read_to_end(&mut Vec::new()).await;
}

async fn by_us(bytes: &[u8], cut: usize) -> Reading {
    let (client, server) = pair();
    let sending = tokio::spawn(send(client, bytes.to_vec(), cut));
    let mut conn = Conn::new(Stream::Plain(Socket::new(server)), Pool::default());
    let mut messages = Vec::new();
    let refused = loop {
        match message(&mut conn).await {
            Ok(Some((message, keeps_alive))) => {
                messages.push(message);
                if !keeps_alive {
                    break false;
                }
            }
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    drop(conn);
    sending.await.expect("it does not panic");
    Reading { messages, refused }
}

async fn message(conn: &mut Conn) -> Result<Option<(Message, bool)>, Error> {
    let head = poll_fn(|cx| conn.poll_request(cx, LIMITS)).await?;
    let Some(head) = head else { return Ok(None) };
    let mut body = Vec::new();
    while poll_fn(|cx| conn.poll_fill(cx)).await? {
        body.extend_from_slice(conn.data());
        conn.consume(conn.data().len());
    }
    let trailers = conn.take_trailers()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let message = Message {
        method: text(head.method_text()),
        target: text(head.target()),
        fields: listed(&head.fields),
        body,
        trailers: trailers.as_ref().map(listed).unwrap_or_default(),
    };
    Ok(Some((message, head.keeps_alive())))
}

fn listed(fields: &Fields) -> Listed {
    let field =
        |name: &[u8], value: &[u8]| (String::from_utf8_lossy(name).to_lowercase(), value.to_vec());
    let mut listed: Listed = fields.iter().map(|(_, name, value)| field(name, value)).collect();
    listed.sort_by(|one, other| one.0.cmp(&other.0));
    listed
}

async fn by_hyper(bytes: &[u8], cut: usize) -> Reading {
    let (client, server) = pair();
    let sending = tokio::spawn(send(client, bytes.to_vec(), cut));
    let messages = Arc::new(Mutex::new(Vec::new()));
    let journal = messages.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let journal = journal.clone();
        async move {
            if let Some(message) = hypers_message(request).await {
                journal.lock().expect("nobody panics").push(message);
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut builder = http1::Builder::new();
    let served = builder.half_close(true).serve_connection(TokioIo::new(server), service).await;
    sending.await.expect("it does not panic");
    let messages = messages.lock().expect("nobody panics").clone();
    Reading { messages, refused: served.is_err() }
}

/// The message, unless its body breaks off.
async fn hypers_message(request: Request<Incoming>) -> Option<Message> {
    let (head, body) = request.into_parts();
    let collected = body.collect().await.ok()?;
    let trailers = collected.trailers().map(of_map).unwrap_or_default();
    Some(Message {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map_or(String::new(), ToString::to_string),
        fields: of_map(&head.headers),
        body: collected.to_bytes().to_vec(),
        trailers,
    })
}

fn of_map(map: &HeaderMap) -> Listed {
    let mut listed: Listed =
        map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    listed.sort_by(|one, other| one.0.cmp(&other.0));
    listed
}

/// Holds our reading against hyper's, each cut in its own way.
fn compare(bytes: &[u8], cuts: (usize, usize)) -> (Reading, Reading) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (ours, hypers) = runtime
        .expect("a runtime starts")
        .block_on(async { (by_us(bytes, cuts.0).await, by_hyper(bytes, cuts.1).await) });
    let text = String::from_utf8_lossy(bytes);
    for (place, message) in ours.messages.iter().enumerate() {
        assert_eq!(Some(message), hypers.messages.get(place), "message {place} of {text:?}");
    }
    if !ours.refused {
        assert_eq!(ours.messages.len(), hypers.messages.len(), "hyper sees more in {text:?}");
    }
    (ours, hypers)
}

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}"
}

/// Fields that mean nothing to framing or to the connection.
fn plain_fields() -> impl Strategy<Value = String> {
    let field = ("x-[a-z0-9_-]{1,8}", "[ -~]{0,20}");
    let field = field.prop_map(|(name, value)| format!("{name}: {value}\r\n"));
    prop::collection::vec(field, 0..6).prop_map(|fields| fields.concat())
}

fn body() -> impl Strategy<Value = String> {
    let chunk = ("[ -~\r\n]{1,40}", "(;[a-z]{1,4}(=[a-z]{1,4})?)?");
    let chunks = prop::collection::vec(chunk, 0..4);
    let chunked = (chunks, plain_fields()).prop_map(|(chunks, trailers)| {
        let chunk = |(data, extension): (String, String)| {
            format!("{:x}{extension}\r\n{data}\r\n", data.len())
        };
        let chunks: String = chunks.into_iter().map(chunk).collect();
        format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n{trailers}\r\n")
    });
    let length = "[ -~\r\n]{0,60}";
    let length = length.prop_map(|data| format!("Content-Length: {}\r\n\r\n{data}", data.len()));
    prop_oneof![Just("\r\n".to_owned()), length, chunked]
}

/// A request that is right.
fn right() -> impl Strategy<Value = String> {
    let method = select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"]);
    let target = "(http://a\\.b)?/[a-zA-Z0-9/._~!$&'()*+,;=:@-]{0,20}(\\?[a-z=&%0-9]{0,10})?";
    (method, target, plain_fields(), body()).prop_map(|(method, target, fields, body)| {
        format!("{method} {target} HTTP/1.1\r\nHost: a.b\r\n{fields}{body}")
    })
}

const FIRST_LINES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a?b HTTP/1.1\r\n",
    "GET / HTTP/1.0\r\n",
    "POST / HTTP/1.0\r\n",
    "GET  / HTTP/1.1\r\n",
    "GET /\tHTTP/1.1\r\n",
    "GET / HTTP/1.1\n",
    // (HTTP/1.2 is read as 1.1 here, as RFC 9110 §2.5 has it, and refused by hyper.)
    "GET / HTTP/2.0\r\n",
    "\r\nGET / HTTP/1.1\r\n",
    "GET http://a.b/c HTTP/1.1\r\n",
    "GET http://a.b HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "GET * HTTP/1.1\r\n",
    "GET /#f HTTP/1.1\r\n",
    " GET / HTTP/1.1\r\n",
    "GET / HTTP/1.1 \r\n",
    "get / HTTP/1.1\r\n",
    "G(T / HTTP/1.1\r\n",
    "GET / http/1.1\r\n",
];

/// Those that matter most stand here several times.
const FIELDS: &[&str] = &[
    "Content-Length: 5\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5,5\r\n",
    "Content-Length: 5, 6\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length: \r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 05\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length : 5\r\n",
    "content-length:5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: CHUNKED\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, gzip\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding:\x0bchunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer_Encoding: chunked\r\n",
    "Host: b.c\r\n",
    "Host: \r\n",
    "host:a.b\r\n",
    "X: a\r\n b\r\n",
    "X: a\r\n\tb\r\n",
    "X: a\nY: b\r\n",
    "X: a\rY: b\r\n",
    ": empty\r\n",
    "X\r\n",
    "X: \r\n",
    "X:a \t \r\n",
    "X: \x7f\r\n",
    "X: \x00\r\n",
    "X: \u{e9}\r\n",
    "X y: z\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Trailer: x\r\n",
];

const BODIES: &[&str] = &[
    "",
    "hello",
    "hel",
    "hello, and more",
    "5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
    "5;x=y\r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhelloX0\r\n\r\n",
    "0005\r\nhello\r\n0\r\n\r\n",
    "g\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
    "5;\r\nhello\r\n0;y\r\n\r\n",
    "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
    "5\r\nhello\r\n0\r\n: x\r\n\r\n",
    "5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n",
    "5\r\r\nhello\r\n0\r\n\r\n",
];

/// A request put together of parts of which many are wrong.
fn doubtful() -> impl Strategy<Value = String> {
    let fields = prop::collection::vec(select(FIELDS), 0..4).prop_map(|fields| fields.concat());
    let host = prop::bool::weighted(0.8).prop_map(|there| if there { "Host: a.b\r\n" } else { "" });
    let parts = (select(FIRST_LINES), host, fields, select(BODIES));
    parts.prop_map(|(line, host, fields, body)| format!("{line}{host}{fields}\r\n{body}"))
}

fn cuts() -> impl Strategy<Value = (usize, usize)> {
    let cut = || prop_oneof![1 => 1..4usize, 1 => 4..40usize, 2 => Just(usize::MAX)];
    (cut(), cut())
}

#[test]
fn empty_lines_before_a_request_are_skipped_however_they_are_cut() {
    let bytes =
        b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a.b\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a.b\r\n\r\n";
    for cut in 1..=bytes.len() {
        let (ours, hypers) = compare(bytes, (cut, cut));
        assert!(!ours.refused && !hypers.refused, "cut every {cut} bytes");
        assert_eq!(ours.messages.len(), 2, "cut every {cut} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_right_both_accept(requests in prop::collection::vec(right(), 1..4), cuts in cuts()) {
        let bytes = requests.concat();
        let (ours, hypers) = compare(bytes.as_bytes(), cuts);
        prop_assert!(!ours.refused && !hypers.refused, "{bytes:?}");
        prop_assert_eq!(ours.messages.len(), requests.len());
    }

    #[test]
    fn what_we_accept_hyper_reads_the_same(
        first in doubtful(), second in right(), cuts in cuts()
    ) {
        compare(format!("{first}{second}").as_bytes(), cuts);
    }

    #[test]
    fn fields_of_any_name_and_value_are_read_the_same(
        name in token(), value in prop::collection::vec(any::<u8>(), 0..20), cuts in cuts()
    ) {
        let mut bytes = format!("GET / HTTP/1.1\r\nHost: a.b\r\n{name}: ").into_bytes();
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(b"\r\n\r\n");
        compare(&bytes, cuts);
    }
}
