//! When certificates are ordered, of whom, and what happens when that fails: a machine without a network, a clock or
//! chance of its own. Who drives it tells what time it is and what became of each order; it says what is to be done.
//!
//! It knows no ACME: an order is one action, with one result. It never asks for more than a CA's limits allow, and
//! no sequence of failures makes it hurry.

mod budget;
mod directory;
mod failure;
mod held;
mod machine;
mod now;
mod pace;
mod place;
mod share;
mod status;

pub use budget::Budget;
pub use failure::{Failed, FailureKind};
pub use held::{Held, Window};
pub use machine::{Action, CertificateId, DirectoryUrl, Machine, Rules};
pub use now::Now;
pub use place::Suggestion;
pub use status::{Status, Trouble, Why};
