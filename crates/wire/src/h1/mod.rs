//! HTTP/1.0 and HTTP/1.1 for both sides of a proxy.
//!
//! [`request`] and [`response`] read heads, [`framing`] decides how long a body is, [`chunked`]
//! reads and writes chunks, and [`conn`] puts them on a stream.

pub mod chunked;
pub mod conn;
pub mod fault;
pub mod framing;
mod plain;
pub mod request;
pub mod response;
pub mod scan;

pub use conn::Conn;
pub use fault::Fault;
pub use framing::Framing;
