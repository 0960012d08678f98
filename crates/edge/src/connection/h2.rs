//! A client's connection over HTTP/2: each stream is an exchange of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{HeaderMap, Request};
use tokio::time::{Instant, Sleep, sleep};
use wire::account::Charge;
use wire::body::{Error, Sink, Source};
use wire::buffer::{HEAD_BYTES, Pool};
use wire::h1::conn::Ended;
use wire::h1::{Conn, Framing};
use wire::h2::ahead::Body;
use wire::h2::head::content_length;
use wire::h2::meter::{HasFragment, Limits, Meter, Metered, server_builder};
use wire::h2::outbox::OUTBOX_BYTES_MIN;
use wire::h2::stream::fields_bytes;
use wire::h2::{Ahead, Outbox, Payload, Responder, Stream};
use wire::head::{Fields, RequestHead, Version};
use wire::stream::Rewound;
use wire::traffic::Traffic;

use super::idleness::Idleness;
use super::linger;
use crate::worker::context::ConnectionContext;
use telemetry::Ending;

use crate::client::{Client, StatusLine};
use crate::exchange::reading;
use crate::exchange::refusal::Refusal;
use crate::grpc::Dialect;
use crate::instance::long_lived::LongLived;
use crate::peer::Peer;
use crate::serve;
use crate::snapshot::ListenerPlan;
use crate::upstream::entrance::Entrance;
use crate::upstream::own_lines::OwnLines;
use crate::wheel::Timer;
use crate::worker::Worker;
use crate::worker::guest::EXCHANGE_BYTES;

/// How long a stream whose response breaks off is not reset, from when something of it was last seen to
/// be written: `h2` would throw away what waits.
const GRACE: Duration = Duration::from_secs(1);
/// How long a client that was told that its connection ends, and has nothing open on it, may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// What one connection may hold of memory: as many exchanges at rest as it may have streams, and
/// a mebibyte for longer heads and for what waits to be written.
const CONNECTION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a connection holds without any stream: the buffers and tables of the `h2` crate, and what
/// may wait in its outbox in any case.
const CONNECTION_BYTES: usize = 32 * 1024 + OUTBOX_BYTES_MIN;

/// Streams that a connection begins before others have their turn: one that sends many small heads, each of which
/// takes long to look at, holds nobody else up for longer.
const BEGUN_AT_ONCE: usize = 32;

/// What all streams of a connection share.
struct Shared {
    worker: Rc<Worker>,
    peer: Peer,
    own_lines: OwnLines,
    open: std::cell::Cell<usize>,
    /// Buffers that are counted as this connection's.
    pool: Pool,
    outbox: Outbox,
    ahead: Ahead,
    _held: Charge,
}

/// Serves streams until one side wants no more.
pub(super) async fn serve(mut context: ConnectionContext, stream: Rewound, peer: Peer) {
    let limits = &context.plan().listener.limits;
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let limits = Limits { header_bytes, ..Limits::default() };
    let builder = server_builder(limits);
    let timer = context.worker.wheel.timer();
    let account = context.pool().account().part(CONNECTION_BYTES_MAX);
    let ahead = Ahead::new(&account);
    let (metered, mut meter) = Metered::new(stream, limits, ahead.clone());
    let Some(held) = account.charge(CONNECTION_BYTES) else {
        let client = peer.ip();
        tracing::debug!(%client, "no memory for another HTTP/2 connection; closing it");
        return;
    };
    let mut handshake = Box::pin(builder.handshake::<_, Payload>(metered));
    let header = context.plan().listener.timeouts.header;
    let Some(Ok(mut connection)) = timer.within(header, |cx| handshake.as_mut().poll(cx)).await
    else {
        return;
    };
    drop(handshake);
    let shared = Rc::new(Shared {
        worker: context.worker.clone(),
        peer,
        own_lines: OwnLines::default(),
        open: std::cell::Cell::new(0),
        pool: context.pool().counted_in(account.clone()),
        outbox: Outbox::new(account),
        ahead,
        _held: held,
    });
    accept_streams(&mut context, &mut connection, &mut meter, &shared, &timer).await;
    if let Some(flood) = meter.flood() {
        let (worker, client) = (&shared.worker, shared.peer.ip());
        if let Some(before) = worker.seldom.floods.happens(worker.wheel.now()) {
            tracing::info!(%client, flood = flood.name(), before, "HTTP/2 flood ended");
        }
    }
}

