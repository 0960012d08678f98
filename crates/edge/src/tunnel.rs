//! An upgraded connection: bytes in both directions until both sides have ended theirs.

use std::future::poll_fn;
use std::task::{Context, Poll};

use telemetry::Ending;
use wire::body::{Error, Sink};
use wire::h1::Conn;
use wire::head::{Fields, ResponseHead};

use crate::answer;
use crate::attempt::{Attempt, Failed, Reached, cut};
use crate::client::Client;
use crate::fault::Fault;
use crate::relay::{Download, Side};
use crate::story::Story;
use crate::upstream::Upstream;

/// Switches the client over and carries bytes until both directions have ended, or nothing came
/// in either for the tunnel's idle time.
pub(crate) async fn run<C: Client>(
    attempt: &Attempt<'_>,
    client: &mut C,
    mut upstream: Upstream,
    head: &ResponseHead,
    story: &mut Story<'_>,
) -> Result<(), Failed> {
    let gone = |_| cut(Side::Client, Fault::ClientGone);
    answer::switch(client, head, &attempt.request.policies.response_headers).map_err(gone)?;
    story.own_answer(101, Ending::Tunnel);
    let Upstream::H1(instance) = &mut upstream else {
        return Err(cut(Side::Instance, Fault::UpstreamNonsense));
    };
    instance.conn.become_tunnel();
    let mut up = Direction::from(Side::Client);
    let mut down = Direction::from(Side::Instance);
    let mut seen = None;
    let ended = poll_fn(|cx| {
        let polled_up = up.poll_up(cx, client, &mut instance.conn);
        let polled_down = down.poll_down(cx, &mut instance.conn, client);
        match (polled_up, polled_down) {
            (Poll::Ready(Err(failed)), _) | (_, Poll::Ready(Err(failed))) => {
                return Poll::Ready(Err(failed));
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(Ok(())),
            _ => {}
        }
        let moved = (up.relay.moved(), down.relay.moved());
        if seen != Some(moved) {
            seen = Some(moved);
            attempt.alarm.set(attempt.timeouts.tunnel_idle);
        }
        attempt.alarm.poll(cx).map(Ok)
    });
    let ended = ended.await;
    attempt.alarm.clear();
    attempt.count_bytes(&mut upstream);
    ended
}

/// One direction, from its first byte to the end that was passed on.
struct Direction {
    relay: Download,
    has_ended: bool,
}

impl Direction {
    fn from(side: Side) -> Self {
        // A pipe for each idle tunnel would cost more descriptors than it saves copies.
        Self { relay: Download::from(side, None), has_ended: false }
    }

    fn poll_up<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        instance: &mut wire::h1::Conn,
    ) -> Poll<Result<(), Failed>> {
        if self.has_ended {
            return Poll::Ready(Ok(()));
        }
        let polled =
            self.relay.poll(cx, client, &mut HalfClosed(instance, wire::h1::Conn::poll_shutdown));
        self.ended(polled)
    }

    fn poll_down<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        instance: &mut wire::h1::Conn,
        client: &mut C,
    ) -> Poll<Result<(), Failed>> {
        if self.has_ended {
            return Poll::Ready(Ok(()));
        }
        let polled = self.relay.poll(cx, instance, &mut HalfClosed(client, C::poll_close_half));
        self.ended(polled)
    }

    fn ended(&mut self, polled: Poll<Result<(), (Side, Error)>>) -> Poll<Result<(), Failed>> {
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                self.has_ended = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err((Side::Client, _))) => {
                Poll::Ready(Err(cut(Side::Client, Fault::ClientGone)))
            }
            Poll::Ready(Err((Side::Instance, _))) => {
                let mut failed = cut(Side::Instance, Fault::UpstreamTruncated);
                // Either side may end a tunnel as it likes.
                failed.blames_instance = false;
                debug_assert_eq!(failed.reached, Reached::Answer);
                Poll::Ready(Err(failed))
            }
        }
    }
}

/// A sink whose body ends with the end of its half of the stream.
struct HalfClosed<'a, S, F>(&'a mut S, F);

impl<S: Sink, F> Sink for HalfClosed<'_, S, F>
where
    F: Fn(&mut S, &mut Context<'_>) -> Poll<Result<(), Error>>,
{
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        self.0.poll_send(cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_flush(cx)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>, _: Option<&Fields>) -> Poll<Result<(), Error>> {
        (self.1)(self.0, cx)
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}
