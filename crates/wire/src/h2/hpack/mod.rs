//! Judges header blocks before the `h2` crate sees them.
//!
//! `h2` ends a connection where RFC 9113 §8.1.1 wants one stream to be reset: for a name in upper
//! case, a NUL in a value, an unknown pseudo-header. So each block is read here first. Of what it
//! means nothing is kept but what it takes to understand the next one. One that is malformed is
//! replaced by another that leaves the tables in `h2` as the first would have left them, and that
//! `h2` answers by a reset of its stream. All others pass as they are. (One that is both malformed
//! and adds more to the table than four times the largest head still ends the connection.)

mod huffman;
mod table;

use table::{Entry, Fault, Kind, TABLE_BYTES_MAX, Table};

/// The name in a table, the value a literal, or both: RFC 7541 §6.
#[derive(Clone, Copy)]
enum Form {
    Indexed,
    Inserted,
    Literal,
    Resized,
}

impl Form {
    /// The form that begins with `byte`, and the bits of its first number.
    #[inline]
    fn of(byte: u8) -> (Self, u8) {
        match byte {
            0x80.. => (Self::Indexed, 7),
            0x40.. => (Self::Inserted, 6),
            0x20.. => (Self::Resized, 5),
            _ => (Self::Literal, 4),
        }
    }
}

/// Room that a connection keeps for texts that it decodes.
const TEXT_BYTES_KEPT: usize = 2 * 1024;

/// It cannot be read, and so none that follows can (RFC 7541 §2.1: of the connection).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// What is to become of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passes as it is.
    Good,
    /// It passes, and its target cannot be forwarded.
    Fragment,
    /// Another takes its place.
    Malformed,
}

/// Which part of a message a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// Its head.
    Head,
    /// Its trailer section, where no pseudo-header may stand (RFC 9113 §8.1).
    Trailers,
}

/// What is known of one side's blocks.
#[derive(Debug, Default)]
pub(super) struct Judge {
    table: Table,
    /// The text of what is being judged.
    name: Vec<u8>,
    value: Vec<u8>,
    /// What of the last block changed the table.
    changes: Vec<Change>,
}

/// A representation that changed the table.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// Where it stood in its block.
    from: usize,
    to: usize,
    /// What was added and can be nothing to `h2`.
    malformed: Option<Entry>,
}

impl Judge {
    /// Judges a whole block, which is this `section`. A list of fields that is larger than `list_bytes_max` is
    /// malformed.
    ///
    /// # Errors
    /// When the connection cannot go on.
    pub(super) fn judge(
        &mut self,
        whole: &[u8],
        section: Section,
        list_bytes_max: usize,
    ) -> Result<Verdict, Unreadable> {
        self.changes.clear();
        let mut block = whole;
        let (mut verdict, mut list_bytes, mut has_field) = (Verdict::Good, 0usize, false);
        while let Some(first) = block.first() {
            let from = whole.len() - block.len();
            let (form, bits) = Form::of(*first);
            let number = integer(&mut block, bits)?;
            let entry = match form {
                Form::Resized if has_field => return Err(Unreadable),
                Form::Resized => {
                    self.resize(number)?;
                    self.changes.push(Change {
                        from,
                        to: whole.len() - block.len(),
                        malformed: None,
                    });
                    continue;
                }
                Form::Indexed => self.table.get(number).ok_or(Unreadable)?,
                Form::Inserted => {
                    let entry = self.literal(&mut block, number)?;
                    if entry.size() == 32 {
                        // No other field takes as little room, so that none could take its place.
                        return Err(Unreadable);
                    }
                    self.table.insert(entry);
                    let malformed = Some(entry).filter(|it| it.fault == Some(Fault::Malformed));
                    self.changes.push(Change { from, to: whole.len() - block.len(), malformed });
                    entry
                }
                Form::Literal => self.literal(&mut block, number)?,
            };
            has_field = true;
            list_bytes = list_bytes.saturating_add(entry.size());
            match entry.fault {
                // What `h2` reads of it, it would drop without a word.
                _ if section == Section::Trailers && entry.kind.is_pseudo() => {
                    verdict = Verdict::Malformed;
                }
                None => {}
                Some(Fault::Malformed) => verdict = Verdict::Malformed,
                Some(Fault::Fragment) if verdict == Verdict::Good => verdict = Verdict::Fragment,
                Some(Fault::Fragment) => {}
            }
        }
        self.shrink();
        Ok(if list_bytes > list_bytes_max { Verdict::Malformed } else { verdict })
    }

    /// Gives back what an unusually long text took.
    fn shrink(&mut self) {
        for text in [&mut self.name, &mut self.value] {
            if text.capacity() > TEXT_BYTES_KEPT {
                *text = Vec::new();
            }
        }
    }

    fn resize(&mut self, size: usize) -> Result<(), Unreadable> {
        if size > TABLE_BYTES_MAX {
            return Err(Unreadable);
        }
        self.table.resize(size);
        Ok(())
    }

    /// A literal whose name is the one at `index`, or, at 0, a literal too.
    fn literal(&mut self, block: &mut &[u8], index: usize) -> Result<Entry, Unreadable> {
        let (kind, name_bytes) = match index {
            0 => {
                self.name.clear();
                let name = string(block, &mut self.name)?;
                (kind_of(name), name.len() as u32)
            }
            index => {
                let entry = self.table.get(index).ok_or(Unreadable)?;
                (entry.kind, entry.name_bytes)
            }
        };
        self.value.clear();
        let value = string(block, &mut self.value)?;
        let value_bytes = value.len() as u32;
        Ok(Entry { kind, name_bytes, value_bytes, fault: fault_of(kind, value) })
    }

