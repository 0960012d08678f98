//! Who is banned, and what was said of it when: pure, with the time as an argument (since 1970). What is older never replaces what
//! is newer, whichever edge has said it.

use std::collections::BTreeMap;
use std::time::Duration;

use policy::Bans;
use policy::bans::{Ban, Banned, NotBanned};

use super::word::{Meaning, Word};

/// The same thing from two edges: what their clocks and the way make of one end.
const SAME_WITHIN: Duration = Duration::from_secs(2);

/// Who is banned, and what was said of it when.
#[derive(Debug, Default)]
pub(super) struct Book {
    bans: Bans,
    /// When a ban was said, where that is another time than [`Ban::at`].
    said: BTreeMap<Banned, Duration>,
    /// What was lifted before it was over: said on until then, so that no edge brings it back. As many as bans at the most.
    lifted: BTreeMap<Banned, Lifted>,
}

#[derive(Clone, Copy, Debug)]
struct Lifted {
    said: Duration,
    until: Duration,
}

/// What came of a word that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing is otherwise.
    Known,
    /// It counts from now on.
    New,
    /// There is no room for it.
    Full,
}

impl Book {
    /// Who is banned.
    pub(super) fn bans(&self) -> &Bans {
        &self.bans
    }

    /// Takes a ban up, which is said at `now`. Gives what other edges are told.
    ///
    /// # Errors
    /// When it is over, or there is no room for it.
    pub(super) fn put(&mut self, ban: Ban, now: Duration) -> Result<Word, NotBanned> {
        let word = Word::of(&ban, now);
        self.hold(ban, now, now)?;
        Ok(word)
    }

    fn hold(&mut self, ban: Ban, said: Duration, now: Duration) -> Result<(), NotBanned> {
        let (banned, at) = (ban.banned.clone().normal(), ban.at);
        self.bans.put(ban, now)?;
        self.lifted.remove(&banned);
        match said == at {
            true => drop(self.said.remove(&banned)),
            false => drop(self.said.insert(banned, said)),
        }
        Ok(())
    }

    /// Lifts a ban, and gives what other edges are told; nothing where there is none.
    pub(super) fn lift(&mut self, banned: &Banned, now: Duration) -> Option<Word> {
        let banned = banned.clone().normal();
        self.bans.forget(now);
        let ban = self.bans.find(&banned)?;
        self.release(&banned, Lifted { said: now, until: ban.until });
        Some(Word { banned, said: now, until: ban.until, meaning: Meaning::Lifted })
    }

    fn release(&mut self, banned: &Banned, lifted: Lifted) {
        self.bans.lift(banned);
        self.said.remove(banned);
        if self.lifted.len() < Bans::MAX {
            self.lifted.insert(banned.clone(), lifted);
        }
    }

    /// Takes up what another edge has said, or what was written down.
    pub(super) fn hear(&mut self, word: Word, now: Duration) -> Heard {
        if word.until <= now {
            return Heard::Known;
        }
        let Word { banned, said, until, meaning } = word;
        let ban = self.bans.find(&banned);
        let lifted = self.lifted.get(&banned).copied();
        let knew = match (&ban, lifted) {
            (Some(ban), _) => Some(self.said.get(&banned).copied().unwrap_or(ban.at)),
            (None, lifted) => lifted.map(|it| it.said),
        };
        if knew.is_some_and(|knew| knew >= said) {
            return Heard::Known;
        }
        match meaning {
            Meaning::Holds { at, reason } => {
                let is_same = ban.is_some_and(|ban| {
                    let is_near = ban.until.abs_diff(until) <= SAME_WITHIN;
                    is_near && ban.at.abs_diff(at) <= SAME_WITHIN && ban.reason == reason
                });
                if is_same {
                    // What was said in between is older all the same.
                    self.said.insert(banned, said);
                    return Heard::Known;
                }
                match self.hold(Ban { banned, at, until, reason }, said, now) {
                    Ok(()) => Heard::New,
                    Err(NotBanned::Over) => Heard::Known,
                    Err(NotBanned::Full) => Heard::Full,
                }
            }
            Meaning::Lifted => {
                self.release(&banned, Lifted { said, until });
                if ban.is_some() { Heard::New } else { Heard::Known }
            }
        }
    }

    /// Forgets what is over, and says whether a ban was.
    pub(super) fn forget(&mut self, now: Duration) -> bool {
        self.lifted.retain(|_, lifted| lifted.until > now);
        let forgot = self.bans.forget(now);
        if forgot {
            let bans = &self.bans;
            self.said.retain(|banned, _| bans.find(banned).is_some());
        }
        forgot
    }

