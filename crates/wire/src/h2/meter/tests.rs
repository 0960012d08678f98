//! The meter below a real `h2` server: what trips it, what must not, and what the client sees.

use std::future::poll_fn;

use ::h2::client;
use bytes::Bytes;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS_ACK: [u8; 9] = [0, 0, 0, 4, 1, 0, 0, 0, 0];
const ENHANCE_YOUR_CALM: u32 = 0xb;
const GOAWAY: u8 = 0x7;
const END_HEADERS: u8 = 0x4;
const END_STREAM: u8 = 0x1;
const PIPE_BYTES: usize = 64 * 1024;

/// How a server's connection ended.
#[derive(Debug)]
struct End {
    requests: usize,
    flood: Option<Flood>,
    error: Option<::h2::Error>,
}

/// What the server answers with.
#[derive(Clone, Copy)]
struct Origin {
    /// Bytes of each response's body.
    body_bytes: usize,
    /// At the most in one DATA frame.
    frame_bytes: usize,
    /// The responses never end.
    hangs: bool,
}

const EMPTY: Origin = Origin { body_bytes: 0, frame_bytes: 16_384, hangs: false };

impl Origin {
    async fn answer(self, (request, mut respond): Accepted<Bytes>) -> Result<(), ::h2::Error> {
        let mut body = request.into_body();
        while let Some(data) = body.data().await {
            body.flow_control().release_capacity(data?.len())?;
        }
        if self.hangs {
            poll_fn(|cx| respond.poll_reset(cx)).await?;
            return Ok(());
        }
        let mut sink = respond.send_response(Response::new(()), self.body_bytes == 0)?;
        let mut left = self.body_bytes;
        while left > 0 {
            sink.reserve_capacity(left.min(self.frame_bytes));
            let Some(granted) = poll_fn(|cx| sink.poll_capacity(cx)).await else { break };
            let sent = granted?.min(left).min(self.frame_bytes);
            left -= sent;
            sink.send_data(Bytes::from(vec![b'x'; sent]), left == 0)?;
        }
        Ok(())
    }
}

async fn serve<S>(stream: S, origin: Origin) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (metered, mut meter) = Metered::new(stream, Limits::default(), Ahead::default());
    let builder = server_builder(Limits::default());
    let mut connection = builder.handshake::<_, Bytes>(metered).await.unwrap();
    let mut end = End { requests: 0, flood: None, error: None };
    while let Some(accepted) = poll_fn(|cx| meter.poll_accept(&mut connection, cx)).await {
        match accepted {
            Ok(accepted) => {
                end.requests += 1;
                spawn_local(origin.answer(accepted));
            }
            Err(error) => end.error = Some(error),
        }
    }
    end.flood = meter.flood();
    end
}

/// Runs a test on one thread, at a clock that jumps when there is nothing to do.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test)
}

async fn connect(
    origin: Origin,
) -> (
    client::SendRequest<Bytes>,
    tokio::task::JoinHandle<End>,
    client::Connection<DuplexStream, Bytes>,
) {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let server = spawn_local(serve(far, origin));
    let (send, connection) = client::handshake(near).await.unwrap();
    (send, server, connection)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// `GET / HTTP/2` to `http://a`, without a dynamic table.
fn get(stream: u32, flags: u8) -> Vec<u8> {
    let block = [0x82, 0x84, 0x86, 0x01, 0x01, b'a'];
    frame(0x1, END_HEADERS | flags, stream, &block)
}

fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(0x8, 0, stream, &increment.to_be_bytes())
}

/// Reads one frame: its kind, stream and payload.
async fn read_frame(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    from.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let mut payload = vec![0; length as usize];
    from.read_exact(&mut payload).await?;
    Ok((head[3], stream, payload))
}

