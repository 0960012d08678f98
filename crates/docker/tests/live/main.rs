//! The driver against a real engine, in a network of its own: what its containers go through, and where their images come
//! from.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod ground;
mod images;
mod lives;
mod registry;
