//! Reads and writes chunked bodies (RFC 9112 §7.1).
//!
//! Bodies are decoded strictly and framed anew on the way out, so that a peer never sees chunk
//! sizes, extensions or trailers that it could read otherwise than we did.

use super::fault::Fault;
use super::lenient::{Reading, mend_lines};
use super::request::{collect, fault_of, is_token};
use super::scan::Scan;
use crate::buffer::{Buffer, HEAD_BYTES, Pool};
use crate::head::Fields;

/// The longest size line, extensions included, in bytes.
const LINE_BYTES_MAX: u32 = 256;
/// Extensions over a whole body, in bytes: nobody uses them but to tire a server.
const EXTENSION_BYTES_MAX: u32 = 8 * 1024;
/// The largest trailer section, in bytes.
const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// The most trailer fields.
const TRAILERS_MAX: usize = 64;
/// More hexadecimal digits than this do not fit a u64.
const SIZE_DIGITS_MAX: u32 = 16;

/// Where in a chunked body the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { digits: u32 },
    Extension(Extension),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    Done,
}

/// Where in the extensions of a size line (RFC 9112 §7.1.1) the reader is. They mean nothing to us, but
/// what is malformed in them another server could read otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// Blanks have begun before a semicolon.
    Blank,
    /// A name is to come.
    Named,
    Name,
    /// Blanks have begun after a name.
    AfterName,
    /// A value is to come.
    Valued,
    Token,
    Quoted,
    /// A backslash stands before the next byte.
    Escaped,
    QuotedEnd,
}

impl Extension {
    /// Where the reader is after `byte`; `None` where it may not stand there.
    fn next(self, byte: u8) -> Option<Self> {
        let is_blank = matches!(byte, b' ' | b'\t');
        let is_text = is_blank || matches!(byte, 0x21..=0x7e | 0x80..);
        Some(match (self, byte) {
            (Self::Blank | Self::Name | Self::AfterName | Self::Token | Self::QuotedEnd, b';') => {
                Self::Named
            }
            (Self::Name | Self::AfterName, b'=') => Self::Valued,
            (Self::Valued, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::QuotedEnd,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, _) if is_text => Self::Quoted,
            (Self::Named | Self::Name, _) if is_token(byte) => Self::Name,
            (Self::Valued | Self::Token, _) if is_token(byte) => Self::Token,
            (Self::Name, _) if is_blank => Self::AfterName,
            (Self::Token | Self::QuotedEnd, _) if is_blank => Self::Blank,
            (Self::Blank | Self::Named | Self::AfterName | Self::Valued, _) if is_blank => self,
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Token | Self::QuotedEnd)
    }
}

/// Reads a chunked body from pieces cut anywhere.
pub struct Decoder {
    state: State,
    /// Of the size being read, or of the data still to come.
    size: u64,
    line_bytes: u32,
    extension_bytes: u32,
    trailer: Option<(Buffer, Scan)>,
    reading: Reading,
    has_violated: bool,
}

impl Default for Decoder {
    /// A strict one.
    fn default() -> Self {
        Self::new(Reading::Strict)
    }
}

/// What stands at the front of the input after its framing was taken off.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// This many bytes of data.
    Data(usize),
    /// Nothing more: the rest is yet to come.
    More,
    /// The end of the body.
    End,
}

impl Decoder {
    /// One at the beginning of a body.
    pub fn new(reading: Reading) -> Self {
        Self {
            state: State::Size { digits: 0 },
            size: 0,
            line_bytes: 0,
            extension_bytes: 0,
            trailer: None,
            reading,
            has_violated: false,
        }
    }

    /// Whether anything was mended.
    pub fn has_violated(&self) -> bool {
        self.has_violated
    }

    /// Takes the framing off the front of `input`.
    ///
    /// # Errors
    /// [`Fault::Chunk`] or [`Fault::Trailer`].
    pub fn advance(&mut self, input: &mut Buffer, pool: &Pool) -> Result<Next, Fault> {
        loop {
            match self.state {
                State::Done => return Ok(Next::End),
                State::Data if input.is_empty() => return Ok(Next::More),
                State::Data => return Ok(Next::Data(self.available(input))),
                State::Trailer => {
                    if !self.read_trailer(input, pool)? {
                        return Ok(Next::More);
                    }
                }
                _ => {
                    let Some(byte) = input.data().first().copied() else {
                        return Ok(Next::More);
                    };
                    self.state = self.step(byte)?;
                    input.consume(1);
                }
            }
        }
    }

    /// Counts `n` bytes of the data that [`Decoder::advance`] told of as used.
    pub fn used(&mut self, n: usize) {
        self.size -= n as u64;
        if self.size == 0 {
            self.state = State::DataCr;
        }
    }

