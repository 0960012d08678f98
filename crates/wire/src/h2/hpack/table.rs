//! The tables of HPACK (RFC 7541 §2.3), of whose entries only is known what is needed to judge a
//! block: what kind of name, how long both parts are, and what was wrong with it.

use std::collections::VecDeque;

/// What a field's name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Field,
    Authority,
    Method,
    Path,
    Scheme,
    Status,
    Protocol,
    /// It can be the name of nothing.
    Nothing,
}

impl Kind {
    /// Whether it is the name of a pseudo-header.
    pub(super) fn is_pseudo(self) -> bool {
        match self {
            Self::Authority
            | Self::Method
            | Self::Path
            | Self::Scheme
            | Self::Status
            | Self::Protocol => true,
            Self::Field | Self::Nothing => false,
        }
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The request is malformed (RFC 9113 §8.1.1).
    Malformed,
    /// Its path has a fragment, which a request target cannot have.
    Fragment,
}

/// An entry of a table, or a field that could be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) name_bytes: u32,
    pub(super) value_bytes: u32,
    pub(super) fault: Option<Fault>,
}

impl Entry {
    /// Its size, as RFC 7541 §4.1 and RFC 9113 §6.5.2 count it.
    pub(super) fn size(self) -> usize {
        self.name_bytes as usize + self.value_bytes as usize + 32
    }
}

const fn known(kind: Kind, name_bytes: u32, value_bytes: u32) -> Entry {
    Entry { kind, name_bytes, value_bytes, fault: None }
}

/// RFC 7541 appendix A.
static STATIC: [Entry; 61] = [
    known(Kind::Authority, 10, 0),
    known(Kind::Method, 7, 3),
    known(Kind::Method, 7, 4),
    known(Kind::Path, 5, 1),
    known(Kind::Path, 5, 11),
    known(Kind::Scheme, 7, 4),
    known(Kind::Scheme, 7, 5),
    known(Kind::Status, 7, 3),
    known(Kind::Status, 7, 3),
    known(Kind::Status, 7, 3),
    known(Kind::Status, 7, 3),
    known(Kind::Status, 7, 3),
    known(Kind::Status, 7, 3),
    known(Kind::Status, 7, 3),
    known(Kind::Field, 14, 0),
    known(Kind::Field, 15, 13),
    known(Kind::Field, 15, 0),
    known(Kind::Field, 13, 0),
    known(Kind::Field, 6, 0),
    known(Kind::Field, 27, 0),
    known(Kind::Field, 3, 0),
    known(Kind::Field, 5, 0),
    known(Kind::Field, 13, 0),
    known(Kind::Field, 13, 0),
    known(Kind::Field, 19, 0),
    known(Kind::Field, 16, 0),
    known(Kind::Field, 16, 0),
    known(Kind::Field, 14, 0),
    known(Kind::Field, 16, 0),
    known(Kind::Field, 13, 0),
    known(Kind::Field, 12, 0),
    known(Kind::Field, 6, 0),
    known(Kind::Field, 4, 0),
    known(Kind::Field, 4, 0),
    known(Kind::Field, 6, 0),
    known(Kind::Field, 7, 0),
    known(Kind::Field, 4, 0),
    known(Kind::Field, 4, 0),
    known(Kind::Field, 8, 0),
    known(Kind::Field, 17, 0),
    known(Kind::Field, 13, 0),
    known(Kind::Field, 8, 0),
    known(Kind::Field, 19, 0),
    known(Kind::Field, 13, 0),
    known(Kind::Field, 4, 0),
    known(Kind::Field, 8, 0),
    known(Kind::Field, 12, 0),
    known(Kind::Field, 18, 0),
    known(Kind::Field, 19, 0),
    known(Kind::Field, 5, 0),
    known(Kind::Field, 7, 0),
    known(Kind::Field, 7, 0),
    known(Kind::Field, 11, 0),
    known(Kind::Field, 6, 0),
    known(Kind::Field, 10, 0),
    known(Kind::Field, 25, 0),
    known(Kind::Field, 17, 0),
    known(Kind::Field, 10, 0),
    known(Kind::Field, 4, 0),
    known(Kind::Field, 3, 0),
    known(Kind::Field, 16, 0),
];

/// What the table may hold unless we allow another size, which we do not.
pub(super) const TABLE_BYTES_MAX: usize = 4096;

/// The tables that one side's blocks refer to.
#[derive(Debug)]
pub(super) struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    size: usize,
    size_max: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, size_max: TABLE_BYTES_MAX }
    }
}

impl Table {
    /// The entry at `index`, which counts from 1.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<Entry> {
        let index = index.checked_sub(1)?;
        match STATIC.get(index) {
            Some(entry) => Some(*entry),
            None => self.entries.get(index - STATIC.len()).copied(),
        }
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        self.evict_to(self.size_max.saturating_sub(entry.size()));
        if entry.size() <= self.size_max {
            self.size += entry.size();
            self.entries.push_front(entry);
        }
    }

    pub(super) fn resize(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.evict_to(size_max);
    }

    fn evict_to(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
        }
    }
}
