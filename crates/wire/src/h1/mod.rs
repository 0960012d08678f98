//! HTTP/1.0 and HTTP/1.1 for both sides of a proxy.
//!
//! [`request`] and [`response`] read heads, [`framing`] decides how long a body is, [`chunked`]
//! reads and writes chunks, and [`conn`] puts them on a stream. [`lenient`] is what may be mended where
//! that is asked for.

pub mod chunked;
pub mod conn;
pub mod fault;
pub mod framing;
pub mod lenient;
#[cfg(not(any(test, fuzzing)))]
mod plain;
#[cfg(any(test, fuzzing))]
pub mod plain;
pub mod request;
pub mod response;
pub mod scan;

pub use conn::Conn;
pub use fault::Fault;
pub use framing::Framing;
pub use lenient::Reading;
