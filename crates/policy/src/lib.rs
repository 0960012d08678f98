//! What the policies of routes decide. A decision is a function of its plan, of what is known of a request,
//! of the time and of a state that its caller keeps: nothing here does I/O, asks a clock or knows how a request
//! came. `edge::policy` has the glue that puts them to work.

mod atomic {
    //! The words that threads share of limits, which the model check of their protocols replaces by loom's.
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};

    pub(crate) use portable_atomic::AtomicU128 as AtomicWord;

    /// A tag and a number.
    pub(crate) type Word = u128;

    #[inline]
    pub(crate) fn pack(tag: u64, value: u64) -> Word {
        Word::from(tag) << 64 | Word::from(value)
    }

    #[inline]
    pub(crate) fn tag_of(word: Word) -> u64 {
        (word >> 64) as u64
    }

    #[inline]
    pub(crate) fn value_of(word: Word) -> u64 {
        word as u64
    }
}
pub mod abuse;
pub mod api_key;
pub mod bans;
pub mod certificate;
pub mod claims;
pub mod cors;
pub mod deny;
pub mod freshness;
pub mod hmac;
pub mod introspection;
pub mod json;
pub mod jwt;
pub mod limit;
pub mod lines;
pub mod password;
pub mod signature;
pub mod time;
pub mod verified;

pub use bans::Bans;
pub use claims::Claims;
pub use cors::Cors;
pub use deny::Deny;
pub use time::UnixTime;
