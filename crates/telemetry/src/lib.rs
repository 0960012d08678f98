//! What is told of the data plane: counters, histograms, the access log.
//!
//! Nothing here makes a worker wait: counters have one writer each, and a log that is too slow
//! loses lines, which are counted.

pub mod access;
pub mod counter;
pub mod ending;
pub mod histogram;
pub mod sink;

pub use access::AccessRecord;
pub use counter::Counter;
pub use ending::{Blame, Ending};
pub use histogram::{Histogram, HistogramSnapshot};
pub use sink::{Destination, LogSink, LogWriter};
