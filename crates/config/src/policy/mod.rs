//! The policies of a route, a file for each: how its key is described, and how it is read.

pub(crate) mod body;
pub(crate) mod cors;
pub(crate) mod deny;
pub(crate) mod headers;
pub(crate) mod rewrite;
