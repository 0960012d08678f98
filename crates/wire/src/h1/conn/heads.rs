//! Heads, as they come over a connection: in one pass where they are usual and arrive whole, else by a
//! scan for their end, however they are cut, and then by the general reader.

use std::task::{Context, Poll, ready};

use super::{Conn, Incoming, Size};
use crate::body::Error;
use crate::buffer::{Buffer, FIRST_BYTES, HEAD_BYTES};
use crate::h1::fault::Fault;
use crate::h1::framing::Framing;
use crate::h1::lenient::{self, Reading};
use crate::h1::plain::{self, Plain};
use crate::h1::request::{self, HeadLimits};
use crate::h1::response;
use crate::h1::scan::Scan;
use crate::head::{Field, Method, RequestHead, ResponseHead};

/// A server's head may be this large; whose is larger speaks nonsense.
const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;

/// What a head belongs to.
#[derive(Clone, Copy)]
enum HeadOf {
    /// A request, of which it may have so many bytes.
    Request(usize),
    Response,
}

impl HeadOf {
    /// How many bytes it may have, and the size of the buffer that it is begun with.
    fn sizes(self) -> (usize, usize) {
        match self {
            Self::Request(bytes_max) => (bytes_max, HEAD_BYTES),
            Self::Response => (RESPONSE_HEAD_BYTES_MAX, FIRST_BYTES),
        }
    }
}

