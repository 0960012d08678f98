//! Where a stream of server-sent events stands, so that it can be ended between two of them. What an event
//! says is not known here.

/// Where a stream of server-sent events stands
/// (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): a line ends with CR, LF or
/// both, an event with an empty line, and a line that begins with a colon says nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Events {
    /// No line of an event has come since the last one ended.
    is_between: bool,
    line: Line,
    /// The last byte was a CR: an LF after it belongs to the same end.
    was_cr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Start,
    Within,
}

impl Default for Events {
    fn default() -> Self {
        Self { is_between: true, line: Line::Start, was_cr: false }
    }
}

impl Events {
    /// More of it.
    pub(crate) fn follow(&mut self, data: &[u8]) {
        data.iter().for_each(|byte| self.take(*byte));
    }

    fn take(&mut self, byte: u8) {
        let was_cr = std::mem::replace(&mut self.was_cr, byte == b'\r');
        match (self.line, byte) {
            (Line::Start, b'\n') if was_cr => {}
            (Line::Start, b'\n' | b'\r') => self.is_between = true,
            (Line::Within, b'\n' | b'\r') => self.line = Line::Start,
            (Line::Start, _) => {
                self.is_between &= byte == b':';
                self.line = Line::Within;
            }
            (Line::Within, _) => {}
        }
    }

    /// Whether an event has ended and none begun.
    pub(crate) fn is_between(self) -> bool {
        self.is_between && self.line == Line::Start
    }

    /// How many bytes of `data` there are until an event has ended; all, if none does within it.
    pub(crate) fn until_between(mut self, data: &[u8]) -> usize {
        let mut bytes = data.iter();
        while !self.is_between()
            && let Some(byte) = bytes.next()
        {
            self.take(*byte);
        }
        data.len() - bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places in `text` at which no event has begun that has not ended.
    fn between(text: &str) -> Vec<usize> {
        let mut events = Events::default();
        let mut places = if events.is_between() { vec![0] } else { Vec::new() };
        for (at, byte) in text.bytes().enumerate() {
            events.take(byte);
            if events.is_between() {
                places.push(at + 1);
            }
        }
        places
    }

    #[test]
    fn an_event_ends_with_an_empty_line_however_lines_end() {
        assert_eq!(between("data: 1\n\ndata: 2\n\nd"), [0, 9, 18]);
        assert_eq!(between("data: 1\r\r"), [0, 9]);
        assert_eq!(between("id: 7\r\ndata: 1\r\n\r\n"), [0, 17, 18]);
        assert_eq!(between("data: a\ndata:\n\n\n"), [0, 15, 16]);
    }

    #[test]
    fn a_comment_is_no_event() {
        assert_eq!(between(": hello\n:\ndata: 1\n\n:\n"), [0, 8, 10, 19, 21]);
        assert_eq!(between("data: 1\n:\n"), [0], "one within an event does not end it");
    }

    #[test]
    fn what_is_left_of_an_event_is_found_within_what_comes() {
        let mut events = Events::default();
        events.follow(b"data: 1\nda");
        assert_eq!(events.until_between(b"ta: 2\n\ndata: 3\n\n"), 7);
        assert_eq!(events.until_between(b"ta: 2\n"), 6);
    }
}