/// Gives each stream a task of its own until the connection ends, minding that it may idle, flood,
/// or have to end.
async fn accept_streams(
    context: &mut ConnectionContext,
    connection: &mut Connection<Metered<Rewound>, Payload>,
    meter: &mut Meter,
    shared: &Rc<Shared>,
    timer: &Timer,
) {
    // One that comes while the edge stops goes at once, and others in their turn.
    let is_late = context.worker.is_draining();
    let lasting = LongLived::connection(&context.worker.connections, context.worker.wheel.now());
    let mut is_closing = false;
    let mut idleness = Idleness::begin(timer, context.plan().listener.timeouts.idle);
    poll_fn(|cx| {
        let is_called = is_late || lasting.poll_called(cx).is_ready();
        if !is_closing && (context.is_closed() || is_called) {
            is_closing = true;
            connection.graceful_shutdown();
        }
        shared.ahead.widen(|stream, all| {
            let is_told = connection.set_initial_window_size(stream).is_ok();
            if is_told {
                connection.set_target_window_size(all);
            }
            is_told
        });
        let mut begun = 0;
        loop {
            match meter.poll_accept(connection, cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    context.refresh();
                    shared.begin(context, meter, request, respond);
                    idleness = Idleness::begin(timer, context.plan().listener.timeouts.idle);
                    begun += 1;
                    if begun == BEGUN_AT_ONCE {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        if shared.open.get() > 0 {
            // It is busy: looked at again once in a while.
            while timer.poll(cx).is_ready() {
                idleness = Idleness::begin(timer, context.plan().listener.timeouts.idle);
            }
            return Poll::Pending;
        }
        ready!(idleness.poll(cx, context, timer));
        if is_closing {
            return Poll::Ready(());
        }
        is_closing = true;
        connection.graceful_shutdown();
        idleness = Idleness::begin(timer, GOODBYE);
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Shared {
    /// Begins a stream, which is served by the plan that is in force now.
    fn begin(
        self: &Rc<Self>,
        context: &ConnectionContext,
        meter: &Meter,
        request: Request<RecvStream>,
        mut respond: SendResponse<Payload>,
    ) {
        // As it is when it is written out: a field that stands in the connection's table costs its
        // sender one byte.
        let head_bytes = fields_bytes(request.headers()) as usize;
        let long = head_bytes.saturating_sub(HEAD_BYTES);
        let Some((held, ahead)) = self.admit(EXCHANGE_BYTES + long, &request) else {
            let (head, _) = request.into_parts();
            self.refusal(context.plan(), &head, Ending::Overloaded)
                .record_reset(Traffic { received: head_bytes as u64, sent: 0 });
            if let Some(before) = self.worker.seldom.no_memory.happens(self.worker.wheel.now()) {
                let client = self.peer.ip();
                tracing::warn!(%client, before, "no memory for a client's request; refusing its stream");
            }
            // The client may try again, on another connection or later (RFC 9113 §8.7).
            meter.spare();
            return respond.send_reset(Reason::REFUSED_STREAM);
        };
        self.open.set(self.open.get() + 1);
        let (shared, plan) = (self.clone(), context.plan().clone());
        // In a box of its own, which a task that begins and ends copies instead of what is in it.
        let request = Admitted { request, ahead, held, long };
        tokio::task::spawn_local(Box::pin(stream_of(shared, plan, request, respond)));
    }

    /// What is to be said of a stream that is no exchange.
    fn refusal<'a>(
        &'a self,
        plan: &'a ListenerPlan,
        head: &'a Parts,
        ending: Ending,
    ) -> Refusal<'a> {
        Refusal {
            worker: &self.worker,
            listener: plan,
            peer: &self.peer,
            ending,
            protocol: Version::H2.as_str(),
            method: head.method.as_str().as_bytes(),
            host: head.uri.authority().map_or(b"", |it| it.as_str().as_bytes()),
            path: head.uri.path().as_bytes(),
            dialect: dialect_of(head),
        }
    }

    /// Room for a request that holds so many bytes, and for what its client may send ahead of its
    /// body.
    fn admit(&self, bytes: usize, request: &Request<RecvStream>) -> Option<(Charge, Option<Body>)> {
        let held = self.pool.account().charge(bytes)?;
        match request.body().is_end_stream() {
            true => Some((held, None)),
            false => Some((held, Some(self.ahead.open()?))),
        }
    }
}

/// A request for which there is room.
struct Admitted {
    request: Request<RecvStream>,
    /// Its body, unless it has none.
    ahead: Option<Body>,
    held: Charge,
    /// What of `held` is for a head that is longer than most, until its buffer is counted.
    long: usize,
}

/// Serves one stream.
async fn stream_of(
    shared: Rc<Shared>,
    plan: Arc<ListenerPlan>,
    admitted: Admitted,
    respond: SendResponse<Payload>,
) {
    let Admitted { request, ahead, mut held, long } = admitted;
    let (parts, body) = request.into_parts();
    let has_ended = body.is_end_stream();
    let pool = &shared.pool;
    let timer = shared.worker.wheel.timer();
    let mut client = H2 {
        stream: Stream::from_client(body, ahead, shared.outbox.clone(), pool.clone()),
        responder: Responder::new(respond),
        before: Traffic::default(),
        grace: None,
    };
    let head = head_of(&parts, pool, &plan);
    held.shrink(long);
    match head {
        Ok(head) => {
            client.stream.received_head(head.fields.head_bytes());
            let framing = match (has_ended, content_length(&head.fields)) {
                (true, _) => Framing::None,
                (false, Some(length)) => Framing::Length(length),
                (false, None) => Framing::Chunked,
            };
            let is_request = framing != Framing::Length(0)
                || Box::pin(is_empty(&shared, &plan, &timer, &mut client, &parts)).await;
            if is_request {
                drop(parts);
                exchange_of(&shared, &plan, &timer, &mut client, &head, framing).await;
            }
        }
        Err(ending) => {
            client.stream.received_head(fields_bytes(&parts.headers) as usize);
            let refusal = shared.refusal(&plan, &parts, ending);
            Box::pin(refusal.tell(&mut client, &timer)).await;
        }
    }
    // A client that still sends is told to stop.
    drop(client);
    shared.open.set(shared.open.get() - 1);
}

/// Waits until it is known whether a stream that announced an empty body keeps its word.
async fn is_empty(
    shared: &Shared,
    plan: &ListenerPlan,
    timer: &Timer,
    client: &mut H2,
    parts: &Parts,
) -> bool {
    // What it is called if the time to drain is over meanwhile.
    let unproven = shared.refusal(plan, parts, Ending::Shutdown).unless_proven(client);
    match unproven.client.is_empty(plan, timer).await {
        Ok(()) => {
            unproven.prove();
            true
        }
        Err(ending) => {
            unproven.refuse(ending);
            false
        }
    }
}

/// Serves the exchange that a stream is.
async fn exchange_of(
    shared: &Rc<Shared>,
    plan: &ListenerPlan,
    timer: &Timer,
    client: &mut H2,
    head: &RequestHead,
    framing: Framing,
) {
    let entrance = Entrance {
        worker: &shared.worker,
        listener: plan,
        peer: &shared.peer,
        own_lines: &shared.own_lines,
        timer,
        account: shared.pool.account(),
    };
    serve::run(entrance, client, head, framing).await;
    if client.stream.is_sent() && !client.stream.is_received() {
        Box::pin(linger::drain(&shared.worker, &mut client.stream, timer)).await;
    }
}

fn head_of(parts: &Parts, pool: &Pool, plan: &ListenerPlan) -> Result<RequestHead, Ending> {
    if parts.headers.len() > plan.listener.limits.headers {
        return Err(Ending::HeaderTooLarge);
    }
    if parts.extensions.get::<HasFragment>().is_some() {
        return Err(Ending::BadRequest);
    }
    if parts.method == http::Method::CONNECT {
        return Err(Ending::MethodNotAllowed);
    }
    wire::h2::head::request(parts, pool).map_err(|fault| reading::request_failed(&fault.into()))
}

/// Whether a request whose head is at fault was to be a gRPC call.
fn dialect_of(parts: &Parts) -> Option<Dialect> {
    let media = parts.headers.get(http::header::CONTENT_TYPE)?;
    (parts.method == http::Method::POST).then(|| Dialect::of(media.as_bytes()))?
}

/// The client's side of one exchange.
struct H2 {
    stream: Stream,
    responder: Responder,
    /// What went over it until its last record.
    before: Traffic,
    /// How long a response that broke off still has to be written.
    grace: Option<Pin<Box<Sleep>>>,
}

impl H2 {
    /// Waits for the end of a stream that has announced an empty body, and did not end with its head, so
    /// that data which contradicts the length (RFC 9113 §8.1.1) is seen before an instance is asked; one
    /// that never ends is taken for empty in the end.
    async fn is_empty(&mut self, plan: &ListenerPlan, timer: &Timer) -> Result<(), Ending> {
        let patience = plan.listener.timeouts.body_idle;
        match timer.within(patience, |cx| self.stream.poll_fill(cx)).await {
            None | Some(Ok(false)) => Ok(()),
            Some(Ok(true)) => Err(Ending::BadRequest),
            Some(Err(error)) => Err(reading::request_failed(&error)),
        }
    }
}

impl Source for H2 {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        self.stream.poll_fill(cx)
    }

    fn expect_room(&mut self, bytes: usize) {
        self.stream.expect_room(bytes);
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

    fn room(&self) -> usize {
        self.stream.room()
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

    fn carries_trailers(&self, framing: Framing) -> bool {
        !framing.is_empty()
    }

    fn inform(
        &mut self,
        line: StatusLine<'_>,
        fields: impl FnOnce(&mut HeaderMap),
    ) -> Result<(), Error> {
        let mut map = HeaderMap::new();
        fields(&mut map);
        self.responder.inform(line.status, map)
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
        self.stream.respond(&mut self.responder, line.status, map, framing)
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

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let reset = match self.stream.has_responded() {
            true => self.stream.poll_reset(cx),
            false => self.responder.poll_reset(cx),
        };
        reset.map(|()| Ended::Broken)
    }

    fn poll_close_half(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stream.poll_finish(cx, None)
    }

    fn end_after_response(&mut self) {
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
        self.responder.reset(Reason::INTERNAL_ERROR);
    }

    fn take_traffic(&mut self) -> Traffic {
        let now = self.stream.traffic();
        now.since(std::mem::replace(&mut self.before, now))
    }
}
