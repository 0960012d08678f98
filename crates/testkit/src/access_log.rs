//! The access log of an edge, kept in memory for a test to read.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::LogFormat;
use telemetry::{Destination, LogSink, LogWriter};

/// The lines that were written. Clones share them.
#[derive(Clone)]
pub struct AccessLines {
    sink: Arc<LogSink>,
    written: Written,
}

/// One line, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLine(String);

impl AccessLine {
    /// What stands for `field`, which is neither quoted nor empty.
    ///
    /// # Panics
    /// When it is not there.
    pub fn field(&self, field: &str) -> &str {
        self.get(field).expect("the field is there")
    }

    /// What stands for `field`, if it is there and neither quoted nor empty.
    pub fn get(&self, field: &str) -> Option<&str> {
        let mut pairs = self.0.split(' ').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == field).map(|(_, value)| value.trim_end())
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Default for AccessLines {
    fn default() -> Self {
        let written = Written::default();
        let destination = Destination::Other(Box::new(written.clone()));
        let sink = LogSink::start(destination, LogFormat::Text, Default::default())
            .expect("a thread starts");
        Self { sink: Arc::new(sink), written }
    }
}

impl AccessLines {
    /// An end for each of so many workers.
    pub(crate) fn writers(&self, workers: usize) -> Vec<LogWriter> {
        (0..workers).filter_map(|_| self.sink.writer()).collect()
    }

    /// All lines, once the edge has ended that wrote them.
    ///
    /// # Panics
    /// When they are not written in time, or one is not whole.
    pub fn all(&self) -> Vec<AccessLine> {
        self.sink.shutdown(Duration::from_secs(10)).expect("memory is fast enough");
        let bytes = self.written.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(bytes).expect("the log is text");
        assert!(text.is_empty() || text.ends_with('\n'), "its last line is whole");
        text.lines().map(|line| AccessLine(line.to_owned())).collect()
    }
}
