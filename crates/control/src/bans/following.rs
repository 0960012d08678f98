//! Bans over all edges: says ours in the store, and tells the loop what others have said. Asks four times a second; what cannot be said while
//! the store is down is said when it is up again, and everything is said again to a store that may have forgotten it.

use std::collections::BTreeMap;
use std::time::Duration;

use store::{Follower, Shared};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::now;
use super::word::{Word, key_of};
use crate::task::Task;

/// How often it is asked what others have said.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Words of ours that wait to be said at once.
const SAID_AT_ONCE: usize = 1_024;

/// What is said to the store of one connection, and heard from it. Ends with its owner.
#[derive(Debug)]
pub(super) struct Following {
    ours: mpsc::UnboundedSender<Word>,
    _task: Task,
}

/// What was heard.
#[derive(Debug)]
pub(crate) struct Tidings {
    /// What others, or we, have said.
    pub(super) words: Vec<Word>,
    /// Whether everything that we know is to be said again.
    pub(super) say_again: bool,
}

impl Following {
    /// Begins to follow `shared`, and tells `heard`.
    pub(super) fn start(shared: Shared, heard: mpsc::Sender<Tidings>) -> Self {
        let (ours, wishes) = mpsc::unbounded_channel();
        Self { ours, _task: Task::spawn(follow(shared, wishes, heard)) }
    }

    /// Says a word to the others.
    pub(super) fn say(&self, word: Word) {
        // It runs as long as this is there.
        let _ = self.ours.send(word);
    }
}

async fn follow(
    shared: Shared,
    mut wishes: mpsc::UnboundedReceiver<Word>,
    heard: mpsc::Sender<Tidings>,
) {
    let mut follower = Follower::default();
    // By what they are about: only the last word of each counts. No more than there are bans.
    let mut unsaid = BTreeMap::new();
    let mut rounds = interval(ASK_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut wish = Vec::new();
    loop {
        tokio::select! {
            _ = rounds.tick() => {
                let Ok(news) = follower.read(&shared).await else { continue };
                let now = now();
                let words = news.said.iter().filter_map(|said| Word::of_said(said, now)).collect();
                let tidings = Tidings { words, say_again: news.say_again };
                let is_news = tidings.say_again || !tidings.words.is_empty();
                if is_news && heard.send(tidings).await.is_err() {
                    return;
                }
                // Also nothing: the store's epoch begins with the first that is said.
                if news.say_again || !unsaid.is_empty() {
                    say(&shared, &mut unsaid).await;
                }
            }
            count = wishes.recv_many(&mut wish, SAID_AT_ONCE) => {
                if count == 0 {
                    return;
                }
                unsaid.extend(wish.drain(..).map(|word: Word| (key_of(&word.banned), word)));
                say(&shared, &mut unsaid).await;
            }
        }
    }
}

/// Says what is unsaid; what cannot be said stays so.
async fn say(shared: &Shared, unsaid: &mut BTreeMap<String, Word>) {
    let now = now();
    unsaid.retain(|_, word| word.until > now);
    let sayings: Vec<_> = unsaid.values().map(|word| word.saying(now)).collect();
    if shared.say(&sayings).await.is_ok() {
        unsaid.clear();
    }
}
