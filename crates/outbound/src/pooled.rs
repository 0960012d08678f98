//! A server is asked again and again, with connections that are kept: what a request of a client waits for must not begin with
//! two round trips.
//!
//! A connection serves one request at a time, and is kept only after a response that came whole. One that is dropped is closed.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;

use crate::client::Client;
use crate::exchange::{Connection, Deadline, Received, Unanswered, open};
use crate::fault::Fault;
use crate::request::{Request, Response};

/// So many connections are kept while nothing is asked.
const IDLE_MAX: usize = 32;
/// For so long: many servers close theirs after a minute, and one that has closed costs a second attempt.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// What becomes of a response whose body is larger than is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It is no response.
    Refused,
    /// What is over is not read, nor what was: it is for its head that the server is asked.
    Dropped,
}

/// Asks one server again and again, always for the same. Used on one runtime.
pub struct PooledClient {
    client: Client,
    /// What each request has in common with the others.
    request: Request,
    excess: Excess,
    kept: Arc<Mutex<Kept>>,
}

impl fmt::Debug for PooledClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledClient").field("request", &self.request).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Kept {
    /// The one that was used last is the last.
    idle: VecDeque<Idle>,
    /// Whether somebody sees to it that they are not kept for too long.
    is_swept: bool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl PooledClient {
    /// The one of `request`, which is asked by `client`. Redirects are never followed.
    pub fn new(client: Client, request: Request, excess: Excess) -> Self {
        Self { client, request, excess, kept: Arc::default() }
    }

    /// Asks it with these fields, beside those that each request has, and this body, which is to be over `within` that time. Dropping the future
    /// ends it, its connection included. Where a connection that was kept turns out to be closed, it is asked once more over a new one: so it
    /// must be no harm to be asked twice.
    ///
    /// # Errors
    /// When there is no response within the bounds: each by its [`Fault`]. A status is no error.
    pub async fn ask(
        &self,
        fields: HeaderMap,
        body: Bytes,
        within: Duration,
    ) -> Result<Response, Fault> {
        let deadline = Deadline::after(within);
        let mut request = Request { body, within, ..self.request.clone() };
        request.fields.extend(fields);
        if let Some(connection) = self.take() {
            match self.ask_over(connection, &request, deadline).await {
                Err(Unanswered::Closed(_)) => {}
                Err(Unanswered::For(fault)) => return Err(fault),
                Ok(received) => return Ok(response(&request, received)),
            }
        }
        let connected = self.client.connect(&request, deadline).await?;
        let connection = open(connected, &request).await?;
        let received = self.ask_over(connection, &request, deadline).await;
        received.map(|it| response(&request, it)).map_err(Unanswered::fault)
    }

    async fn ask_over(
        &self,
        mut connection: Connection,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Received, Unanswered> {
        let received = connection.ask(request, deadline, self.excess).await?;
        if received.is_whole && connection.may_be_kept() {
            self.keep(connection);
        }
        Ok(received)
    }

    /// A connection that is open, as far as one knows.
    fn take(&self) -> Option<Connection> {
        let mut kept = lock(&self.kept);
        while let Some(Idle { connection, since }) = kept.idle.pop_back() {
            if connection.may_be_kept() && since.elapsed() < IDLE_FOR {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Connection) {
        let mut kept = lock(&self.kept);
        kept.idle.push_back(Idle { connection, since: Instant::now() });
        if kept.idle.len() > IDLE_MAX {
            kept.idle.pop_front();
        }
        if !std::mem::replace(&mut kept.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.kept)));
        }
    }
}

fn response(request: &Request, received: Received) -> Response {
    let Received { status, fields, body, standing, .. } = received;
    Response { status, fields, body, url: request.url.clone(), standing }
}

/// Closes what was kept for too long, until nothing is kept.
async fn sweep(kept: Weak<Mutex<Kept>>) {
    loop {
        tokio::time::sleep(IDLE_FOR).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut kept = lock(&kept);
        kept.idle.retain(|it| it.connection.may_be_kept() && it.since.elapsed() < IDLE_FOR);
        if kept.idle.is_empty() {
            kept.is_swept = false;
            return;
        }
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
