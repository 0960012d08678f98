//! Which instance gets the next request, and which get none: policies, health, ejection, slow
//! start, retry budget, as pure state machines.
//!
//! Nothing here asks a clock, draws a random number, does I/O, locks or touches an atomic. Time is
//! an argument, a [`Duration`](std::time::Duration) since an origin that the caller chose once and
//! that never moves back (if it does, time stands still meanwhile); so is entropy. What is
//! observed of instances is read through [`Field`], what is remembered has one owner:
//!
//! | state | owner |
//! | --- | --- |
//! | [`Picker`], [`RetryBudget`](budget::RetryBudget) | each data-plane worker its own |
//! | [`PeakEwma`](latency::PeakEwma) | whoever records latencies, kept wherever it likes |
//! | [`Health`](health::Health) (one for each instance), [`Ejector`](ejection::Ejector) (one for each service) | one control task |
//!
//! The two machines that take instances out of traffic are drawn in `src/LIFECYCLE.md`; how their
//! verdicts come together is [`eligibility`].

pub mod budget;
pub mod ejection;
pub mod eligibility;
pub mod field;
pub mod health;
pub mod key;
pub mod latency;
pub mod member;
pub mod picker;
mod policy;
pub mod slow_start;

pub use eligibility::{Access, Eligibility, Mode, Role};
pub use field::{AttemptKind, Field};
pub use key::Key;
pub use member::Member;
pub use picker::{Picker, Refusal};
pub use slow_start::{SlowStart, WeightShare};
