//! What was refused before it was a request: the client is told, and it is recorded as every exchange is.

use std::rc::Rc;
use std::time::{Duration, Instant};

use telemetry::{Ending, Told};
use wire::traffic::Traffic;

use crate::client::Client;
use crate::exchange::recording::{Facts, Recording, Subject, Way, record};
use crate::grpc::Dialect;
use crate::peer::Peer;
use crate::response::respond::{self, Asked};
use crate::response::{Applied, NO_EDITS};
use crate::snapshot::ListenerPlan;
use crate::wheel::Timer;
use crate::worker::Worker;

/// What was refused, as far as it could be read.
pub(crate) struct Refusal<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) listener: &'a ListenerPlan,
    pub(crate) peer: &'a Peer,
    pub(crate) ending: Ending,
    pub(crate) protocol: &'static str,
    pub(crate) method: &'a [u8],
    pub(crate) host: &'a [u8],
    pub(crate) path: &'a [u8],
    /// There if it was to be a gRPC call.
    pub(crate) dialect: Option<Dialect>,
}

/// A refusal as it is recorded.
pub(crate) struct Refused<'a> {
    refusal: Refusal<'a>,
    id: [u8; 32],
    began: Instant,
    /// What the client is told; `None` where its stream is reset.
    told: Option<Told>,
}

impl Subject for Refused<'_> {
    fn began(&self) -> Instant {
        self.began
    }

    fn ending(&self) -> Ending {
        self.refusal.ending
    }

    /// Its ending stands from the beginning.
    fn cut_off(&mut self) {}

    fn count(&self, worker: &Worker, _: Traffic, _: Duration) {
        worker.counters.refused.add(1);
    }

    fn facts(&self) -> Facts<'_> {
        let Refusal { listener, peer, protocol, method, host, path, dialect, .. } = self.refusal;
        Facts {
            request_id: &self.id,
            client: peer.ip(),
            listener,
            peer,
            protocol,
            method,
            host,
            path,
            user_agent: None,
            status: self.told.map(|told| told.status),
            grpc: dialect.and(self.told).map(|told| told.grpc),
            way: Way::default(),
        }
    }
}

/// What may turn out to be no request, or be cut off before that is known: recorded at its end unless it
/// proves to be one.
pub(crate) type Unproven<'a, C> = Recording<'a, C, Refused<'a>>;

impl<C: Client> Unproven<'_, C> {
    /// It is a request, which has a record of its own.
    pub(crate) fn prove(self) {
        self.forget();
    }

    /// It is none. Its stream is reset, and nobody told.
    pub(crate) fn refuse(mut self, ending: Ending) {
        self.subject.refusal.ending = ending;
        self.end();
    }
}

impl<'a> Refusal<'a> {
    /// What is said if it proves to be no request; `ending` if it is cut off before.
    pub(crate) fn unless_proven<C: Client>(self, client: &'a mut C) -> Unproven<'a, C> {
        Recording::begin(self.worker, client, self.reset())
    }

    /// Tells the client, in the time that it has to read its response, and records it.
    pub(crate) async fn tell<C: Client>(self, client: &mut C, timer: &Timer) {
        let limit = self.listener.listener.timeouts.write_idle;
        let (worker, told) = (self.worker, self.ending.told());
        let mut open = Recording::begin(worker, client, Refused { told, ..self.reset() });
        let Recording { subject: Refused { refusal, id, .. }, client, .. } = &mut open;
        let date = worker.calendar.today();
        let applied = Applied { request_id: &*id, date, edits: &NO_EDITS, phase: None, stay: None };
        let asked = Asked { head: None, dialect: refusal.dialect };
        let mut telling =
            std::pin::pin!(respond::told(&mut **client, asked, refusal.ending, &applied));
        // Who does not read it within its time does not get it.
        let _ = timer.within(limit, |cx| telling.as_mut().poll(cx)).await;
    }

    /// Records that its stream was reset before there was anything to send on it; `traffic` is what it cost.
    pub(crate) fn record_reset(self, traffic: Traffic) {
        record(self.worker, &self.reset(), traffic);
    }

    fn reset(self) -> Refused<'a> {
        Refused { id: self.worker.ids.next(), began: Instant::now(), told: None, refusal: self }
    }
}
