//! Clients of every kind. Each keeps to its own pace whatever it is answered, never tries again by
//! itself, and counts every request.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http::{Method, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::account::Account;

/// Who has waited for so long has not been answered.
const PATIENCE: Duration = Duration::from_secs(30);
const UPLOAD_BYTES: usize = 20 * 1024 * 1024;
const UPLOAD_PIECE: usize = 512 * 1024;
const UPLOAD_PAUSE: Duration = Duration::from_millis(25);
const SOCKETS: usize = 4;

/// Where everything is.
#[derive(Clone)]
pub(super) struct Doors {
    pub(super) plain: SocketAddr,
    pub(super) secure: SocketAddr,
    pub(super) tls: Arc<ClientConfig>,
    /// How long a long poll takes, in seconds.
    pub(super) poll_seconds: f64,
}

/// All clients while they ask.
pub(super) struct Clients {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    doors: Doors,
    account: Account,
    next: AtomicU64,
    is_over: AtomicBool,
    plain: Pool,
    secure: Pool,
    polls: Pool,
    /// The connection of HTTP/2.
    session: tokio::sync::Mutex<Option<http2::SendRequest<Body>>>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;
type Outcome = Result<(), String>;

impl Clients {
    /// Every kind there is.
    pub(super) fn start(doors: Doors, account: &Account) -> Self {
        let shared = Arc::new(Shared {
            doors,
            account: account.clone(),
            next: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            plain: Pool::default(),
            secure: Pool::default(),
            polls: Pool::default(),
            session: tokio::sync::Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(shared.clone().steadily("HTTP/1.1 keep-alive", 20, Shared::keep_alive));
        tasks.spawn(shared.clone().steadily("a new connection each", 20, Shared::connect_anew));
        tasks.spawn(shared.clone().steadily("TLS", 20, Shared::over_tls));
        tasks.spawn(shared.clone().steadily("HTTP/2", 20, Shared::stream));
        tasks.spawn(shared.clone().steadily("long poll", 200, Shared::poll));
        tasks.spawn(shared.clone().steadily("20 MiB upload", 500, Shared::upload));
        tasks.spawn(shared.clone().steadily("chunked POST", 40, Shared::post_chunked));
        for _ in 0..SOCKETS {
            tasks.spawn(shared.clone().sockets());
            tasks.spawn(shared.clone().event_streams());
        }
        Self { shared, tasks }
    }

    /// Asks for nothing more, and waits until everything has had its answer.
    pub(super) async fn stop(self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.tasks.join_all().await;
    }
}

/// Connections that wait for their next request.
#[derive(Default)]
struct Pool(Mutex<Vec<http1::SendRequest<Body>>>);

impl Pool {
    async fn take(&self) -> Option<http1::SendRequest<Body>> {
        loop {
            let mut kept = self.0.lock().unwrap().pop()?;
            // Nothing was sent: one that was closed meanwhile is nobody's failure.
            if kept.ready().await.is_ok() {
                return Some(kept);
            }
        }
    }

    fn keep(&self, connection: http1::SendRequest<Body>) {
        if !connection.is_closed() {
            self.0.lock().unwrap().push(connection);
        }
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Asks every so many milliseconds, however long an answer takes: an open loop.
    async fn steadily<A>(
        self: Arc<Self>,
        kind: &'static str,
        every_ms: u64,
        ask: impl Fn(Arc<Self>) -> A,
    ) where
        A: Future<Output = Outcome> + Send + 'static,
    {
        let (mut due, mut asked) = (interval(Duration::from_millis(every_ms)), JoinSet::new());
        while !self.is_over() {
            due.tick().await;
            let (answer, account) = (ask(self.clone()), self.account.clone());
            asked.spawn(async move {
                let outcome = timeout(PATIENCE, answer).await;
                account.count(kind, outcome.unwrap_or_else(|_| Err("no answer".to_owned())));
            });
            while asked.try_join_next().is_some() {}
        }
        asked.join_all().await;
    }

    fn request(&self, method: Method, path: &str, body: Body) -> Request<Body> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let uri = format!("http://test{path}{}id={id}", if path.contains('?') { "&" } else { "?" });
        Request::builder().method(method).uri(uri).header("host", "test").body(body).unwrap()
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let stream = TcpStream::connect(self.doors.plain).await;
        stream.map_err(|error| format!("cannot connect: {error}"))
    }

    async fn connect_tls(
        &self,
        protocol: &[u8],
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
        let mut tls = (*self.doors.tls).clone();
        tls.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.doors.secure).await.map_err(told)?;
        let name = ServerName::try_from("test").unwrap();
        TlsConnector::from(Arc::new(tls)).connect(name, stream).await.map_err(told)
    }

    async fn keep_alive(self: Arc<Self>) -> Outcome {
        self.on_kept(&self.plain, "/", "hello").await
    }

    /// Asks on a connection of `pool`, or on a new one, which is kept there.
    async fn on_kept(&self, pool: &Pool, path: &str, expected: &str) -> Outcome {
        let mut connection = match pool.take().await {
            Some(kept) => kept,
            None => speak_http1(self.connect().await?).await?,
        };
        let asked = self.request(Method::GET, path, empty());
        is_answer(connection.send_request(asked).await.map_err(told)?, expected).await?;
        pool.keep(connection);
        Ok(())
    }

    async fn connect_anew(self: Arc<Self>) -> Outcome {
        let mut connection = speak_http1(self.connect().await?).await?;
        let mut asked = self.request(Method::GET, "/", empty());
        asked.headers_mut().insert("connection", "close".parse().unwrap());
        is_hello(connection.send_request(asked).await.map_err(told)?).await
    }

    async fn over_tls(self: Arc<Self>) -> Outcome {
        let mut connection = match self.secure.take().await {
            Some(kept) => kept,
            None => speak_http1(self.connect_tls(b"http/1.1").await?).await?,
        };
        let asked = self.request(Method::GET, "/", empty());
        is_hello(connection.send_request(asked).await.map_err(told)?).await?;
        self.secure.keep(connection);
        Ok(())
    }

    /// All streams by one connection, as long as it lasts.
    async fn stream(self: Arc<Self>) -> Outcome {
        let mut session = self.session.lock().await;
        let mut kept = session.take();
        if let Some(sender) = &mut kept
            && sender.ready().await.is_err()
        {
            kept = None;
        }
        let mut sender = match kept {
            Some(sender) => sender,
            None => {
                let stream = TokioIo::new(self.connect_tls(b"h2").await?);
                let (sender, driver) =
                    http2::handshake(TokioExecutor::new(), stream).await.map_err(told)?;
                tokio::spawn(driver);
                sender
            }
        };
        *session = Some(sender.clone());
        drop(session);
        let asked = self.request(Method::GET, "/", empty());
        is_hello(sender.send_request(asked).await.map_err(told)?).await
    }

    async fn poll(self: Arc<Self>) -> Outcome {
        let path = format!("/poll?seconds={}", self.doors.poll_seconds);
        self.on_kept(&self.polls, &path, "nothing new").await
    }

    /// Sends slowly, so that it is under way for a while.
    async fn upload(self: Arc<Self>) -> Outcome {
        let mut connection = speak_http1(self.connect().await?).await?;
        let pieces = stream::unfold(UPLOAD_BYTES, |left| async move {
            (left > 0).then_some(())?;
            sleep(UPLOAD_PAUSE).await;
            let piece = Bytes::from(vec![b'u'; left.min(UPLOAD_PIECE)]);
            Some((Ok(Frame::data(piece.clone())), left - piece.len()))
        });
        let mut asked =
            self.request(Method::POST, "/", BodyExt::boxed_unsync(StreamBody::new(pieces)));
        asked.headers_mut().insert("content-length", UPLOAD_BYTES.into());
        let answer = connection.send_request(asked).await.map_err(told)?;
        is_answer(answer, &UPLOAD_BYTES.to_string()).await
    }

    async fn post_chunked(self: Arc<Self>) -> Outcome {
        let mut connection = speak_http1(self.connect().await?).await?;
        let pieces = (0..3).map(|_| Ok(Frame::data(Bytes::from_static(&[b'c'; 1000]))));
        let pieces = stream::iter(pieces.collect::<Vec<_>>());
        let body = BodyExt::boxed_unsync(StreamBody::new(pieces));
        let asked = self.request(Method::POST, "/", body);
        let answer = connection.send_request(asked).await.map_err(told)?;
        is_answer(answer, "3000").await
    }

    /// A WebSocket, and another when it was closed as it should be, until the end.
    async fn sockets(self: Arc<Self>) {
        const KIND: &str = "WebSocket echo";
        while !self.is_over() {
            match self.socket(KIND).await {
                Ok(()) if self.is_over() => {}
                Ok(()) => self.account.moved(KIND),
                Err(why) => self.account.count(KIND, Err(why)),
            }
        }
    }

    /// Until the end, or until it was closed with 1001.
    async fn socket(&self, kind: &'static str) -> Outcome {
        let stream = self.connect().await?;
        let (mut socket, _) =
            tokio_tungstenite::client_async("ws://test/ws", stream).await.map_err(told)?;
        for number in 0.. {
            if self.is_over() {
                break;
            }
            let said = Message::text(number.to_string());
            // What was closed meanwhile is told by what comes.
            let _ = socket.send(said.clone()).await;
            let heard = timeout(PATIENCE, socket.next()).await;
            match heard.map_err(|_| "it stands still".to_owned())? {
                Some(Ok(heard)) if heard == said => self.account.count(kind, Ok(())),
                Some(Ok(Message::Close(Some(close)))) if close.code == CloseCode::Away => {
                    // Up to the end of the connection.
                    while let Some(Ok(_)) = socket.next().await {}
                    return Ok(());
                }
                Some(Ok(other)) => return Err(format!("heard {other:?}")),
                Some(Err(error)) => return Err(told(error)),
                None => return Err("ended without a close".to_owned()),
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// An event stream, and another when it was ended as it should be, until the end.
    async fn event_streams(self: Arc<Self>) {
        const KIND: &str = "server-sent events";
        while !self.is_over() {
            match self.event_stream(KIND).await {
                Ok(()) if self.is_over() => {}
                Ok(()) => self.account.moved(KIND),
                Err(why) => self.account.count(KIND, Err(why)),
            }
        }
    }

    async fn event_stream(&self, kind: &'static str) -> Outcome {
        let mut connection = speak_http1(self.connect().await?).await?;
        let asked = self.request(Method::GET, "/events", empty());
        let answer = connection.send_request(asked).await.map_err(told)?;
        if answer.status() != StatusCode::OK {
            return Err(answer.status().to_string());
        }
        let (mut body, mut text, mut number) = (answer.into_body(), String::new(), 0);
        while !self.is_over() {
            let frame = timeout(PATIENCE, body.frame()).await;
            let Some(frame) = frame.map_err(|_| "it stands still".to_owned())? else { break };
            let data = frame.map_err(told)?.into_data().unwrap_or_default();
            text.push_str(std::str::from_utf8(&data).map_err(told)?);
            while let Some((event, rest)) = text.split_once("\n\n") {
                if event != format!("data: {number}") {
                    return Err(format!("{event} instead of {number}"));
                }
                self.account.count(kind, Ok(()));
                number += 1;
                text = rest.to_owned();
            }
        }
        match text.is_empty() {
            true => Ok(()),
            false => Err("ended within an event".to_owned()),
        }
    }
}

async fn speak_http1(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<http1::SendRequest<Body>, String> {
    let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    tokio::spawn(driver);
    Ok(sender)
}

async fn is_hello(answer: http::Response<hyper::body::Incoming>) -> Outcome {
    is_answer(answer, "hello").await
}

async fn is_answer(answer: http::Response<hyper::body::Incoming>, expected: &str) -> Outcome {
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(told)?.to_bytes();
    match status == StatusCode::OK && body == expected {
        true => Ok(()),
        false => Err(format!("{status}: {}", String::from_utf8_lossy(&body))),
    }
}

fn empty() -> Body {
    Full::default().boxed_unsync()
}

/// An error with what caused it.
fn told(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
