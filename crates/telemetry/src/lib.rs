//! What is told of Plimsoll: names of metrics, labels and log fields; counters and histograms; the
//! access log; what Prometheus scrapes; events, for the log and for all that follow them.
//!
//! Names stand here once, as enums, and docs/reference is made of them. Nothing here makes a
//! worker wait, allocates for a request or does an atomic read-modify-write on a request's way:
//! counters have one writer each, and a log that is too slow loses lines, which are counted. How
//! the program's own log is set up is the binary's matter.

pub mod abuse;
pub mod access;
pub mod counter;
pub mod ending;
pub mod ending_counters;
pub mod event;
mod exposition;
pub mod gauge;
pub mod grpc;
pub mod grpc_counters;
pub mod histogram;
pub mod inquiry;
pub mod limit;
pub mod metric;
pub mod process;
pub mod reference;
pub mod scrape;
pub mod sink;
pub mod snapshot;

pub use abuse::AbuseOutcome;
pub use access::{AccessFormat, AccessRecord};
pub use counter::Counter;
pub use ending::{Blame, Ending, Persistence, Told};
pub use ending_counters::{EndingCounters, EndingTotals};
pub use event::{Event, Events};
pub use gauge::Gauge;
pub use grpc::GrpcStatus;
pub use grpc_counters::{GrpcCounters, GrpcTotals};
pub use histogram::Histogram;
pub use inquiry::InquiryOutcome;
pub use limit::LimitOutcome;
pub use metric::{Label, Metric};
pub use process::Process;
pub use scrape::Scrape;
pub use sink::{Destination, LogSink, LogWriter};
pub use snapshot::HistogramSnapshot;
