//! A small shop's API. Plimsoll gives each instance its port and the release's version.

use std::env;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn release() -> String {
    format!("release {}\n", env::var("VERSION").unwrap_or_default())
}

async fn slow() -> String {
    tokio::time::sleep(Duration::from_millis(500)).await;
    release()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = env::var("PORT")?.parse()?;
    let service = Router::new()
        .route("/", get(async || release()))
        .route("/health", get(async || "ok\n"))
        .route("/slow", get(slow))
        .route("/echo", post(async |body: String| body));
    let mut asked_to_stop = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, service)
        // Accepts nothing new, and waits for what is open.
        .with_graceful_shutdown(async move {
            asked_to_stop.recv().await;
        })
        .await?;
    Ok(())
}
