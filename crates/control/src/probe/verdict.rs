//! Whether an answer is what a check wants.

use memchr::memmem;
use model::StatusRange;

use super::ProbeFault;

/// How much of an answer's body is looked through.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What a check wants to hear.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) status: &'a [StatusRange],
    pub(super) body: Option<&'a str>,
}

/// Reads a body as far as it has to be read.
pub(super) struct Search<'a> {
    wanted: &'a [u8],
    seen: Vec<u8>,
}

impl<'a> Expected<'a> {
    /// Judges the status; what must still be found in the body, if anything, is the answer.
    pub(super) fn judge(self, status: u16) -> Result<Option<Search<'a>>, ProbeFault> {
        if !self.status.iter().any(|range| range.contains(status)) {
            return Err(ProbeFault::Status(status));
        }
        Ok(self.body.map(|wanted| Search { wanted: wanted.as_bytes(), seen: Vec::new() }))
    }
}

impl Search<'_> {
    /// Takes up a piece of the body: whether the text is found by now, `None` while it may still
    /// come.
    pub(super) fn take_up(&mut self, piece: &[u8]) -> Option<bool> {
        let room = BODY_BYTES_MAX - self.seen.len();
        // The text may have begun in what was there before.
        let from = self.seen.len().saturating_sub(self.wanted.len());
        self.seen.extend_from_slice(&piece[..piece.len().min(room)]);
        if memmem::find(&self.seen[from..], self.wanted).is_some() {
            return Some(true);
        }
        (self.seen.len() >= BODY_BYTES_MAX).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(wanted: &str) -> Search<'_> {
        Search { wanted: wanted.as_bytes(), seen: Vec::new() }
    }

    #[test]
    fn the_text_is_found_across_pieces() {
        let mut search = search("ready");
        assert_eq!(search.take_up(b"not yet re"), None);
        assert_eq!(search.take_up(b"ad"), None);
        assert_eq!(search.take_up(b"y now"), Some(true));
    }

    #[test]
    fn what_comes_after_64_kib_is_not_looked_at() {
        let mut text = vec![b'.'; BODY_BYTES_MAX - 2];
        text.extend_from_slice(b"ready");
        assert_eq!(search("ready").take_up(&text), Some(false));
        assert_eq!(search("ready").take_up(&text[3..]), Some(true));
    }

    #[test]
    fn a_status_outside_all_ranges_fails() {
        let ranges = [StatusRange { first: 200, last: 299 }, StatusRange { first: 401, last: 401 }];
        let expected = Expected { status: &ranges, body: None };
        assert!(expected.judge(204).unwrap().is_none());
        assert!(expected.judge(401).is_ok());
        assert!(matches!(expected.judge(302), Err(ProbeFault::Status(302))));
    }
}
