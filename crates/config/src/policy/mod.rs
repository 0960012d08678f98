//! The policies of a route, a file for each: how its key is described, and how it is read.

pub(crate) mod abuse;
pub(crate) mod auth;
pub(crate) mod ban_token;
pub(crate) mod body;
pub(crate) mod cors;
pub(crate) mod deny;
pub(crate) mod headers;
pub(crate) mod limit;
pub(crate) mod require;
pub(crate) mod rewrite;
