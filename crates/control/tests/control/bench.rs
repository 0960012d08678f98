//! What the tests stand on: origins that can be told to misbehave, a running controller on free
//! ports, a client that says who answered.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use config::Environment;
use control::resolve::{Answer, ResolveError};
use control::{After, Controller, Handle, InstanceStatus, Resolve, Settings, Status};
use driver::Driver;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of the watch of instances, as it is.
const SECOND: Duration = Duration::from_secs(1);

/// A server that answers with its name.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    mind: Arc<Mind>,
    task: JoinHandle<()>,
}

/// What an origin does, and what it saw.
#[derive(Debug)]
struct Mind {
    health: AtomicU16,
    answer: AtomicU16,
    requests: AtomicUsize,
    checks: AtomicUsize,
    /// Whether answers are held back.
    holds: watch::Sender<bool>,
}

impl Origin {
    /// Listens on a free port.
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::at(name, "127.0.0.1:0".parse().unwrap()).await
    }

    async fn at(name: &'static str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mind = Arc::new(Mind {
            health: AtomicU16::new(200),
            answer: AtomicU16::new(200),
            requests: AtomicUsize::new(0),
            checks: AtomicUsize::new(0),
            holds: watch::Sender::new(false),
        });
        let task = tokio::spawn(serve(name, listener, mind.clone()));
        Self { name, address, mind, task }
    }

    /// Answers checks with this status from now on.
    pub(crate) fn set_health(&self, status: u16) {
        self.mind.health.store(status, Ordering::Relaxed);
    }

    /// Answers everything else with this status from now on.
    pub(crate) fn set_answer(&self, status: u16) {
        self.mind.answer.store(status, Ordering::Relaxed);
    }

    /// Holds answers back, or lets them go.
    pub(crate) fn hold(&self, holds: bool) {
        self.mind.holds.send_replace(holds);
    }

    /// Requests other than checks.
    pub(crate) fn requests(&self) -> usize {
        self.mind.requests.load(Ordering::Relaxed)
    }

    /// Checks.
    pub(crate) fn checks(&self) -> usize {
        self.mind.checks.load(Ordering::Relaxed)
    }

    /// Dies: the port is closed, and every connection breaks.
    pub(crate) async fn kill(self) -> Grave {
        self.task.abort();
        let _ = self.task.await;
        Grave { name: self.name, address: self.address }
    }
}

/// Where an origin was.
pub(crate) struct Grave {
    name: &'static str,
    address: SocketAddr,
}

impl Grave {
    /// The origin comes back where it was.
    pub(crate) async fn rise(self) -> Origin {
        Origin::at(self.name, self.address).await
    }
}

async fn serve(name: &'static str, listener: TcpListener, mind: Arc<Mind>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let mind = mind.clone();
        connections.spawn(async move {
            let service = service_fn(|request| answer(name, mind.clone(), request));
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    name: &'static str,
    mind: Arc<Mind>,
    request: Request<Incoming>,
) -> hyper::Result<Response<Full<Bytes>>> {
    let is_check = request.uri().path() == "/health";
    let mut status = if is_check { &mind.health } else { &mind.answer }.load(Ordering::Relaxed);
    // What it does not have, and what it cannot bear.
    if request.uri().path().starts_with("/missing") {
        status = 404;
    }
    if request.headers().contains_key("x-poison") {
        status = 500;
    }
    // What it takes long for.
    if request.headers().contains_key("x-heavy") {
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    if is_check {
        mind.checks.fetch_add(1, Ordering::Relaxed);
    } else {
        mind.requests.fetch_add(1, Ordering::Relaxed);
        let mut holds = mind.holds.subscribe();
        let _ = holds.wait_for(|holds| !holds).await;
    }
    Ok(Response::builder().status(status).body(Full::from(name)).unwrap())
}

/// Names that tests move about. Answers are good for a second.
#[derive(Default)]
pub(crate) struct FakeNames(Mutex<BTreeMap<String, Vec<IpAddr>>>);

impl FakeNames {
    /// Lets `name` stand for `addresses`; for none, lookups fail.
    pub(crate) fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap());
        self.0.lock().unwrap().insert(name.to_owned(), addresses.collect());
    }
}

impl Resolve for FakeNames {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer, ResolveError>> {
        let known = self.0.lock().unwrap().get(name).cloned().unwrap_or_default();
        let answer = match known.is_empty() {
            true => Err(ResolveError::NoAddress),
            false => {
                let addresses = known.into_iter().collect();
                Ok(Answer { addresses, ttl: Duration::from_secs(1) })
            }
        };
        async { answer }.boxed()
    }
}

/// A running controller.
pub(crate) struct Bench {
    pub(crate) handle: Handle,
    pub(crate) names: Arc<FakeNames>,
    driver: Arc<dyn Driver>,
    second: Duration,
    file: PathBuf,
    _dir: tempfile::TempDir,
    controller: Option<Controller>,
}

impl Bench {
    /// Starts with this configuration, to which a listener and the state directory are added.
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_with(text, FakeNames::default()).await
    }

    /// The same, with names.
    pub(crate) async fn start_with(text: &str, names: FakeNames) -> Self {
        Self::start_at(text, names, None, SECOND).await
    }

    /// The same, with what starts instances.
    pub(crate) async fn start_by(text: &str, names: FakeNames, driver: Arc<dyn Driver>) -> Self {
        Self::start_at(text, names, Some(driver), SECOND).await
    }

    /// The same, where the watch of instances has seconds of this length.
    pub(crate) async fn start_at(
        text: &str,
        names: FakeNames,
        driver: Option<Arc<dyn Driver>>,
        second: Duration,
    ) -> Self {
        let driver = driver.unwrap_or_else(nobody);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("plimsoll.toml");
        std::fs::write(&file, whole(text)).unwrap();
        let names = Arc::new(names);
        let controller = start(&file, &names, &driver, second).await;
        let handle = controller.handle();
        Self { handle, names, driver, second, file, _dir: dir, controller: Some(controller) }
    }

    /// Ends, and starts again with the same files.
    pub(crate) async fn restart(&mut self) {
        self.handle.shutdown(After::Stop).await.unwrap();
        self.controller.take().unwrap().ended().await;
        let controller = start(&self.file, &self.names, &self.driver, self.second).await;
        self.handle = controller.handle();
        self.controller = Some(controller);
    }

    /// Writes another configuration.
    pub(crate) fn write(&self, text: &str) {
        std::fs::write(&self.file, whole(text)).unwrap();
    }

    /// Replaces a piece of the configuration.
    pub(crate) fn edit(&self, before: &str, after: &str) {
        let text = std::fs::read_to_string(&self.file).unwrap();
        assert!(text.contains(before), "{text}");
        std::fs::write(&self.file, text.replace(before, after)).unwrap();
    }

    /// A file of the state directory.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.file.with_file_name("state").join(name)
    }

    /// Where the listener is.
    pub(crate) async fn address(&self) -> SocketAddr {
        self.handle.status().await.unwrap().listeners[0].addresses[0]
    }

    /// Asks on a new connection: the status and the body.
    pub(crate) async fn get(&self) -> (u16, String) {
        let mut client = Client::connect(self.address().await).await;
        client.get().await.unwrap()
    }

    /// Asks on a new connection: the answer with its headers.
    pub(crate) async fn answer(&self) -> Response<Incoming> {
        Client::connect(self.address().await).await.ask().await.unwrap()
    }

    /// Asks until something has come of it. Each worker has a rotation of its own, so it takes
    /// more than one request to reach all instances.
    pub(crate) async fn get_until(&self, what: &str, has_come: impl Fn() -> bool) {
        let ask = async {
            while !has_come() {
                assert_eq!(self.get().await.0, 200);
            }
        };
        let asked = tokio::time::timeout(PATIENCE, ask).await;
        assert!(asked.is_ok(), "waited for: {what}");
    }

    /// Asks until the status is as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let ask = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            loop {
                ticks.tick().await;
                let status = self.handle.status().await.unwrap();
                if wanted(&status) {
                    return status;
                }
            }
        };
        let asked = tokio::time::timeout(PATIENCE, ask).await;
        match asked {
            Ok(status) => status,
            Err(_) => panic!("waited for: {what}; is: {:#?}", self.handle.status().await),
        }
    }
}

