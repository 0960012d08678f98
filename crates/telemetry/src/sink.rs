//! Where log lines go, without a worker ever waiting for it.
//!
//! A worker fills a batch and hands it to the writer's thread through a channel of a few places.
//! If none is free the batch is dropped and its lines are counted: a slow disk costs lines, never
//! requests.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::SystemTime;

use model::LogFormat;

use crate::access::{AccessFormat, AccessRecord};

/// A batch is handed over when it is this large.
const BATCH_BYTES: usize = 32 * 1024;
/// Batches under way at once, over all workers.
const BATCHES: usize = 64;

/// Where lines go.
pub enum Destination {
    /// Standard output.
    Stdout,
    /// Appended to this file.
    File(PathBuf),
    /// Anything else.
    Other(Box<dyn Write + Send>),
}

/// The writer's thread, and what it is asked.
pub struct LogSink {
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
    format: LogFormat,
}

enum Order {
    Lines { bytes: Vec<u8>, lines: u64, back: SyncSender<Vec<u8>> },
    Reopen,
}

/// One worker's end of the log.
pub struct LogWriter {
    orders: SyncSender<Order>,
    back: SyncSender<Vec<u8>>,
    returned: Receiver<Vec<u8>>,
    batch: Vec<u8>,
    lines: u64,
    format: LogFormat,
    access: AccessFormat,
    dropped: Arc<AtomicU64>,
}

impl LogSink {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened, or the thread not be started.
    pub fn start(destination: Destination, format: LogFormat) -> io::Result<Self> {
        let mut output = Output::open(destination)?;
        let (orders, received) = sync_channel(BATCHES);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = dropped.clone();
        let thread = std::thread::Builder::new().name("access-log".into()).spawn(move || {
            for order in received {
                match order {
                    Order::Lines { mut bytes, lines, back } => {
                        output.write(&bytes, lines, &lost);
                        bytes.clear();
                        // The worker has enough of them, or is gone.
                        let _ = back.try_send(bytes);
                    }
                    Order::Reopen => output.reopen(),
                }
            }
        })?;
        Ok(Self { orders: Some(orders), thread: Some(thread), dropped, format })
    }

    /// A worker's end. `None` after the end of the log.
    pub fn writer(&self) -> Option<LogWriter> {
        let (back, returned) = sync_channel(4);
        Some(LogWriter {
            orders: self.orders.clone()?,
            back,
            returned,
            batch: Vec::with_capacity(2 * BATCH_BYTES),
            lines: 0,
            format: self.format,
            access: AccessFormat::default(),
            dropped: self.dropped.clone(),
        })
    }

    /// Opens the file anew, so that it can be rotated.
    pub fn reopen(&self) {
        if let Some(orders) = &self.orders {
            // A full channel means that the file is slow, and the next rotation asks again.
            let _ = orders.try_send(Order::Reopen);
        }
    }

    /// Lines that were dropped because the destination was too slow or failed.
    pub fn dropped_lines(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all that was handed over is written. Writers must be gone before.
    pub fn close(mut self) {
        self.orders.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the access log's writer panicked");
        }
    }
}

impl LogWriter {
    /// Writes one line, into the batch.
    pub fn write(&mut self, record: &AccessRecord<'_>) {
        self.access.write(record, SystemTime::now(), self.format, &mut self.batch);
        self.lines += 1;
        if self.batch.len() >= BATCH_BYTES {
            self.flush();
        }
    }

    /// Hands the batch over.
    pub fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let empty = match self.returned.try_recv() {
            Ok(empty) => empty,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                Vec::with_capacity(2 * BATCH_BYTES)
            }
        };
        let bytes = std::mem::replace(&mut self.batch, empty);
        let lines = std::mem::take(&mut self.lines);
        let order = Order::Lines { bytes, lines, back: self.back.clone() };
        if let Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) =
            self.orders.try_send(order)
        {
            self.dropped.fetch_add(lines, Ordering::Relaxed);
            if let Order::Lines { mut bytes, .. } = order {
                bytes.clear();
                self.batch = bytes;
            }
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The destination, opened.
struct Output {
    to: Box<dyn Write + Send>,
    path: Option<PathBuf>,
    is_failing: bool,
}

impl Output {
    fn open(destination: Destination) -> io::Result<Self> {
        let (to, path): (Box<dyn Write + Send>, _) = match destination {
            Destination::Stdout => (Box::new(io::stdout()), None),
            Destination::File(path) => (Box::new(append_to(&path)?), Some(path)),
            Destination::Other(to) => (to, None),
        };
        Ok(Self { to, path, is_failing: false })
    }

    fn write(&mut self, bytes: &[u8], lines: u64, lost: &AtomicU64) {
        match self.to.write_all(bytes).and_then(|()| self.to.flush()) {
            Ok(()) => self.is_failing = false,
            Err(error) => {
                lost.fetch_add(lines, Ordering::Relaxed);
                // Said once for each time of trouble.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(%error, "cannot write the access log: lines are dropped");
                }
            }
        }
    }

    fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match append_to(path) {
            Ok(file) => self.to = Box::new(file),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "cannot open the access log anew");
            }
        }
    }
}

fn append_to(path: &PathBuf) -> io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).open(path)
}