/// The error code of the GOAWAY that comes, if one does before the end.
async fn read_goaway(from: &mut (impl AsyncRead + Unpin)) -> Option<u32> {
    loop {
        let (kind, _, payload) = read_frame(from).await.ok()?;
        if kind == GOAWAY {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
}

/// Sends `frames` for ever; returns the bytes sent until GOAWAY, and its code.
async fn flood<S>(stream: S, mut frames: impl FnMut(u32) -> Vec<u8>) -> (usize, Option<u32>)
where
    S: AsyncRead + AsyncWrite,
{
    let (mut from, mut to) = tokio::io::split(stream);
    let sent = Cell::new(0);
    let mut send = pin!(async {
        to.write_all(PREFACE).await?;
        to.write_all(&frame(0x4, 0, 0, &[])).await?;
        to.write_all(&SETTINGS_ACK).await?;
        for turn in 0.. {
            let bytes = frames(turn);
            to.write_all(&bytes).await?;
            sent.set(sent.get() + bytes.len());
        }
        io::Result::Ok(())
    });
    let mut receive = pin!(read_goaway(&mut from));
    let code = tokio::select! {
        code = &mut receive => code,
        _ = &mut send => receive.await,
    };
    (sent.get(), code)
}

/// What a flood sends in one turn.
type Turn = fn(u32) -> Vec<u8>;

#[test]
fn each_flood_is_ended_with_enhance_your_calm() {
    let cases: [(Flood, Turn); 8] = [
        (Flood::Ping, |_| frame(0x6, 0, 0, &[7; 8])),
        (Flood::Ping, |_| frame(0x6, 1, 0, &[7; 8])),
        (Flood::Settings, |turn| {
            let window = (turn % 2 + 1) * 10_000;
            frame(0x4, 0, 0, &[[0, 4].as_slice(), &window.to_be_bytes()].concat())
        }),
        (Flood::Priority, |_| frame(0x2, 0, 1, &[0, 0, 0, 0, 1])),
        (Flood::WindowUpdate, |_| window_update(0, 1)),
        (Flood::Other, |_| frame(0xbe, 0, 0, &[])),
        (Flood::Other, |_| frame(0xbe, 0, 0, &[0; 16_384])),
        (Flood::Continuation, |turn| {
            let head = get(2 * turn + 1, END_STREAM);
            let mut frames = frame(0x1, END_STREAM, 2 * turn + 1, &head[9..]);
            (0..5).for_each(|_| frames.extend(frame(0x9, 0, 2 * turn + 1, &[])));
            frames.extend(frame(0x9, END_HEADERS, 2 * turn + 1, &[]));
            frames
        }),
    ];
    for (kind, frames) in cases {
        run(async {
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            let server = spawn_local(serve(far, EMPTY));
            let (sent, code) = flood(near, frames).await;
            assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{kind}");
            assert!(sent < 512 * 1024, "{kind}: {sent} bytes");
            let end = server.await.unwrap();
            assert_eq!(end.flood, Some(kind));
            assert!(end.error.is_none(), "{kind}: {end:?}");
        });
    }
}

#[test]
fn empty_data_is_ended_by_whoever_counts_it_first() {
    run(async {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let server = spawn_local(serve(far, EMPTY));
        let (sent, code) = flood(near, |turn| match turn {
            0 => get(1, 0),
            _ => frame(0x0, 0, 1, &[]),
        })
        .await;
        assert_eq!(code, Some(ENHANCE_YOUR_CALM));
        assert!(sent < 64 * 1024, "{sent} bytes");
        let end = server.await.unwrap();
        assert!(end.flood.is_some() || end.error.is_some());
    });
}

/// Each pair of HEADERS and RST_STREAM waits until the stream before was accepted, so that the
/// `h2` crate's own limit never sees it.
#[test]
fn rapid_reset_of_accepted_streams_is_ended() {
    run(async {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let origin = Origin { hangs: true, ..EMPTY };
        let server = spawn_local(serve(far, origin));
        let (mut from, mut to) = tokio::io::split(near);
        to.write_all(PREFACE).await.unwrap();
        to.write_all(&frame(0x4, 0, 0, &[])).await.unwrap();
        let code = spawn_local(async move { read_goaway(&mut from).await });
        let mut pairs = 0;
        for turn in 0.. {
            let stream = 2 * turn + 1;
            if code.is_finished() || to.write_all(&get(stream, END_STREAM)).await.is_err() {
                break;
            }
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            if to.write_all(&frame(0x3, 0, stream, &[0, 0, 0, 8])).await.is_err() {
                break;
            }
            pairs += 1;
        }
        drop(to);
        assert_eq!(code.await.unwrap(), Some(ENHANCE_YOUR_CALM));
        let end = server.await.unwrap();
        assert_eq!(end.flood, Some(Flood::Reset), "after {pairs} pairs: {end:?}");
        assert!((900..1100).contains(&pairs), "{pairs} pairs");
        assert!(end.requests >= 900);
    });
}

#[test]
fn thousands_of_requests_pass() {
    run(async {
        let (send, server, connection) = connect(Origin { body_bytes: 300, ..EMPTY }).await;
        let driver = spawn_local(connection);
        let mut clients = Vec::new();
        for _ in 0..50 {
            let mut send = send.clone();
            clients.push(spawn_local(async move {
                for _ in 0..100 {
                    let request = Request::post("http://a/").body(()).unwrap();
                    send = send.ready().await.unwrap();
                    let (response, mut body) = send.send_request(request, false).unwrap();
                    body.send_data(Bytes::from_static(b"hello"), true).unwrap();
                    let mut body = response.await.unwrap().into_body();
                    while let Some(data) = body.data().await {
                        let taken = data.unwrap().len();
                        body.flow_control().release_capacity(taken).unwrap();
                    }
                }
            }));
        }
        drop(send);
        for client in clients {
            client.await.unwrap();
        }
        driver.await.unwrap().unwrap();
        let end = server.await.unwrap();
        assert_eq!((end.requests, end.flood), (5000, None), "{end:?}");
    });
}

#[test]
fn keepalive_pings_for_hours_pass() {
    run(async {
        let (send, server, mut connection) = connect(EMPTY).await;
        let mut pings = connection.ping_pong().unwrap();
        let driver = spawn_local(connection);
        for _ in 0..2 * 3600 {
            tokio::time::advance(Duration::from_secs(1)).await;
            pings.ping(::h2::Ping::opaque()).await.unwrap();
        }
        drop((send, pings));
        driver.await.unwrap().unwrap();
        let end = server.await.unwrap();
        assert!(end.flood.is_none() && end.error.is_none(), "{end:?}");
    });
}

/// A client that opens both windows again for each DATA frame, as naive ones do.
async fn download(origin: Origin) -> End {
    let (mut near, far) = tokio::io::duplex(PIPE_BYTES);
    let server = spawn_local(serve(far, origin));
    near.write_all(PREFACE).await.unwrap();
    near.write_all(&frame(0x4, 0, 0, &[])).await.unwrap();
    near.write_all(&SETTINGS_ACK).await.unwrap();
    near.write_all(&get(1, END_STREAM)).await.unwrap();
    let mut received = 0;
    while received < origin.body_bytes {
        let (kind, stream, payload) = read_frame(&mut near).await.unwrap();
        assert_ne!(kind, GOAWAY, "after {received} bytes");
        if kind == 0x0 && !payload.is_empty() {
            received += payload.len();
            let increment = payload.len() as u32;
            let updates = [window_update(stream, increment), window_update(0, increment)];
            near.write_all(&updates.concat()).await.unwrap();
        }
    }
    drop(near);
    server.await.unwrap()
}

#[test]
fn window_updates_for_each_frame_of_a_download_pass() {
    let large = Origin { body_bytes: 256 << 20, ..EMPTY };
    let of_events = Origin { body_bytes: 1 << 20, frame_bytes: 50, ..EMPTY };
    for origin in [large, of_events] {
        let end = run(download(origin));
        assert!(end.flood.is_none(), "{end:?}");
    }
}

#[test]
fn client_that_does_not_read_is_given_up() {
    run(async {
        let (mut near, far) = tokio::io::duplex(PIPE_BYTES);
        let server = spawn_local(serve(far, EMPTY));
        near.write_all(PREFACE).await.unwrap();
        near.write_all(&frame(0x4, 0, 0, &[])).await.unwrap();
        near.write_all(&frame(0x2, 0, 1, &[0, 0, 0, 0, 1]).repeat(1100)).await.unwrap();
        let start = Instant::now();
        let end = server.await.unwrap();
        assert_eq!(end.flood, Some(Flood::Priority));
        assert!(start.elapsed() <= CLOSE_TIME + Duration::from_millis(10));
        // Nothing was read before, and the last frame is there all the same.
        assert_eq!(read_goaway(&mut near).await, Some(ENHANCE_YOUR_CALM));
    });
}

/// A socket that is closed with bytes unread sends a reset, and that may overtake the GOAWAY.
#[test]
fn socket_stays_open_after_goaway_until_the_client_closes() {
    run(async {
        let (mut near, far) = tokio::io::duplex(PIPE_BYTES);
        let server = spawn_local(serve(far, EMPTY));
        near.write_all(PREFACE).await.unwrap();
        near.write_all(&frame(0x4, 0, 0, &[])).await.unwrap();
        near.write_all(&frame(0x2, 0, 1, &[0, 0, 0, 0, 1]).repeat(1100)).await.unwrap();
        assert_eq!(read_goaway(&mut near).await, Some(ENHANCE_YOUR_CALM));
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0, "our side is shut");

        let start = Instant::now();
        near.write_all(&vec![0; 2 * PIPE_BYTES]).await.unwrap();
        assert!(!server.is_finished());
        drop(near);
        server.await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "the deadline was not waited for");
    });
}

