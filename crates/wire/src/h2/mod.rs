//! HTTP/2 for both sides of a proxy: the `h2` crate's streams in the shape of our heads and
//! bodies, and a guard against floods.

pub mod ahead;
pub mod head;
mod hpack;
pub mod meter;
pub mod outbox;
pub mod stream;

pub use ahead::Ahead;
pub use outbox::{Outbox, Payload};
pub use stream::{Responder, Stream};