    /// The trailer section, if the body ended with one.
    ///
    /// # Errors
    /// [`Fault::Trailer`] when it is malformed.
    pub fn take_trailers(&mut self, pool: &Pool) -> Result<Option<Fields>, Fault> {
        match self.trailer.take() {
            Some((raw, _)) if raw.data() != b"\r\n" => parse_trailers(raw, pool).map(Some),
            _ => Ok(None),
        }
    }

    /// How much of the open chunk is still to come; 0 between chunks.
    pub fn data_left(&self) -> u64 {
        if self.state == State::Data { self.size } else { 0 }
    }

    fn available(&self, input: &Buffer) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX).min(input.data().len())
    }

    fn step(&mut self, byte: u8) -> Result<State, Fault> {
        match (self.state, byte) {
            (State::Size { digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == SIZE_DIGITS_MAX {
                    return Err(Fault::Chunk);
                }
                let digit = char::from(byte).to_digit(16).ok_or(Fault::Chunk)?;
                self.size = self.size << 4 | u64::from(digit);
                Ok(State::Size { digits: digits + 1 })
            }
            (State::Size { digits: 1.. }, b'\r') => Ok(State::SizeLf),
            (State::Size { digits: 1.. }, b';') => self.extension(Extension::Named),
            (State::Size { digits: 1.. }, b' ' | b'\t') => self.extension(Extension::Blank),
            (State::Extension(it), b'\r') if it.may_end() => Ok(State::SizeLf),
            (State::Extension(Extension::Blank), b'\r') => self.tolerated(State::SizeLf),
            (State::Size { digits: 1.. }, b'\n') => {
                let next = self.size_ended();
                self.tolerated(next)
            }
            (State::Extension(it), b'\n') if it.may_end() || it == Extension::Blank => {
                let next = self.size_ended();
                self.tolerated(next)
            }
            (State::Extension(it), byte) => self.extension(it.next(byte).ok_or(Fault::Chunk)?),
            (State::SizeLf, b'\n') => Ok(self.size_ended()),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataCr, b'\n') => self.tolerated(State::Size { digits: 0 }),
            (State::DataLf, b'\n') => Ok(State::Size { digits: 0 }),
            _ => Err(Fault::Chunk),
        }
    }

    fn size_ended(&mut self) -> State {
        self.line_bytes = 0;
        if self.size == 0 { State::Trailer } else { State::Data }
    }

    /// Goes on to `next` where a lenient reader does.
    fn tolerated(&mut self, next: State) -> Result<State, Fault> {
        match self.reading {
            Reading::Strict => Err(Fault::Chunk),
            Reading::Lenient => {
                self.has_violated = true;
                Ok(next)
            }
        }
    }

    fn extension(&mut self, extension: Extension) -> Result<State, Fault> {
        self.line_bytes += 1;
        self.extension_bytes += 1;
        if self.line_bytes > LINE_BYTES_MAX || self.extension_bytes > EXTENSION_BYTES_MAX {
            return Err(Fault::Chunk);
        }
        Ok(State::Extension(extension))
    }

    /// Moves trailer bytes out of `input`; true when the section is whole.
    fn read_trailer(&mut self, input: &mut Buffer, pool: &Pool) -> Result<bool, Fault> {
        // Nearly no body has trailers: its end is taken without a buffer of its own.
        if self.trailer.is_none() && input.data().starts_with(b"\r\n") {
            input.consume(2);
            self.state = State::Done;
            return Ok(true);
        }
        let (raw, scan) =
            self.trailer.get_or_insert_with(|| (pool.buffer(HEAD_BYTES), Scan::default()));
        let before = raw.data().len();
        let taken = input.data().len().min(TRAILER_BYTES_MAX + 1 - before);
        raw.extend(&input.data()[..taken]);
        match scan.find(raw.data(), self.reading).map_err(|_| Fault::Trailer)? {
            Some(end) => {
                raw.truncate(end);
                if let Some(mended) = mend_lines(raw.data(), pool) {
                    *raw = mended;
                    self.has_violated = true;
                }
                input.consume(end - before);
                self.state = State::Done;
                Ok(true)
            }
            None if raw.data().len() > TRAILER_BYTES_MAX => Err(Fault::Trailer),
            None => {
                input.consume(taken);
                Ok(false)
            }
        }
    }
}

fn parse_trailers(raw: Buffer, pool: &Pool) -> Result<Fields, Fault> {
    let mut headers = [httparse::EMPTY_HEADER; TRAILERS_MAX];
    let mut fields = pool.fields();
    match httparse::parse_headers(raw.data(), &mut headers).map_err(fault_of) {
        Ok(httparse::Status::Complete((end, headers))) if end == raw.data().len() => {
            collect(raw.data(), headers, &mut fields);
        }
        _ => {
            pool.give_fields(fields);
            return Err(Fault::Trailer);
        }
    }
    Ok(Fields::new(raw, fields, pool.clone()))
}

