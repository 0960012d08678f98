//! A steady client: sends at a constant rate whatever comes back (an open loop), never sends a
//! request twice, and counts each one. Latency counts from the moment a request was due, so that a
//! stall is seen by all who would have come meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// Connections that are kept to the balancer.
const CONNECTIONS: usize = 16;
/// A request that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Requests that were due and were sent, or could not be.
    pub(super) sent: u64,
    /// Those without a whole answer of 200.
    pub(super) failed: u64,
    /// Answers by the server that gave them.
    pub(super) by: BTreeMap<String, u64>,
    /// Of those that were answered, in any order.
    pub(super) latencies: Vec<Duration>,
    /// What went wrong first.
    pub(super) first_failure: Option<String>,
}

impl Counts {
    /// The latency that the share `q` of the answers did not exceed.
    pub(super) fn quantile(&self, q: f64) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied()
    }

    fn take(&mut self, outcome: Result<String, String>, latency: Duration) {
        self.sent += 1;
        match outcome {
            Ok(server) => {
                *self.by.entry(server).or_default() += 1;
                self.latencies.push(latency);
            }
            Err(reason) => {
                self.failed += 1;
                self.first_failure.get_or_insert(reason);
            }
        }
    }
}

/// The client while it sends.
pub(super) struct Load {
    counts: Arc<Mutex<Counts>>,
    pace: JoinHandle<()>,
    connections: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins to send `rate` requests a second to `address`.
    pub(super) fn start(address: SocketAddr, rate: u32) -> Self {
        let counts = Arc::new(Mutex::new(Counts::default()));
        let (due, dues) = unbounded_channel();
        let dues = Arc::new(tokio::sync::Mutex::new(dues));
        let connections = (0..CONNECTIONS).map(|_| {
            let connection = Connection { address, sender: None };
            tokio::spawn(connection.serve(dues.clone(), counts.clone()))
        });
        let connections = connections.collect();
        Self { counts, pace: tokio::spawn(pace(due, rate)), connections }
    }

    /// What was counted so far.
    pub(super) fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Sends no more, waits for what is on its way, and tells what was counted.
    pub(super) async fn stop(self) -> Counts {
        self.pace.abort();
        // A pace that is gone lets go of the channel, at whose end each connection ends.
        let _ = self.pace.await;
        for connection in self.connections {
            let _ = connection.await;
        }
        std::mem::take(&mut lock(&self.counts))
    }
}

fn lock(counts: &Mutex<Counts>) -> std::sync::MutexGuard<'_, Counts> {
    counts.lock().expect("nobody panics while it counts")
}

/// Says when each request is due, for ever.
async fn pace(due: UnboundedSender<Instant>, rate: u32) {
    let (start, between) = (Instant::now(), Duration::from_secs(1) / rate.max(1));
    for number in 0.. {
        let at = start + between * number;
        tokio::time::sleep_until(at.into()).await;
        if due.send(at).is_err() {
            return;
        }
    }
}

/// One connection, opened anew for the next request after one failed.
struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<Empty<Bytes>>>,
}

impl Connection {
    async fn serve(
        mut self,
        dues: Arc<tokio::sync::Mutex<UnboundedReceiver<Instant>>>,
        counts: Arc<Mutex<Counts>>,
    ) {
        loop {
            let next = dues.lock().await.recv().await;
            let Some(due) = next else { return };
            let outcome = match tokio::time::timeout(PATIENCE, self.ask()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            };
            if outcome.is_err() {
                self.sender = None;
            }
            lock(&counts).take(outcome, due.elapsed());
        }
    }

    /// Sends one request, once. Tells which server answered.
    async fn ask(&mut self) -> Result<String, String> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.open().await?,
        };
        sender.ready().await.map_err(|error| error.to_string())?;
        let request = Request::get("/").header("host", "demo").body(Empty::new());
        let request = request.expect("the request is well formed");
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (status, server) = (answer.status(), answer.headers().get("x-server").cloned());
        answer.into_body().collect().await.map_err(|error| error.to_string())?;
        self.sender = Some(sender);
        match server {
            Some(server) if status == 200 => Ok(String::from_utf8_lossy(server.as_bytes()).into()),
            _ => Err(format!("answered {status}")),
        }
    }

    async fn open(&self) -> Result<SendRequest<Empty<Bytes>>, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let opened = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| error.to_string())?;
        // What ends it is told to whoever sends on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let mut counts = Counts::default();
        for ms in (1..=100).rev() {
            counts.take(Ok("a".to_owned()), Duration::from_millis(ms));
        }
        counts.take(Err("x".to_owned()), Duration::from_secs(9));
        assert_eq!(counts.quantile(0.5), Some(Duration::from_millis(50)));
        assert_eq!(counts.quantile(0.99), Some(Duration::from_millis(99)));
        assert_eq!((counts.sent, counts.failed, counts.by["a"]), (101, 1, 100));
        assert_eq!(Counts::default().quantile(0.5), None);
    }

    #[tokio::test]
    async fn every_request_to_nobody_is_counted_as_failed() {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let load = Load::start(address, 1000);
        while load.counts().sent < 10 {
            tokio::task::yield_now().await;
        }
        let counts = load.stop().await;
        assert_eq!(counts.failed, counts.sent);
        assert!(counts.first_failure.is_some());
    }
}
