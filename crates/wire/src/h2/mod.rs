//! HTTP/2 for both sides of a proxy: the `h2` crate's streams in the shape of our heads and
//! bodies, and a guard against floods.

pub mod head;
pub mod meter;
pub mod stream;

pub use stream::{Answer, Stream};
