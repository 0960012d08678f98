//! The server whose releases are deployed: this very test program, started by Plimsoll with the name
//! of one of its tests. The version says in which way a release is bad, if it is.

use std::convert::Infallible;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// What an instance says in each answer, so that it can be seen what it was given.
pub(super) const MARK: &str = "MARK";
/// Where an instance writes the id of each request that it begins to work on.
const JOURNAL: &str = "JOURNAL";
/// Where the release `robbed` writes the port that it would take, and what is there once it is gone.
pub(super) const WANTED: &str = "wanted";
pub(super) const ROBBED: &str = "robbed";
/// How long a good release works on a request.
const WORK: Duration = Duration::from_millis(5);
/// What every release fails, as requests that ask for what nobody should.
pub(super) const FATAL: &str = "/fatal";
/// Where the first instance of `one-bad` writes its name: it is the bad one, and no other.
pub(super) const BAD: &str = "the-bad-one";
/// How long `leaks` is well, and how much more of its requests it fails with each second after that.
const WELL: Duration = Duration::from_secs(2);
const LEAK: f64 = 0.08;
/// How far apart events are.
const EVENTS_EVERY: Duration = Duration::from_millis(50);

/// The command of an instance, and the environment that it needs, as the file has them.
pub(super) fn configuration(journal: &Path) -> String {
    let program = std::env::current_exe().unwrap();
    let test = format!("{}::serve", module_path!().split_once("::").unwrap().1);
    format!(
        "command = [{program:?}, \"--exact\", {test:?}, \"--nocapture\", \"--quiet\"]\n\
         env = {{ {JOURNAL} = {journal:?}, {MARK} = \"first\" }}\n"
    )
}

/// Is no test, but what an instance runs.
#[test]
fn serve() {
    if std::env::var_os(JOURNAL).is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(Server::of_environment().run());
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

struct Server {
    began: Instant,
    version: String,
    journal: PathBuf,
    /// It is the one bad instance of its release.
    is_bad: bool,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

impl Server {
    fn of_environment() -> Arc<Self> {
        let (version, journal) = (variable("VERSION"), variable(JOURNAL).into());
        let is_bad = version == "one-bad" && is_first();
        Arc::new(Self { began: Instant::now(), version, journal, is_bad })
    }

    fn is(&self, nature: &str) -> bool {
        self.version == nature
    }

    /// The share of its requests that a release treats in its bad way, as `5` of `closes-5pct`.
    fn chance_of(&self, nature: &str) -> bool {
        let percent = self.version.strip_prefix(nature).and_then(|rest| rest.strip_suffix("pct"));
        percent.is_some_and(|percent| fastrand::f64() * 100.0 < percent.parse().unwrap())
    }

    async fn run(self: Arc<Self>) {
        if self.is("exits") {
            die(3);
        }
        if self.is("deaf") {
            std::future::pending::<()>().await;
        }
        if let Some(seconds) = self.version.strip_prefix("slow-start-") {
            sleep(Duration::from_secs(seconds.parse().unwrap())).await;
        }
        if let Some(seconds) = self.version.strip_prefix("dies-") {
            let after = Duration::from_secs(seconds.parse().unwrap());
            tokio::spawn(async move {
                sleep(after).await;
                die(7);
            });
        }
        let port: u16 = variable("PORT").parse().unwrap();
        if self.is("robbed") && !Path::new(ROBBED).exists() {
            std::fs::write(WANTED, port.to_string()).unwrap();
            while !Path::new(ROBBED).exists() {
                sleep(Duration::from_millis(5)).await;
            }
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let mut asked_to_stop = signal(SignalKind::terminate()).unwrap();
        let (mut connections, stopping) = (JoinSet::new(), Arc::new(Notify::new()));
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let stream = accepted.unwrap().0;
                    connections.spawn(self.clone().attend(stream, stopping.clone()));
                }
                _ = asked_to_stop.recv() => if !self.is("stubborn") { break },
            }
        }
        drop(listener);
        stopping.notify_waiters();
        connections.join_all().await;
    }

    async fn attend(self: Arc<Self>, stream: TcpStream, stopping: Arc<Notify>) {
        let close = Arc::new(Notify::new());
        let service = service_fn(|request| {
            let (server, close) = (self.clone(), close.clone());
            async move { Ok::<_, Infallible>(server.answer(request, &close).await) }
        });
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = pin!(connection);
        let mut is_stopping = false;
        loop {
            tokio::select! {
                // What a client does is its own affair.
                _ = connection.as_mut() => return,
                () = close.notified() => return,
                () = stopping.notified(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>, close: &Arc<Notify>) -> Response<Body> {
        if self.is("hangs") {
            std::future::pending::<()>().await;
        }
        if request.uri().path() == "/health" {
            return self.health();
        }
        self.note(&request);
        if self.is("hangs-when-used") {
            std::future::pending::<()>().await;
        }
        self.work().await;
        if self.fails(request.uri().path()) {
            tell_failure(&request);
            let mut answer = text("it did not work");
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return answer;
        }
        if self.is("404-on-all") {
            let mut answer = text("it is not here");
            *answer.status_mut() = StatusCode::NOT_FOUND;
            return answer;
        }
        if self.chance_of("truncates-") {
            return truncated();
        }
        if self.chance_of("closes-") {
            // Without a word, a moment after the answer.
            let close = close.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(fastrand::u64(1..30))).await;
                close.notify_one();
            });
        }
        let mut answer = match (request.method(), request.uri().path()) {
            _ if is_call(&request) => called(self.is("internal-on-all")),
            (&Method::GET, "/ws") => websocket(request),
            (&Method::GET, "/events") => events(),
            (&Method::GET, "/poll") => {
                let seconds: f64 = query(&request, "seconds").parse().unwrap();
                sleep(Duration::from_secs_f64(seconds)).await;
                text("nothing new")
            }
            (&Method::POST, _) => received(request).await,
            _ => text("hello"),
        };
        answer.headers_mut().insert("x-release", self.version.parse().unwrap());
        answer.headers_mut().insert("x-mark", variable(MARK).parse().unwrap());
        answer
    }

    /// Well, or ill after so many seconds, as of `sick-2`.
    fn health(&self) -> Response<Body> {
        let mut answer = text("ok");
        let well = self.version.strip_prefix("sick-").map(|seconds| seconds.parse().unwrap());
        if well.is_some_and(|seconds| self.began.elapsed() > Duration::from_secs(seconds)) {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        answer
    }

    /// `slow-10` takes ten times as long, and `tires-10` so long at first, and as long once more with each second.
    async fn work(&self) {
        let factor = |nature| self.version.strip_prefix(nature)?.parse::<f64>().ok();
        let tired = |factor: f64| factor * (1.0 + self.began.elapsed().as_secs_f64());
        let factor = factor("slow-").or_else(|| factor("tires-").map(tired)).unwrap_or(1.0);
        sleep(WORK.mul_f64(factor)).await;
    }

    fn fails(&self, path: &str) -> bool {
        let is_on_route = self.is("500-on-route") && path == "/route";
        let is_bad = self.is_bad && fastrand::f64() < 0.3;
        let always = self.is("500-on-all") || path == FATAL;
        always || is_on_route || is_bad || self.has_leaked() || self.chance_of("500-on-")
    }

    /// Of `leaks`, whose requests fail the more often, the longer it runs.
    fn has_leaked(&self) -> bool {
        let leaked = self.began.elapsed().saturating_sub(WELL).as_secs_f64() * LEAK;
        self.is("leaks") && fastrand::f64() < leaked
    }

    /// One line in one write, which other instances' lines cannot tear.
    fn note(&self, request: &Request<Incoming>) {
        let id = query(request, "id");
        if !id.is_empty() {
            let journal = std::fs::OpenOptions::new().create(true).append(true).open(&self.journal);
            journal.unwrap().write_all(format!("{id}\n").as_bytes()).unwrap();
        }
    }
}

/// Whether no other instance has been the first.
fn is_first() -> bool {
    let name = std::fs::File::create_new(BAD);
    name.is_ok_and(|mut name| name.write_all(variable("INSTANCE").as_bytes()).is_ok())
}

#[expect(clippy::print_stderr, reason = "an instance's last words")]
fn die(code: i32) -> ! {
    eprintln!("no licence");
    std::process::exit(code);
}

/// As programs do that write the id of a request that went wrong into their log.
#[expect(clippy::print_stderr, reason = "an instance's log")]
fn tell_failure(request: &Request<Incoming>) {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    eprintln!("no such table, request {}", id.unwrap_or_default());
}

/// The value of a parameter, or nothing.
fn query(request: &Request<Incoming>, name: &str) -> String {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map_or(String::new(), |(_, value)| value.to_owned())
}

fn text(text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(text.to_owned()));
    Response::new(body.map_err(|never: Infallible| match never {}).boxed())
}

