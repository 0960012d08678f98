//! The connection that an attempt is made over: one that was kept, a stream on one that is shared, or a new one.

use std::task::Poll;
use std::time::Instant;

use h2::client::SendRequest;
use model::{RetryCondition, UpstreamProtocol};
use telemetry::{Ending, event};
use wire::h2::Payload;
use wire::system::is_shortage;

use crate::client::Client;
use crate::instance::NewConnection;
use crate::instance::tls::{HandshakeFault, Unconnected};
use crate::instance::trunk::{Lane, Passage};
use crate::live::handshakes::Told;
use crate::upstream::Upstream;
use crate::upstream::attempt::Attempt;
use crate::upstream::downstream::Downstream;
use crate::upstream::failed::{Failed, Reached};

impl Attempt<'_> {
    /// A connection of HTTP/1 that was kept, if there is one.
    #[inline]
    pub(super) fn kept(&self) -> Option<Upstream> {
        let may_be_kept = self.protocol == UpstreamProtocol::H1 && !self.retries.wants_fresh();
        may_be_kept
            .then(|| self.claim.member.reuse(self.worker.wheel.now()).map(Upstream::H1))
            .flatten()
    }

    /// A new connection, or a stream on one that is shared. Its future is large, and over HTTP/1 rare.
    pub(super) async fn connect<C: Client>(
        &self,
        down: &mut Downstream<'_, '_, C>,
    ) -> Result<Upstream, Failed> {
        let Downstream { client, record, .. } = down;
        let member = &self.claim.member;
        if self.protocol == UpstreamProtocol::H2
            && !self.retries.wants_fresh()
            && let Some((sender, lane)) = member.trunks.free().await
        {
            return Ok(self.over(sender, lane));
        }
        let kind = match self.protocol {
            UpstreamProtocol::H1 => NewConnection::H1,
            UpstreamProtocol::H2 => match self.passage(*client).await? {
                Passage::Free(sender, lane) => {
                    return Ok(self.over(sender, lane));
                }
                Passage::Open(opening) => NewConnection::Shared(opening),
                Passage::Wait => return Err(Failed::by_us(Ending::QueueTimeout, Reached::Nothing)),
            },
        };
        let slot =
            self.worker.slot().ok_or_else(|| Failed::by_us(Ending::Shortage, Reached::Nothing))?;
        let way = &self.claim.service.way;
        let mut connecting = std::pin::pin!(member.connect(kind, way, slot, self.account));
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
                if way.tls.is_some() {
                    member.live.handshakes.succeeded();
                }
                record.connected(started.elapsed());
                member.live.shard(self.worker.index).connects.add(1);
                Ok(upstream.into())
            }
            Some(Some(Err(Unconnected::Tls(fault)))) => {
                self.tell_handshake(&fault);
                Err(failed(Ending::UpstreamTls))
            }
            Some(Some(Err(Unconnected::Io(error)))) => {
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

    fn over(&self, sender: SendRequest<Payload>, lane: Lane) -> Upstream {
        let scheme = self.claim.service.way.scheme();
        self.claim.member.over(sender, lane, scheme, self.account).into()
    }

    /// Notes that there is no TLS with the instance, and says so if that is new.
    pub(super) fn tell_handshake(&self, fault: &HandshakeFault) {
        let live = &self.claim.member.live;
        if live.handshakes.failed(fault.to_string(), Instant::now()) == Told::New {
            let (service, instance) = (live.service.clone(), live.name.clone());
            let why = fault.to_string();
            self.worker.shared.events.emit(event::InstanceTlsFailed { service, instance, why });
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
}
