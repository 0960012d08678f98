//! What a run of a job has written so far, and how it ended, for those that follow it: bounded, so that one that writes without an end takes no
//! more memory than any.

use std::collections::VecDeque;

use tokio::sync::watch;

use crate::journal::JobRun;

/// So many bytes of output are kept for those that follow; what is older is left out.
const BYTES_MAX: usize = 1 << 20;
/// So many of the last lines are kept in the journal,
const KEPT_LINES: usize = 100;
/// and no more bytes.
const KEPT_BYTES: usize = 16 << 10;

/// What was written in a run, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct JobProgress {
    /// So many lines are not here any more.
    pub left_out: usize,
    /// Those that follow, in order.
    pub lines: VecDeque<String>,
    /// How it ended, once it has.
    pub end: Option<JobRun>,
    bytes: usize,
}

/// Follows a run of a job.
#[derive(Clone, Debug)]
pub struct JobFollowing {
    /// Its number, over all jobs.
    pub run: i64,
    /// All that is known so far, and each time that there is more.
    pub progress: watch::Receiver<JobProgress>,
}

impl JobProgress {
    /// The number of lines so far.
    pub fn count(&self) -> usize {
        self.left_out + self.lines.len()
    }

    /// The lines from number `from` on that are here, and the number of the first.
    pub fn from(&self, from: usize) -> (usize, Vec<String>) {
        let skipped = from.saturating_sub(self.left_out).min(self.lines.len());
        (self.left_out + skipped, self.lines.iter().skip(skipped).cloned().collect())
    }

    /// More was written.
    pub(crate) fn extend(&mut self, lines: Vec<String>) {
        for line in lines {
            self.bytes += line.len();
            self.lines.push_back(line);
        }
        while self.bytes > BYTES_MAX {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.len();
            self.left_out += 1;
        }
    }

    /// The last words, as they are kept.
    pub(crate) fn tail(&self) -> String {
        let mut bytes = 0;
        let last = self.lines.iter().rev().take(KEPT_LINES);
        let fits = |line: &&String| {
            bytes += line.len() + 1;
            bytes <= KEPT_BYTES
        };
        let mut last: Vec<&str> = last.take_while(fits).map(String::as_str).collect();
        last.reverse();
        last.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_left_out_and_counted() {
        let mut progress = JobProgress::default();
        let line = |number: usize| format!("{number:0>1024}");
        (0..2000).for_each(|number| progress.extend(vec![line(number)]));
        assert_eq!((progress.count(), progress.left_out), (2000, 976));
        assert_eq!(progress.from(0), (976, (976..2000).map(line).collect()));
        assert_eq!(progress.from(1999), (1999, vec![line(1999)]));
        assert_eq!(progress.from(2000), (2000, Vec::new()));
        let tail = progress.tail();
        assert!(tail.len() <= KEPT_BYTES && tail.ends_with(&line(1999)), "{}", tail.len());
    }
}
