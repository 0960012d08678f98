//! One attempt: a request is sent to one instance, and its response comes back to the client.
//!
//! A request without a body over a kept connection, whose response comes in one piece, waits once: all else is
//! done in one go before it and after it, so that little has to be kept while it waits.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use model::{Balance, ExchangeKind, HeaderEdits, ServiceTimeouts, UpstreamProtocol};
use wire::account::Account;
use wire::h1::Framing;
use wire::head::ResponseHead;
use wire::traffic::Traffic;

use crate::choice::Claim;
use crate::choice::sticky::Affinity;
use crate::client::Client;
use crate::grpc::Call;
use crate::instance::long_lived::LongLived;
use crate::policy::mapping::Mapping;
use crate::response::{Applied, Passed};
use crate::upstream::Upstream;
use crate::upstream::awaited::{Awaited, Came};
use crate::upstream::downstream::Downstream;
use crate::upstream::failed::{Failed, not_sent};
use crate::upstream::outbound::{Expectation, Outbound};
use crate::upstream::passing::{Begun, Incoming, Passing};
use crate::upstream::relay::{REPLAY_BYTES_MAX, Start, Upload};
use crate::upstream::retry::Retries;
use crate::upstream::trailing::Trailing;
use crate::upstream::tunnel;
use crate::wheel::Timer;
use crate::worker::Worker;

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

impl Attempt<'_> {
    /// Makes the attempt. `None` once its response was passed on.
    pub(crate) async fn run<C: Client>(
        &self,
        down: &mut Downstream<'_, '_, C>,
    ) -> Result<Option<Box<Withheld>>, Failed> {
        let mut upstream = match self.kept() {
            Some(kept) => kept,
            None => Box::pin(self.connect(down)).await?,
        };
        let mut awaited = self.ask(&mut upstream, &mut down.upload)?;
        let came = poll_fn(|cx| awaited.poll(cx, self, &mut upstream, down));
        let kept_for = match came.await? {
            Came::Whole(kept_for) => kept_for,
            Came::Begun(begun) => Box::pin(self.go_on(begun, &mut upstream, down)).await?,
            Came::Switched(head) => {
                let tunnel = Box::pin(tunnel::run(self, down, upstream, &head));
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
        down: &mut Downstream<'_, '_, C>,
    ) -> Result<(), Failed> {
        let Withheld { mut upstream, head } = withheld;
        let mut incoming = Incoming { upstream: &mut upstream, head: &head };
        let passing = Passing::begin(self, &mut incoming, self.uploading(), down)?;
        let begun = Box::new(Begun { passing, head });
        let kept_for = self.go_on(begun, &mut upstream, down).await?;
        self.keep(upstream, kept_for);
        Ok(())
    }

    /// Passes on what is left of a response.
    async fn go_on<C: Client>(
        &self,
        mut begun: Box<Begun>,
        upstream: &mut Upstream,
        down: &mut Downstream<'_, '_, C>,
    ) -> Result<Option<Duration>, Failed> {
        let Begun { passing, head } = &mut *begun;
        let mut incoming = Incoming { upstream, head };
        let passed = poll_fn(|cx| passing.poll(cx, self, &mut incoming, down)).await;
        passing.end(self, &mut incoming, passed, down)
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
        upload.begin(match self.request.expectation {
            Expectation::Continue => Start::Held,
            Expectation::None => Start::AtOnce,
        });
        let instance = self.claim.member.live.address;
        upstream.send_head(self.request, self.framing, instance).map_err(not_sent)?;
        Ok(Awaited::new(upload, self.uploading()))
    }

    /// The request, if it may last.
    fn uploading(&self) -> Option<LongLived> {
        is_long(self.framing).then(|| self.lasts(ExchangeKind::Upload))
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

    pub(super) fn observe_latency(&self, latency: Duration) {
        let member = &self.claim.member;
        // Nothing else asks for it.
        if matches!(self.claim.service.service.balance, Balance::PeakEwma) {
            let mut smoothed = member.smoothed.get();
            smoothed.observe(self.worker.wheel.now(), latency);
            member.smoothed.set(smoothed);
        }
        member.live.shard(self.worker.index).latency.record(latency);
    }

    /// Has the token of who asks banned where the route says so of a response with this head.
    pub(super) fn ban_token(&self, head: &ResponseHead) {
        let now = self.worker.calendar.now();
        if let Some(ban) = self.request.phase.and_then(|phase| phase.ban_of(head.status(), now)) {
            self.worker.shared.ban(ban);
        }
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

    /// Takes of limits what the instance's response says that the request has cost.
    #[inline]
    pub(crate) fn charge_told(&self, head: &ResponseHead) {
        if let Some(phase) = self.request.phase {
            let shared = &self.worker.shared;
            phase.charge_told(&head.fields, || shared.time_of(std::time::Instant::now()));
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
        Trailing { body: client, head: &self.request.head.fields, edits, phase: self.request.phase }
    }

    pub(crate) fn count_bytes(&self, upstream: &mut Upstream) {
        let Traffic { received, sent } = upstream.take_traffic();
        let shard = self.claim.member.live.shard(self.worker.index);
        shard.bytes_from.add(received);
        shard.bytes_to.add(sent);
    }
}

/// Whether a body is so long that it takes its time, or may be.
fn is_long(framing: Framing) -> bool {
    match framing {
        Framing::Length(length) => length > REPLAY_BYTES_MAX as u64,
        Framing::Chunked => true,
        Framing::None | Framing::Close => false,
    }
}
