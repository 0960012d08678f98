//! What a connection counts: each message has its own bytes, however they travelled.

use std::future::poll_fn;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use wire::body::Source as _;
use wire::buffer::Pool;
use wire::h1::Conn;
use wire::h1::request::HeadLimits;
use wire::socket::Socket;
use wire::stream::Stream;

const LIMITS: HeadLimits = HeadLimits { bytes: 8192, fields: 100 };

async fn pair() -> (Conn, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let peer =
        TcpStream::connect(listener.local_addr().expect("it is bound")).await.expect("it listens");
    let socket = Socket::new(listener.accept().await.expect("it came").0);
    (Conn::new(Stream::Plain(socket), Pool::default()), peer)
}

/// Reads one request to its end; the bytes that are counted for it.
async fn received(conn: &mut Conn) -> usize {
    let head = poll_fn(|cx| conn.poll_request(cx, LIMITS)).await.expect("it is one");
    assert!(head.is_some(), "a request comes");
    while poll_fn(|cx| conn.poll_fill(cx)).await.expect("it is whole") {
        let n = conn.data().len();
        conn.consume(n);
    }
    conn.take_trailers().expect("they are well formed");
    conn.take_traffic().received as usize
}

#[tokio::test]
async fn pipelined_requests_have_their_own_bytes() {
    let requests = [
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /longer/than/the/others HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
    ];
    let (mut conn, mut peer) = pair().await;
    peer.write_all(requests.concat().as_bytes()).await.unwrap();
    for request in requests {
        assert_eq!(received(&mut conn).await, request.len(), "{request}");
    }
    // The same one by one.
    for request in requests {
        peer.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(received(&mut conn).await, request.len(), "{request}");
    }
}