impl Conn {
    /// Waits for a request's head. `None` when the peer closed before it began.
    ///
    /// The body that it announces is read next, by [`Source`](crate::body::Source).
    pub fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        limits: HeadLimits,
    ) -> Poll<Result<Option<RequestHead>, Error>> {
        if let Some(head) = self.plain_request(limits) {
            self.expect_body(Framing::of_request(head.version(), &head.fields)?);
            return Poll::Ready(Ok(Some(head)));
        }
        self.poll_unusual_request(cx, limits)
    }

    fn poll_unusual_request(
        &mut self,
        cx: &mut Context<'_>,
        limits: HeadLimits,
    ) -> Poll<Result<Option<RequestHead>, Error>> {
        let polled = self.poll_head(cx, HeadOf::Request(limits.bytes));
        if !matches!(polled, Poll::Ready(Ok(_))) {
            self.check_begin()?;
        }
        let Some(raw) = ready!(polled)? else { return Poll::Ready(Ok(None)) };
        let head = request::parse(raw, &self.pool, limits)?;
        self.expect_body(Framing::of_request(head.version(), &head.fields)?);
        Poll::Ready(Ok(Some(head)))
    }

    #[inline]
    fn plain_request(&mut self, limits: HeadLimits) -> Option<RequestHead> {
        let read = |data: &[u8], fields: &mut _| plain::request(data, fields, limits.fields);
        let (line, raw, fields) = self.take_plain(limits.bytes, read)?;
        Some(request::of_plain(line, raw, fields, &self.pool))
    }

    /// Waits for a response's head; the body is expected with [`Conn::expect_body`], for what it
    /// is depends on the request. `None` when the peer closed before it began.
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<ResponseHead>, Error>> {
        if !self.has_unread() && ready!(self.poll_receive(cx, Size::Head(FIRST_BYTES)))? == 0 {
            return Poll::Ready(Ok(None));
        }
        if let Some(head) = self.plain_response() {
            return Poll::Ready(Ok(Some(head)));
        }
        self.poll_unusual_response(cx)
    }

    fn poll_unusual_response(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<ResponseHead>, Error>> {
        let Some(raw) = ready!(self.poll_head(cx, HeadOf::Response))? else {
            return Poll::Ready(Ok(None));
        };
        Poll::Ready(Ok(Some(response::parse(self.mended(raw), &self.pool)?)))
    }

    #[inline]
    fn plain_response(&mut self) -> Option<ResponseHead> {
        let (line, raw, fields) = self.take_plain(RESPONSE_HEAD_BYTES_MAX, plain::response)?;
        Some(response::of_plain(line, raw, fields, &self.pool))
    }

    /// How strictly responses are read from now on.
    #[inline]
    pub fn read_as(&mut self, reading: Reading) {
        self.reading = reading;
    }

    /// Whether anything that came had to be mended, so that nothing more may be read of the connection
    /// beyond the response.
    pub fn has_violated(&self) -> bool {
        let is_mended = |incoming: &Incoming| match incoming {
            Incoming::Chunked(decoder) => decoder.has_violated(),
            _ => false,
        };
        self.has_violated || is_mended(&self.incoming)
    }

    /// Expects the body of the response whose head was read last, to a request with `method`: how it is
    /// framed.
    ///
    /// # Errors
    /// See [`Framing::of_response`].
    pub fn expect_response(
        &mut self,
        method: Method,
        head: &ResponseHead,
    ) -> Result<Framing, Fault> {
        let strict = Framing::of_response(method, head.status(), head.version(), &head.fields);
        let framing = match strict {
            Err(fault) if self.reading == Reading::Lenient => {
                self.has_violated = true;
                lenient::framing(method, head, fault)?
            }
            strict => strict?,
        };
        self.expect_body(framing);
        Ok(framing)
    }

    /// A response's head as it is meant.
    fn mended(&mut self, raw: Buffer) -> Buffer {
        if self.reading == Reading::Strict {
            return raw;
        }
        match lenient::mend_lines(raw.data(), &self.pool) {
            Some(mended) => {
                self.has_violated = true;
                mended
            }
            None => raw,
        }
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        head: HeadOf,
    ) -> Poll<Result<Option<Buffer>, Error>> {
        let (bytes_max, size) = head.sizes();
        loop {
            if let Some(raw) = self.split_head(bytes_max)? {
                return Poll::Ready(Ok(Some(raw)));
            }
            if self.lacks_room_for(head) {
                return Poll::Ready(Err(Fault::NoMemory.into()));
            }
            if ready!(self.poll_receive(cx, Size::Head(size)))? == 0 {
                return Poll::Ready(match self.has_unread() {
                    true => Err(Fault::Truncated.into()),
                    false => Ok(None),
                });
            }
        }
    }

    /// Takes a head of at most `bytes_max` bytes out of the inbox, if it is whole and `read` reads it. One
    /// that was searched before, and was not whole, is not tried again: byte by byte it would cost more
    /// each time.
    #[inline]
    fn take_plain<Line>(
        &mut self,
        bytes_max: usize,
        read: impl FnOnce(&[u8], &mut Vec<Field>) -> Option<Plain<Line>>,
    ) -> Option<(Line, Buffer, Vec<Field>)> {
        let inbox = self.inbox.as_ref().filter(|_| self.scan.is_new())?;
        let mut fields = self.pool.fields();
        match read(inbox.data(), &mut fields).filter(|plain| plain.end <= bytes_max) {
            Some(Plain { line, end }) => Some((line, self.take_head(end)?, fields)),
            None => {
                self.pool.give_fields(fields);
                None
            }
        }
    }

    /// Whether what has come of a request may become one.
    fn check_begin(&self) -> Result<(), Fault> {
        match &self.inbox {
            Some(inbox) if self.scan.in_first_line() => request::check_begin(inbox.data()),
            _ => Ok(()),
        }
    }

    /// Whether a request's head wants more than the buffer that each gets, and there is no memory
    /// for it. (A response's belongs to a request that was let in.)
    fn lacks_room_for(&self, head: HeadOf) -> bool {
        matches!(head, HeadOf::Request(_))
            && self.inbox.as_ref().is_some_and(|inbox| inbox.data().len() >= HEAD_BYTES)
            && !self.pool.account().has_room(HEAD_BYTES)
    }

    /// Takes the head out of the inbox once it is whole; what follows it stays.
    fn split_head(&mut self, bytes_max: usize) -> Result<Option<Buffer>, Fault> {
        let Some(inbox) = &mut self.inbox else { return Ok(None) };
        if self.scan.in_first_line() && skip_empty_lines(inbox) {
            // What was searched is gone: of an empty line the CR may have come alone.
            self.scan = Scan::default();
        }
        let whole = self.scan.find(inbox.data(), self.reading)?;
        let length = whole.unwrap_or(inbox.data().len());
        if length > bytes_max {
            let allowed = &inbox.data()[..bytes_max];
            let in_first_line = !allowed.contains(&b'\n');
            return Err(if in_first_line { Fault::TargetTooLong } else { Fault::HeadTooLarge });
        }
        let Some(end) = whole else { return Ok(None) };
        Ok(self.take_head(end))
    }

    /// Takes `end` bytes out of the inbox; what follows them stays.
    fn take_head(&mut self, end: usize) -> Option<Buffer> {
        self.scan = Scan::default();
        let mut raw = self.inbox.take()?;
        if raw.data().len() > end {
            let mut rest = self.pool.buffer(raw.data().len() - end);
            rest.extend(&raw.data()[end..]);
            self.inbox = Some(rest);
            raw.truncate(end);
        }
        Some(raw)
    }
}

/// Drops a lenient reader's empty lines before a request (RFC 9112 §2.2); whether there were any.
fn skip_empty_lines(inbox: &mut Buffer) -> bool {
    let length = inbox.data().len();
    while inbox.data().starts_with(b"\r\n") {
        inbox.consume(2);
    }
    inbox.data().len() < length
}
