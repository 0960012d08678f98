//! Records what happened, exactly once: the line of the access log, and what is counted of all requests. Every
//! record is written here, of an exchange as of what was refused before it was one.
//!
//! Decides nothing: what is told stands in the [`Subject`].

use std::net::IpAddr;
use std::time::{Duration, Instant};

use telemetry::{AccessRecord, Ending, GrpcStatus};
use wire::traffic::Traffic;

use crate::client::Client;
use crate::instance::WorkerInstance;
use crate::peer::Peer;
use crate::policy::auth::caller::Caller;
use crate::routing::RouteIndex;
use crate::snapshot::{ListenerPlan, SnapshotRef, WorkerService};
use crate::worker::Worker;

/// What is recorded.
pub(crate) trait Subject {
    /// When it began.
    fn began(&self) -> Instant;

    /// How it ended.
    fn ending(&self) -> Ending;

    /// Its task is dropped before it came to an end: the time to drain is over.
    fn cut_off(&mut self);

    /// Counts what is counted of its kind alone.
    fn count(&self, worker: &Worker, traffic: Traffic, total: Duration);

    /// What the log says of it.
    fn facts(&self) -> Facts<'_>;
}

/// What the access log says, as far as it is known.
pub(crate) struct Facts<'a> {
    pub(crate) request_id: &'a [u8],
    pub(crate) client: IpAddr,
    pub(crate) listener: &'a ListenerPlan,
    pub(crate) peer: &'a Peer,
    pub(crate) protocol: &'static str,
    pub(crate) method: &'a [u8],
    pub(crate) host: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) user_agent: Option<&'a [u8]>,
    /// The status that the client saw.
    pub(crate) status: Option<u16>,
    pub(crate) grpc: Option<GrpcStatus>,
    pub(crate) way: Way<'a>,
}

/// How far a request got.
#[derive(Clone, Copy, Default)]
pub(crate) struct Way<'a> {
    pub(crate) route: Option<(&'a SnapshotRef, RouteIndex)>,
    /// Who asks, where that was proven.
    pub(crate) caller: Option<&'a Caller>,
    /// The limit that refused it, or would have.
    pub(crate) limit: Option<&'a str>,
    pub(crate) service: Option<&'a WorkerService>,
    /// The instance of the last attempt.
    pub(crate) member: Option<&'a WorkerInstance>,
    pub(crate) attempts: u32,
    pub(crate) connect: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
}

/// Something that is open until it was recorded, which its end does: the one that it comes to, or the one that
/// is made for it, where its task is dropped with the worker.
pub(crate) struct Recording<'a, C: Client, S: Subject> {
    worker: &'a Worker,
    pub(crate) client: &'a mut C,
    pub(crate) subject: S,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    /// Something else records it.
    Forgotten,
}

impl<'a, C: Client, S: Subject> Recording<'a, C, S> {
    /// What `client` asks for is recorded as `subject`.
    pub(crate) fn begin(worker: &'a Worker, client: &'a mut C, subject: S) -> Self {
        Self { worker, client, subject, state: State::Open }
    }

    /// It has come to its end.
    pub(crate) fn end(mut self) {
        self.state = State::Ended;
    }

    /// It is no subject by itself: there will be another record.
    pub(crate) fn forget(mut self) {
        self.state = State::Forgotten;
    }
}

impl<C: Client, S: Subject> Drop for Recording<'_, C, S> {
    fn drop(&mut self) {
        match self.state {
            State::Forgotten => return,
            State::Open => self.subject.cut_off(),
            State::Ended => {}
        }
        record(self.worker, &self.subject, self.client.take_traffic());
    }
}

/// Records `subject`. Once for each, which a [`Recording`] sees to where there is a client.
pub(crate) fn record(worker: &Worker, subject: &impl Subject, traffic: Traffic) {
    let total = subject.began().elapsed();
    subject.count(worker, traffic, total);
    worker.counters.exchanges.count(subject.ending());
    worker.log(|| subject.facts().into_record(subject.ending(), traffic, total));
}

impl<'a> Facts<'a> {
    fn into_record(self, ending: Ending, traffic: Traffic, total: Duration) -> AccessRecord<'a> {
        let Way { route, caller, limit, service, member, attempts, connect, first_byte } = self.way;
        let Traffic { received, sent } = traffic;
        AccessRecord {
            request_id: self.request_id,
            client: self.client,
            listener: self.listener.listener.name.as_str(),
            protocol: self.protocol,
            tls: self.peer.is_tls(),
            method: self.method,
            host: self.host,
            path: self.path,
            status: self.status.unwrap_or(0),
            grpc_status: self.grpc,
            bytes_in: received,
            bytes_out: sent,
            total,
            upstream_connect: connect,
            upstream_first_byte: first_byte,
            route: route.map(|(plan, index)| plan.routes.route(index) as &dyn std::fmt::Display),
            auth: caller.map(|caller| caller.by.name.as_str()),
            subject: caller.and_then(|caller| caller.subject.as_deref()),
            limit,
            service: service.map(|service| service.service.name.as_str()),
            release: member.and_then(|member| member.live.release.as_deref()),
            instance: member.map(|member| member.live.name.as_str()),
            attempts,
            ending,
            user_agent: self.user_agent,
        }
    }
}
