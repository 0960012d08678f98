//! Settlements of buckets: what each edge has let pass is added up in one place.
//!
//! What is kept of a bucket is how much of it is gone, when that was so by the server's clock, and since when that was taken. How
//! much may be gone is the limit's to say and known to edges alone, so that a bucket may go into debt here: what several edges let
//! pass at once is told to all of them, and paid off by waiting. How fast it fills each edge says, too: one that has another
//! rate by a newer file changes nothing of what is gone.
//!
//! What was taken a moment ago is said late, and by several edges one after another. So it counts as if it had been taken at the
//! earliest time at which it can have been; where a later one begins what is kept, what flowed in between the two is taken off. So
//! no more is ever gone here than of one bucket that all edges had asked first. And a bucket that has filled up by now is kept as
//! long as others may still say that they took of it before. Then it is forgotten by itself.

use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use redis::{RedisError, Script};

use crate::call::Shared;
use crate::connect::Link;
use crate::health::Down;

/// No bucket is deeper in debt: it pays off what it owes in this time at the latest.
pub const DEBT_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

/// How many buckets are settled at once, so that no call waits for another: each is heard within one [timeout](Shared::timeout), or
/// not at all.
pub const SETTLED_AT_ONCE: usize = KEYS_A_CALL * CALLS_AT_ONCE;

/// Buckets for which the server is held up at once: two milliseconds.
const KEYS_A_CALL: usize = 256;
/// Calls that are on their way at once.
const CALLS_AT_ONCE: usize = 8;
/// The same in a cluster, where each bucket is a call.
const CALLS_AT_ONCE_IN_CLUSTER: usize = 64;

/// What an edge says of a bucket. Numbers are in a unit that is the bucket's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settlement {
    /// The bucket's fingerprint: made with the [key that edges agree on](Shared::agree_on_key), so that every edge has the same.
    pub bucket: u128,
    /// What the edge took of it and has not said before.
    pub spent: u64,
    /// It took nothing of that longer ago.
    pub age: Duration,
    /// So much of it is gone at least, as the edge knows.
    pub at_least: u64,
    /// What flows in, in a microsecond.
    pub flow: f64,
}

static SETTLE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local most = tonumber(ARGV[1])
local out = {}
for i, key in ipairs(KEYS) do
  local spent, age = tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1])
  local least, flow = tonumber(ARGV[4 * i]), tonumber(ARGV[4 * i + 1])
  local earliest = now - age
  local gone, base = spent - flow * age, earliest
  local kept = redis.pcall('GET', key)
  if type(kept) == 'string' then
    local was, at, since = string.match(kept, '^(-?%d[%d.e+-]*) (%d+) (%d+)$')
    was, at, since = tonumber(was), tonumber(at), tonumber(since)
    if was and at and since then
      -- Its clock may have been set back.
      at, since = math.min(at, now), math.min(since, now)
      local before = was - flow * (now - at)
      local with = before + spent - flow * math.max(since - earliest, 0)
      if math.max(before, with) > gone then
        gone, base = before, since
        if with > before then
          gone, base = with, math.min(since, earliest)
        end
      end
    end
  end
  if least > 0 and least > gone then
    gone, base = least, now
  end
  gone = math.min(gone, flow * most)
  local full = math.ceil((gone / flow + age) / 1000)
  if full > 0 then
    local keep = string.format('%.17g %.0f %.0f', gone, now, base)
    redis.call('SET', key, keep, 'PX', string.format('%.0f', full))
  end
  out[i] = math.floor(math.min(math.max(gone, 0), 9007199254740992))
end
return out",
    )
});

impl Shared {
    /// Adds up what was spent, and says of each bucket, in the same order, how much of it is gone: what all edges have
    /// spent of it, this one included.
    ///
    /// # Errors
    /// [`Down`]; some of it may have been added up by then.
    pub async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<u64>, Down> {
        let mut gone = Vec::with_capacity(settlements.len());
        for together in settlements.chunks(SETTLED_AT_ONCE) {
            let mut calls: Vec<BoxFuture<'_, _>> = Vec::with_capacity(CALLS_AT_ONCE);
            for some in together.chunks(KEYS_A_CALL) {
                calls.push(Box::pin(self.settle_together(some)));
            }
            gone.extend(try_join_all(calls).await?.into_iter().flatten());
        }
        Ok(gone)
    }

    /// One call.
    async fn settle_together(&self, some: &[Settlement]) -> Result<Vec<u64>, Down> {
        let of = |bucket: u128| self.key(format_args!("bucket:{bucket:032x}"));
        let keyed: Vec<(String, Settlement)> = some.iter().map(|it| (of(it.bucket), *it)).collect();
        self.call(async move |link| settle_all(link, &keyed).await).await
    }
}

async fn settle_all(link: Link, buckets: &[(String, Settlement)]) -> Result<Vec<u64>, RedisError> {
    if !link.is_cluster() {
        return settle_some(link, buckets).await;
    }
    let mut gone = Vec::with_capacity(buckets.len());
    for together in buckets.chunks(CALLS_AT_ONCE_IN_CLUSTER) {
        let mut calls: Vec<BoxFuture<'_, _>> = Vec::with_capacity(CALLS_AT_ONCE_IN_CLUSTER);
        for one in together.chunks(1) {
            calls.push(Box::pin(settle_some(link.clone(), one)));
        }
        gone.extend(try_join_all(calls).await?.into_iter().flatten());
    }
    Ok(gone)
}

async fn settle_some(
    mut link: Link,
    buckets: &[(String, Settlement)],
) -> Result<Vec<u64>, RedisError> {
    let mut call = SETTLE.prepare_invoke();
    call.arg(DEBT_MAX.as_secs() * 1_000_000);
    for (key, Settlement { bucket: _, spent, age, at_least, flow }) in buckets {
        let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
        call.key(key).arg(*spent).arg(age).arg(*at_least).arg(*flow);
    }
    let gone: Vec<u64> = call.invoke_async(&mut link).await?;
    if gone.len() != buckets.len() {
        let kind = redis::ErrorKind::UnexpectedReturnType;
        return Err(RedisError::from((kind, "as many buckets as were asked for")));
    }
    Ok(gone)
}
