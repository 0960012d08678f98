//! What a route's policies do to a request and to its responses: a file of glue for each. What they decide is
//! the crate `policy`'s, pure and without an edge; here it meets heads and bodies.
//!
//! The response phase is [`response`](crate::response), through which every response passes.

pub(crate) mod body;
pub(crate) mod headers;
pub(crate) mod mapping;
pub(crate) mod rewrite;
