//! One call: at once refused while the store is down, bounded by its deadline, and told to the keeper where it fails.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use model::Redis;
use redis::RedisResult;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::connect::Link;
use crate::fault::Fault;
use crate::health::{Down, Health};
use crate::keeper::{Failed, Keeper, Number, Open, State};

/// Why calls fail before the first connection was tried.
const NOT_YET: &str = "it was not reached yet";

/// The part of the store that edges share. Cheap to clone; calls may be made on any thread with a runtime that has timers.
#[derive(Clone)]
pub struct Shared(Arc<Parts>);

struct Parts {
    redis: Redis,
    prefix: Arc<str>,
    timeout: Duration,
    state: watch::Receiver<State>,
    /// The same in short, for those that may not wait for a lock.
    is_up: Arc<AtomicBool>,
    failures: mpsc::UnboundedSender<Failed>,
    errors: AtomicU64,
    keys: Mutex<KnownKeys>,
}

/// The keys that edges have agreed on, by their purpose.
pub(crate) type KnownKeys = BTreeMap<&'static str, [u8; 32]>;

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("redis", &self.0.redis).finish_non_exhaustive()
    }
}

impl Shared {
    /// Begins to connect, on the runtime that this is called on. What `before` has agreed on is known.
    pub(crate) fn open(wanted: &model::Store, before: Option<&Self>) -> Self {
        let down = Down { since: SystemTime::now(), why: NOT_YET.into() };
        let (state, states) = watch::channel(State::Down(down));
        let (failures, failed) = mpsc::unbounded_channel();
        let is_up = Arc::<AtomicBool>::default();
        let prefix: Arc<str> = wanted.prefix.as_str().into();
        let (redis, timeout) = (wanted.redis.clone(), wanted.timeout);
        let keeper = Keeper {
            redis: redis.clone(),
            ca: wanted.ca.clone(),
            prefix: prefix.clone(),
            timeout,
            state,
            is_up: is_up.clone(),
            failures: failed,
        };
        tokio::spawn(keeper.run());
        let keys =
            before.map(|it| it.0.keys.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Self(Arc::new(Parts {
            redis,
            prefix,
            timeout,
            state: states,
            is_up,
            failures,
            errors: AtomicU64::new(0),
            keys: keys.unwrap_or_default().into(),
        }))
    }

    /// Whether `other` is the same connection.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it is up: without a lock, for those on a request's way.
    #[inline]
    pub fn is_up(&self) -> bool {
        self.0.is_up.load(Ordering::Relaxed)
    }

    /// What a call may take.
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// How it stands.
    pub fn health(&self) -> Health {
        match &*self.0.state.borrow() {
            State::Up(_) => Health::Up,
            State::Down(down) => Health::Down(down.clone()),
        }
    }

    /// Waits until it stands otherwise than `before`, and says how.
    pub async fn changed(&self, before: &Health) -> Health {
        let mut states = self.0.state.clone();
        let is_other = |state: &State| match (state, before) {
            (State::Up(_), Health::Up) => false,
            (State::Down(now), Health::Down(before)) => now != before,
            _ => true,
        };
        // The keeper ends only when no `Shared` is left.
        let _ = states.wait_for(is_other).await;
        self.health()
    }

    /// Waits until it was tried for the first time, and says how it stands then: no longer than a few calls may take.
    pub async fn tried(&self) -> Health {
        let health = self.health();
        match health.down().is_some_and(|down| &*down.why == NOT_YET) {
            true => self.changed(&health).await,
            false => health,
        }
    }

    /// Where it is, for people: without any password.
    pub fn place(&self) -> String {
        crate::keeper::server(&self.0.redis)
    }

    /// Calls that failed, those that were refused because it was down not counted.
    pub fn errors(&self) -> u64 {
        self.0.errors.load(Ordering::Relaxed)
    }

    /// Whether it is another connection than that of `number`.
    pub(crate) fn number(&self) -> Number {
        match &*self.0.state.borrow() {
            State::Up(open) => open.number,
            State::Down(_) => Number::default(),
        }
    }

    pub(crate) fn known_keys(&self) -> &Mutex<KnownKeys> {
        &self.0.keys
    }

    /// A key of ours.
    pub(crate) fn key(&self, rest: impl fmt::Display) -> String {
        format!("{}:{rest}", self.0.prefix)
    }

    /// The key of one of a group that one server has, in a cluster, too.
    pub(crate) fn key_of(&self, group: &str, rest: &str) -> String {
        format!("{{{}:{group}}}:{rest}", self.0.prefix)
    }

    /// One call, which may be several commands.
    pub(crate) async fn call<T, Work>(&self, work: impl FnOnce(Link) -> Work) -> Result<T, Down>
    where
        Work: Future<Output = RedisResult<T>>,
    {
        let Open { link, number } = match &*self.0.state.borrow() {
            State::Up(open) => open.clone(),
            State::Down(down) => return Err(down.clone()),
        };
        let fault = match timeout(self.0.timeout, work(link)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Fault::of(&error, &self.0.redis),
            Err(_) => Fault::TooSlow(self.0.timeout),
        };
        self.0.errors.fetch_add(1, Ordering::Relaxed);
        let why = Down { since: SystemTime::now(), why: fault.to_string().into() };
        // The keeper is there as long as this is.
        let _ = self.0.failures.send(Failed { number, why: why.clone() });
        Err(why)
    }
}

/// As scripts take times.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
