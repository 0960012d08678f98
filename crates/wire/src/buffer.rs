//! Buffers that are used again: what bytes are read into and heads are written in.
//!
//! A [`Pool`] belongs to one worker. A connection borrows a buffer only while it has bytes to
//! hold, so an idle connection owns none. What is larger than every exchange may hold is counted in
//! the pool's [`Account`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::account::Account;
use crate::h1::conn::splice::Ends;

/// The size of a buffer for a request's head: nearly all fit, and the others grow it.
pub const HEAD_BYTES: usize = 4 * 1024;
/// The size of a buffer for a response's head and the first part of its body.
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

/// One worker's unused buffers, and the account of those who borrow from it.
#[derive(Clone, Default)]
pub struct Pool(Rc<Inner>);

#[derive(Default)]
struct Inner {
    shelves: Rc<RefCell<Shelves>>,
    account: Account,
    pipes: Pipes,
}

/// What all who borrow from one worker share of its pipes.
#[derive(Clone, Debug)]
struct Pipes(Rc<PipeCounts>);

#[derive(Debug)]
struct PipeCounts {
    /// How many more there may be.
    left: Cell<usize>,
    /// Bytes that have left by one.
    moved: Cell<u64>,
}

impl Pipes {
    fn new(left: usize) -> Self {
        Self(Rc::new(PipeCounts { left: Cell::new(left), moved: Cell::new(0) }))
    }
}

impl Default for Pipes {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

/// One of the pipes that there may be, as long as it is.
#[derive(Debug)]
pub(crate) struct Permit(Pipes);

impl Drop for Permit {
    fn drop(&mut self) {
        let left = &self.0.0.left;
        left.set(left.get().saturating_add(1));
    }
}

#[derive(Default)]
struct Shelves {
    blocks: [Vec<Vec<u8>>; 3],
    texts: Vec<Vec<u8>>,
    fields: Vec<Vec<crate::head::Field>>,
    pipes: Vec<Ends>,
}

impl Pool {
    /// Buffers of which what is large is counted in `account`, and at the most so many pipes, each of
    /// two descriptors.
    pub fn new(account: Account, pipes: usize) -> Self {
        Self(Rc::new(Inner { shelves: Rc::default(), account, pipes: Pipes::new(pipes) }))
    }

    /// The same buffers, counted in another account.
    pub fn counted_in(&self, account: Account) -> Self {
        let (shelves, pipes) = (self.0.shelves.clone(), self.0.pipes.clone());
        Self(Rc::new(Inner { shelves, account, pipes }))
    }

    /// Where what is large is counted.
    pub fn account(&self) -> &Account {
        &self.0.account
    }

    /// A buffer of at least `size` bytes.
    #[inline]
    pub fn buffer(&self, size: usize) -> Buffer {
        let kept = shelf_for(size).and_then(|shelf| self.shelves().blocks[shelf].pop());
        let bytes = kept.unwrap_or_else(|| blank(size));
        let mut buffer = Buffer { bytes, start: 0, end: 0, counted: 0, pool: self.clone() };
        if size > FIRST_BYTES {
            buffer.count();
        }
        buffer
    }

    /// A buffer to read a body into: of the largest size if all of it can be passed on at once, for
    /// which there is `room`, and memory is not short; else one that every exchange may hold.
    #[inline]
    pub fn body_buffer(&self, room: usize) -> Buffer {
        let is_bulk = room >= BULK_BYTES && self.0.account.is_roomy();
        self.buffer(if is_bulk { BULK_BYTES } else { FIRST_BYTES })
    }

    #[inline]
    fn shelves(&self) -> std::cell::RefMut<'_, Shelves> {
        self.0.shelves.borrow_mut()
    }

    /// An empty vector to write a head in.
    pub fn text(&self) -> Vec<u8> {
        self.shelves().texts.pop().unwrap_or_else(|| Vec::with_capacity(1024))
    }

    /// Takes back what [`Pool::text`] gave.
    pub fn give_text(&self, mut text: Vec<u8>) {
        let mut shelves = self.shelves();
        if text.capacity() <= FIRST_BYTES && shelves.texts.len() < KEPT_SMALL {
            text.clear();
            shelves.texts.push(text);
        }
    }

