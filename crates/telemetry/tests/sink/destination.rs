//! Destinations whose behaviour a test directs.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use telemetry::Destination;

/// What has been written.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    fn add(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

/// Takes nothing until it is opened, and tells of each attempt.
pub(crate) struct Gate {
    pub(crate) knocks: Receiver<()>,
    pub(crate) written: Written,
    _open: Sender<()>,
}

struct GateEnd {
    knock: Sender<()>,
    opened: Receiver<()>,
    written: Written,
}

impl Gate {
    pub(crate) fn closed() -> (Self, Destination) {
        let ((knock, knocks), (open, opened)) = (channel(), channel());
        let written = Written::default();
        let end = GateEnd { knock, opened, written: written.clone() };
        (Self { knocks, written, _open: open }, Destination::Other(Box::new(end)))
    }

    /// From now on everything passes.
    pub(crate) fn open(self) -> Written {
        self.written
    }
}

impl Write for GateEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.knock.send(());
        // Until the other end is gone.
        let _ = self.opened.recv();
        self.written.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fails as long as there are errors left.
pub(crate) struct Failing {
    errors: VecDeque<io::ErrorKind>,
    written: Written,
}

impl Failing {
    pub(crate) fn with(errors: &[io::ErrorKind]) -> (Written, Destination) {
        let written = Written::default();
        let failing = Self { errors: errors.iter().copied().collect(), written: written.clone() };
        (written, Destination::Other(Box::new(failing)))
    }
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.errors.pop_front() {
            return Err(kind.into());
        }
        self.written.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
