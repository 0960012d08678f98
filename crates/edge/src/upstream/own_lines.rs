//! What Plimsoll itself says to instances of the requests of one connection, `Via` to `Forwarded`: most of
//! them are for the same authority, so that these lines are put together once and then written in one piece.
//!
//! Decides nothing: what the lines say is [`Outbound::write_way`]'s, which must say the same as long as peer,
//! authority and version are the same.

use std::cell::RefCell;

use wire::head::Version;

use crate::upstream::outbound::Outbound;

/// An authority that is longer is rare, and its lines are not kept: a name of DNS has 253 bytes.
const AUTHORITY_BYTES_MAX: usize = 260;

/// Lines for one authority: some 300 bytes for as long as a connection is not parked.
#[derive(Debug, Default)]
pub(crate) struct OwnLines(RefCell<Lines>);

#[derive(Debug, Default)]
struct Lines {
    /// All but the id's line.
    text: Vec<u8>,
    authority: Vec<u8>,
    version: Option<Version>,
    /// Whether a request came before: only then are there likely more, for which it pays to keep any.
    is_used: bool,
}

impl OwnLines {
    /// Writes the lines for `request`, whose connection this belongs to, but for the id's.
    #[inline]
    pub(crate) fn write(&self, request: &Outbound<'_>, out: &mut Vec<u8>) {
        let mut lines = self.0.borrow_mut();
        if lines.are_for(request) {
            out.extend_from_slice(&lines.text);
        } else {
            lines.write_anew(request, out);
        }
    }
}

impl Lines {
    fn are_for(&self, request: &Outbound<'_>) -> bool {
        self.version == Some(request.head.version()) && self.authority == request.head.authority()
    }

    #[cold]
    fn write_anew(&mut self, request: &Outbound<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        request.write_way(out);
        let authority = request.head.authority();
        if std::mem::replace(&mut self.is_used, true) && authority.len() <= AUTHORITY_BYTES_MAX {
            self.text = out[start..].to_vec();
            self.authority = authority.to_vec();
            self.version = Some(request.head.version());
        }
    }
}