/// An answer that breaks off.
fn truncated() -> Response<Body> {
    let broken = std::io::Error::other("it broke off");
    let parts = [Ok(Frame::data(Bytes::from_static(b"hel"))), Err(broken)];
    let body = StreamBody::new(stream::iter(parts));
    Response::builder().header(header::CONTENT_LENGTH, 5).body(BodyExt::boxed(body)).unwrap()
}

fn is_call(request: &Request<Incoming>) -> bool {
    request.headers().get(header::CONTENT_TYPE).is_some_and(|it| it == "application/grpc")
}

/// The response to a gRPC call, which is all head: OK or INTERNAL.
fn called(fails: bool) -> Response<Body> {
    let mut answer = text("");
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, "application/grpc".parse().unwrap());
    headers.insert("grpc-status", if fails { 13 } else { 0 }.into());
    answer
}

/// Says how much was received.
async fn received(request: Request<Incoming>) -> Response<Body> {
    match request.into_body().collect().await {
        Ok(body) => text(&body.to_bytes().len().to_string()),
        Err(_) => text("not all of it"),
    }
}

fn events() -> Response<Body> {
    let events = stream::unfold(0u64, |number| async move {
        sleep(EVENTS_EVERY).await;
        let event = Bytes::from(format!("data: {number}\n\n"));
        Some((Ok(Frame::data(event)), number + 1))
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .body(BodyExt::boxed(StreamBody::new(events)))
        .unwrap()
}

/// Agrees to a WebSocket, and echoes.
fn websocket(request: Request<Incoming>) -> Response<Body> {
    let key = request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes();
    let mut answer = text("");
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, "upgrade".parse().unwrap());
    headers.insert(header::UPGRADE, "websocket".parse().unwrap());
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key).parse().unwrap());
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                break;
            }
        }
    });
    answer
}
