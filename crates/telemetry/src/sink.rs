//! Where log lines go, without a worker ever waiting for it.
//!
//! Each worker has a [`LogWriter`], which gathers lines and hands them over in batches; one thread
//! owns the destination and writes them. The buffers go round: a worker gets back what was
//! written. One that has none left, since the destination is too slow, drops its batch, and the
//! lines are counted. A slow or full disk costs lines, never requests.

mod output;
mod writer;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::LogFormat;

use crate::event::{self, Events};
use output::{Lost, Output};

pub use output::Destination;
pub use writer::LogWriter;

/// Batches under way at once, over all workers.
const BATCHES: usize = 1024;
/// How often trouble with the destination is told.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// What [`LogSink::close`] gives the thread.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// The access log: the thread that writes it, and what that is asked.
pub struct LogSink {
    shared: Arc<Shared>,
    orders: SyncSender<Order>,
    /// `None` after its end.
    thread: Mutex<Option<Running>>,
}

/// Not all that was handed over had been written in time.
#[derive(Debug, thiserror::Error)]
#[error("the access log's destination was too slow to take the last lines within {limit:?}")]
pub struct Unfinished {
    /// What it was given.
    pub limit: Duration,
}

/// A thread that has not been waited for.
struct Running {
    thread: JoinHandle<()>,
    /// Disconnected by the thread's end.
    end: Receiver<()>,
}

/// What the thread, its owner and the workers share.
struct Shared {
    /// See [`Shared::format`].
    format: AtomicU8,
    is_ending: AtomicBool,
    dropped: AtomicU64,
    failures: AtomicU64,
    next: Mutex<Next>,
    events: Events,
}

/// Where lines go from the next batch on.
struct Next {
    /// `None` once the thread took it.
    output: Option<Output>,
    path: Option<PathBuf>,
}

enum Order {
    Write(Batch),
    /// Look at what is shared.
    Look,
}

/// Whole lines, and the way back for their buffer.
struct Batch {
    bytes: Vec<u8>,
    back: SyncSender<Vec<u8>>,
}

impl LogSink {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the destination cannot be opened, or the thread not be started.
    pub fn start(destination: Destination, format: LogFormat, events: Events) -> io::Result<Self> {
        let path = destination.path().cloned();
        let notation = Shared::notation(&destination, format);
        let output = Output::open(destination)?;
        let shared = Arc::new(Shared {
            format: AtomicU8::new(notation),
            is_ending: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            next: Mutex::new(Next { output: None, path }),
            events,
        });
        let (orders, received) = sync_channel(BATCHES);
        let (ended, end) = channel();
        let scribe = Scribe { shared: shared.clone(), output, trouble: Trouble::default() };
        let thread = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || scribe.run(&received, ended))?;
        Ok(Self { shared, orders, thread: Mutex::new(Some(Running { thread, end })) })
    }

    /// A worker's end. `None` after the end of the log.
    pub fn writer(&self) -> Option<LogWriter> {
        let is_ending = self.shared.is_ending.load(Ordering::Relaxed);
        (!is_ending).then(|| LogWriter::new(self.shared.clone(), self.orders.clone()))
    }

    /// Opens the file anew, so that it can be rotated. Anything but a file goes on as it is, and
    /// so does the old file if the new one cannot be opened.
    pub fn reopen(&self) {
        let Some(path) = lock(&self.shared.next).path.clone() else { return };
        match Output::open(Destination::File(path.clone())) {
            Ok(output) => self.go_on_with(output, Some(path)),
            Err(error) => {
                let (why, path) = (error.to_string(), path.display().to_string());
                self.shared.events.emit(event::AccessLogNotReopened { why, path });
            }
        }
    }

    /// Writes to `destination` and as `format` from now on. Lines that were handed over before
    /// may still go to either.
    ///
    /// # Errors
    /// When the destination cannot be opened. Then nothing has changed.
    pub fn redirect(&self, destination: Destination, format: LogFormat) -> io::Result<()> {
        let path = destination.path().cloned();
        let notation = Shared::notation(&destination, format);
        let output = Output::open(destination)?;
        self.go_on_with(output, path);
        self.shared.format.store(notation, Ordering::Relaxed);
        Ok(())
    }

    /// Lines that were dropped because the destination was too slow or failed.
    pub fn dropped_lines(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// How often writing failed.
    pub fn write_errors(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// Ends the log once all that was handed over is written; what comes later is dropped.
    /// Blocks until then, for `limit` at the most. To be called when the writers are gone.
    ///
    /// # Errors
    /// When the time is over. The thread goes on, and may be waited for once more.
    pub fn shutdown(&self, limit: Duration) -> Result<(), Unfinished> {
        self.shared.is_ending.store(true, Ordering::SeqCst);
        self.wake();
        let mut slot = lock(&self.thread);
        let Some(running) = slot.take() else { return Ok(()) };
        if let Err(RecvTimeoutError::Timeout) = running.end.recv_timeout(limit) {
            *slot = Some(running);
            return Err(Unfinished { limit });
        }
        if running.thread.join().is_err() {
            self.shared.events.emit(event::AccessLogPanicked {});
        }
        Ok(())
    }

    /// [`shutdown`](Self::shutdown) within five seconds; that it took longer is logged.
    pub fn close(self) {
        if let Err(error) = self.shutdown(CLOSE_LIMIT) {
            self.shared.events.emit(event::AccessLogLinesLost { why: error.to_string() });
        }
    }

    fn go_on_with(&self, output: Output, path: Option<PathBuf>) {
        *lock(&self.shared.next) = Next { output: Some(output), path };
        self.wake();
    }

    /// Has the thread look at what is shared. If the channel is full it does so anyway, before
    /// each batch.
    fn wake(&self) {
        let _ = self.orders.try_send(Order::Look);
    }
}

impl Order {
    /// The buffer of what could not be handed over, to be filled anew.
    fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Self::Write(Batch { mut bytes, .. }) => {
                bytes.clear();
                Some(bytes)
            }
            Self::Look => None,
        }
    }
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    /// Every field.
    Whole(LogFormat),
    /// For a person at a terminal.
    Short,
}

