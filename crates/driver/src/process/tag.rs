//! The number that every process of an instance carries, wherever it went and whatever it took out of
//! its environment.
//!
//! It is the soft limit of file locks, `RLIMIT_LOCKS`: one of the few things that each process gives
//! to its children through fork, exec, a session of its own, a clean environment and a change of
//! user, that everybody may read, and that means nothing: Linux has counted no locks since 2.4.25
//! (setrlimit(2)). A control group would do the same, where one may be made; this needs no right and
//! no mount. The hard limit stays as it was, so that an instance may be a Plimsoll itself.
//! docs/decisions/0043 has what was rejected.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below this no number is a tag: somebody may have set such a limit and meant it.
const LEAST: u64 = 1 << 60;

/// The number of one run of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u64);

impl Tag {
    /// The tag that goes with the mark of a run: the same each time, so that it need not be kept.
    pub(super) fn of_mark(mark: &str) -> Self {
        // FNV-1a. What it has to be is spread, not secret.
        let hash = mark.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(LEAST | (hash >> 4))
    }

    /// The tag of this number.
    pub(super) fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub(super) fn number(self) -> u64 {
        self.0
    }

    /// Gives it to this process and all that it will start. Where the system has a limit that leaves
    /// no room for it, they are found by their mark alone.
    pub(super) fn wear(self) {
        let Rlimit { maximum, .. } = getrlimit(Resource::Locks);
        let _ = setrlimit(Resource::Locks, Rlimit { current: Some(self.0), maximum });
    }

    /// Whether the process `pid` has it, as far as we may see.
    pub(super) fn is_worn_by(self, pid: u32) -> bool {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
        soft_limit(&limits) == Some(self.0)
    }
}

/// The soft limit of locks in the text of proc_pid_limits(5).
fn soft_limit(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_one_tag_and_another_mark_another() {
        assert_eq!(Tag::of_mark("abc"), Tag::of_mark("abc"));
        assert_ne!(Tag::of_mark("abc"), Tag::of_mark("abd"));
        for mark in ["", "a", "zzzzzzzzzzzzzzzz"] {
            let number = Tag::of_mark(mark).number();
            // The greatest number that the system takes for a number.
            assert!((LEAST..i64::MAX as u64).contains(&number), "{number}");
        }
    }

    #[test]
    fn the_soft_limit_is_read() {
        let text = "Limit   Soft Limit  Hard Limit  Units\n\
                    Max open files            1024                 4096                 files\n\
                    Max file locks            1234567890123456789  unlimited            locks\n";
        assert_eq!(soft_limit(text), Some(1_234_567_890_123_456_789));
        assert_eq!(soft_limit("Max file locks   unlimited   unlimited   locks\n"), None);
        assert_eq!(soft_limit(""), None);
        assert!(!Tag::of_mark("nobody's").is_worn_by(std::process::id()));
    }
}
