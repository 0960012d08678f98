//! A board on which edges post records for each other: each has a name and a text, and is over at some time. What is posted under a name replaces what was there,
//! as far as the edge that posts it may.
//!
//! Edges read what has changed ([`follower`](super::follower)) and say with it how far they have read, so that one can wait until all have seen what it
//! posted. Texts are whatever the edges make of them: nothing here seals or reads them.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{RedisError, Script};

use crate::call::{Shared, millis};
use crate::follower::{Changes, Follower, Page, Pages, new_epoch, wrong};
use crate::health::Down;
use crate::turn::Turn;

/// What is read in one call: a record may have some KiB.
const READ_A_CALL: usize = 64;
/// An edge that has read within this time is there.
const THERE_WITHIN: Duration = Duration::from_secs(3);
/// One that has not for this long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// Something to be posted, or that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What replaces it has the same.
    pub name: String,
    /// The text; may be empty.
    pub text: String,
    /// For how much longer it is there.
    pub remaining: Duration,
    /// What it is worth beside another of its name, by [`Right::WorthMore`]; at most 2^53.
    pub worth: u64,
}

/// By what right a record replaces another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// By the turn of the matter of this name: no later turn of it was given, and nothing was posted in a later one.
    Turn(Turn),
    /// It is worth more, or there is none.
    WorthMore,
    /// Always.
    Any,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is there, by this change.
    Taken(Change),
    /// What is there stays.
    Refused,
}

/// The number of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change(u64);

/// What an edge has learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// What was posted, in its order.
    pub records: Vec<Record>,
    /// Whether the store may have forgotten what this edge knows, and everything that is there was read.
    pub is_whole: bool,
    /// How many edges are there, this one included.
    pub edges: u32,
}

/// How far an edge has read.
#[derive(Clone, Debug)]
pub struct BoardReader {
    edge: String,
    follower: Follower,
}

static POST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function number(n) return string.format('%.0f', n) end
redis.call('HSETNX', KEYS[4], 'epoch', ARGV[1])
local name, text, worth, right = ARGV[2], ARGV[3], tonumber(ARGV[5]), ARGV[6]
local ends, turn = now + ARGV[4], 0
local known = redis.call('HGET', KEYS[1], name)
if known then
  local ended, was, by = string.match(known, '^(%d+) (%d+) (%d+) ')
  if ended and tonumber(ended) > now then
    turn = tonumber(by)
    if right == 'more' and tonumber(was) >= worth then
      return '0'
    end
  end
end
if right ~= 'more' and right ~= 'any' then
  local given = string.match(redis.call('GET', KEYS[5]) or '', '^(%d+) ')
  local ours = tonumber(right)
  if ours < turn or (given and tonumber(given) > ours) then
    return '0'
  end
  turn = ours
end
local last = math.max(tonumber(redis.call('HGET', KEYS[4], 'last') or 0) + 1, t[1] * 1000000 + t[2])
local head = number(ends) .. ' ' .. number(worth) .. ' ' .. number(turn) .. ' '
redis.call('HSET', KEYS[1], name, head .. text)
redis.call('ZADD', KEYS[2], number(last), name)
redis.call('ZADD', KEYS[3], number(ends), name)
redis.call('HSET', KEYS[4], 'last', number(last))
for _, over in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('HDEL', KEYS[1], over)
  redis.call('ZREM', KEYS[2], over)
  redis.call('ZREM', KEYS[3], over)
end
return number(last)",
    )
});

static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function number(n) return string.format('%.0f', n) end
redis.call('HSETNX', KEYS[4], 'epoch', ARGV[1])
redis.call('HSET', KEYS[6], ARGV[3], number(now) .. ' ' .. ARGV[4])
local edges = 0
local all = redis.call('HGETALL', KEYS[6])
for i = 1, #all, 2 do
  local seen = tonumber(string.match(all[i + 1], '^(%d+) ')) or 0
  if seen > now - ARGV[6] then
    edges = edges + 1
  elseif seen < now - ARGV[7] then
    redis.call('HDEL', KEYS[6], all[i])
  end
end
local meta = redis.call('HMGET', KEYS[4], 'epoch', 'last')
local out = {meta[1], meta[2] or '0', number(edges)}
local some = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[5])
for i = 1, #some, 2 do
  local known = redis.call('HGET', KEYS[1], some[i])
  local ends, worth, text = string.match(known or '', '^(%d+) (%d+) %d+ (.*)$')
  if ends then
    out[#out + 1] = number(some[i + 1])
    out[#out + 1] = some[i]
    out[#out + 1] = text
    out[#out + 1] = number(math.max(ends - now, 0))
    out[#out + 1] = worth
  end
end
return out",
    )
});

static FIND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ends, worth, text = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%d+) (%d+) %d+ (.*)$')
if not ends or tonumber(ends) <= now then
  return {}
end
return {text, string.format('%.0f', ends - now), worth}",
    )
});

static UNREAD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local unread = 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local seen, read = string.match(all[i + 1], '^(%d+) (%d+)$')
  if seen and all[i] ~= ARGV[1] and tonumber(seen) > now - ARGV[3] and tonumber(read) < tonumber(ARGV[2]) then
    unread = unread + 1
  end
end
return unread",
    )
});

