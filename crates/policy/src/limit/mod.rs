//! Limits: how often a key may ask, how many bytes it may move, and how many requests it may have open at once.
//!
//! A bucket is kept by the generic cell rate algorithm (GCRA, ITU-T I.371): one number, the time at which it will be full
//! again. Time is counted in units of the bucket (a [`Clock`] turns nanoseconds into them), so that no rate is rounded:
//! a request adds exactly its cost, and only the present is rounded down, afresh each time.
//!
//! A bucket that is full again is the same as one that is absent. So a [`Table`] of a fixed number of slots, which all threads
//! share, holds any number of keys: a slot whose bucket is full is free. Nothing here locks, asks a clock or draws a number.
//!
//! Buckets that several edges share are each edge's own, and an account of what all of them took ([`Ledger`]).

mod account;
mod clock;
mod counts;
mod fingerprint;
mod in_use;
mod ring;
mod set;
mod slots;
mod table;

pub use account::{BucketId, Due, Known, Ledger, Outbox, Reach, Statement, Taking, gone_by};
pub use clock::{Clock, Grains, Unit};
pub use fingerprint::{Fingerprint, KeyHasher, Secret};
pub use in_use::{Entered, InUse, Place};
pub use table::{Bucket, Level, Table};

/// Buckets or counts of a table that can be kept apart for each key that it is made for: with two of them 1.4 % lose
/// their buckets to others while a million are active of a million (decision 0081).
const SLOTS_PER_KEY: u64 = 2;

/// How many bytes of a table belong to each key that it is made for.
pub const BYTES_PER_KEY: u64 = SLOTS_PER_KEY * size_of::<set::Slot>() as u64;