    /// A block for the place of the last one, which was `block`: malformed for `h2` too, and with the
    /// same effect on its tables. What was added that is well formed is added as it is, for later
    /// blocks may refer to it; in the place of the rest comes something of the same size.
    pub(super) fn stand_in(&self, block: &[u8]) -> Vec<u8> {
        let mut other = Vec::new();
        for change in &self.changes {
            match change.malformed {
                None => other.extend_from_slice(&block[change.from..change.to]),
                Some(entry) => fill(&mut other, entry),
            }
        }
        // A field of the connection is malformed to all who read it (RFC 9113 §8.2.2).
        other.extend_from_slice(b"\x00\x0aconnection\x00");
        other
    }
}

/// Adds an entry of no meaning that is as large as `entry`.
fn fill(block: &mut Vec<u8>, entry: Entry) {
    let (mut name, mut value) = (entry.name_bytes as usize, entry.value_bytes as usize);
    if name == 0 {
        (name, value) = (1, value - 1);
    }
    block.push(0x40);
    for length in [name, value] {
        write_integer(block, 0, 7, length);
        block.resize(block.len() + length, b'x');
    }
}

/// A block that nobody can read: an index of 0 (RFC 7541 §6.1).
pub(super) const UNREADABLE: [u8; 1] = [0x80];

/// RFC 7541 §5.1. More than four bytes are more than anything here can count.
#[inline]
fn integer(block: &mut &[u8], bits: u8) -> Result<usize, Unreadable> {
    let most = (1usize << bits) - 1;
    let mut take = || {
        let (first, rest) = block.split_first().ok_or(Unreadable)?;
        *block = rest;
        Ok(usize::from(*first))
    };
    let mut number = take()? & most;
    if number < most {
        return Ok(number);
    }
    for shift in [0, 7, 14, 21] {
        let byte = take()?;
        number += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Unreadable)
}

fn write_integer(block: &mut Vec<u8>, form: u8, bits: u8, mut number: usize) {
    let most = (1usize << bits) - 1;
    if number < most {
        block.push(form | number as u8);
        return;
    }
    block.push(form | most as u8);
    number -= most;
    while number >= 0x80 {
        block.push(number as u8 | 0x80);
        number >>= 7;
    }
    block.push(number as u8);
}

/// RFC 7541 §5.2; decoded into `room` where that is needed.
#[inline]
fn string<'a, 'b: 'a>(block: &mut &'b [u8], room: &'a mut Vec<u8>) -> Result<&'a [u8], Unreadable> {
    let is_huffman = block.first().is_some_and(|byte| byte & 0x80 != 0);
    let length = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(length).ok_or(Unreadable)?;
    *block = rest;
    if !is_huffman {
        return Ok(text);
    }
    huffman::decode(text, room).map_err(|_| Unreadable)?;
    Ok(room)
}

/// The bytes of a field name: RFC 9110 §5.6.2, and lower case (RFC 9113 §8.2).
const NAME: [bool; 256] = class(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz");
/// Those of a method.
const TOKEN: [bool; 256] = {
    let mut token = NAME;
    let mut byte = b'A';
    while byte <= b'Z' {
        token[byte as usize] = true;
        byte += 1;
    }
    token
};
/// The longest name that the `http` crate takes.
const NAME_BYTES_MAX: usize = 65_535;

const fn class(bytes: &[u8]) -> [bool; 256] {
    let mut class = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        class[bytes[at] as usize] = true;
        at += 1;
    }
    class
}

fn kind_of(name: &[u8]) -> Kind {
    match name {
        b":authority" => Kind::Authority,
        b":method" => Kind::Method,
        b":path" => Kind::Path,
        b":scheme" => Kind::Scheme,
        b":status" => Kind::Status,
        b":protocol" => Kind::Protocol,
        [] => Kind::Nothing,
        name if name.len() > NAME_BYTES_MAX => Kind::Nothing,
        name if name.iter().all(|byte| NAME[usize::from(*byte)]) => Kind::Field,
        _ => Kind::Nothing,
    }
}

fn fault_of(kind: Kind, value: &[u8]) -> Option<Fault> {
    let is_text = || std::str::from_utf8(value).is_ok();
    let is_good = match kind {
        Kind::Field => value.iter().all(|byte| matches!(*byte, b'\t' | 0x20..=0x7e | 0x80..)),
        Kind::Method => !value.is_empty() && value.iter().all(|byte| TOKEN[usize::from(*byte)]),
        Kind::Path if value.contains(&b'#') && is_text() => return Some(Fault::Fragment),
        Kind::Scheme => is_scheme(value),
        Kind::Authority | Kind::Path | Kind::Protocol => is_text(),
        // Of responses alone (RFC 9113 §8.3.2).
        Kind::Status | Kind::Nothing => false,
    };
    (!is_good).then_some(Fault::Malformed)
}

/// RFC 3986 §3.1.
fn is_scheme(value: &[u8]) -> bool {
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    value.first().is_some_and(u8::is_ascii_alphabetic) && value.iter().all(goes_on)
}

#[cfg(test)]
mod tests;
