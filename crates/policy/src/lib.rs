//! What the policies of routes decide. A decision is a function of its plan, of what is known of a request,
//! of the time and of a state that its caller keeps: nothing here does I/O, asks a clock or knows how a request
//! came. `edge::policy` has the glue that puts them to work.

pub mod cors;
pub mod deny;

pub use cors::Cors;
pub use deny::Deny;
