//! The tables of the file, a file for each, and one for each key that is more than a line: how it is
//! described, and how it is read, stand together. What several of them need is in `read`; how a route's
//! policies are described and read is in `policy`.
//!
//! To add a key: describe it in its table's list, or as a `KEY` of a file of its own that the list
//! names, and read it there.

pub(crate) mod abuse;
pub(crate) mod acme;
pub(crate) mod admin;
pub(crate) mod auth;
pub(crate) mod defaults;
pub(crate) mod include;
pub(crate) mod job;
pub(crate) mod limit;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod registries;
pub(crate) mod root;
pub(crate) mod route;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod store;

pub(crate) use root::{ROOT, intent};
pub use service::deploy::judge::judge_with;
pub use service::deploy::parse_step;