impl Shared {
    /// Posts `record`, as far as `right` allows.
    ///
    /// # Errors
    /// [`Down`]; it may be there by then.
    pub async fn post(&self, record: &Record, right: Right) -> Result<Posted, Down> {
        let keys = self.board_keys(&record.name);
        let Record { name, text, remaining, worth } = record;
        let right = match right {
            Right::Turn(Turn(number)) => number.to_string(),
            Right::WorthMore => "more".to_owned(),
            Right::Any => "any".to_owned(),
        };
        self.call(async move |mut link| {
            let mut call = POST.prepare_invoke();
            call.key(&keys[..]).arg(new_epoch()).arg(name).arg(text);
            call.arg(millis(*remaining)).arg(*worth).arg(right);
            let change: String = call.invoke_async(&mut link).await?;
            match number(&change)? {
                0 => Ok(Posted::Refused),
                change => Ok(Posted::Taken(Change(change))),
            }
        })
        .await
    }

    /// The record of this name, where there is one.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn record(&self, name: &str) -> Result<Option<Record>, Down> {
        let key = self.edges_key("texts");
        self.call(async move |mut link| {
            let mut call = FIND.prepare_invoke();
            let words: Vec<String> = call.key(&key).arg(name).invoke_async(&mut link).await?;
            match &words[..] {
                [] => Ok(None),
                [text, remaining, worth] => row(name, text, remaining, worth).map(Some),
                _ => Err(wrong("a record")),
            }
        })
        .await
    }

    /// How many other edges are there that have not read `change` yet.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn unread(&self, Change(change): Change, edge: &str) -> Result<u32, Down> {
        let key = self.edges_key("readers");
        self.call(async move |mut link| {
            let mut call = UNREAD.prepare_invoke();
            call.key(&key).arg(edge).arg(change).arg(millis(THERE_WITHIN));
            call.invoke_async(&mut link).await
        })
        .await
    }

    fn board_keys(&self, name: &str) -> [String; 6] {
        let [texts, changes, ends, meta, readers] =
            ["texts", "changes", "ends", "meta", "readers"].map(|rest| self.edges_key(rest));
        [texts, changes, ends, meta, self.turn_key(name), readers]
    }
}

/// The board, as an edge reads it that has made use of everything up to a change.
struct Read<'a> {
    shared: &'a Shared,
    edge: &'a str,
    applied: u64,
}

/// One row, or how many edges are there: each page says so.
enum Row {
    Edges(u32),
    Record(Record),
}

impl Pages for Read<'_> {
    type Row = Row;

    async fn page(&self, after: u64) -> Result<Page<Row>, Down> {
        let keys = self.shared.board_keys("");
        let (edge, applied) = (self.edge, self.applied);
        let read = self.shared.call(async move |mut link| {
            let mut call = READ.prepare_invoke();
            call.key(&keys[..]).arg(new_epoch()).arg(after).arg(edge).arg(applied);
            call.arg(READ_A_CALL).arg(millis(THERE_WITHIN)).arg(millis(FORGOTTEN_AFTER));
            page(&call.invoke_async::<Vec<String>>(&mut link).await?)
        });
        read.await
    }
}

fn page(words: &[String]) -> Result<Page<Row>, RedisError> {
    let Some(([epoch, last, edges], words)) = words.split_first_chunk() else {
        return Err(wrong("a page of records"));
    };
    let (rest, []) = words.as_chunks::<5>() else { return Err(wrong("a page of records")) };
    let edges = u32::try_from(number(edges)?).unwrap_or(u32::MAX);
    let (mut rows, mut read_to) = (vec![Row::Edges(edges)], None);
    for [change, name, text, remaining, worth] in rest {
        read_to = Some(number(change)?);
        rows.push(Row::Record(row(name, text, remaining, worth)?));
    }
    Ok(Page { epoch: epoch.clone(), last: number(last)?, read_to, rows })
}

fn row(name: &str, text: &str, remaining: &str, worth: &str) -> Result<Record, RedisError> {
    let (name, text) = (name.to_owned(), text.to_owned());
    let (remaining, worth) = (Duration::from_millis(number(remaining)?), number(worth)?);
    Ok(Record { name, text, remaining, worth })
}

fn number(text: &str) -> Result<u64, RedisError> {
    text.parse().map_err(|_| wrong("a number"))
}

impl BoardReader {
    /// The one of `edge`, which has no spaces.
    pub fn new(edge: impl Into<String>) -> Self {
        Self { edge: edge.into(), follower: Follower::default() }
    }

    /// What was posted since the last time; everything at first. What was read the last time counts as made use of.
    ///
    /// # Errors
    /// [`Down`]; nothing is lost by it.
    pub async fn read(&mut self, shared: &Shared) -> Result<Board, Down> {
        let read = Read { shared, edge: &self.edge, applied: self.follower.read };
        let Changes { rows, say_again } = self.follower.changes(shared, &read).await?;
        let mut board = Board { is_whole: say_again, ..Board::default() };
        for row in rows {
            match row {
                Row::Edges(edges) => board.edges = edges,
                Row::Record(record) => board.records.push(record),
            }
        }
        Ok(board)
    }

    /// Reads everything the next time.
    pub fn begin_anew(&mut self) {
        self.follower = Follower::default();
    }
}
