//! `accept_unsafe_violations` of a service.

use model::{UpstreamProtocol, Violations};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::schema::{Absent, Key, Shape};
use crate::section::Section;

use super::protocol;

pub(crate) const KEY: Key = Key::new(
            "accept_unsafe_violations",
            Shape::Flag,
            Absent::Flag(false),
            "true",
            "For programs that cannot be changed: responses over HTTP/1.1 may have lines that end with LF alone, \
     blanks behind a chunk's size, and `chunked` said twice, which are 502 otherwise. A connection on which \
     that was so is not used again. Unsafe, since a program that puts a client's line breaks into \
     its headers is no longer stopped.",
        )
        .aka(&[
            "accept_violations",
            "accept_invalid_http_response",
            "accept_unsafe_violations_in_http_response",
            "insecure_http_parser",
            "lenient",
        ]);

/// Refused unless the file says otherwise, for a protocol that leaves anything to mend.
pub(crate) fn read(section: &Section<'_>) -> Violations {
    if !section.flag(KEY.name) {
        return Violations::Refused;
    }
    if section.word("protocol", protocol) == UpstreamProtocol::H2 {
        let flaw = Flaw::new(
            Code::NoEffect,
            "HTTP/2 leaves nothing to mend",
            "what is accepted are ends of lines, sizes of chunks and codings of HTTP/1.1",
            "remove this, or `protocol = \"h2\"`",
        );
        section.report_at(KEY.name, flaw, &[]);
    }
    Violations::Accepted
}
