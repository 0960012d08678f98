//! Whether a response is what a check wants.

use memchr::memmem;
use model::StatusRange;

use super::{Passed, ProbeFault};

/// How much of a response's body is read, and looked through.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// What a check wants to hear.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) status: &'a [StatusRange],
    pub(super) body: Option<&'a str>,
}

impl Expected<'_> {
    /// Judges a response by its status, and by the beginning of its body.
    pub(super) fn judge(self, status: u16, body: &[u8]) -> Result<Passed, ProbeFault> {
        if !self.status.iter().any(|range| range.contains(status)) {
            return Err(ProbeFault::Status(status));
        }
        let is_found = |wanted: &str| memmem::find(body, wanted.as_bytes()).is_some();
        match self.body.is_none_or(is_found) {
            true => Ok(Passed(format!("status {status}"))),
            false => Err(ProbeFault::Body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_outside_all_ranges_fails() {
        let ranges = [StatusRange { first: 200, last: 299 }, StatusRange { first: 401, last: 401 }];
        let expected = Expected { status: &ranges, body: None };
        assert_eq!(expected.judge(204, b"").unwrap(), Passed("status 204".to_owned()));
        assert!(expected.judge(401, b"").is_ok());
        assert!(matches!(expected.judge(302, b""), Err(ProbeFault::Status(302))));
    }

    #[test]
    fn the_text_must_be_in_the_body() {
        let ranges = [StatusRange { first: 200, last: 299 }];
        let expected = Expected { status: &ranges, body: Some("ready") };
        assert!(expected.judge(200, b"it is ready now").is_ok());
        assert!(matches!(expected.judge(200, b"it is read"), Err(ProbeFault::Body)));
        assert!(matches!(expected.judge(500, b"ready"), Err(ProbeFault::Status(500))));
    }
}
