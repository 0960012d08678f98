//! One attempt: a request is sent to one instance, and its response comes back to the client.
//!
//! A request without a body over a kept connection, whose response comes in one piece, waits once: all else is
//! done in one go before it and after it, so that little has to be kept while it waits.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use model::{
    Balance, ExchangeKind, HeaderEdits, RetryCondition, ServiceTimeouts, UpstreamProtocol,
};
use telemetry::{Blame, Ending};
use wire::account::Account;
use wire::h1::{Framing, conn};
use wire::head::{ResponseHead, list};
use wire::name::Name;
use wire::traffic::Traffic;

use crate::choice::Claim;
use crate::choice::sticky::Affinity;
use crate::client::Client;
use crate::exchange::reading;
use crate::exchange::record::ExchangeRecord;
use crate::grpc::Call;
use crate::instance::long_lived::LongLived;
use crate::live::Bar;
use crate::policy::mapping::Mapping;
use crate::response::{self, Applied, Passed};
use crate::upstream::failed::{Failed, Reached, client_gone, not_sent, unprocessed};
use crate::upstream::outbound::Outbound;
use crate::upstream::pace::Pace;
use crate::upstream::passing::{Incoming, Passing};
use crate::upstream::relay::{Broken, Party, REPLAY_BYTES_MAX, Start, Upload};
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

/// An attempt whose response has not begun.
struct Awaited {
    /// The request, while it may last.
    uploading: Option<LongLived>,
    pace: Pace,
    /// The client sends no more.
    left: Option<Box<LeftBehind>>,
    /// Heads of 1xx that came.
    informed: usize,
}

/// What becomes of a response.
enum Came {
    /// It was passed on, whole; for so long its connection may be kept, if it may be.
    Whole(Option<Duration>),
    /// It was begun, and more is to be waited for.
    Begun(Box<(Passing, ResponseHead)>),
    /// Its connection has changed its protocol.
    Switched(Box<ResponseHead>),
    /// Another instance is asked first.
    Withheld(Box<ResponseHead>),
}

