//! HTTP on the wire: heads, bodies, framing and the streams below them.
//!
//! The crate knows how messages are read and written and nothing of where they go: no route, no
//! service, no policy. There is one strict reading of framing ([`h1::framing`]); whatever could be
//! read two ways is refused, never repaired. Everything here belongs to one thread: buffers come
//! from a [`buffer::Pool`] that its worker owns, and nothing locks.

pub mod account;
pub mod body;
pub mod buffer;
pub mod h1;
pub mod h2;
pub mod head;
pub mod name;
pub mod proxy_protocol;
pub mod socket;
pub mod stream;
pub mod system;
pub mod target;
pub mod tls;
pub mod traffic;
pub mod trailer;