/// Writes the size line of a chunk of `len` bytes, which must not be 0.
pub fn write_size(len: usize, out: &mut Vec<u8>) {
    debug_assert!(len > 0, "an empty chunk would end the body");
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[len >> (place * 4) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `text`, given in pieces of at most `piece` bytes.
    fn decode(text: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>, bool), Fault> {
        decode_with(&mut Decoder::default(), text, piece)
    }

    fn decode_with(
        decoder: &mut Decoder,
        text: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, Vec<u8>, bool), Fault> {
        let pool = Pool::default();
        let mut input = pool.buffer(HEAD_BYTES);
        let (mut body, mut ended) = (Vec::new(), false);
        for part in text.chunks(piece) {
            input.extend(part);
            loop {
                match decoder.advance(&mut input, &pool)? {
                    Next::Data(n) => {
                        body.extend_from_slice(&input.data()[..n]);
                        input.consume(n);
                        decoder.used(n);
                    }
                    Next::More => break,
                    Next::End => {
                        ended = true;
                        break;
                    }
                }
            }
        }
        decoder.take_trailers(&pool)?;
        Ok((body, input.data().to_vec(), ended))
    }

    #[test]
    fn body_is_the_same_however_it_is_cut() {
        let text = b"5\r\nhello\r\n00B;x=\"y\"\r\n, new world\r\n0\r\nA: b\r\n\r\nnext";
        for piece in 1..=text.len() {
            let (body, rest, ended) = decode(text, piece).unwrap();
            assert_eq!(body, b"hello, new world", "pieces of {piece}");
            assert!(ended && b"next".ends_with(&rest[..]), "pieces of {piece}");
        }
    }

    #[test]
    fn extensions_that_are_well_formed_are_dropped() {
        for line in ["1;a", "1;a=b", "1 ; a = b\t;c;d=\"e;\\\"\u{e4}\"", "1;a=\"\"", "1;a=\"b\" ;c"]
        {
            let text = format!("{line}\r\nx\r\n0;z\r\n\r\n");
            for piece in [1, 7, 64] {
                let (body, _, ended) = decode(text.as_bytes(), piece).unwrap();
                assert!(body == b"x" && ended, "{line}");
            }
        }
    }

    #[test]
    fn trailers_are_kept() {
        let pool = Pool::default();
        let (mut decoder, mut input) = (Decoder::default(), pool.buffer(HEAD_BYTES));
        input.extend(b"0\r\nGrpc-Status: 0\r\n\r\nGET");
        assert_eq!(decoder.advance(&mut input, &pool), Ok(Next::End));
        assert_eq!(input.data(), b"GET");
        let trailers = decoder.take_trailers(&pool).unwrap().unwrap();
        assert_eq!(trailers.named(b"grpc-status").next(), Some(&b"0"[..]));
    }

    #[test]
    fn malformed_chunks_are_faults() {
        for text in [
            "\r\n",
            ";x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\na\r\n",
            " 1\r\na\r\n",
            "1 \r\na\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n0\r\n\r\n",
            "1;\0\r\na\r\n",
            "1;\r\na\r\n",
            "1;;a\r\na\r\n",
            "1;=b\r\na\r\n",
            "1;a=\r\na\r\n",
            "1;a=b=c\r\na\r\n",
            "1;a b\r\na\r\n",
            "1;a \r\na\r\n",
            "1;bad[=x\r\na\r\n",
            "1;a=[\r\na\r\n",
            "1;a=\"b\r\na\r\n",
            "1;a=\"b\"c\r\na\r\n",
            "1;a=\"\\\x01\"\r\na\r\n",
            "1 a\r\na\r\n",
            "1;a\nb\r\na\r\n",
            "10000000000000000\r\n",
            "g\r\n",
            "0\r\n\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\nA: b\n\r\n",
        ] {
            assert!(decode(text.as_bytes(), 64).is_err(), "{text:?}");
        }
    }

    #[test]
    fn endless_extensions_and_trailers_are_faults() {
        let extension = format!("1;{}\r\na\r\n", "x".repeat(300));
        assert_eq!(decode(extension.as_bytes(), 64).map(drop), Err(Fault::Chunk));
        let many = format!("1;{}\r\na\r\n", "x".repeat(200)).repeat(50);
        assert_eq!(decode(many.as_bytes(), 64).map(drop), Err(Fault::Chunk));
        let trailer = format!("0\r\n{}\r\n", "a: b\r\n".repeat(2000));
        assert_eq!(decode(trailer.as_bytes(), 64).map(drop), Err(Fault::Trailer));
    }

    #[test]
    fn sizes_are_written_in_plain_hexadecimal() {
        for (len, text) in [(1, "1"), (15, "f"), (16, "10"), (65536, "10000"), (4095, "fff")] {
            let mut out = Vec::new();
            write_size(len, &mut out);
            assert_eq!(out, format!("{text}\r\n").as_bytes());
        }
    }

    #[test]
    fn what_no_reader_could_guess_is_refused_by_the_lenient_one_too() {
        for text in [
            "\r\n",
            "\n",
            ";x\r\n",
            " 1\r\na\r\n",
            "1 1\r\na\r\n",
            "1\ra\r\n",
            "1\r\r\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\r\r\n0\r\n\r\n",
            "1\r\na\n\n0\r\n\r\n",
            "1;\na\r\n",
            "1;a=\"b\na\r\n",
            "0x1\na\n",
            "0\nA : b\n\n",
            "10000000000000000\n",
        ] {
            let mut lenient = Decoder::new(Reading::Lenient);
            assert!(decode_with(&mut lenient, text.as_bytes(), 64).is_err(), "{text:?}");
        }
        let endless = format!("1{}\r\na\r\n", " ".repeat(300));
        let mut lenient = Decoder::new(Reading::Lenient);
        assert_eq!(decode_with(&mut lenient, endless.as_bytes(), 64).map(drop), Err(Fault::Chunk));
    }

    #[test]
    fn lenient_trailers_are_those_that_are_meant() {
        let pool = Pool::default();
        let (mut decoder, mut input) = (Decoder::new(Reading::Lenient), pool.buffer(HEAD_BYTES));
        input.extend(b"0\r\nA: b\nC: d\r\n\nnext");
        assert_eq!(decoder.advance(&mut input, &pool), Ok(Next::End));
        assert!(decoder.has_violated() && input.data() == b"next");
        let trailers = decoder.take_trailers(&pool).unwrap().unwrap();
        assert_eq!((trailers.len(), trailers.named(b"c").next()), (2, Some(&b"d"[..])));
    }

    proptest::proptest! {
        /// Leniency changes nothing of what the strict reader takes.
        #[test]
        fn what_the_strict_reader_takes_the_lenient_one_reads_alike(
            text in "([0-9a-c]{1,2}( ?;[a-c]=?[a-c\"]{0,3})?[ \t]{0,2}\r?\n|[a-c]{0,3}\r?\n){0,6}0\r?\n(a: b\r?\n)?\r?\n",
            piece in 1usize..40,
        ) {
            let mut lenient = Decoder::new(Reading::Lenient);
            let read = decode_with(&mut lenient, text.as_bytes(), piece);
            if let Ok(strict) = decode(text.as_bytes(), piece) {
                proptest::prop_assert_eq!(read.unwrap(), strict);
                proptest::prop_assert!(!lenient.has_violated());
            }
        }
    }

    proptest::proptest! {
        /// Padded and with whatever ends of lines, a body is what it would be if it were well formed; and
        /// only then has it violated anything, which the strict reader refuses.
        #[test]
        fn lenient_bodies_are_those_that_are_meant(
            chunks in proptest::collection::vec(
                (proptest::collection::vec(proptest::num::u8::ANY, 1..40), 0usize..4, 0u8..4),
                0..6,
            ),
            end in (0usize..4, 0u8..4),
            piece in 1usize..80,
        ) {
            let line_end = |is_bare: bool| if is_bare { &b"\n"[..] } else { b"\r\n" };
            let (mut text, mut meant, mut is_violation) = (Vec::new(), Vec::new(), false);
            for (data, blanks, bare) in &chunks {
                text.extend(format!("{:x}{}", data.len(), " ".repeat(*blanks)).into_bytes());
                text.extend(line_end(bare & 1 == 1));
                text.extend(data);
                text.extend(line_end(bare & 2 == 2));
                meant.extend(data);
                is_violation |= *blanks > 0 || *bare > 0;
            }
            text.extend(format!("0{}", " ".repeat(end.0)).into_bytes());
            text.extend(line_end(end.1 & 1 == 1));
            text.extend(line_end(end.1 & 2 == 2));
            is_violation |= end != (0, 0);
            text.extend(b"next");
            let mut lenient = Decoder::new(Reading::Lenient);
            let (body, rest, ended) = decode_with(&mut lenient, &text, piece).unwrap();
            proptest::prop_assert_eq!(body, meant);
            proptest::prop_assert!(ended && b"next".ends_with(&rest[..]));
            proptest::prop_assert_eq!(lenient.has_violated(), is_violation);
            proptest::prop_assert_eq!(decode(&text, piece).is_err(), is_violation);
        }
    }
}
