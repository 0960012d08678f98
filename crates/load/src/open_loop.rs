//! The client: a generator that keeps to its schedule, and a task for each request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::connections::Connections;
use crate::request_error::RequestError;
use crate::schedule::Rate;
use crate::tally::Tally;
use crate::workload::Workload;

/// Where to, how often, and with how much patience.
#[derive(Clone, Copy, Debug)]
pub struct LoadPlan {
    /// Who is asked.
    pub address: SocketAddr,
    /// How often.
    pub rate: Rate,
    /// How long a request may take before it counts as failed.
    pub timeout: Duration,
}

/// A running client. Ends, and gives up what is under way, when it is dropped.
#[derive(Debug)]
pub struct OpenLoop {
    tally: Arc<Mutex<Tally>>,
    stop: oneshot::Sender<()>,
    generator: JoinHandle<()>,
}

/// What each request needs.
struct Sender<W> {
    plan: LoadPlan,
    workload: W,
    connections: Connections,
    tally: Arc<Mutex<Tally>>,
}

impl OpenLoop {
    /// Begins to send, on the runtime that this is called on.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(plan: LoadPlan, workload: impl Workload) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let connections = Connections::new(plan.address);
        let sender = Arc::new(Sender { plan, workload, connections, tally: tally.clone() });
        let (stop, stopped) = oneshot::channel();
        let generator = tokio::spawn(sender.generate(stopped));
        Self { tally, stop, generator }
    }

    /// The account so far.
    pub fn tally(&self) -> Tally {
        lock(&self.tally).clone()
    }

    /// Sends nothing more, and waits for the end of everything that was sent. Gives the account.
    pub async fn stop(self) -> Tally {
        let Self { tally, stop, generator } = self;
        drop(stop);
        generator.await.expect("the generator does not panic, and nobody else ends it");
        let tally = lock(&tally).clone();
        debug_assert_eq!(tally.in_flight(), 0, "every request is accounted for");
        tally
    }
}

impl<W: Workload> Sender<W> {
    async fn generate(self: Arc<Self>, mut stopped: oneshot::Receiver<()>) {
        let begin = Instant::now();
        let mut requests = JoinSet::new();
        for number in 0.. {
            let due = begin + self.plan.rate.due(number);
            tokio::select! {
                biased;
                // Told, or dropped: both mean that this is the end.
                _ = &mut stopped => break,
                () = sleep_until(due) => {}
            }
            lock(&self.tally).send();
            requests.spawn(self.clone().carry_out(number, due));
            while requests.try_join_next().is_some() {}
        }
        while requests.join_next().await.is_some() {}
    }

    async fn carry_out(self: Arc<Self>, number: u64, due: Instant) {
        let limit = self.plan.timeout;
        let outcome = timeout(limit, self.ask(number)).await;
        let outcome = outcome.unwrap_or(Err(RequestError::Timeout(limit)));
        lock(&self.tally).end(due.elapsed(), outcome);
    }

    async fn ask(&self, number: u64) -> Result<String, RequestError> {
        let mut connection = self.connections.take().await?;
        let answer = connection.send_request(self.workload.request(number)).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        self.connections.keep(connection);
        Ok(self.workload.judge(number, &Response::from_parts(head, body))?)
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
