//! Who is banned: what operators, routes and other edges say of it, kept over restarts, told to the edge and to the others.
//!
//! A ban holds as soon as it is taken up; who has said it is told once it is on the disk, too. What bans mean is the crate `policy`'s to say, how edges hear of
//! each other the crate `store`'s.

mod book;
mod following;
mod keeping;
mod word;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edge::Edge;
use policy::bans::NotBanned;
use store::Store;
use telemetry::{Events, event};
use tokio::sync::{mpsc, oneshot};

pub use policy::bans::{Ban, Banned, TokenDigest};

pub(crate) use following::Tidings;

use crate::ended::Ended;
use crate::ended::Reply;
use book::{Book, Heard};
use following::Following;
use keeping::Keeping;
use word::Word;

/// How long after a change is published the next one waits: each copies the set.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// What nobody reads in between does not pile up: the task that follows the store waits.
const TIDINGS: usize = 16;

/// Why somebody was not banned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BanError {
    /// The set does not take it: the text says why.
    #[error("not banned: {0}")]
    NotTaken(&'static str),
    /// Nothing of the kind is banned.
    #[error("there is no such ban")]
    NotThere,
    /// The control loop has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Who is banned, as the loop keeps it.
pub(crate) struct BanList {
    book: Book,
    keeping: Keeping,
    following: Option<Following>,
    heard: mpsc::Sender<Tidings>,
    events: Events,
    /// What has changed and is not published yet, and to whom it is said once it is kept.
    changed: Option<Vec<oneshot::Sender<()>>>,
    /// When the next change may be published, by the edge's clock.
    next: Duration,
    /// Whether it was said that there is no room.
    is_full_told: bool,
}

impl BanList {
    /// Those that are kept in `state_dir`, and where to hear what others say. Runs on the runtime that this is called on.
    pub(crate) fn load(state_dir: &Path, events: Events) -> (Self, mpsc::Receiver<Tidings>) {
        let (heard, tidings) = mpsc::channel(TIDINGS);
        let mut book = Book::default();
        let now = now();
        for word in keeping::load(state_dir, &events) {
            book.hear(word, now);
        }
        let keeping = Keeping::start(state_dir, events.clone());
        let (following, next, is_full_told) = (None, Duration::ZERO, false);
        // They are the edge's from the first round on.
        let changed = (!book.bans().is_empty()).then(Vec::new);
        (Self { book, keeping, following, heard, events, changed, next, is_full_told }, tidings)
    }

    /// Whether nobody is banned.
    pub(crate) fn is_empty(&self) -> bool {
        self.book.bans().is_empty()
    }

    /// How many bans hold.
    pub(crate) fn len(&self) -> usize {
        self.book.bans().len()
    }

    /// Each of them, the one that is over first before the others.
    pub(crate) fn all(&self) -> Vec<Ban> {
        let now = now();
        self.book.bans().all().filter(|ban| ban.until > now).collect()
    }

    /// Says and hears bans by `store` from now on.
    pub(crate) fn follow(&mut self, store: &Store) {
        let start = |shared: &store::Shared| Following::start(shared.clone(), self.heard.clone());
        self.following = store.shared().map(start);
    }

    /// Bans, as an operator says.
    pub(crate) fn ban(&mut self, ban: Ban, reply: Reply<Result<Ban, BanError>>) {
        match self.put(ban.clone()) {
            Ok(()) => self.answer(reply, Ok(ban)),
            Err(why) => {
                let why = match why {
                    NotBanned::Over => "it would be over already",
                    NotBanned::Full => "there are as many bans as are kept: lift some",
                };
                // The client that asked may be gone.
                let _ = reply.send(Err(BanError::NotTaken(why)));
            }
        }
    }

    /// Bans the token of a client that has logged out, or a client that was refused too often. A ban that lasts longer stays as it is.
    pub(crate) fn ban_by_itself(&mut self, ban: Ban) {
        if self.book.bans().find(&ban.banned).is_some_and(|held| held.until >= ban.until) {
            return;
        }
        // That there is no room is told; that a token has expired meanwhile is as good.
        let _ = self.put(ban);
    }

    fn put(&mut self, ban: Ban) -> Result<(), NotBanned> {
        let put = self.book.put(ban, now());
        match &put {
            Ok(word) => self.say(word.clone()),
            Err(NotBanned::Full) => self.tell_full(),
            Err(NotBanned::Over) => {}
        }
        put.map(drop)
    }

    /// Lifts a ban, as an operator says.
    pub(crate) fn lift(&mut self, banned: &Banned, reply: Reply<Result<(), BanError>>) {
        match self.book.lift(banned, now()) {
            Some(word) => {
                self.is_full_told = false;
                self.say(word);
                self.answer(reply, Ok(()));
            }
            // The client that asked may be gone.
            None => drop(reply.send(Err(BanError::NotThere))),
        }
    }

    fn say(&mut self, word: Word) {
        self.changed.get_or_insert_default();
        if let Some(following) = &self.following {
            following.say(word);
        }
    }

    /// Answers once what has changed is kept.
    fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, answer: T) {
        let (kept, told) = oneshot::channel();
        self.changed.get_or_insert_default().push(kept);
        tokio::spawn(async move {
            // Where it could not be kept that was told, and it holds until the end.
            let _ = told.await;
            let _ = reply.send(answer);
        });
    }

    /// Takes up what other edges have said.
    pub(crate) fn hear(&mut self, tidings: Tidings) {
        let Tidings { words, say_again } = tidings;
        let now = now();
        for word in words {
            match self.book.hear(word, now) {
                Heard::Known => {}
                Heard::New => drop(self.changed.get_or_insert_default()),
                Heard::Full => self.tell_full(),
            }
        }
        if let Some(following) = self.following.as_ref().filter(|_| say_again) {
            self.book.words().for_each(|word| following.say(word));
        }
    }

    /// Says once that there is no room, until there is.
    fn tell_full(&mut self) {
        if !std::mem::replace(&mut self.is_full_told, true) {
            self.events.emit(event::BansFull { kept: self.len() });
        }
    }

    /// Forgets what is over.
    pub(crate) fn sample(&mut self) {
        if self.book.forget(now()) {
            self.is_full_told = false;
            self.changed.get_or_insert_default();
        }
    }

    /// When something is to be published, by the edge's clock.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.changed.as_ref().map(|_| self.next)
    }

    /// Publishes and keeps what has changed, if it is time.
    pub(crate) fn tick(&mut self, edge: &mut Edge) {
        let now = edge.now();
        if now >= self.next && self.publish(edge) {
            self.next = now + PUBLISH_EVERY;
        }
    }

    fn publish(&mut self, edge: &mut Edge) -> bool {
        let Some(kept) = self.changed.take() else { return false };
        edge.ban(&Arc::new(self.book.bans().clone()));
        self.keeping.keep(self.book.words().collect(), kept);
        true
    }

    /// Waits until everything is kept. Nobody is told any more.
    pub(crate) async fn end(mut self) {
        if let Some(kept) = self.changed.take() {
            self.keeping.keep(self.book.words().collect(), kept);
        }
        self.keeping.end().await;
    }
}

/// Time since 1970: bans hold over restarts and machines.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
