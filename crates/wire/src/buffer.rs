//! Buffers that are used again: what bytes are read into and heads are written in.
//!
//! A [`Pool`] belongs to one worker. A connection borrows a buffer only while it has bytes to
//! hold, so an idle connection owns none.

use std::cell::RefCell;
use std::rc::Rc;

use crate::h1::conn::splice::Ends;

/// The size of a buffer for a request's head: nearly all fit, and the others grow it.
pub const HEAD_BYTES: usize = 4 * 1024;
/// The size of a buffer for an answer's head and the first part of its body.
pub const FIRST_BYTES: usize = 16 * 1024;
/// The size of a buffer for a body that is known to be large or has shown to be.
pub const BULK_BYTES: usize = 256 * 1024;

const SIZES: [usize; 3] = [HEAD_BYTES, FIRST_BYTES, BULK_BYTES];
/// How many unused buffers of each size are kept, so that a burst's memory is given back.
const KEPT: [usize; 3] = [512, 256, 32];
const KEPT_SMALL: usize = 256;
const KEPT_PIPES: usize = 32;
/// Lists with room for more fields than this are given back to the heap.
const FIELDS_KEPT: usize = 256;

/// One worker's unused buffers.
#[derive(Clone, Default)]
pub struct Pool(Rc<RefCell<Shelves>>);

#[derive(Default)]
struct Shelves {
    blocks: [Vec<Vec<u8>>; 3],
    texts: Vec<Vec<u8>>,
    fields: Vec<Vec<crate::head::Field>>,
    pipes: Vec<Ends>,
}

impl Pool {
    /// A buffer of at least `size` bytes.
    #[inline]
    pub fn buffer(&self, size: usize) -> Buffer {
        let kept = shelf_for(size).and_then(|shelf| self.0.borrow_mut().blocks[shelf].pop());
        let bytes = kept.unwrap_or_else(|| blank(size));
        Buffer { bytes, start: 0, end: 0, pool: self.clone() }
    }

    /// An empty vector to write a head in.
    pub fn text(&self) -> Vec<u8> {
        self.0.borrow_mut().texts.pop().unwrap_or_else(|| Vec::with_capacity(1024))
    }

    /// Takes back what [`Pool::text`] gave.
    pub fn give_text(&self, mut text: Vec<u8>) {
        let mut shelves = self.0.borrow_mut();
        if text.capacity() <= FIRST_BYTES && shelves.texts.len() < KEPT_SMALL {
            text.clear();
            shelves.texts.push(text);
        }
    }

    pub(crate) fn fields(&self) -> Vec<crate::head::Field> {
        self.0.borrow_mut().fields.pop().unwrap_or_else(|| Vec::with_capacity(24))
    }

    pub(crate) fn give_fields(&self, mut fields: Vec<crate::head::Field>) {
        let mut shelves = self.0.borrow_mut();
        if fields.capacity() <= FIELDS_KEPT && shelves.fields.len() < KEPT_SMALL {
            fields.clear();
            shelves.fields.push(fields);
        }
    }

    pub(crate) fn pipe(&self) -> Option<Ends> {
        self.0.borrow_mut().pipes.pop()
    }

    pub(crate) fn give_pipe(&self, ends: Ends) {
        let pipes = &mut self.0.borrow_mut().pipes;
        if pipes.len() < KEPT_PIPES {
            pipes.push(ends);
        }
    }

    #[inline]
    fn give(&self, bytes: Vec<u8>) {
        if let Some(class) = shelf_for(bytes.len()).filter(|class| SIZES[*class] == bytes.len()) {
            let shelf = &mut self.0.borrow_mut().blocks[class];
            if shelf.len() < KEPT[class] {
                shelf.push(bytes);
            }
        }
    }
}

/// The shelf of the smallest buffers that hold `size` bytes.
#[inline]
fn shelf_for(size: usize) -> Option<usize> {
    SIZES.iter().position(|larger| size <= *larger)
}

#[cold]
fn blank(size: usize) -> Vec<u8> {
    vec![0; shelf_for(size).map_or(size, |shelf| SIZES[shelf])]
}

/// Bytes that were received and not yet used, with room for more behind them.
pub struct Buffer {
    /// All of it is initialised: safe code can read into it, and it is zeroed once in its life.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    pool: Pool,
}

impl Buffer {
    /// What was received and not yet used.
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, to be mended where it stands.
    pub(crate) fn data_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Whether nothing is left to be used.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The room behind the data.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// Counts the first `n` bytes of the room as data.
    pub fn commit(&mut self, n: usize) {
        assert!(n <= self.bytes.len() - self.end, "more was committed than there is room");
        self.end += n;
    }

    /// Takes `n` bytes off the front of the data.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.end - self.start, "more was consumed than there is data");
        self.start += n;
    }

    /// Takes all data but the first `n` bytes off.
    pub fn truncate(&mut self, n: usize) {
        self.end = self.end.min(self.start + n);
    }

    /// Appends `data`, growing where needed.
    pub fn extend(&mut self, data: &[u8]) {
        self.reserve(data.len());
        self.bytes[self.end..self.end + data.len()].copy_from_slice(data);
        self.end += data.len();
    }

    /// Makes room for `n` more bytes: by moving the data to the front, else by growing.
    pub fn reserve(&mut self, n: usize) {
        if self.bytes.len() - self.end >= n {
            return;
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let wanted = self.end + n;
        if wanted > self.bytes.len() {
            self.bytes.resize(wanted.next_power_of_two(), 0);
        }
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let pool = Pool::default();
        let address = pool.buffer(HEAD_BYTES).bytes.as_ptr();
        assert_eq!(pool.buffer(10).bytes.as_ptr(), address);
    }

    #[test]
    fn a_grown_buffer_keeps_its_data_and_is_shelved_by_its_new_size() {
        let pool = Pool::default();
        let mut buffer = pool.buffer(HEAD_BYTES);
        buffer.extend(b"junkhead");
        buffer.consume(4);
        buffer.extend(&[b'x'; HEAD_BYTES]);
        assert_eq!(&buffer.data()[..5], b"headx");
        assert_eq!(buffer.data().len(), 4 + HEAD_BYTES);
        drop(buffer);
        assert!(pool.0.borrow().blocks.iter().all(Vec::is_empty));
    }

    #[test]
    fn space_of_an_emptied_buffer_is_whole_again() {
        let pool = Pool::default();
        let mut buffer = pool.buffer(HEAD_BYTES);
        buffer.extend(b"abc");
        buffer.consume(3);
        assert_eq!(buffer.space().len(), HEAD_BYTES);
    }
}
