//! Turns: what one edge does for all of them, and no other meanwhile. A turn is a key that expires unless its holder keeps it, with a number that is higher than that
//! of every turn before, of any matter: with it the [`board`](super::board) refuses what comes from an edge whose turn has passed to another without its
//! noticing (a fencing token).
//!
//! The number follows the server's clock, so that it is higher than those before also where the store was emptied.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use crate::call::{Shared, millis};
use crate::follower::wrong;
use crate::health::Down;

/// Turns that are kept in one call.
const KEPT_A_CALL: usize = 256;

/// The number of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(pub(crate) u64);

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This edge's, from now on.
    Ours(Turn),
    /// Another's.
    Others {
        /// What it is called.
        edge: String,
        /// What it says of the matter; may be empty.
        told: String,
    },
}

static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local told = ''
local kept = redis.call('GET', KEYS[1])
if kept then
  local number, edge, words = string.match(kept, '^(%d+) (%S+) (.*)$')
  if number and edge ~= ARGV[1] then
    return {'', edge, words}
  end
  told = words or ''
end
local t = redis.call('TIME')
local last = tonumber(redis.call('HGET', KEYS[2], 'turn') or 0)
local number = string.format('%.0f', math.max(last + 1, t[1] * 1000000 + t[2]))
redis.call('HSET', KEYS[2], 'turn', number)
redis.call('SET', KEYS[1], number .. ' ' .. ARGV[1] .. ' ' .. told, 'PX', ARGV[2])
return {number, ARGV[1], told}",
    )
});

static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for _, key in ipairs(KEYS) do
  local edge = string.match(redis.call('GET', key) or '', '^%d+ (%S+) ')
  if edge == ARGV[1] then
    redis.call('PEXPIRE', key, ARGV[2])
  end
end
return 0",
    )
});

static TELL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local number, edge = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%S+) ')
if edge == ARGV[1] then
  redis.call('SET', KEYS[1], number .. ' ' .. edge .. ' ' .. ARGV[3], 'PX', ARGV[2])
end
return 0",
    )
});

static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if string.match(redis.call('GET', KEYS[1]) or '', '^%d+ (%S+) ') == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 0",
    )
});

impl Shared {
    /// Takes the turn of `matter` for `edge` (without spaces) and so long, unless it is another's. Where it is this edge's already it goes on with another number.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn take_turn(
        &self,
        matter: &str,
        edge: &str,
        length: Duration,
    ) -> Result<Claim, Down> {
        let keys = [self.turn_key(matter), self.edges_key("meta")];
        self.call(async move |mut link| {
            let mut call = TAKE.prepare_invoke();
            call.key(&keys[..]).arg(edge).arg(millis(length));
            let said: [String; 3] = call.invoke_async(&mut link).await?;
            let [number, edge, told] = said;
            match number.is_empty() {
                true => Ok(Claim::Others { edge, told }),
                false => {
                    number.parse().map(|it| Claim::Ours(Turn(it))).map_err(|_| wrong("a turn"))
                }
            }
        })
        .await
    }

    /// Keeps those of the turns of `matters` that are this edge's for so long from now on.
    ///
    /// # Errors
    /// [`Down`]; some of them may have been kept.
    pub async fn keep_turns(
        &self,
        matters: &[String],
        edge: &str,
        length: Duration,
    ) -> Result<(), Down> {
        for some in matters.chunks(KEPT_A_CALL) {
            let keys: Vec<String> = some.iter().map(|matter| self.turn_key(matter)).collect();
            let _: u64 = self
                .call(async move |mut link| {
                    let mut call = KEEP.prepare_invoke();
                    call.key(&keys[..]).arg(edge).arg(millis(length));
                    call.invoke_async(&mut link).await
                })
                .await?;
        }
        Ok(())
    }

    /// Says to those who ask for the turn of `matter`, as long as it is this edge's, how it stands, and keeps it for so long.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn tell_of_turn(
        &self,
        matter: &str,
        edge: &str,
        told: &str,
        length: Duration,
    ) -> Result<(), Down> {
        let key = self.turn_key(matter);
        self.call(async move |mut link| {
            let mut call = TELL.prepare_invoke();
            call.key(&key).arg(edge).arg(millis(length)).arg(told);
            let _: u64 = call.invoke_async(&mut link).await?;
            Ok(())
        })
        .await
    }

    /// Ends the turn of `matter`, where it is this edge's.
    ///
    /// # Errors
    /// [`Down`]: then it ends by itself.
    pub async fn end_turn(&self, matter: &str, edge: &str) -> Result<(), Down> {
        let key = self.turn_key(matter);
        self.call(async move |mut link| {
            let mut call = END.prepare_invoke();
            call.key(&key).arg(edge);
            let _: u64 = call.invoke_async(&mut link).await?;
            Ok(())
        })
        .await
    }

    pub(crate) fn turn_key(&self, matter: &str) -> String {
        self.edges_key(&format!("turn:{matter}"))
    }

    /// A key of what edges do for each other: all on one server.
    pub(crate) fn edges_key(&self, rest: &str) -> String {
        self.key_of("edges", rest)
    }
}
