//! What edges say to each other that holds for a while (bans, and that one is lifted): a list by key, a number for each
//! change, and when each is over.
//!
//! Every edge follows by asking for what has changed (`follower`).
//!
//! Times are told as how long ago and for how much longer, by the server's clock: the edges' clocks need not agree.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{RedisError, Script};

use crate::call::{Shared, millis};
use crate::follower::{Changes, Follower, Page, Pages, new_epoch, wrong};
use crate::health::Down;

/// What is said in one call.
const SAYINGS_A_CALL: usize = 256;
/// What is read in one call.
const READ_A_CALL: usize = 512;
/// What is kept; beyond it, what is over first gives way.
const KEPT_MAX: usize = 200_000;
/// The same thing said again within this time is the same: what several edges say of one matter after a failover.
const SAME_WITHIN: Duration = Duration::from_secs(2);

/// Something to be said to all edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// What it is about: what is said later of the same replaces it.
    pub key: String,
    /// What is said.
    pub text: String,
    /// For how much longer it holds.
    pub remaining: Duration,
    /// How long ago it was said; nothing for what is new.
    pub age: Duration,
}

/// Something that an edge has said.
pub type Said = Saying;

/// What a follower has learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// In the order in which it was said.
    pub said: Vec<Said>,
    /// Whether the store may have forgotten what this edge knows: it should say it again.
    pub say_again: bool,
}

static SAY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function number(n) return string.format('%.0f', n) end
local function forget(keys)
  for _, key in ipairs(keys) do
    redis.call('HDEL', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
    redis.call('ZREM', KEYS[3], key)
  end
end
redis.call('HSETNX', KEYS[4], 'epoch', ARGV[1])
local most, same = tonumber(ARGV[2]), tonumber(ARGV[3])
local last = tonumber(redis.call('HGET', KEYS[4], 'last') or 0)
for i = 4, #ARGV, 4 do
  local key, text = ARGV[i], ARGV[i + 1]
  local ends, said = now + ARGV[i + 2], now - ARGV[i + 3]
  local known = redis.call('HGET', KEYS[1], key)
  local is_old = false
  if known then
    local was, knew = string.match(known, '^(%d+) %d+ (.*)$')
    was = tonumber(was)
    is_old = was > said or (knew == text and said - was < same)
  end
  if ends > now and not is_old then
    last = math.max(last + 1, t[1] * 1000000 + t[2])
    redis.call('HSET', KEYS[1], key, number(said) .. ' ' .. number(ends) .. ' ' .. text)
    redis.call('ZADD', KEYS[2], number(last), key)
    redis.call('ZADD', KEYS[3], number(ends), key)
  end
end
redis.call('HSET', KEYS[4], 'last', number(last))
forget(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 1000))
local over = redis.call('ZCARD', KEYS[3]) - most
if over > 0 then
  forget(redis.call('ZRANGE', KEYS[3], 0, math.min(over, 1000) - 1))
end
return last",
    )
});

static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local meta = redis.call('HMGET', KEYS[4], 'epoch', 'last')
local out = {meta[1] or '', meta[2] or '0'}
local some = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #some, 2 do
  local known = redis.call('HGET', KEYS[1], some[i])
  local said, ends, text = string.match(known or '', '^(%d+) (%d+) (.*)$')
  if said then
    out[#out + 1] = string.format('%.0f', some[i + 1])
    out[#out + 1] = some[i]
    out[#out + 1] = text
    out[#out + 1] = string.format('%.0f', math.max(ends - now, 0))
    out[#out + 1] = string.format('%.0f', math.max(now - said, 0))
  end
end
return out",
    )
});

impl Shared {
    /// Says something to all edges. What is older than what the store knows of the same matter is not taken.
    ///
    /// # Errors
    /// [`Down`]; some of it may have been said by then.
    pub async fn say(&self, sayings: &[Saying]) -> Result<(), Down> {
        // Also without anything to say: the epoch begins with it.
        let nothing: &[Saying] = &[];
        let chunks = sayings.chunks(SAYINGS_A_CALL).chain(sayings.is_empty().then_some(nothing));
        let keys = self.list_keys();
        for some in chunks {
            let keys = &keys;
            let _last: u64 = self
                .call(async move |mut link| {
                    let mut call = SAY.prepare_invoke();
                    call.key(&keys[..]).arg(new_epoch());
                    call.arg(KEPT_MAX).arg(millis(SAME_WITHIN));
                    for Saying { key, text, remaining, age } in some {
                        call.arg(key).arg(text).arg(millis(*remaining)).arg(millis(*age));
                    }
                    call.invoke_async(&mut link).await
                })
                .await?;
        }
        Ok(())
    }

    fn list_keys(&self) -> [String; 4] {
        ["said", "changes", "ends", "meta"].map(|rest| self.key_of("bans", rest))
    }
}

/// What is said, as a list that is followed.
struct Sayings<'a>(&'a Shared);

impl Pages for Sayings<'_> {
    type Row = Said;

    async fn page(&self, after: u64) -> Result<Page<Said>, Down> {
        let keys = self.0.list_keys();
        let words = self.0.call(async move |mut link| {
            let mut call = READ.prepare_invoke();
            call.key(&keys[..]).arg(after).arg(READ_A_CALL);
            page(call.invoke_async::<Vec<String>>(&mut link).await?)
        });
        words.await
    }
}

fn page(words: Vec<String>) -> Result<Page<Said>, RedisError> {
    let wrong = || wrong("a page of bans");
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let mut words = words.into_iter();
    let (Some(epoch), Some(last)) = (words.next(), words.next()) else { return Err(wrong()) };
    let words: Vec<String> = words.collect();
    let (rows, rest) = words.as_chunks::<5>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    let mut read_to = None;
    let mut said = Vec::with_capacity(rows.len());
    for [change, key, text, remaining, age] in rows {
        read_to = Some(number(change)?);
        said.push(Said {
            key: key.clone(),
            text: text.clone(),
            remaining: Duration::from_millis(number(remaining)?),
            age: Duration::from_millis(number(age)?),
        });
    }
    // A page with gaps (what was forgotten meanwhile) may be short and not the last: the next one is empty then.
    Ok(Page { epoch, last: number(&last)?, read_to, rows: said })
}

impl Follower {
    /// What has been said since the last time; everything at first.
    ///
    /// # Errors
    /// [`Down`]; nothing is lost by it.
    pub async fn read(&mut self, shared: &Shared) -> Result<News, Down> {
        let Changes { rows, say_again } = self.changes(shared, &Sayings(shared)).await?;
        Ok(News { said: rows, say_again })
    }
}
