//! Active checks: asks one instance again and again whether it is well.
//!
//! One task for each instance, on a connection of its own for each check, so that a check also
//! tells whether connections can be opened. What a series of results means is
//! `balance::health`'s to say.

mod http1;
mod http2;
mod verdict;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use model::{HealthCheck, HealthProbe, UpstreamProtocol};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};

use verdict::Expected;

/// What the checks call themselves.
const USER_AGENT: &str = "plimsoll-health";
/// First checks are spread over this, or the interval where that is less, so that a large service
/// is not checked all at once ever after.
const SPREAD: Duration = Duration::from_secs(1);

/// How one instance is checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// The target as it was written: its own `Host`.
    pub(crate) target: String,
    pub(crate) protocol: UpstreamProtocol,
    pub(crate) check: HealthCheck,
}

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeFault {
    #[error("{}", .0.kind())]
    Connect(#[source] io::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("status {0}")]
    Status(u16),
    #[error("the answer lacks the text")]
    Body,
    #[error("{}", if .0.is_parse() { "not an HTTP answer" } else { "the connection broke" })]
    Http(#[from] hyper::Error),
    #[error("{}", if .0.is_io() { "the connection broke" } else { "not an HTTP/2 answer" })]
    Http2(#[from] h2::Error),
    #[error("the check cannot be asked: {0}")]
    Request(#[from] http::Error),
}

/// Checks for ever, and tells each result.
pub(crate) async fn run(plan: Plan, mut tell: impl FnMut(Result<(), ProbeFault>)) {
    // An interval of nothing would panic, whatever the configuration allows.
    let interval = plan.check.interval.max(Duration::from_millis(1));
    let first = interval.min(SPREAD).mul_f64(fastrand::f64());
    let mut ticks = tokio::time::interval_at(Instant::now() + first, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tell(once(&plan).await);
    }
}

/// Checks once.
pub(crate) async fn once(plan: &Plan) -> Result<(), ProbeFault> {
    let limit = plan.check.timeout;
    let checked = tokio::time::timeout(limit, ask(plan)).await;
    checked.unwrap_or(Err(ProbeFault::Timeout(limit)))
}

async fn ask(plan: &Plan) -> Result<(), ProbeFault> {
    let stream = TcpStream::connect(plan.address).await.map_err(ProbeFault::Connect)?;
    let HealthProbe::Http { path, host, status, body } = &plan.check.probe else {
        return Ok(());
    };
    let host = host.as_deref().unwrap_or(&plan.target);
    let expected = Expected { status, body: body.as_deref() };
    match plan.protocol {
        UpstreamProtocol::H1 => http1::ask(stream, host, path, expected).await,
        UpstreamProtocol::H2 => http2::ask(stream, host, path, expected).await,
    }
}

#[cfg(test)]
mod tests;
