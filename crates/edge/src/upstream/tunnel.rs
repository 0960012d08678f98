//! An upgraded connection: bytes in both directions until both sides have ended theirs, or until it
//! is called to leave because its instance is to go.
//!
//! Either side may end it. That its instance does is a failure only where it breaks the connection, or ends a WebSocket
//! without a close frame (RFC 6455 §7.1.5), while its client has neither ended its own side nor closed.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use model::ExchangeKind;
use telemetry::Ending;
use wire::body::{Error, Sink};
use wire::h1::{Conn, Framing};
use wire::head::{Fields, ResponseHead};

use crate::client::Client;
use crate::instance::long_lived::LongLived;
use crate::response::{self, Head};
use crate::upstream::Upstream;
use crate::upstream::attempt::Attempt;
use crate::upstream::downstream::Downstream;
use crate::upstream::failed::{Failed, broken_off, cut};
use crate::upstream::relay::{Download, Party};
use crate::upstream::websocket::{Frames, GOING_AWAY};

/// How long a tunnel that was called may stand still before its frame has ended, and what both
/// sides get to take leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Switches the client over and carries bytes until both directions have ended, nothing came in
/// either for the tunnel's idle time, or it has to leave.
pub(crate) async fn run<C: Client>(
    attempt: &Attempt<'_>,
    down: &mut Downstream<'_, '_, C>,
    mut upstream: Upstream,
    head: &ResponseHead,
) -> Result<(), Failed> {
    let Downstream { client, record, .. } = down;
    let gone = |_| cut(Party::Client, Ending::ClientClosed);
    attempt.charge_told(head);
    let passed = attempt.passed(head);
    response::begin(*client, Head::Switch(&passed), Framing::None, &attempt.applied())
        .map_err(gone)?;
    record.own_response(101, Ending::Tunnel);
    let Upstream::H1(instance) = &mut upstream else {
        return Err(cut(Party::Instance, Ending::UpstreamProtocol));
    };
    instance.conn.become_tunnel();
    let is_websocket =
        attempt.request.upgrade.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(b"websocket"));
    let mut tunnel =
        Tunnel::new(attempt.lasts(ExchangeKind::Tunnel), is_websocket.then(Frames::default));
    let ended = poll_fn(|cx| tunnel.poll(cx, attempt, *client, &mut instance.conn)).await;
    attempt.timer.clear();
    attempt.count_bytes(&mut upstream);
    if tunnel.leave != Leave::No {
        record.drain_closed();
        return Ok(());
    }
    if ended.is_ok() && tunnel.is_broken {
        record.tunnel_broke();
    }
    ended
}

/// How far a tunnel has come with leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// It was not called.
    No,
    /// It was, and waits for the end of a frame.
    Called,
    /// So much of a close frame was sent to the client. What the instance still says is dropped:
    /// nothing may follow such a frame (RFC 6455 §5.5.1). The client's own goes to the instance.
    Saying(usize),
    /// All of it was sent.
    Said,
}

struct Tunnel {
    up: Direction,
    down: Direction,
    /// The frames to the client, where the tunnel is one of WebSocket.
    frames: Option<Frames>,
    /// Those of the client, likewise.
    client_frames: Option<Frames>,
    /// The instance has ended its side as its protocol forbids.
    is_broken: bool,
    lasting: LongLived,
    leave: Leave,
    seen: Option<(u64, u64)>,
}

impl Tunnel {
    fn new(lasting: LongLived, frames: Option<Frames>) -> Self {
        Self {
            up: Direction::from(Party::Client),
            down: Direction::from(Party::Instance),
            client_frames: frames.as_ref().map(|_| Frames::default()),
            frames,
            is_broken: false,
            lasting,
            leave: Leave::No,
            seen: None,
        }
    }

