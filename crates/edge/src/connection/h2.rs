//! A client's connection over HTTP/2: each stream is an exchange of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request};
use tokio::time::{Instant, Sleep, sleep};
use wire::body::{Error, Sink, Source};
use wire::h1::{Conn, Framing};
use wire::h2::head::content_length;
use wire::h2::meter::{Limits, Meter, Metered, server_builder};
use wire::h2::{Answer, Stream};
use wire::head::{Fields, RequestHead, Version};
use wire::stream::Rewound;

use super::{Door, linger};
use crate::client::{Client, StatusLine};
use crate::exchange::{self, Entrance};
use crate::fault::Fault;
use crate::identity::Peer;
use crate::lasting::Lasting;
use crate::refusal::Refusal;
use crate::snapshot::ListenerPlan;
use crate::wheel::Alarm;
use crate::worker::Worker;

/// How long a stream whose response breaks off is not reset, from when something of it was last seen to
/// be written: `h2` would throw away what waits.
const GRACE: Duration = Duration::from_secs(1);

/// What all streams of a connection share.
struct Shared {
    worker: Rc<Worker>,
    peer: Peer,
    open: std::cell::Cell<usize>,
}

/// Serves streams until one side wants no more.
pub(super) async fn serve(mut door: Door, stream: Rewound, peer: Peer) {
    let limits = &door.plan.listener.limits;
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let builder = server_builder(Limits { header_bytes, ..Limits::default() });
    let alarm = door.worker.wheel.alarm();
    let (metered, mut meter) = Metered::new(stream);
    let mut handshake = Box::pin(builder.handshake::<_, Bytes>(metered));
    let header = door.plan.listener.timeouts.header;
    let Some(Ok(mut connection)) = alarm.within(header, |cx| handshake.as_mut().poll(cx)).await
    else {
        return;
    };
    drop(handshake);
    let shared =
        Rc::new(Shared { worker: door.worker.clone(), peer, open: std::cell::Cell::new(0) });
    accept_streams(&mut door, &mut connection, &mut meter, &shared, &alarm).await;
    if let Some(flood) = meter.flood() {
        tracing::info!(client = %peer.ip(), flood = flood.name(), "HTTP/2 flood ended");
    }
}

