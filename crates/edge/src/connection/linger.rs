//! The lingering close: what a client still sends after its response has ended is read and thrown
//! away for a while, for a socket that is closed with unread bytes is reset, and a client that is
//! reset while it sends may never look at the response.
//!
//! Nothing is copied or kept, so that a client pays for each byte more than we do, and all of it is
//! bounded in time and bytes. A client that stops, by closing or by silence, ends it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use wire::body::Source;
use wire::h1::Conn;
use wire::h2::Stream;
use wire::socket::Socket;

use crate::wheel::Timer;
use crate::worker::Worker;

/// How long a client may pause, how long it may go on in all, and how much it may send: what nginx
/// grants (`lingering_timeout`, `lingering_time`), and more than an upload brings in that time over
/// most links.
const IDLE: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(30);
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The same where the edge is to stop, which should not wait for uploads that nobody reads.
const TOTAL_WHEN_STOPPING: Duration = Duration::from_secs(2);
/// How long a client may take that was turned away in its handshake, and how much it may send: it has
/// nothing to finish.
const TURNED_AWAY_WITHIN: Duration = Duration::from_secs(2);
const TURNED_AWAY_BYTES_MAX: usize = 1024 * 1024;
const TURNED_AWAY_BYTES_AT_ONCE: usize = 16 * 1024;
/// How much is thrown away before others have their turn.
const BYTES_AT_ONCE: u64 = 1024 * 1024;

/// Ends our side of a connection of HTTP/1 and waits until its client has stopped sending.
pub(super) async fn close(worker: &Worker, conn: &mut Conn, timer: &Timer) {
    let shut = timer.within(IDLE, |cx| conn.poll_shutdown(cx)).await;
    if matches!(shut, Some(Ok(()))) {
        linger(worker, timer, |cx| conn.poll_discard(cx)).await;
    }
}

/// Ends the connection of a client with which no TLS could be agreed on, and which was sent an alert
/// that says why: what it has sent beyond would make the kernel reset the connection, and the alert with
/// it.
pub(super) async fn turn_away(socket: &mut Socket, timer: &Timer) {
    let mut space = vec![0; TURNED_AWAY_BYTES_AT_ONCE];
    let mut left = TURNED_AWAY_BYTES_MAX;
    let ending = timer.within(TURNED_AWAY_WITHIN, |cx| {
        let _ = ready!(Pin::new(&mut *socket).poll_shutdown(cx));
        while left > 0 {
            match ready!(socket.poll_discard(cx, &mut space)) {
                Ok(n) if n > 0 => left = left.saturating_sub(n),
                _ => break,
            }
        }
        Poll::Ready(())
    });
    let _ = ending.await;
}

/// Waits until the client of a stream of HTTP/2 has sent the rest of its request: a stream that is
/// reset right behind its response is taken for a failed one by clients in wide use.
pub(super) async fn drain(worker: &Worker, stream: &mut Stream, timer: &Timer) {
    linger(worker, timer, |cx| {
        let has_some = ready!(stream.poll_fill(cx))?;
        let n = stream.data().len();
        stream.consume(n);
        Poll::Ready(Ok(if has_some { n } else { 0 }))
    })
    .await;
}

/// Discards until there is no more to come, or enough has. `discard` says how much it took, 0 at the
/// end.
async fn linger(
    worker: &Worker,
    timer: &Timer,
    mut discard: impl FnMut(&mut Context<'_>) -> Poll<Result<usize, wire::body::Error>>,
) {
    let wheel = &worker.wheel;
    let began = wheel.now();
    let mut discarded = 0;
    timer.set(IDLE);
    poll_fn(|cx| {
        let total = if worker.is_draining() { TOTAL_WHEN_STOPPING } else { TOTAL };
        let left = total.saturating_sub(wheel.now() - began);
        let before = discarded;
        while discarded - before < BYTES_AT_ONCE {
            match discard(cx) {
                Poll::Ready(Ok(n)) if n > 0 => discarded += n as u64,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    if discarded > before {
                        timer.set(IDLE.min(left));
                    }
                    timer.advance(left);
                    return timer.poll(cx);
                }
            }
        }
        if left.is_zero() || discarded > BYTES_MAX {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    timer.clear();
}
