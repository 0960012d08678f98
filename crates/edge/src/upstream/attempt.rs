//! One attempt: a request is sent to one instance, and its answer comes back to the client.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use model::{ExchangeKind, HeaderEdits, RetryCondition, ServiceTimeouts, UpstreamProtocol};
use telemetry::{Blame, Ending};
use wire::account::Account;
use wire::h1::Framing;
use wire::head::{Fields, Method, ResponseHead, list};
use wire::name::Name;
use wire::system::is_shortage;
use wire::traffic::Traffic;

use crate::choice::Claim;
use crate::choice::sticky::Affinity;
use crate::client::Client;
use crate::exchange::reading;
use crate::exchange::record::ExchangeRecord;
use crate::grpc::web::Frames;
use crate::grpc::{Call, Ended};
use crate::instance::NewConnection;
use crate::instance::long_lived::LongLived;
use crate::instance::trunk::Passage;
use crate::live::Bar;
use crate::policy::mapping::Mapping;
use crate::response::{self, Applied, Head, Passed};
use crate::upstream::failed::{
    Failed, Reached, broken_off, client_gone, cut, not_sent, unprocessed,
};
use crate::upstream::keep_alive::idle_for;
use crate::upstream::outbound::Outbound;
use crate::upstream::pace::Pace;
use crate::upstream::patience::Patience;
use crate::upstream::relay::{Broken, Download, REPLAY_BYTES_MAX, Side, Start, Upload};
use crate::upstream::retry::Retries;
use crate::upstream::trailing::Trailing;
use crate::upstream::tunnel;
use crate::upstream::{INFORMATIONAL_MAX, Upstream};
use crate::wheel::Timer;
use crate::worker::Worker;

/// How long an exchange may go on whose client sends no more, whose instance is to go and has not
/// said anything: as long as a client may be silent that is lingered for (`connection::linger`).
const LEFT_BEHIND: Duration = Duration::from_secs(5);
/// How often it is looked whether its instance is to go.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What one attempt needs to know.
pub(crate) struct Attempt<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) request: &'a Outbound<'a>,
    pub(crate) framing: Framing,
    pub(crate) claim: &'a Claim,
    pub(crate) timeouts: &'a ServiceTimeouts,
    pub(crate) client_timeouts: &'a model::ListenerTimeouts,
    pub(crate) protocol: UpstreamProtocol,
    pub(crate) timer: &'a Timer,
    pub(crate) account: &'a Account,
    pub(crate) retries: &'a Retries<'a>,
    pub(crate) stay: Affinity<'a>,
    /// The gRPC call that the request is, if it is one.
    pub(crate) call: Option<Call>,
}

/// A response that is not passed on, since another instance is to be asked first.
pub(crate) struct Withheld {
    upstream: Upstream,
    head: ResponseHead,
}

impl Withheld {
    /// Another instance was found: nobody wants it any more.
    pub(crate) fn discard(mut self) {
        self.upstream.cancel();
    }
}

/// An attempt's answer has begun, and this is what is left of the attempt.
struct Answered {
    upstream: Upstream,
    /// How long its connection may be kept, if it may be.
    kept_for: Option<Duration>,
}