    pub(crate) fn fields(&self) -> Vec<crate::head::Field> {
        self.shelves().fields.pop().unwrap_or_else(|| Vec::with_capacity(24))
    }

    pub(crate) fn give_fields(&self, mut fields: Vec<crate::head::Field>) {
        let mut shelves = self.shelves();
        if fields.capacity() <= FIELDS_KEPT && shelves.fields.len() < KEPT_SMALL {
            fields.clear();
            shelves.fields.push(fields);
        }
    }

    pub(crate) fn pipe(&self) -> Option<Ends> {
        self.shelves().pipes.pop()
    }

    /// Leave to open one more pipe, if there may be one.
    pub(crate) fn pipe_permit(&self) -> Option<Permit> {
        let left = &self.0.pipes.0.left;
        left.set(left.get().checked_sub(1)?);
        Some(Permit(self.0.pipes.clone()))
    }

    /// `n` bytes have left by a pipe.
    pub(crate) fn moved_by_pipe(&self, n: usize) {
        let moved = &self.0.pipes.0.moved;
        moved.set(moved.get().wrapping_add(n as u64));
    }

    /// Bytes of bodies that went from socket to socket by a pipe, without being copied, of all who
    /// share these buffers.
    pub fn spliced_bytes(&self) -> u64 {
        self.0.pipes.0.moved.get()
    }

    pub(crate) fn give_pipe(&self, ends: Ends) {
        let pipes = &mut self.shelves().pipes;
        if pipes.len() < KEPT_PIPES {
            pipes.push(ends);
        }
    }

    #[inline]
    fn give(&self, bytes: Vec<u8>) {
        if let Some(class) = shelf_for(bytes.len()).filter(|class| SIZES[*class] == bytes.len()) {
            let shelf = &mut self.shelves().blocks[class];
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
    /// What it was counted as.
    counted: usize,
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
            self.count();
        }
    }

    #[cold]
    fn count(&mut self) {
        let account = self.pool.account();
        account.add(self.bytes.len() - self.counted);
        self.counted = self.bytes.len();
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if self.counted > 0 {
            self.pool.account().give(self.counted);
        }
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
        assert!(pool.shelves().blocks.iter().all(Vec::is_empty));
    }

    #[test]
    fn what_is_large_or_grown_is_counted_while_it_is_held() {
        let account = Account::new(2 * BULK_BYTES);
        let pool = Pool::default().counted_in(account.clone());
        let small = [pool.buffer(HEAD_BYTES), pool.buffer(FIRST_BYTES)];
        assert_eq!(account.used(), 0, "that is an exchange's own");
        let mut grown = pool.buffer(HEAD_BYTES);
        grown.extend(&[b'x'; 2 * HEAD_BYTES]);
        assert_eq!(account.used(), 2 * HEAD_BYTES);
        let bulk = pool.body_buffer(usize::MAX);
        assert_eq!(account.used(), 2 * HEAD_BYTES + BULK_BYTES);
        drop((small, grown, bulk));
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn bodies_get_small_buffers_where_little_can_be_passed_on_or_memory_is_short() {
        let pool = Pool::new(Account::new(BULK_BYTES), 0);
        let size = |buffer: &mut Buffer| buffer.space().len();
        assert_eq!(size(&mut pool.body_buffer(BULK_BYTES - 1)), FIRST_BYTES);
        let mut large = pool.body_buffer(usize::MAX);
        assert_eq!(size(&mut large), BULK_BYTES);
        assert_eq!(size(&mut pool.body_buffer(usize::MAX)), FIRST_BYTES, "half is used");
        drop(large);
        assert_eq!(size(&mut pool.body_buffer(usize::MAX)), BULK_BYTES);
    }

    #[test]
    fn there_are_so_many_pipes_and_no_more() {
        let pool = Pool::new(Account::default(), 1);
        let one = pool.counted_in(Account::default()).pipe_permit();
        assert!(one.is_some() && pool.pipe_permit().is_none());
        drop(one);
        assert!(pool.pipe_permit().is_some());
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
