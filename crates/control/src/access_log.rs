//! The access log: where it goes, also after a reload.

use std::io;

use model::{AccessLog, Log};
use telemetry::scrape::AccessLogSample;
use telemetry::{Destination, Events, LogSink, LogWriter};

use crate::prepare::PrepareError;

/// The access log.
pub(crate) struct Access {
    sink: LogSink,
    log: Log,
}

impl Access {
    /// Starts the writer.
    ///
    /// # Errors
    /// When its file cannot be opened.
    pub(crate) fn start(log: &Log, events: Events) -> Result<Self, PrepareError> {
        let sink = LogSink::start(Destination::from(&log.access), log.format, events)
            .map_err(|source| cannot_open(&log.access, source))?;
        Ok(Self { sink, log: log.clone() })
    }

    /// One end for each of `workers`.
    pub(crate) fn writers(&self, workers: usize) -> Vec<LogWriter> {
        (0..workers).filter_map(|_| self.sink.writer()).collect()
    }

    /// Goes where `log` wants it from now on, and says what was wanted before.
    ///
    /// # Errors
    /// When the file cannot be opened; then nothing has changed.
    pub(crate) fn redirect(&mut self, log: &Log) -> Result<Log, PrepareError> {
        if (&log.access, log.format) != (&self.log.access, self.log.format) {
            self.sink
                .redirect(Destination::from(&log.access), log.format)
                .map_err(|source| cannot_open(&log.access, source))?;
        }
        Ok(std::mem::replace(&mut self.log, log.clone()))
    }

    /// Opens its file anew, so that it can be rotated.
    pub(crate) fn reopen(&self) {
        self.sink.reopen();
    }

    /// What is counted of it.
    pub(crate) fn sample(&self) -> AccessLogSample {
        AccessLogSample {
            dropped_lines: self.sink.dropped_lines(),
            write_errors: self.sink.write_errors(),
        }
    }

    /// Ends it once all is written, which waits for the disk. The writers must be gone.
    pub(crate) fn close(self) {
        self.sink.close();
    }
}

fn cannot_open(place: &AccessLog, source: io::Error) -> PrepareError {
    PrepareError::AccessLog { place: place.clone(), source }
}
