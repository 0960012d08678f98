//! An open-loop client: sends at a constant rate whatever comes back, and accounts for every
//! request.
//!
//! A client that waits for an answer before it sends the next request (a closed loop) goes easy on
//! a server that stalls, and does not see most of the stall: coordinated omission (Gil Tene, "How
//! NOT to Measure Latency"). Here each request has a time at which it is due, and its latency is
//! measured from then. Nothing is ever sent twice: what went wrong once is counted as failed.
//!
//! It knows HTTP/1.1 and nothing of Plimsoll: whoever uses it says what to ask and what a good
//! answer is ([`Workload`]). The way in is [`OpenLoop`].

mod connections;
mod open_loop;
mod request_error;
mod schedule;
mod tally;
mod workload;

pub use open_loop::{LoadPlan, OpenLoop};
pub use request_error::RequestError;
pub use schedule::Rate;
pub use tally::Tally;
pub use workload::{Workload, Wrong};
