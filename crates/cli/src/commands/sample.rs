//! `plimsoll sample`, which no help names: the server that the demonstration has started and
//! replaced. What it is called and where it listens it finds in its environment, as any instance.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UnixStream};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::signals::Signals;

/// How long it works on a request.
const WORK: Duration = Duration::from_millis(15);

/// A sample server
#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    /// Which release it is [default: $VERSION]
    #[arg(long, value_name = "VERSION")]
    release: Option<String>,
    /// The release that is faulty
    #[arg(long, default_value = "")]
    faulty: String,
    /// The share of its requests that the faulty release fails, from 0 to 1
    #[arg(long, default_value_t = 0.0)]
    fails: f64,
    /// Where it listens; in a container everywhere
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    host: Ipv4Addr,
    /// A socket: when nobody listens there any more, the server ends
    #[arg(long)]
    while_open: Option<PathBuf>,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    super::block_on(async move {
        let port = variable("PORT").parse().unwrap_or(0);
        let listener = TcpListener::bind((options.host, port)).await;
        let listener = listener.map_err(system("listen"))?;
        let mut signals = Signals::listen().map_err(system("listen to signals"))?;
        let server = Server::new(&options);
        output::out(&format!("{} of {} serves on port {port}\n", server.instance, server.version));
        let answer = move || answer(server.clone());
        let routes = Router::new().route("/health", get(|| async { "ok\n" })).fallback(answer);
        let end = async move {
            tokio::select! {
                () = signals.end() => {}
                () = closed(options.while_open) => {}
            }
        };
        let served = axum::serve(listener, routes).with_graceful_shutdown(end).await;
        served.map_err(system("serve"))?;
        Ok(Exit::Done)
    })
}

#[derive(Clone)]
struct Server {
    version: String,
    instance: String,
    fails: f64,
}

impl Server {
    fn new(options: &Options) -> Self {
        let version = options.release.clone().unwrap_or_else(|| variable("VERSION"));
        let fails = if version == options.faulty { options.fails } else { 0.0 };
        Self { fails, instance: variable("INSTANCE"), version }
    }
}

async fn answer(server: Server) -> impl IntoResponse {
    tokio::time::sleep(WORK).await;
    let status = match fastrand::f64() < server.fails {
        true => StatusCode::INTERNAL_SERVER_ERROR,
        false => StatusCode::OK,
    };
    let text = format!("hello from {} of {}\n", server.instance, server.version);
    (status, [("x-release", server.version)], text)
}

/// Waits until nobody listens on the socket; for ever without one.
async fn closed(socket: Option<PathBuf>) {
    let Some(path) = socket else { return std::future::pending().await };
    let Ok(mut stream) = UnixStream::connect(path).await else { return };
    while !matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_)) {}
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn system(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::System { what, source }
}
