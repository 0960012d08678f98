//! Where the access log goes.

use std::io;

use model::{AccessLog, Log};
use telemetry::{Destination, LogSink, LogWriter};

/// Starts the writer of the access log, if there is to be one.
///
/// # Errors
/// When its file cannot be opened.
pub(crate) fn start(log: &Log) -> io::Result<Option<LogSink>> {
    let destination = match &log.access {
        AccessLog::Off => return Ok(None),
        AccessLog::Stdout => Destination::Stdout,
        AccessLog::File(path) => Destination::File(path.clone()),
    };
    LogSink::start(destination, log.format).map(Some)
}

/// One end for each of `workers`.
pub(crate) fn writers(sink: Option<&LogSink>, workers: usize) -> Vec<LogWriter> {
    let writer = |_| sink.and_then(LogSink::writer);
    (0..workers).filter_map(writer).collect()
}