impl Attempt<'_> {
    /// Makes the attempt. `None` once its response was passed on.
    pub(crate) async fn run<C: Client>(
        &self,
        client: &mut C,
        upload: &mut Upload,
        record: &mut ExchangeRecord<'_>,
    ) -> Result<Option<Box<Withheld>>, Failed> {
        let mut upstream = match self.kept() {
            Some(kept) => kept,
            None => Box::pin(self.connect(client, record)).await?,
        };
        let mut awaited = self.ask(&mut upstream, upload)?;
        let came = poll_fn(|cx| {
            self.poll_response(cx, &mut upstream, &mut awaited, client, upload, record)
        });
        let kept_for = match came.await? {
            Came::Whole(kept_for) => kept_for,
            Came::Begun(begun) => {
                Box::pin(self.go_on(begun, client, &mut upstream, upload, record)).await?
            }
            Came::Switched(head) => {
                let tunnel = Box::pin(tunnel::run(self, client, upstream, &head, record));
                return tunnel.await.map(|()| None);
            }
            Came::Withheld(head) => return Ok(Some(Box::new(Withheld { upstream, head: *head }))),
        };
        self.keep(upstream, kept_for);
        Ok(None)
    }

    /// Passes a response on after all that was withheld.
    pub(crate) async fn give_out<C: Client>(
        &self,
        withheld: Withheld,
        client: &mut C,
        upload: &mut Upload,
        record: &mut ExchangeRecord<'_>,
    ) -> Result<(), Failed> {
        let Withheld { mut upstream, head } = withheld;
        let incoming =
            Incoming { upstream: &mut upstream, head: &head, uploading: self.uploading() };
        let passing = Passing::begin(self, client, incoming, upload, record)?;
        let begun = Box::new((passing, head));
        let kept_for = self.go_on(begun, client, &mut upstream, upload, record).await?;
        self.keep(upstream, kept_for);
        Ok(())
    }

    /// Passes on what is left of a response.
    async fn go_on<C: Client>(
        &self,
        mut begun: Box<(Passing, ResponseHead)>,
        client: &mut C,
        upstream: &mut Upstream,
        upload: &mut Upload,
        record: &mut ExchangeRecord<'_>,
    ) -> Result<Option<Duration>, Failed> {
        let (passing, head) = &mut *begun;
        let passed = poll_fn(|cx| passing.poll(cx, self, client, (&mut *upstream, head), upload));
        let passed = passed.await;
        passing.end(self, passed, (upstream, head), upload, record)
    }

    /// Keeps a connection of HTTP/1 on which nothing is left of the exchange, for `kept_for`.
    fn keep(&self, upstream: Upstream, kept_for: Option<Duration>) {
        if let Upstream::H1(upstream) = upstream
            && let Some(kept_for) = kept_for
            && upstream.conn.is_clean()
            && !upstream.conn.has_violated()
            && !self.worker.is_draining()
        {
            self.claim.member.keep(upstream, self.worker.wheel.now() + kept_for);
        }
    }

    /// Writes the request's head for the instance.
    fn ask(&self, upstream: &mut Upstream, upload: &mut Upload) -> Result<Awaited, Failed> {
        upstream.read_as(self.claim.service.service.violations);
        let waits = self.request.head.expects_continue() && !self.framing.is_empty();
        upload.begin(if waits { Start::Held } else { Start::AtOnce });
        let instance = self.claim.member.live.address;
        upstream.send_head(self.request, self.framing, instance).map_err(not_sent)?;
        let (uploading, pace) = (self.uploading(), Pace::new(upload));
        Ok(Awaited { uploading, pace, left: None, informed: 0 })
    }

    /// The request, if it may last.
    fn uploading(&self) -> Option<LongLived> {
        is_long(self.framing).then(|| self.lasts(ExchangeKind::Upload))
    }

    /// Waits for the response, and passes on what there is of it.
    fn poll_response<C: Client>(
        &self,
        cx: &mut Context<'_>,
        upstream: &mut Upstream,
        awaited: &mut Awaited,
        client: &mut C,
        upload: &mut Upload,
        record: &mut ExchangeRecord<'_>,
    ) -> Poll<Result<Came, Failed>> {
        let head = match ready!(self.poll_final_head(cx, upstream, awaited, client, upload, record))
        {
            Ok(head) => head,
            Err(failed) => {
                upstream.cancel();
                if failed.ending == Ending::ClientDeadline && record.leave() {
                    self.observe_latency(record.waited_for());
                }
                return Poll::Ready(Err(failed));
            }
        };
        let latency = record.heard();
        if !record.is_left() {
            self.observe_latency(latency);
        }
        if head.status() == 101 {
            return Poll::Ready(Ok(Came::Switched(Box::new(head))));
        }
        if self.retries.withhold(head.status(), self.claim, upload) {
            return Poll::Ready(Ok(Came::Withheld(Box::new(head))));
        }
        let uploading = awaited.uploading.take();
        let incoming = Incoming { upstream: &mut *upstream, head: &head, uploading };
        let mut passing = Passing::begin(self, client, incoming, upload, record)?;
        Poll::Ready(match passing.poll(cx, self, client, (&mut *upstream, &head), upload) {
            Poll::Ready(passed) => {
                passing.end(self, passed, (upstream, &head), upload, record).map(Came::Whole)
            }
            Poll::Pending => Ok(Came::Begun(Box::new((passing, head)))),
        })
    }

    /// Sends the body and waits for the head that ends the wait, passing on those of 1xx.
    fn poll_final_head<C: Client>(
        &self,
        cx: &mut Context<'_>,
        upstream: &mut Upstream,
        awaited: &mut Awaited,
        client: &mut C,
        upload: &mut Upload,
        record: &mut ExchangeRecord<'_>,
    ) -> Poll<Result<ResponseHead, Failed>> {
        loop {
            let head = ready!(self.poll_next_head(cx, upstream, awaited, client, upload, record));
            self.timer.clear();
            let head = head?;
            if head.status() >= 200 {
                record.status = Some(head.status());
                return Poll::Ready(Ok(head));
            }
            if head.status() == 101 && is_asked_for(self.request.upgrade.as_deref(), &head) {
                return Poll::Ready(Ok(head));
            }
            awaited.informed += 1;
            if head.status() == 101 || awaited.informed > INFORMATIONAL_MAX {
                let (ending, reset) = (Ending::UpstreamProtocol, RetryCondition::Reset);
                return Poll::Ready(Err(Failed::by_instance(ending, Reached::Sent, reset)));
            }
            // The client did not ask for a 100, or was told already, where none is waited for.
            let is_told = head.status() != 100 || upload.is_held();
            if head.status() == 100 {
                upload.release();
            }
            if is_told {
                response::inform(client, &head, self.response_edits()).map_err(client_gone)?;
            }
            if let Poll::Ready(Err(error)) = client.poll_flush(cx) {
                return Poll::Ready(Err(client_gone(error)));
            }
            awaited.pace = Pace::new(upload);
            awaited.left = None;
        }
    }

    fn poll_next_head<C: Client>(
        &self,
        cx: &mut Context<'_>,
        upstream: &mut Upstream,
        awaited: &mut Awaited,
        client: &mut C,
        upload: &mut Upload,
        record: &mut ExchangeRecord<'_>,
    ) -> Poll<Result<ResponseHead, Failed>> {
        if !upload.is_sent()
            && let Poll::Ready(Err(broken)) = upload.poll(cx, &mut self.body_of(client), upstream)
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
                return Poll::Ready(Err(self.silent(upstream, reading::response_failed(&error))));
            }
            Poll::Pending => {}
        }
        if upload.is_sent()
            && let Poll::Ready(ended) = client.poll_ended(cx)
        {
            if record.leave() {
                // It took at least so long: were that not counted, an instance that hangs would
                // look the better, the sooner clients lose patience with it.
                self.observe_latency(record.waited_for());
            }
            let is_over = ended == conn::Ended::Broken
                || self.poll_left_behind(cx, &mut awaited.left).is_ready();
            if is_over {
                let gone = Failed::by_client(Ending::ClientClosed, Reached::Sent);
                return Poll::Ready(Err(gone));
            }
        }
        awaited.pace.poll(cx, self, client, upload)
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

    /// What a body that broke means; `None` where the instance's response will tell.
    fn judge_upload(&self, broken: Broken) -> Option<Failed> {
        match broken {
            Broken::TooLarge => Some(Failed::by_client(Ending::BodyTooLarge, Reached::Sent)),
            Broken::By(Party::Client, error) => {
                Some(Failed::by_client(reading::request_failed(&error), Reached::Sent))
            }
            Broken::By(Party::Instance, _) => None,
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
        // Nothing else asks for it.
        if matches!(self.claim.service.service.balance, Balance::PeakEwma) {
            let mut smoothed = member.smoothed.get();
            smoothed.observe(self.worker.wheel.now(), latency);
            member.smoothed.set(smoothed);
        }
        member.live.shard(self.worker.index).latency.record(latency);
    }

    pub(super) fn response_edits(&self) -> &HeaderEdits {
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
    pub(super) fn body_of<'c, C: Client>(&'c self, client: &'c mut C) -> Trailing<'c, C> {
        let edits = &self.request.policies.request_headers;
        Trailing { body: client, head: &self.request.head.fields, edits }
    }

    pub(crate) fn count_bytes(&self, upstream: &mut Upstream) {
        let Traffic { received, sent } = upstream.take_traffic();
        let shard = self.claim.member.live.shard(self.worker.index);
        shard.bytes_from.add(received);
        shard.bytes_to.add(sent);
    }
}

/// A client that sends no more, watched until its response begins.
struct LeftBehind {
    timer: Timer,
    /// When it was first seen to wait for an instance that is to go, by the worker's wheel.
    since: Option<Duration>,
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
