//! `plimsoll sample`, which no help names: the server that the demonstration starts.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// How long it works on a request.
const WORK: Duration = Duration::from_millis(15);

/// A sample server on the loopback interface, which ends when its standard input does
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What it calls itself in its answers
    #[arg(long)]
    name: String,
    /// Where it listens; 0 for any free port
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    super::block_on(async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await;
        let listener = listener.map_err(|source| Failure::System { what: "listen", source })?;
        let address = listener.local_addr();
        let address = address.map_err(|source| Failure::System { what: "listen", source })?;
        output::out(&format!("{address}\n"));
        let name = options.name;
        let answer = move || answer(name.clone());
        let routes = Router::new().route("/health", get(|| async { "ok\n" })).fallback(answer);
        tokio::select! {
            served = axum::serve(listener, routes) => {
                served.map_err(|source| Failure::System { what: "serve", source })?;
            }
            () = end_of_input() => {}
        }
        Ok(Exit::Done)
    })
}

async fn answer(name: String) -> impl IntoResponse {
    tokio::time::sleep(WORK).await;
    let text = format!("hello from {name}\n");
    ([("x-server", name)], text)
}

/// Waits until whoever started it is gone.
async fn end_of_input() {
    let mut input = tokio::io::stdin();
    while !matches!(input.read(&mut [0; 64]).await, Ok(0) | Err(_)) {}
}