impl Shared {
    const OFF: u8 = 0;
    const TEXT: u8 = 1;
    const JSON: u8 = 2;
    const SHORT: u8 = 3;

    fn notation(destination: &Destination, format: LogFormat) -> u8 {
        match (destination, format) {
            (Destination::Off, _) => Self::OFF,
            // A person reads along; programs are given files and pipes.
            (Destination::Stdout, LogFormat::Text) if io::stdout().is_terminal() => Self::SHORT,
            (_, LogFormat::Text) => Self::TEXT,
            (_, LogFormat::Json) => Self::JSON,
        }
    }

    /// How lines are written; `None` while they go nowhere.
    #[inline]
    fn format(&self) -> Option<Notation> {
        match self.format.load(Ordering::Relaxed) {
            Self::TEXT => Some(Notation::Whole(LogFormat::Text)),
            Self::JSON => Some(Notation::Whole(LogFormat::Json)),
            Self::SHORT => Some(Notation::Short),
            _ => None,
        }
    }

    fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }
}

/// What the thread owns.
struct Scribe {
    shared: Arc<Shared>,
    output: Output,
    trouble: Trouble,
}

impl Scribe {
    /// Until the sink ends and nothing is left, or all who could hand something over are gone.
    fn run(mut self, orders: &Receiver<Order>, _ended: Sender<()>) {
        loop {
            let order = match self.shared.is_ending.load(Ordering::SeqCst) {
                true => orders.try_recv().ok(),
                false => orders.recv().ok(),
            };
            let Some(order) = order else { return };
            if let Some(output) = lock(&self.shared.next).output.take() {
                self.output = output;
            }
            if let Order::Write(batch) = order {
                self.write(batch);
            }
        }
    }

    fn write(&mut self, Batch { mut bytes, back }: Batch) {
        match self.output.write(&bytes) {
            Ok(()) => self.trouble.is_over(&self.shared.events),
            Err(lost) => {
                self.shared.failures.fetch_add(1, Ordering::Relaxed);
                self.shared.drop_lines(lost.lines);
                self.trouble.tell(lost, Instant::now(), &self.shared.events);
            }
        }
        bytes.clear();
        // The worker may be gone; there is always room for its own buffers.
        let _ = back.try_send(bytes);
    }
}

/// Trouble with the destination, told once in a while and not for each batch.
#[derive(Debug, Default)]
struct Trouble {
    /// When it was told last.
    told: Option<Instant>,
    lines: u64,
    is_told: bool,
}

impl Trouble {
    fn tell(&mut self, lost: Lost, now: Instant, events: &Events) {
        self.lines += lost.lines;
        if self.told.is_none_or(|told| now.duration_since(told) >= TELL_EVERY) {
            self.told = Some(now);
            self.is_told = true;
            let lines = std::mem::take(&mut self.lines);
            let why = lost.source.to_string();
            events.emit(event::AccessLogFails { why, lines });
        }
    }

    fn is_over(&mut self, events: &Events) {
        if std::mem::take(&mut self.is_told) {
            let lines = std::mem::take(&mut self.lines);
            events.emit(event::AccessLogRecovered { lines });
        }
    }
}

/// What a panicking thread left behind is whole: nothing here changes in steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
