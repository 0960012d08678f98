//! Passwords: what a request says (RFC 7617), who may come in by them (a file of users), and the hashes that they are held against.
//!
//! To check one takes milliseconds on purpose, and megabytes: [`Users::verify`] is to be called on a thread that nothing else waits for.

mod argon2;
mod bcrypt;
mod credentials;
mod hash;
mod users;

pub use credentials::Credentials;
pub use hash::{Hash, HashError};
pub use users::Users;