#[test]
fn client_that_never_stops_is_read_only_so_long() {
    run(async {
        let (mut near, far) = tokio::io::duplex(PIPE_BYTES);
        let server = spawn_local(serve(far, EMPTY));
        near.write_all(PREFACE).await.unwrap();
        let flood = frame(0x2, 0, 1, &[0, 0, 0, 0, 1]).repeat(1000);
        let mut sent = 0;
        while near.write_all(&flood).await.is_ok() {
            sent += flood.len();
        }
        assert!(sent <= LINGER_BYTES_MAX + 2 * PIPE_BYTES + 2 * flood.len(), "{sent} bytes");
        assert_eq!(server.await.unwrap().flood, Some(Flood::Priority));
    });
}

#[test]
fn graceful_shutdown_does_not_wait_for_a_client_that_stays() {
    run(async {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let server = spawn_local(async move {
            let (metered, mut meter) = Metered::new(far, Limits::default(), Ahead::default());
            let builder = server_builder(Limits::default());
            let mut connection = builder.handshake::<_, Bytes>(metered).await.unwrap();
            connection.graceful_shutdown();
            poll_fn(|cx| meter.poll_accept(&mut connection, cx)).await.is_none()
        });
        let (mut from, mut to) = tokio::io::split(near);
        to.write_all(PREFACE).await.unwrap();
        to.write_all(&frame(0x4, 0, 0, &[])).await.unwrap();
        loop {
            let (kind, _, payload) = read_frame(&mut from).await.unwrap();
            if kind == 0x6 {
                to.write_all(&frame(0x6, 1, 0, &payload)).await.unwrap();
                break;
            }
        }
        let start = Instant::now();
        assert!(server.await.unwrap());
        assert!(start.elapsed() <= CLOSE_TIME + Duration::from_millis(10));
    });
}

#[test]
fn goaway_arrives_over_tcp_though_the_client_goes_on_sending() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let server = spawn_local(serve(stream, EMPTY));
        let (_, code) = flood(client, |_| frame(0x6, 0, 0, &[7; 8]).repeat(100)).await;
        assert_eq!(code, Some(ENHANCE_YOUR_CALM));
        assert_eq!(server.await.unwrap().flood, Some(Flood::Ping));
    });
}
