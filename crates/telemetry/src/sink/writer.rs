//! One worker's end of the log: it gathers lines, and hands them over in batches.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::SystemTime;

use crate::access::{AccessFormat, AccessRecord};
use crate::sink::{Batch, Notation, Order, Shared};

/// A batch is handed over when it is this large.
const BATCH_BYTES: usize = 32 * 1024;
/// Room for the line that makes a batch so large, whatever a client sent.
const BUFFER_BYTES: usize = 2 * BATCH_BYTES;
/// The buffers of one worker. They are made when they are needed for the first time; together
/// they bridge a tenth of a second at the highest rates, and seconds at usual ones.
const BUFFERS: usize = 32;

/// One worker's end of the log.
pub struct LogWriter {
    shared: Arc<Shared>,
    orders: SyncSender<Order>,
    format: AccessFormat,
    batch: Vec<u8>,
    lines: u64,
    /// Buffers that may still be made.
    unmade: usize,
    spare: Option<Vec<u8>>,
    back: SyncSender<Vec<u8>>,
    returned: Receiver<Vec<u8>>,
}

impl LogWriter {
    pub(super) fn new(shared: Arc<Shared>, orders: SyncSender<Order>) -> Self {
        let (back, returned) = sync_channel(BUFFERS);
        Self {
            shared,
            orders,
            format: AccessFormat::default(),
            batch: Vec::with_capacity(BUFFER_BYTES),
            lines: 0,
            unmade: BUFFERS - 1,
            spare: None,
            back,
            returned,
        }
    }

    /// Whether lines go anywhere. Where a record is costly to make, ask this first.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.shared.format().is_some()
    }

    /// Appends one line, with the time of day. Never waits; allocates only when a buffer is needed
    /// for the first time.
    #[inline]
    pub fn write(&mut self, record: &AccessRecord<'_>) {
        let Some(format) = self.shared.format() else { return };
        let now = SystemTime::now();
        match format {
            Notation::Whole(format) => self.format.write(record, now, format, &mut self.batch),
            Notation::Short => self.format.write_short(record, now, &mut self.batch),
        }
        self.lines += 1;
        if self.batch.len() >= BATCH_BYTES {
            self.flush();
        }
    }

    /// Hands over what was gathered. To be called now and then, so that the log of a quiet worker
    /// is not late.
    pub fn flush(&mut self) {
        if self.lines == 0 {
            return;
        }
        let lines = std::mem::take(&mut self.lines);
        let Some(empty) = self.empty() else {
            self.shared.drop_lines(lines);
            self.batch.clear();
            return;
        };
        let bytes = std::mem::replace(&mut self.batch, empty);
        let order = Order::Write(Batch { bytes, back: self.back.clone() });
        if let Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) =
            self.orders.try_send(order)
        {
            self.shared.drop_lines(lines);
            self.spare = order.into_buffer();
        }
    }

    fn empty(&mut self) -> Option<Vec<u8>> {
        let at_hand = self.spare.take().or_else(|| self.returned.try_recv().ok());
        if at_hand.is_some() || self.unmade == 0 {
            return at_hand;
        }
        self.unmade -= 1;
        Some(Vec::with_capacity(BUFFER_BYTES))
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.flush();
    }
}
