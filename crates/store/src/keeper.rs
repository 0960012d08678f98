//! Keeps the connection: opens it, learns from calls and from a look of its own each second that it is broken, and opens it
//! anew with back-off until writing works.
//!
//! States: *down* (calls fail at once) -> *up* by a probe that writes -> *down* by the first call or probe that fails. There is
//! no half-open state: while it is down only the keeper asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use model::{Document, Redis};
use redis::RedisResult;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::connect::Link;
use crate::fault::Fault;
use crate::health::Down;

/// How often the keeper looks while nothing fails.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After how long a lost connection is tried again, first and at the most.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// A connection that held this long was a good one: the next back-off begins anew.
const STEADY: Duration = Duration::from_secs(10);
/// Connecting takes several calls: names, TLS, the password, the sentinels.
const CALLS_TO_CONNECT: u32 = 4;

/// How the connection stands, for calls.
#[derive(Clone)]
pub(crate) enum State {
    Up(Open),
    Down(Down),
}

/// A connection that works.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) link: Link,
    pub(crate) number: Number,
}

/// Tells one connection from those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u64);

/// A call has failed on a connection.
pub(crate) struct Failed {
    pub(crate) number: Number,
    pub(crate) why: Down,
}

pub(crate) struct Keeper {
    pub(crate) redis: Redis,
    pub(crate) ca: Option<Document>,
    /// What each key begins with.
    pub(crate) prefix: Arc<str>,
    pub(crate) timeout: Duration,
    pub(crate) state: watch::Sender<State>,
    pub(crate) is_up: Arc<AtomicBool>,
    /// Told of failures; its end is the keeper's, too.
    pub(crate) failures: mpsc::UnboundedReceiver<Failed>,
}

impl Keeper {
    /// Runs until nobody can call any more.
    pub(crate) async fn run(mut self) {
        let (mut wait, mut number) = (RETRY_MIN, Number::default());
        loop {
            number.0 += 1;
            match self.open().await {
                Ok(link) => {
                    self.state.send_replace(State::Up(Open { link: link.clone(), number }));
                    self.is_up.store(true, Ordering::Relaxed);
                    let began = Instant::now();
                    let Some(why) = self.watch(link, number).await else { return };
                    self.fall(why);
                    if began.elapsed() >= STEADY {
                        wait = RETRY_MIN;
                    }
                }
                Err(fault) => self.fall(self.down(&fault)),
            }
            if !self.pause(wait.mul_f64(0.75 + fastrand::f64() / 2.0)).await {
                return;
            }
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    /// A connection on which something could be written.
    async fn open(&self) -> Result<Link, Fault> {
        let limit = self.timeout * CALLS_TO_CONNECT;
        let deadline = Instant::now() + limit;
        let open = timeout_at(deadline, Link::open(&self.redis, self.ca.as_ref(), self.timeout));
        let opened = open.await.map_err(|_| Fault::TooSlow(limit))?;
        let mut link = opened.map_err(|error| self.unreachable(&error))?;
        self.probe(&mut link).await?;
        Ok(link)
    }

    fn unreachable(&self, error: &redis::RedisError) -> Fault {
        match Fault::of(error, &self.redis) {
            Fault::Broken(why) => Fault::Unreachable { server: server(&self.redis), why },
            fault => fault,
        }
    }

    /// Writes something: a server that can only be read from is of no use.
    async fn probe(&self, link: &mut Link) -> Result<(), Fault> {
        let key = format!("{}:up", self.prefix);
        let mut set = redis::cmd("SET");
        set.arg(key).arg("1").arg("PX").arg(60_000);
        let written = timeout(self.timeout, set.query_async::<()>(link)).await;
        let written: RedisResult<()> = written.map_err(|_| Fault::TooSlow(self.timeout))?;
        written.map_err(|error| Fault::of(&error, &self.redis))
    }

    /// Waits until the connection is broken, and says why; `None` when nobody can call any more.
    async fn watch(&mut self, mut link: Link, number: Number) -> Option<Down> {
        loop {
            tokio::select! {
                failed = self.failures.recv() => {
                    let failed = failed?;
                    if failed.number == number {
                        return Some(failed.why);
                    }
                }
                () = sleep(LOOK_EVERY) => {
                    if let Err(fault) = self.probe(&mut link).await {
                        return Some(self.down(&fault));
                    }
                }
            }
        }
    }

    /// Waits, and says whether anybody can still call.
    async fn pause(&mut self, wait: Duration) -> bool {
        let end = Instant::now() + wait;
        // What calls say of a connection that is gone is known.
        while let Ok(failed) = timeout_at(end, self.failures.recv()).await {
            if failed.is_none() {
                return false;
            }
        }
        true
    }

    fn down(&self, fault: &Fault) -> Down {
        Down { since: SystemTime::now(), why: fault.to_string().into() }
    }

    /// It is down; since when is kept as long as it is.
    fn fall(&self, now: Down) {
        self.is_up.store(false, Ordering::Relaxed);
        self.state.send_if_modified(|state| {
            let next = match &*state {
                State::Down(before) => Down { since: before.since, why: now.why },
                State::Up(_) => now,
            };
            let has_changed = !matches!(&*state, State::Down(before) if *before == next);
            *state = State::Down(next);
            has_changed
        });
    }
}

/// Whom it is connected to, for people.
pub(crate) fn server(redis: &Redis) -> String {
    let list = |nodes: &[model::RedisNode]| {
        nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    match redis {
        Redis::Single(node) => node.to_string(),
        Redis::Cluster(nodes) => format!("the cluster at {}", list(nodes)),
        Redis::Sentinel { sentinels, name, .. } => {
            format!("`{name}` by the sentinels at {}", list(sentinels))
        }
    }
}