impl Attempt<'_> {
    /// Makes the attempt. `None` once its response was passed on.
    pub(crate) async fn run<C: Client>(
        &self,
        client: &mut C,
        upload: &mut Upload,
        story: &mut ExchangeRecord<'_>,
    ) -> Result<Option<Box<Withheld>>, Failed> {
        let mut upstream = self.reach(client, story).await?;
        upstream.read_as(self.claim.service.service.violations);
        let waits = self.request.head.expects_continue() && !self.framing.is_empty();
        upload.begin(if waits { Start::Held } else { Start::AtOnce });
        let instance = self.claim.member.live.address;
        upstream.send_head(self.request, self.framing, instance).map_err(not_sent)?;
        let uploading = is_long(self.framing).then(|| self.lasts(ExchangeKind::Upload));
        let head = match self.final_head(client, &mut upstream, upload, story).await {
            Ok(head) => head,
            Err(failed) => {
                upstream.cancel();
                if failed.ending == Ending::ClientDeadline && story.leave() {
                    self.observe_latency(story.waited_for());
                }
                return Err(failed);
            }
        };
        let latency = story.heard();
        if !story.is_left() {
            self.observe_latency(latency);
        }
        if head.status() == 101 {
            return Box::pin(tunnel::run(self, client, upstream, &head, story))
                .await
                .map(|()| None);
        }
        if self.retries.withhold(head.status(), self.claim, upload) {
            return Ok(Some(Box::new(Withheld { upstream, head })));
        }
        self.pass_on(client, upstream, &head, Uploading { upload, lasting: uploading }, story)
            .await
            .map(|()| None)
    }

    /// Passes a response on after all that was withheld.
    pub(crate) async fn give_out<C: Client>(
        &self,
        withheld: Withheld,
        client: &mut C,
        upload: &mut Upload,
        story: &mut ExchangeRecord<'_>,
    ) -> Result<(), Failed> {
        let Withheld { upstream, head } = withheld;
        let uploading = is_long(self.framing).then(|| self.lasts(ExchangeKind::Upload));
        self.pass_on(client, upstream, &head, Uploading { upload, lasting: uploading }, story).await
    }

    /// A connection: one that was kept, or a new one.
    async fn reach<C: Client>(
        &self,
        client: &mut C,
        story: &mut ExchangeRecord<'_>,
    ) -> Result<Upstream, Failed> {
        let member = &self.claim.member;
        if !self.retries.wants_fresh()
            && let Some(upstream) =
                member.reuse(self.protocol, self.worker.wheel.now(), self.account).await
        {
            return Ok(upstream.into());
        }
        Box::pin(self.connect(client, story)).await
    }

    /// A new connection. Its future is large, and rare.
    async fn connect<C: Client>(
        &self,
        client: &mut C,
        story: &mut ExchangeRecord<'_>,
    ) -> Result<Upstream, Failed> {
        let member = &self.claim.member;
        let kind = match self.protocol {
            UpstreamProtocol::H1 => NewConnection::H1,
            UpstreamProtocol::H2 => match self.passage(client).await? {
                Passage::Free(sender, lane) => {
                    return Ok(member.over(sender, lane, self.account).into());
                }
                Passage::Open(opening) => NewConnection::Shared(opening),
                Passage::Wait => return Err(Failed::by_us(Ending::QueueTimeout, Reached::Nothing)),
            },
        };
        let slot =
            self.worker.slot().ok_or_else(|| Failed::by_us(Ending::Shortage, Reached::Nothing))?;
        let mut connecting = std::pin::pin!(member.connect(kind, slot, self.account));
        let started = Instant::now();
        let outcome = self
            .timer
            .within(self.timeouts.connect, |cx| match connecting.as_mut().poll(cx) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending => client.poll_gone(cx).map(|()| None),
            })
            .await;
        let failed =
            |ending| Failed::by_instance(ending, Reached::Nothing, RetryCondition::Connect);
        match outcome {
            Some(Some(Ok(upstream))) => {
                story.connected(started.elapsed());
                member.live.shard(self.worker.index).connects.add(1);
                Ok(upstream.into())
            }
            Some(Some(Err(error))) => {
                tracing::debug!(instance = %member.live.name, %error, "cannot connect");
                Err(match is_shortage(&error) {
                    true => Failed::by_us(Ending::Shortage, Reached::Nothing),
                    false => failed(Ending::ConnectFailed),
                })
            }
            Some(None) => Err(Failed::by_client(Ending::ClientClosed, Reached::Nothing)),
            None => Err(failed(Ending::ConnectTimeout)),
        }
    }

    /// A stream on a shared connection, or one that may be opened; waits where all are full, which is
    /// a matter of the queue and no fault of the instance.
    async fn passage<C: Client>(&self, client: &mut C) -> Result<Passage, Failed> {
        let (trunks, wanted) = (&self.claim.member.trunks, &self.claim.service.service);
        let mut place = None;
        // In the time of the worker's wheel.
        let began = self.worker.wheel.now();
        loop {
            match trunks.find().await {
                Passage::Wait => {}
                found => return Ok(found),
            }
            if place.is_none() {
                place = trunks.wait(wanted.queue.length);
            }
            let Some(place) = &place else {
                return Err(Failed::by_us(Ending::QueueFull, Reached::Nothing));
            };
            let is_first = trunks.is_opening_first();
            let limit = if is_first { self.timeouts.connect } else { wanted.queue.timeout };
            let left = limit.saturating_sub(self.worker.wheel.now() - began);
            let mut changed = std::pin::pin!(place.changed());
            let waited = self.timer.within(left, |cx| match changed.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => client.poll_gone(cx).map(|()| Err(())),
            });
            match waited.await {
                Some(Ok(())) => {}
                Some(Err(())) => {
                    return Err(Failed::by_client(Ending::ClientClosed, Reached::Nothing));
                }
                None if is_first => {
                    let condition = RetryCondition::Connect;
                    let ending = Ending::ConnectTimeout;
                    return Err(Failed::by_instance(ending, Reached::Nothing, condition));
                }
                None => return Err(Failed::by_us(Ending::QueueTimeout, Reached::Nothing)),
            }
        }
    }

    /// Sends the body and waits for the head that ends the wait, passing on those of 1xx.
    async fn final_head<C: Client>(
        &self,
        client: &mut C,
        upstream: &mut Upstream,
        upload: &mut Upload,
        story: &mut ExchangeRecord<'_>,
    ) -> Result<ResponseHead, Failed> {
        for _ in 0..=INFORMATIONAL_MAX {
            let head = self.next_head(client, upstream, upload, story).await?;
            match head.status() {
                101 if is_asked_for(self.request.upgrade.as_deref(), &head) => return Ok(head),
                101 => break,
                100 if upload.is_held() => {
                    upload.release();
                    response::inform(client, &head, self.response_edits()).map_err(client_gone)?;
                }
                // The client did not ask, or was told already.
                100 => {}
                102..=199 => {
                    response::inform(client, &head, self.response_edits()).map_err(client_gone)?
                }
                _ => {
                    story.status = Some(head.status());
                    return Ok(head);
                }
            }
            if let Poll::Ready(Err(error)) = poll_fn(|cx| Poll::Ready(client.poll_flush(cx))).await
            {
                return Err(client_gone(error));
            }
        }
        Err(Failed::by_instance(Ending::UpstreamProtocol, Reached::Sent, RetryCondition::Reset))
    }

    async fn next_head<C: Client>(
        &self,
        client: &mut C,
        upstream: &mut Upstream,
        upload: &mut Upload,
        story: &mut ExchangeRecord<'_>,
    ) -> Result<ResponseHead, Failed> {
        let mut pace = Pace::new(upload);
        let mut left = None;
        let head = poll_fn(|cx| {
            if let Poll::Ready(Err(broken)) = upload.poll(cx, &mut self.body_of(client), upstream)
                && let Some(failed) = self.judge_upload(broken)
            {
                return Poll::Ready(Err(failed));
            }
            match upstream.poll_head(cx) {
                Poll::Ready(Ok(Some(head))) => return Poll::Ready(Ok(head)),
                Poll::Ready(Ok(None)) => {
                    return Poll::Ready(Err(self.silent(upstream, Ending::UpstreamReset)));
                }
                Poll::Ready(Err(error)) if error.is_unprocessed() => {
                    return Poll::Ready(Err(unprocessed()));
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(
                        self.silent(upstream, reading::response_failed(&error))
                    ));
                }
                Poll::Pending => {}
            }
            if upload.is_sent() {
                let gone = client.poll_gone(cx);
                if (gone.is_ready() || client.poll_left(cx).is_ready()) && story.leave() {
                    // It took at least so long: were that not counted, an instance that hangs would
                    // look the better, the sooner clients lose patience with it.
                    self.observe_latency(story.waited_for());
                }
                let is_over = gone.is_ready()
                    || (story.is_left() && self.poll_left_behind(cx, &mut left).is_ready());
                if is_over {
                    return Poll::Ready(Err(Failed::by_client(
                        Ending::ClientClosed,
                        Reached::Sent,
                    )));
                }
            }
            pace.poll(cx, self, client, upload)
        });
        let head = head.await;
        self.timer.clear();
        head
    }

    /// Ready when the client, which sends no more, has waited long enough for an instance that is to go.
    fn poll_left_behind(
        &self,
        cx: &mut Context<'_>,
        left: &mut Option<Box<LeftBehind>>,
    ) -> Poll<()> {
        // What is rare is on the heap.
        let left = left.get_or_insert_with(|| {
            let timer = self.worker.wheel.timer();
            timer.set(LOOK_EVERY);
            Box::new(LeftBehind { timer, since: None })
        });
        loop {
            ready!(left.timer.poll(cx));
            let now = self.worker.wheel.now();
            // It may be told to stay after all.
            let is_leaving = self.claim.member.live.has(Bar::Drained);
            left.since = left.since.or(Some(now)).filter(|_| is_leaving);
            if left.since.is_some_and(|since| now - since >= LEFT_BEHIND) {
                return Poll::Ready(());
            }
            left.timer.set(LOOK_EVERY);
        }
    }

    /// What a body that broke means; `None` where the instance's answer will tell.
    fn judge_upload(&self, broken: Broken) -> Option<Failed> {
        match broken {
            Broken::TooLarge => Some(Failed::by_client(Ending::BodyTooLarge, Reached::Sent)),
            Broken::By(Side::Client, error) => {
                Some(Failed::by_client(reading::request_failed(&error), Reached::Sent))
            }
            Broken::By(Side::Instance, _) => None,
        }
    }

    /// The connection ended, spoke nonsense, or could not be read, before there was a response.
    fn silent(&self, upstream: &Upstream, ending: Ending) -> Failed {
        let was_stale = upstream.is_reused() && ending == Ending::UpstreamReset;
        let condition = (ending.blame() == Blame::Instance).then_some(RetryCondition::Reset);
        Failed { ending, reached: Reached::Sent, condition, was_stale }
    }

    /// Waits so long, or as long as the client of a gRPC call does.
    pub(crate) fn wait(&self, limit: Duration) {
        self.timer.set(match &self.call {
            None => limit,
            Some(call) => limit.min(call.left(self.worker.wheel.now())),
        });
    }

    /// Whether the time is over that its client has given a gRPC call.
    pub(crate) fn is_over_for_client(&self) -> bool {
        self.call.is_some_and(|call| call.left(self.worker.wheel.now()).is_zero())
    }

    /// Whether neither side need say anything for a while: both may in a stream of gRPC messages whose
    /// client has not ended its part.
    pub(crate) fn may_be_silent(&self, upload: &Upload) -> bool {
        !upload.is_resting() && self.call.is_some_and(|call| call.is_stream())
    }

    /// How long neither side need say anything: `idle`, or longer where that means nothing.
    pub(crate) fn silence(&self, upload: &Upload, idle: Duration) -> Duration {
        match self.may_be_silent(upload) {
            true => idle.max(self.timeouts.tunnel_idle),
            false => idle,
        }
    }

    fn observe_latency(&self, latency: Duration) {
        let member = &self.claim.member;
        let mut smoothed = member.smoothed.get();
        smoothed.observe(self.worker.wheel.now(), latency);
        member.smoothed.set(smoothed);
        member.live.shard(self.worker.index).latency.record(latency);
    }

    /// Passes the answer on to its end, and keeps the connection if it can serve again.
    async fn pass_on<C: Client>(
        &self,
        client: &mut C,
        mut upstream: Upstream,
        head: &ResponseHead,
        uploading: Uploading<'_>,
        story: &mut ExchangeRecord<'_>,
    ) -> Result<(), Failed> {
        let Uploading { upload, lasting: uploading } = uploading;
        let method = self.request.head.method();
        let nonsense =
            |_| Failed::by_instance(Ending::UpstreamProtocol, Reached::Sent, RetryCondition::Reset);
        let framing = upstream.expect_body(method, head).map_err(nonsense)?;
        let is_kept =
            head.keeps_alive() && framing != Framing::Close && !is_framed_twice(&head.fields);
        let keep_alive = &self.claim.service.service.keep_alive;
        let kept_for = is_kept.then(|| idle_for(keep_alive, &head.fields)).flatten();
        if upload.is_held() {
            upload.decline();
            // Whether the client sends its body all the same, only it knows.
            client.end_after_answer();
        }
        let passed = self.passed(head);
        response::begin(client, Head::Instance(&passed), framing, &self.applied())
            .map_err(client_gone)?;
        story.answer_begins();
        let mut answered = Answered { upstream, kept_for };
        let lasting = match is_event_stream(method, head, framing) {
            true => Some(self.lasts(ExchangeKind::Stream)),
            false => uploading,
        };
        let relayed = self.relay(client, &mut answered.upstream, head, upload, lasting).await;
        self.timer.clear();
        self.count_bytes(&mut answered.upstream);
        match relayed {
            Ok(Relayed::Whole(ended)) => {
                if let Some(ended) = ended {
                    story.call_ends(head, &ended);
                }
                self.keep(answered, upload);
            }
            Ok(Relayed::DrainClosed) => {
                answered.upstream.cancel();
                story.drain_closed();
            }
            Err(failed) => {
                answered.upstream.cancel();
                return Err(failed);
            }
        }
        Ok(())
    }

    fn response_edits(&self) -> &HeaderEdits {
        &self.request.policies.response_headers
    }

    /// What is done to the instance's response.
    pub(crate) fn applied(&self) -> Applied<'_> {
        Applied {
            request_id: self.request.request_id,
            date: self.worker.calendar.today(),
            edits: self.response_edits(),
            phase: self.request.phase,
            stay: Some(&self.stay),
        }
    }

    /// The instance's head on its way to the client.
    pub(crate) fn passed<'h>(&'h self, head: &'h ResponseHead) -> Passed<'h> {
        let request = self.request;
        let mapping = Mapping::of(&request.rewriting, self.claim.member.live.address);
        Passed { head, method: request.head.method(), via: request.via, mapping }
    }

    /// The exchange may last, from now on.
    pub(crate) fn lasts(&self, kind: ExchangeKind) -> LongLived {
        LongLived::begin(&self.claim.member.lasting, kind, self.worker.wheel.now())
    }

    /// The request's body as the instance may see it.
    fn body_of<'c, C: Client>(&'c self, client: &'c mut C) -> Trailing<'c, C> {
        let edits = &self.request.policies.request_headers;
        Trailing { body: client, head: &self.request.head.fields, edits }
    }

    /// The answer's body, and what is left of the request's. A stream of events ends when it is
    /// called to leave; an upload is one until it was sent.
    async fn relay<C: Client>(
        &self,
        client: &mut C,
        upstream: &mut Upstream,
        head: &ResponseHead,
        upload: &mut Upload,
        mut lasting: Option<LongLived>,
    ) -> Result<Relayed, Failed> {
        let edits = self.response_edits();
        let is_stream = |lasting: &LongLived| lasting.kind() == ExchangeKind::Stream;
        let mut download = match self.call.and_then(|_| Frames::of(head)) {
            Some(frames) => Download::of_call(frames),
            None if lasting.as_ref().is_some_and(is_stream) => Download::of_events(),
            None => Download::from(Side::Instance, Some(&self.worker.pool)),
        };
        let mut is_called = false;
        let mut patience = Patience::default();
        let relayed = poll_fn(|cx| {
            // A client whose body is broken may still want its answer. One that sends too much gets no
            // more of it: the instance would wait for the rest.
            let uploaded = upload.poll(cx, &mut self.body_of(client), upstream);
            if matches!(uploaded, Poll::Ready(Err(Broken::TooLarge))) {
                return Poll::Ready(Err(cut(Side::Client, Ending::BodyTooLarge)));
            }
            match &lasting {
                Some(it) if !is_stream(it) && upload.is_sent() => {
                    lasting = None;
                    // From now on the instance alone has something to say.
                    patience = Patience::default();
                }
                Some(it) if is_stream(it) && it.poll_called(cx).is_ready() => {
                    is_called = true;
                    download.end_after_event();
                }
                _ => {}
            }
            let mut body = Trailing { body: &mut *upstream, head: &head.fields, edits };
            match download.poll(cx, &mut body, client) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err((side, _))) => {
                    return Poll::Ready(Err(cut(side, broken_off(side))));
                }
                Poll::Pending => {}
            }
            if upload.is_sent() && client.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(cut(Side::Client, Ending::ClientClosed)));
            }
            let waits_for = download.waits_for();
            if patience.begins_anew(waits_for, download.moved(), upload.moved()) {
                self.timer.set(match waits_for {
                    Side::Client => self.client_timeouts.write_idle,
                    Side::Instance => self.silence(upload, self.timeouts.idle),
                });
            }
            ready!(self.timer.poll(cx));
            Poll::Ready(Err(match waits_for {
                Side::Client => cut(Side::Client, Ending::WriteTimeout),
                // The instance may have waited for its client as well.
                Side::Instance if self.may_be_silent(upload) => {
                    cut(Side::Client, Ending::BodyTimeout)
                }
                Side::Instance => cut(Side::Instance, Ending::UpstreamTruncated),
            }))
        });
        relayed.await?;
        Ok(match is_called {
            true => Relayed::DrainClosed,
            false => Relayed::Whole(self.call.map(|_| Box::new(download.take_end()))),
        })
    }

    pub(crate) fn count_bytes(&self, upstream: &mut Upstream) {
        let Traffic { received, sent } = upstream.take_traffic();
        let shard = self.claim.member.live.shard(self.worker.index);
        shard.bytes_from.add(received);
        shard.bytes_to.add(sent);
    }

    fn keep(&self, answered: Answered, upload: &Upload) {
        if let Upstream::H1(upstream) = answered.upstream
            && let Some(kept_for) = answered.kept_for
            && upload.is_sent()
            && upstream.conn.is_clean()
            && !upstream.conn.has_violated()
            && !self.worker.is_draining()
        {
            self.claim.member.keep(upstream, self.worker.wheel.now() + kept_for);
        }
    }
}