    fn poll<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &Attempt<'_>,
        client: &mut C,
        instance: &mut Conn,
    ) -> Poll<Result<(), Failed>> {
        if self.leave == Leave::No && self.lasting.poll_called(cx).is_ready() {
            self.leave = Leave::Called;
            self.seen = None;
        }
        let up = match self.poll_up(cx, client, instance) {
            Poll::Ready(Err(failed)) => return Poll::Ready(Err(self.judge(failed))),
            up => up,
        };
        let had_ended = self.down.relay.is_at_end();
        let down = match self.poll_down(cx, client, instance) {
            Poll::Ready(Err(failed)) => return Poll::Ready(Err(self.judge(failed))),
            down => down,
        };
        if !had_ended && self.down.relay.is_at_end() {
            self.is_broken = self.frames.is_some() && !self.may_end();
        }
        if self.leave == Leave::No {
            if up.is_ready() && down.is_ready() {
                return Poll::Ready(Ok(()));
            }
            let moved = (self.up.relay.moved(), self.down.relay.moved());
            if self.seen.replace(moved) != Some(moved) {
                attempt.timer.set(attempt.timeouts.tunnel_idle);
            }
        } else {
            let before = self.leave;
            let moved = (self.up.relay.moved(), self.down.relay.moved());
            if self.leave == Leave::Called && self.seen.replace(moved) != Some(moved) {
                // A long frame that moves is not torn.
                attempt.timer.set(LEAVE_WITHIN);
            }
            let has_said = self.poll_leave(cx, client)?.is_ready();
            if has_said && (self.up.has_ended || self.down.has_ended) {
                return Poll::Ready(Ok(()));
            }
            if self.leave != before {
                // What the instance says goes another way now: looks there at once.
                cx.waker().wake_by_ref();
            }
        }
        attempt.timer.poll(cx).map(Ok)
    }

    fn poll_up<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        instance: &mut Conn,
    ) -> Poll<Result<(), Failed>> {
        let frames = self.client_frames.as_mut();
        self.up.poll(cx, client, &mut ToInstance { conn: instance, frames })
    }

    /// Whether the instance may end its side now: either has said that it closes, or the client has ended its own.
    fn may_end(&self) -> bool {
        let has_closed = |frames: &Option<Frames>| frames.as_ref().is_some_and(Frames::is_closed);
        self.up.relay.is_at_end()
            || has_closed(&self.frames)
            || has_closed(&self.client_frames)
            || self.leave != Leave::No
    }

    /// A side that broke, with what that means: of an instance, nothing if it might end.
    fn judge(&self, failed: Failed) -> Failed {
        match failed.ending {
            Ending::UpstreamTruncated if self.may_end() => cut(Party::Instance, Ending::Tunnel),
            _ => failed,
        }
    }

    fn poll_down<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        instance: &mut Conn,
    ) -> Poll<Result<(), Failed>> {
        let sink = match (self.leave, &mut self.frames) {
            (Leave::Saying(_) | Leave::Said, _) | (Leave::Called, None) => {
                return self.down.poll(cx, instance, &mut Nowhere);
            }
            (Leave::Called, Some(frames)) => {
                ToClient { client, frames: Some(frames), is_last: true }
            }
            (Leave::No, frames) => ToClient { client, frames: frames.as_mut(), is_last: false },
        };
        self.down.poll(cx, instance, &mut { sink })
    }

    /// Says to the client that it has to leave. Ready once it was said, or there is no way to.
    fn poll_leave<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
    ) -> Poll<Result<(), Failed>> {
        let Some(frames) = &self.frames else {
            // No protocol that we know how to end.
            (self.up.has_ended, self.down.has_ended) = (true, true);
            return Poll::Ready(Ok(()));
        };
        let gone = |_| cut(Party::Client, Ending::ClientClosed);
        loop {
            match self.leave {
                Leave::No => return Poll::Pending,
                Leave::Called if !frames.is_between() => return Poll::Pending,
                Leave::Called => self.leave = Leave::Saying(0),
                Leave::Saying(said) if said < GOING_AWAY.len() => {
                    let taken = ready!(client.poll_send(cx, &GOING_AWAY[said..])).map_err(gone)?;
                    self.leave = Leave::Saying(said + taken);
                }
                Leave::Saying(_) => {
                    ready!(client.poll_flush(cx)).map_err(gone)?;
                    self.leave = Leave::Said;
                }
                Leave::Said => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// One direction, from its first byte to the end that was passed on.
struct Direction {
    relay: Download,
    has_ended: bool,
}

impl Direction {
    fn from(side: Party) -> Self {
        // A pipe for each idle tunnel would cost more descriptors than it saves copies.
        Self { relay: Download::from(side, None), has_ended: false }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl wire::body::Source,
        sink: &mut impl Sink,
    ) -> Poll<Result<(), Failed>> {
        if self.has_ended {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.relay.poll(cx, source, sink)) {
            Ok(()) => {
                self.has_ended = true;
                Poll::Ready(Ok(()))
            }
            Err(broken) => Poll::Ready(Err(cut(broken.party, broken_off(broken.party)))),
        }
    }
}

/// The way to the instance, which ends with the end of its half of the stream, where frames are followed if there
/// are any.
struct ToInstance<'a> {
    conn: &'a mut Conn,
    frames: Option<&'a mut Frames>,
}

impl Sink for ToInstance<'_> {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        let taken = ready!(self.conn.poll_send(cx, data))?;
        if let Some(frames) = &mut self.frames {
            frames.follow(&data[..taken]);
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.conn.poll_flush(cx)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, _: Option<&Fields>) -> Poll<Result<(), Error>> {
        self.conn.poll_shutdown(cx)
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}

/// The way to the client, likewise, where frames are followed if there are any.
struct ToClient<'a, C> {
    client: &'a mut C,
    frames: Option<&'a mut Frames>,
    /// Whether nothing is passed on beyond the end of a frame.
    is_last: bool,
}

impl<C: Client> Sink for ToClient<'_, C> {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        let Some(frames) = &mut self.frames else { return self.client.poll_send(cx, data) };
        let data = match self.is_last {
            true => &data[..frames.until_between(data)],
            false => data,
        };
        if data.is_empty() {
            // Whoever polls sees to it that it goes on.
            return Poll::Pending;
        }
        let taken = ready!(self.client.poll_send(cx, data))?;
        frames.follow(&data[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.client.poll_flush(cx)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, _: Option<&Fields>) -> Poll<Result<(), Error>> {
        self.client.poll_close_half(cx)
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}

/// Where goes what nobody is to see any more.
struct Nowhere;

impl Sink for Nowhere {
    fn poll_send(&mut self, _: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, _: Option<&Fields>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}
