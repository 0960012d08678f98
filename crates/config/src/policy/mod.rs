//! The policies of a route, a file for each: how its key is described, and how it is read.

pub(crate) mod cors;
pub(crate) mod deny;