/// Starts processes; nobody here has any started.
/// Settings for the configuration in `room`, which has nothing run.
pub(crate) fn settings_without_instances(room: &Path) -> Settings {
    let forms = control::Forms { receipt: |_| String::new(), finding: |_| String::new() };
    let resolver = Arc::new(FakeNames::default());
    let settings = Settings::new(room.join("plimsoll.toml"), Box::new(|_| nobody()), forms);
    Settings { resolver, ..settings }
}

fn nobody() -> Arc<dyn Driver> {
    let launcher = driver::Launcher::this_program(["none"]);
    let logs = driver::ProcessLogs::of("/".as_ref());
    Arc::new(driver::ProcessDriver::new(launcher, driver::port::Ports::default(), logs))
}

async fn start(
    file: &Path,
    names: &Arc<FakeNames>,
    driver: &Arc<dyn Driver>,
    second: Duration,
) -> Controller {
    let driver = driver.clone();
    let settings = Settings {
        environment: Environment::of_process(),
        resolver: names.clone(),
        // So that a test need not wait for the next look.
        certificates_every: Duration::from_millis(50),
        second,
        ..Settings::new(
            file,
            Box::new(move |_| driver),
            control::Forms { receipt: |_| String::new(), finding: |_| String::new() },
        )
    };
    control::start(settings).await.unwrap()
}

fn whole(text: &str) -> String {
    let listener = "[listeners.web]\nbind = \"127.0.0.1:0\"\n";
    let log = if text.contains("[log]") { "" } else { "log = { access = \"off\" }" };
    format!(
        "server = {{ state_dir = \"state\", workers = 2, drain = \"5s\" }}\n{log}\n{text}\n{listener}\n[[routes]]\nto = \"api\"\n"
    )
}

/// The instance `name` of the service `api`.
pub(crate) fn instance<'a>(status: &'a Status, name: &str) -> &'a InstanceStatus {
    let mut all = status.services[0].instances.iter();
    all.find(|instance| instance.name.as_str() == name).unwrap()
}

/// A client with one connection.
pub(crate) struct Client(hyper::client::conn::http1::SendRequest<Empty<Bytes>>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// The answer's head, and its body to come.
    pub(crate) async fn ask(&mut self) -> hyper::Result<Response<Incoming>> {
        self.ask_at("/").await
    }

    /// The same, of another path.
    pub(crate) async fn ask_at(&mut self, path: &str) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        let request = Request::get(path).header("host", "shop.example.com");
        self.0.send_request(request.body(Empty::new()).unwrap()).await
    }

    /// The status and the body.
    pub(crate) async fn get(&mut self) -> hyper::Result<(u16, String)> {
        self.get_at("/").await
    }

    /// The same, of another path.
    pub(crate) async fn get_at(&mut self, path: &str) -> hyper::Result<(u16, String)> {
        let answer = self.ask_at(path).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