/// Gives each stream a task of its own until the connection ends, minding that it may idle, flood,
/// or have to end.
async fn accept_streams(
    door: &mut Door,
    connection: &mut Connection<Metered<Rewound>, Bytes>,
    meter: &mut Meter,
    shared: &Rc<Shared>,
    alarm: &Alarm,
) {
    // One that comes while the edge stops goes at once, and others in their turn.
    let is_late = door.worker.is_draining();
    let lasting = Lasting::connection(&door.worker.connections, door.worker.wheel.now());
    let mut is_closing = false;
    alarm.set(door.plan.listener.timeouts.idle);
    poll_fn(|cx| {
        let is_called = is_late || lasting.poll_called(cx).is_ready();
        if !is_closing && (door.is_closed || is_called) {
            is_closing = true;
            connection.graceful_shutdown();
        }
        loop {
            match meter.poll_accept(connection, cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    door.refresh();
                    shared.begin(door, request, respond);
                    alarm.set(door.plan.listener.timeouts.idle);
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        while alarm.poll(cx).is_ready() {
            if shared.open.get() == 0 && !is_closing {
                is_closing = true;
                connection.graceful_shutdown();
                cx.waker().wake_by_ref();
            } else if shared.open.get() == 0 {
                return Poll::Ready(());
            }
            alarm.set(door.plan.listener.timeouts.idle);
        }
        Poll::Pending
    })
    .await;
}

impl Shared {
    /// Begins a stream, which is served by the plan that is in force now.
    fn begin(
        self: &Rc<Self>,
        door: &Door,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) {
        self.open.set(self.open.get() + 1);
        let (shared, plan) = (self.clone(), door.plan.clone());
        // In a box of its own, which a task that begins and ends copies instead of what is in it.
        tokio::task::spawn_local(Box::pin(stream_of(shared, plan, request, respond)));
    }
}

/// Serves one stream.
async fn stream_of(
    shared: Rc<Shared>,
    plan: Arc<ListenerPlan>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (parts, body) = request.into_parts();
    let has_ended = body.is_end_stream();
    let pool = &shared.worker.pool;
    let alarm = shared.worker.wheel.alarm();
    let mut client = H2 {
        stream: Stream::from_client(body, None, pool.clone()),
        answer: Answer::new(respond),
        bytes_before: (0, 0),
        grace: None,
    };
    match head_of(&parts, pool, &plan) {
        Ok(head) => {
            let length = content_length(&head.fields);
            let framing = match (has_ended, length) {
                (true, _) => Framing::None,
                (false, Some(length)) => Framing::Length(length),
                (false, None) => Framing::Chunked,
            };
            drop(parts);
            let entrance = Entrance {
                worker: &shared.worker,
                listener: &plan,
                peer: &shared.peer,
                alarm: &alarm,
            };
            if framing != Framing::Length(0) || client.is_empty_as_said(&plan, &alarm).await {
                exchange::run(entrance, &mut client, &head, framing).await;
                if client.stream.is_sent() && !client.stream.is_received() {
                    let drained = linger::drain(&shared.worker, &mut client.stream, &alarm);
                    Box::pin(drained).await;
                }
            }
        }
        Err(fault) => {
            let refusal = Refusal {
                worker: &shared.worker,
                listener: &plan,
                peer: &shared.peer,
                alarm: &alarm,
                fault,
                protocol: Version::H2.as_str(),
                method: parts.method.as_str().as_bytes(),
                host: parts.uri.authority().map_or(b"", |it| it.as_str().as_bytes()),
                path: parts.uri.path().as_bytes(),
            };
            Box::pin(refusal.tell(&mut client)).await;
        }
    }
    // A client that still sends is told to stop.
    drop(client);
    shared.open.set(shared.open.get() - 1);
}

fn head_of(
    parts: &http::request::Parts,
    pool: &wire::buffer::Pool,
    plan: &ListenerPlan,
) -> Result<RequestHead, Fault> {
    if parts.headers.len() > plan.listener.limits.headers {
        return Err(Fault::HeaderTooLarge);
    }
    if parts.method == http::Method::CONNECT {
        return Err(Fault::MethodNotAllowed);
    }
    wire::h2::head::request(parts, pool).map_err(|fault| Fault::of_head(&fault.into()))
}

/// The client's side of one exchange.
struct H2 {
    stream: Stream,
    answer: Answer,
    bytes_before: (u64, u64),
    /// How long a response that broke off still has to be written.
    grace: Option<Pin<Box<Sleep>>>,
}

impl H2 {
    /// Whether a stream that has announced an empty body, and did not end with its head, keeps its
    /// word. Waited for, so that data which contradicts the length (RFC 9113 §8.1.1) is seen before
    /// an instance is asked; one that never ends is taken for empty in the end.
    async fn is_empty_as_said(&mut self, plan: &ListenerPlan, alarm: &Alarm) -> bool {
        let patience = plan.listener.timeouts.body_idle;
        let end = alarm.within(patience, |cx| self.stream.poll_fill(cx)).await;
        matches!(end, None | Some(Ok(false)))
    }
}

impl Source for H2 {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        self.stream.poll_fill(cx)
    }

    fn data(&self) -> &[u8] {
        self.stream.data()
    }

    fn consume(&mut self, n: usize) {
        self.stream.consume(n);
    }

    fn take_trailers(&mut self) -> Result<Option<Fields>, Error> {
        self.stream.take_trailers()
    }

    fn remaining(&self) -> Option<u64> {
        self.stream.remaining()
    }

    fn source_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}

impl Sink for H2 {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, Error>> {
        self.stream.poll_send(cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stream.poll_flush(cx)
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), Error>> {
        self.stream.poll_finish(cx, trailers)
    }

    fn sink_conn(&mut self) -> Option<&mut Conn> {
        None
    }
}

impl Client for H2 {
    type Fields = HeaderMap;

    fn inform(
        &mut self,
        line: StatusLine<'_>,
        fields: impl FnOnce(&mut HeaderMap),
    ) -> Result<(), Error> {
        let mut map = HeaderMap::new();
        fields(&mut map);
        self.answer.inform(line.status, map)
    }

    fn begin(
        &mut self,
        line: StatusLine<'_>,
        framing: Framing,
        fields: impl FnOnce(&mut HeaderMap),
    ) -> Result<(), Error> {
        let mut map = HeaderMap::with_capacity(16);
        fields(&mut map);
        if let Framing::Length(length) = framing {
            map.insert(http::header::CONTENT_LENGTH, length.into());
        }
        self.stream.answer(&mut self.answer, line.status, map, framing)
    }

    fn switch(
        &mut self,
        _: StatusLine<'_>,
        _: &[u8],
        _: impl FnOnce(&mut HeaderMap),
    ) -> Result<(), Error> {
        // HTTP/2 has no Upgrade (RFC 9113 §8.6): no head asks for one, so none is agreed to.
        Err(Error::Io(std::io::ErrorKind::Unsupported.into()))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.stream.has_answered() {
            true => self.stream.poll_reset(cx),
            false => self.answer.poll_reset(cx),
        }
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_gone(cx)
    }

    fn poll_close_half(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stream.poll_finish(cx, None)
    }

    fn end_after_answer(&mut self) {
        // Its frames stand by themselves: another stream is not in danger.
    }

    fn poll_break_off(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let grace = self.grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
        loop {
            match self.stream.poll_written(cx)? {
                Poll::Ready(true) => break,
                Poll::Ready(false) => grace.as_mut().reset(Instant::now() + GRACE),
                Poll::Pending => {
                    ready!(grace.as_mut().poll(cx));
                    break;
                }
            }
        }
        self.stream.break_off();
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {
        self.stream.reset(Reason::INTERNAL_ERROR);
        self.answer.reset(Reason::INTERNAL_ERROR);
    }

    fn take_counts(&mut self) -> (u64, u64) {
        let now = self.stream.counts();
        let before = std::mem::replace(&mut self.bytes_before, now);
        (now.0 - before.0, now.1 - before.1)
    }
}
