//! Jobs: when each is due, and what is to be done then.
//!
//! Pure, as `rollout` is, but for the table of time zones, which is read when an expression is: a [`Timetable`] says of any moment which moment is next, a [`Machine`] is told what happened and what
//! time it is, and says what shall be done. It runs nothing, asks no clock and knows no store. What it counts by is the
//! time of day, which may be set, stand still or go back: `LIFECYCLE.md` beside says what comes of that.

mod machine;
mod timetable;

pub use machine::{
    Busy, Claim, Effect, End, Event, Finish, LATE_MAX, Machine, Missed, Rules, Skipped, Trigger,
};
pub use timetable::{Occurrences, Timetable, TimetableError};
