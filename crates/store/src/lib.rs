//! What several edges share, behind one handle: nonces, settlements of buckets, bans, keys, and what they do and post for each other.
//!
//! A [`Store`] keeps in memory what one edge can keep by itself. Where `[store]` names a Redis or a Valkey, it has a
//! [`Shared`] part, too; that it is one is told to nobody outside. Each call has a deadline of our own, and whatever is wrong
//! with the server (gone, frozen, read-only, full, still loading, failing over, no Redis at all) becomes the same
//! [`Down`]: from then on calls fail at once, until the [`keeper`](self) of the connection finds that writing works again.
//!
//! Nothing here decides: what a settlement means is the limits' to say, what a ban means the bans'. No message and no
//! `Debug` output has a password.

mod bans;
mod board;
mod call;
mod connect;
mod fault;
mod follower;
mod health;
mod keeper;
mod key;
mod nonce;
mod seal;
mod settle;
mod store;
mod turn;

pub use bans::{News, Said, Saying};
pub use board::{Board, BoardReader, Change, Posted, Record, Right};
pub use call::Shared;
pub use follower::Follower;
pub use health::{Down, Health};
pub use nonce::{Nonce, NonceError, NonceUse};
pub use seal::Sealer;
pub use settle::{DEBT_MAX, SETTLED_AT_ONCE, Settlement};
pub use store::Store;
pub use turn::{Claim, Turn};
