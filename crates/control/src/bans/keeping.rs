//! Where bans are kept: a file in the state directory, replaced whole, a line for each. Written beside the loop and at most ten times a second, so that
//! a flood of logouts is no flood of writes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use telemetry::{Events, event};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::word::Word;
use crate::chain::chain;
use crate::state_file;

/// The file's name in the state directory.
const FILE: &str = "bans";
/// What the file begins and ends with. One that does not is not whole.
const FIRST: &str = "plimsoll bans 1";
const LAST: &str = "end";
/// No list is longer: 200,000 lines of the longest texts are less.
const BYTES_MAX: u64 = 1 << 30;
/// How long after a write the next one waits.
const WRITE_EVERY: Duration = Duration::from_millis(100);

/// Keeps words in a file.
#[derive(Debug)]
pub(super) struct Keeping {
    wanted: Option<mpsc::UnboundedSender<Wanted>>,
    writer: JoinHandle<()>,
}

/// What is to be kept, and to whom it is said once it is.
struct Wanted {
    words: Vec<Word>,
    kept: Vec<oneshot::Sender<()>>,
}

impl Keeping {
    /// Begins to keep in `state_dir`, on the runtime that this is called on.
    pub(super) fn start(state_dir: &Path, events: Events) -> Self {
        let (wanted, wishes) = mpsc::unbounded_channel();
        let writer = tokio::spawn(write_all(state_dir.join(FILE), wishes, events));
        Self { wanted: Some(wanted), writer }
    }

    /// Has these kept, and nothing else. `kept` are told once they are on the disk, or cannot be.
    pub(super) fn keep(&self, words: Vec<Word>, kept: Vec<oneshot::Sender<()>>) {
        if let Some(wanted) = &self.wanted {
            // It runs as long as this is there.
            let _ = wanted.send(Wanted { words, kept });
        }
    }

    /// Waits until all is kept.
    pub(super) async fn end(mut self) {
        self.wanted = None;
        // It ends by itself; a panic has been told.
        let _ = self.writer.await;
    }
}

async fn write_all(path: PathBuf, mut wishes: mpsc::UnboundedReceiver<Wanted>, events: Events) {
    while let Some(mut wanted) = wishes.recv().await {
        // Only the last of them counts.
        while let Ok(Wanted { words, kept }) = wishes.try_recv() {
            wanted.words = words;
            wanted.kept.extend(kept);
        }
        let (place, words) = (path.clone(), wanted.words);
        let write = move || state_file::replace(&place, text(&words).as_bytes());
        let why = match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(chain(&error)),
            Err(error) => Some(chain(&error)),
        };
        if let Some(why) = why {
            events.emit(event::BansNotSaved { path: path.display().to_string(), why });
        }
        for kept in wanted.kept {
            // The client that waits may be gone.
            let _ = kept.send(());
        }
        sleep(WRITE_EVERY).await;
    }
}

/// The words that are kept in `state_dir`. Of a file that is damaged, each line that can be read.
pub(super) fn load(state_dir: &Path, events: &Events) -> Vec<Word> {
    let path = state_dir.join(FILE);
    match state_file::read(&path, BYTES_MAX) {
        Ok(Some(bytes)) => {
            let text = String::from_utf8_lossy(&bytes);
            let (words, is_whole) = parse(&text);
            if !is_whole {
                let (path, kept) = (path.display().to_string(), words.len());
                events.emit(event::BansDamaged { path, kept });
            }
            words
        }
        Ok(None) => Vec::new(),
        Err(error) => {
            events.emit(event::BansUnreadable { why: chain(&error) });
            Vec::new()
        }
    }
}

fn text(words: &[Word]) -> String {
    let mut text = format!("{FIRST}\n");
    for word in words {
        text.push_str(&word.line());
        text.push('\n');
    }
    text + LAST + "\n"
}

/// The words, and whether every line was one.
fn parse(text: &str) -> (Vec<Word>, bool) {
    let mut lines = text.lines();
    let mut is_whole = lines.next() == Some(FIRST) && text.ends_with('\n');
    let (mut words, mut is_over) = (Vec::new(), false);
    for line in lines {
        match Word::of_line(line) {
            Some(word) if !is_over => words.push(word),
            _ if line == LAST && !is_over => is_over = true,
            _ => is_whole = false,
        }
    }
    (words, is_whole && is_over)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::bans::word::Meaning;
    use crate::bans::word::tests::all;

    fn words() -> Vec<Word> {
        let (said, until) = (Duration::from_secs(7), Duration::from_secs(99));
        let meaning = || Meaning::Holds { at: said, reason: None };
        all().into_iter().map(|banned| Word { banned, said, until, meaning: meaning() }).collect()
    }

    #[tokio::test]
    async fn what_is_kept_is_loaded_and_who_waits_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let keeping = Keeping::start(dir.path(), Events::default());
        let (kept, told) = oneshot::channel();
        keeping.keep(Vec::new(), vec![kept]);
        told.await.unwrap();
        assert!(load(dir.path(), &Events::default()).is_empty());
        keeping.keep(vec![words().remove(0)], Vec::new());
        keeping.keep(words(), Vec::new());
        keeping.end().await;
        assert_eq!(load(dir.path(), &Events::default()), words());
    }

    #[test]
    fn of_a_damaged_file_what_can_be_read_is_kept_and_that_is_said() {
        let whole = text(&words());
        assert_eq!(parse(&whole), (words(), true));
        for length in 0..whole.len() {
            let Some(cut) = whole.get(..length) else { continue };
            let (read, is_whole) = parse(cut);
            assert!(!is_whole, "{length}");
            assert!(words().starts_with(&read), "{length}");
        }
        let (read, is_whole) = parse(&whole.replace("subject", "planet"));
        assert!(!is_whole && read.len() == words().len() - 1);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), b"\xff\xfe").unwrap();
        let events = Events::default();
        assert!(load(dir.path(), &events).is_empty());
        let is_damage =
            |it: &&std::sync::Arc<event::Recorded>| it.event.kind() == event::Kind::BansDamaged;
        assert_eq!(events.recent().iter().filter(is_damage).count(), 1);
    }
}