/// A client that sends no more, watched until its response begins.
struct LeftBehind {
    timer: Timer,
    /// When it was first seen to wait for an instance that is to go, by the worker's wheel.
    since: Option<Duration>,
}

/// What is left of the request's body when its response begins.
struct Uploading<'a> {
    upload: &'a mut Upload,
    /// There while it may last.
    lasting: Option<LongLived>,
}

/// How an answer's body came to its end.
enum Relayed {
    /// The instance ended it; what that told of a gRPC call, which nothing else has to carry along.
    Whole(Option<Box<Ended>>),
    /// We did, for the instance drains.
    DrainClosed,
}

/// Whether a body is so long that it takes its time, or may be.
fn is_long(framing: Framing) -> bool {
    match framing {
        Framing::Length(length) => length > REPLAY_BYTES_MAX as u64,
        Framing::Chunked => true,
        Framing::None | Framing::Close => false,
    }
}

/// Whether `101` switches to what the client asked for, and says so (RFC 9110 §7.8, §15.2.2).
fn is_asked_for(asked: Option<&[u8]>, head: &ResponseHead) -> bool {
    let agreed = || head.fields.all(Name::Upgrade).flat_map(list);
    let is_among =
        |one: &[u8]| asked.into_iter().flat_map(list).any(|other| other.eq_ignore_ascii_case(one));
    agreed().next().is_some() && agreed().all(is_among)
}

/// Whether a response says in two ways how long it is. The coding is believed (RFC 9112 §6.3), but
/// what follows it on the connection is not.
fn is_framed_twice(fields: &Fields) -> bool {
    fields.has(Name::ContentLength) && fields.has(Name::TransferEncoding)
}

/// Whether an answer is one of server-sent events that its client asks for again when it ends, as
/// an `EventSource` does: by GET. In one that is compressed we cannot see where events end.
fn is_event_stream(method: Method, head: &ResponseHead, framing: Framing) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    let value = |name: &'static [u8]| head.fields.named(name).next();
    let is_type =
        |media: &[u8]| media.len() >= TYPE.len() && media[..TYPE.len()].eq_ignore_ascii_case(TYPE);
    method == Method::Get
        && matches!(framing, Framing::Chunked | Framing::Close)
        && value(b"content-type").is_some_and(is_type)
        && value(b"content-encoding").is_none_or(|it| it.eq_ignore_ascii_case(b"identity"))
}