    /// Everything that was said and still means something.
    pub(super) fn words(&self) -> impl Iterator<Item = Word> {
        let holds = self.bans.all().map(|ban| {
            let said = self.said.get(&ban.banned).copied().unwrap_or(ban.at);
            Word::of(&ban, said)
        });
        let lifted = self.lifted.iter().map(|(banned, lifted)| Word {
            banned: banned.clone(),
            said: lifted.said,
            until: lifted.until,
            meaning: Meaning::Lifted,
        });
        holds.chain(lifted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ban(subject: &str, said: u64, until: u64) -> Ban {
        let banned = Banned::Subject(subject.into());
        Ban { banned, at: at(said), until: at(until), reason: None }
    }

    fn alice() -> Banned {
        Banned::Subject("alice".into())
    }

    #[test]
    fn what_was_lifted_is_not_brought_back_by_what_was_said_before() {
        let (mut here, mut there) = (Book::default(), Book::default());
        let banned = here.put(ban("alice", 10, 100), at(10)).unwrap();
        assert_eq!(there.hear(banned.clone(), at(11)), Heard::New);
        let lifted = here.lift(&alice(), at(20)).unwrap();
        assert_eq!(here.lift(&alice(), at(20)), None, "there is none any more");
        assert_eq!(there.hear(lifted.clone(), at(21)), Heard::New);
        assert!(there.bans().is_empty());
        for book in [&mut here, &mut there] {
            assert_eq!(book.hear(banned.clone(), at(22)), Heard::Known);
            assert!(book.bans().is_empty(), "what is older does not count");
        }
        let again = here.put(ban("alice", 30, 100), at(30)).unwrap();
        assert_eq!(there.hear(again, at(31)), Heard::New);
        assert_eq!(there.hear(lifted, at(32)), Heard::Known);
        assert_eq!((here.bans().len(), there.bans().len()), (1, 1));
        assert!(here.forget(at(100)) && here.words().next().is_none());
    }

    #[test]
    fn tokens_before_a_time_are_banned_by_when_that_was_said() {
        let of_all = |at| Ban { banned: Banned::IssuedBefore(None), ..ban("", at, 900) };
        let mut book = Book::default();
        book.put(of_all(500), at(10)).unwrap();
        let word = book.words().next().unwrap();
        assert_eq!(word.said, at(10), "the time of tokens is another matter");
        let newer =
            Word { said: at(20), meaning: Meaning::Holds { at: at(5), reason: None }, ..word };
        assert_eq!(book.hear(newer, at(21)), Heard::New);
        assert_eq!(book.bans().find(&Banned::IssuedBefore(None)).unwrap().at, at(5));
    }

    #[test]
    fn what_comes_back_of_our_own_changes_nothing() {
        let mut book = Book::default();
        let word = book.put(ban("alice", 10, 100), at(10)).unwrap();
        let late = Duration::from_millis(7);
        let echo = Word { said: word.said + late, until: word.until + late, ..word };
        assert_eq!(book.hear(echo, at(11)), Heard::Known);
    }

    proptest! {
        /// Whatever edges say in whatever order, and in whatever order it is heard: in the end all of them have what was said last.
        #[test]
        fn edges_that_have_heard_everything_agree(
            steps in proptest::collection::vec((0..3usize, 0..3u8, any::<bool>()), 1..30),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let mut edges: [Book; 3] = Default::default();
            let mut words = Vec::new();
            for (step, (edge, subject, is_lifted)) in (0u64..).zip(&steps) {
                let now = 1_000 + step * 10;
                let subject = subject.to_string();
                words.extend(match is_lifted {
                    false => edges[*edge].put(ban(&subject, now, 20_000), at(now)).ok(),
                    true => edges[*edge].lift(&Banned::Subject(subject), at(now)),
                });
            }
            let end = at(2_000);
            for edge in &mut edges {
                for index in &order {
                    if !words.is_empty() {
                        edge.hear(words[index.index(words.len())].clone(), end);
                    }
                }
                for word in words.iter().rev() {
                    edge.hear(word.clone(), end);
                }
            }
            let all = |edge: &Book| edge.bans().all().collect::<Vec<_>>();
            prop_assert_eq!(all(&edges[0]), all(&edges[1]));
            prop_assert_eq!(all(&edges[1]), all(&edges[2]));
            // What is told again by words alone is the same.
            let mut told = Book::default();
            for word in edges[0].words() {
                told.hear(word, end);
            }
            prop_assert_eq!(all(&edges[0]), all(&told));
        }
    }
}
