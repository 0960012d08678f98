//! What an error of the system says: whether the fault is ours, and what it is in words.
//!
//! A descriptor, a port or memory that we lack says nothing of the peer that we wanted to reach, and is
//! never to be counted against it.

use std::io;

use rustix::io::Errno;

/// What is ours to have, and is used up.
const SHORTAGES: [Errno; 5] =
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::ADDRNOTAVAIL, Errno::NOMEM];

/// Whether `error` says that we are short of something ourselves: of descriptors (this process or the
/// machine), of buffers, of local ports, of memory.
pub fn is_shortage(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    number.is_some_and(|number| SHORTAGES.iter().any(|errno| errno.raw_os_error() == number))
        || error.kind() == io::ErrorKind::OutOfMemory
}

/// What `error` says, as a part of a sentence: "connection refused", "too many open files". What the
/// system has no name for is told with its number.
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let Some(number) = error.raw_os_error() else { return lowered(&text) };
    let suffix = format!(" (os error {number})");
    // For want of either, and the system's own words for it lead astray.
    if number == Errno::ADDRNOTAVAIL.raw_os_error() {
        return "no local port or address is left to connect from".to_owned();
    }
    match text.strip_suffix(&suffix) {
        Some(words) if !words.starts_with("Unknown error") => lowered(words),
        _ => format!("the system's error {number}"),
    }
}

/// The same with a small first letter, unless it begins an abbreviation.
fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn what_we_lack_is_not_the_peers_fault() {
        for errno in SHORTAGES {
            assert!(is_shortage(&of(errno)), "{errno:?}");
        }
        for errno in [Errno::CONNREFUSED, Errno::CONNRESET, Errno::HOSTUNREACH, Errno::TIMEDOUT] {
            assert!(!is_shortage(&of(errno)), "{errno:?}");
        }
        assert!(!is_shortage(&io::ErrorKind::UnexpectedEof.into()));
    }

    #[test]
    fn every_error_has_words() {
        assert_eq!(words(&of(Errno::CONNREFUSED)), "connection refused");
        assert_eq!(words(&of(Errno::MFILE)), "too many open files");
        assert_eq!(
            words(&of(Errno::ADDRNOTAVAIL)),
            "no local port or address is left to connect from"
        );
        assert_eq!(words(&of(Errno::HOSTUNREACH)), "no route to host");
        assert_eq!(words(&io::Error::from_raw_os_error(9999)), "the system's error 9999");
        assert_eq!(words(&io::ErrorKind::UnexpectedEof.into()), "unexpected end of file");
        assert_eq!(words(&io::Error::other("HTTP/2 ended")), "HTTP/2 ended");
        for number in 1..134 {
            let text = words(&io::Error::from_raw_os_error(number));
            assert!(!text.contains("uncategorized") && !text.contains("os error"), "{text}");
        }
    }
}
