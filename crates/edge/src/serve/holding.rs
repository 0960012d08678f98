//! The wait for a request's body that has to be seen before the request is believed (decision 0086).
//!
//! It is read whole, up to [`HELD_BYTES_MAX`], before anything is forwarded; the client is told to send it where it waits for that. It ends as any
//! body's upload does: with its end, when it comes too slowly, or when the client leaves.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use model::BodyLimit;
use telemetry::Ending;
use wire::h1::Framing;
use wire::head::RequestHead;

use crate::client::{Client, StatusLine};
use crate::exchange::record::ExchangeRecord;
use crate::upstream::entrance::Entrance;
use crate::upstream::held::{Extent, HELD_BYTES_MAX, Held, RequestBody};

/// What there is of `body`, once it has come whole; `None` where it is longer than can be held, or than is `allowed`.
///
/// # Errors
/// How the exchange ends, where it does not come.
pub(super) async fn hold<'b, C: Client>(
    body: &'b mut RequestBody,
    entrance: Entrance<'_>,
    client: &mut C,
    head: &RequestHead,
    allowed: BodyLimit,
    record: &mut ExchangeRecord<'_>,
) -> Result<Option<&'b [u8]>, Ending> {
    let most = match allowed {
        BodyLimit::Bytes(bytes) => (HELD_BYTES_MAX as u64).min(bytes),
        BodyLimit::Unlimited => HELD_BYTES_MAX as u64,
    };
    if let Framing::Length(length) = body.framing
        && length > most
    {
        return Ok(None);
    }
    let held = body.held.get_or_insert_with(|| Box::new(Held::nothing(entrance.account)));
    let mut holding = Holding {
        held,
        most: most as usize,
        pace: Pace::new(entrance, record),
        hint: if head.expects_continue() { Hint::Due } else { Hint::None },
    };
    let read = poll_fn(|cx| holding.poll(cx, entrance, client)).await;
    entrance.timer.clear();
    // No instance has had it so far, and the time of a call may be over.
    record.waited(entrance.worker)?;
    match read? {
        Extent::Whole => Ok(body.held.as_deref().map(Held::bytes)),
        Extent::Part => Ok(None),
    }
}

/// Whether the client waits to be told that it may send its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    /// It does not.
    None,
    /// It does, unless its body has begun.
    Due,
    /// It was told, and that is on its way.
    Leaving,
}

/// How fast a body has to come.
struct Pace {
    idle: Duration,
    /// So many bytes within `idle` are progress.
    progress: u64,
    /// Bytes when the timer was set last.
    since: Option<u64>,
}

impl Pace {
    fn new(entrance: Entrance<'_>, record: &ExchangeRecord<'_>) -> Self {
        let timeouts = &entrance.listener.listener.timeouts;
        let left = record.call.map(|call| call.left(entrance.worker.wheel.now()));
        let idle = left.map_or(timeouts.body_idle, |left| left.min(timeouts.body_idle));
        Self { idle, progress: timeouts.body_progress, since: None }
    }

    /// Ready when too little of it has come for too long.
    fn poll(&mut self, cx: &mut Context<'_>, entrance: Entrance<'_>, read: u64) -> Poll<Ending> {
        if self.since.is_none_or(|since| read - since >= self.progress) {
            self.since = Some(read);
            entrance.timer.set(self.idle);
        }
        entrance.timer.poll(cx).map(|()| Ending::BodyTimeout)
    }
}

/// A body that is being read.
struct Holding<'a> {
    held: &'a mut Held,
    /// So many bytes may be held.
    most: usize,
    pace: Pace,
    hint: Hint,
}

impl Holding<'_> {
    fn poll<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        entrance: Entrance<'_>,
        client: &mut C,
    ) -> Poll<Result<Extent, Ending>> {
        if let Poll::Ready(read) = self.held.poll_read(cx, client, self.most) {
            return Poll::Ready(read);
        }
        let gone = |_| Ending::ClientClosed;
        let read = self.held.bytes().len() as u64;
        if self.hint == Hint::Due {
            self.hint = Hint::None;
            // One that has begun to send waits for nothing.
            if read == 0 {
                client.inform(StatusLine::standard(100), |_| {}).map_err(gone)?;
                self.hint = Hint::Leaving;
            }
        }
        if self.hint == Hint::Leaving && client.poll_flush(cx).map_err(gone)?.is_ready() {
            self.hint = Hint::None;
        }
        Poll::Ready(Err(ready!(self.pace.poll(cx, entrance, read))))
    }
}
