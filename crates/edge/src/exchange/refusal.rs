//! What was refused before it was a request: told to the client, and once to the metrics and the
//! log, as every exchange is.

use std::rc::Rc;
use std::time::{Duration, Instant};

use telemetry::{AccessRecord, Ending, Told};

use crate::client::Client;
use crate::exchange::identity::Peer;
use crate::grpc::Dialect;
use crate::response::respond::{self, Asked};
use crate::response::{Applied, NO_EDITS};
use crate::snapshot::ListenerPlan;
use crate::wheel::Alarm;
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

/// A refusal that the client is being told, which is recorded at its end, whichever that is.
struct Telling<'a, C: Client> {
    refusal: Refusal<'a>,
    client: &'a mut C,
    id: [u8; 32],
    began: Instant,
}

impl<C: Client> Drop for Telling<'_, C> {
    fn drop(&mut self) {
        let told = self.refusal.ending.told();
        self.refusal.record(&self.id, told, self.client.take_counts(), self.began.elapsed());
    }
}

/// What may turn out to be no request, or be cut off before that is known: recorded at its end unless it
/// proves to be one.
pub(crate) struct Unproven<'a, C: Client> {
    refusal: Refusal<'a>,
    pub(crate) client: &'a mut C,
    began: Instant,
    is_request: bool,
}

impl<C: Client> Unproven<'_, C> {
    /// It is a request, which has a record of its own.
    pub(crate) fn prove(mut self) {
        self.is_request = true;
    }

    /// It is none. Its stream is reset, and nobody told.
    pub(crate) fn refuse(mut self, ending: Ending) {
        self.refusal.ending = ending;
    }
}

impl<C: Client> Drop for Unproven<'_, C> {
    fn drop(&mut self) {
        if !self.is_request {
            let (id, bytes) = (self.refusal.worker.ids.next(), self.client.take_counts());
            self.refusal.record(&id, None, bytes, self.began.elapsed());
        }
    }
}

impl<'a> Refusal<'a> {
    /// What is said if it proves to be no request; `ending` if it is cut off before.
    pub(crate) fn unless_proven<C: Client>(self, client: &'a mut C) -> Unproven<'a, C> {
        Unproven { refusal: self, client, began: Instant::now(), is_request: false }
    }

    /// Tells the client, in the time that it has to read its answer, then all others.
    pub(crate) async fn tell<C: Client>(self, client: &mut C, alarm: &Alarm) {
        let (began, id) = (Instant::now(), self.worker.ids.next());
        let limit = self.listener.listener.timeouts.write_idle;
        let mut open = Telling { refusal: self, client, id, began };
        let Telling { refusal, client, id, .. } = &mut open;
        let date = refusal.worker.calendar.today();
        let applied = Applied { request_id: &*id, date, edits: &NO_EDITS, stay: None };
        let asked = Asked { head: None, dialect: refusal.dialect };
        let mut telling =
            std::pin::pin!(respond::told(&mut **client, asked, refusal.ending, &applied));
        // Who does not read it within its time does not get it.
        let _ = alarm.within(limit, |cx| telling.as_mut().poll(cx)).await;
    }

    /// Tells all others of what the client was told nothing of: its stream was reset.
    pub(crate) fn record_reset(&self, bytes: (u64, u64)) {
        self.record(&self.worker.ids.next(), None, bytes, Duration::ZERO);
    }

    fn record(&self, id: &[u8], told: Option<Told>, bytes: (u64, u64), total: Duration) {
        self.worker.counters.refused.add(1);
        self.worker.counters.exchanges.count(self.ending);
        self.worker.log(|| AccessRecord {
            request_id: id,
            client: self.peer.ip(),
            listener: self.listener.listener.name.as_str(),
            protocol: self.protocol,
            tls: self.peer.is_tls(),
            method: self.method,
            host: self.host,
            path: self.path,
            status: told.map_or(0, |told| told.status),
            grpc_status: self.dialect.and(told).map(|told| told.grpc),
            bytes_in: bytes.0,
            bytes_out: bytes.1,
            total,
            upstream_connect: None,
            upstream_first_byte: None,
            route: None,
            service: None,
            release: None,
            instance: None,
            attempts: 0,
            ending: self.ending,
            user_agent: None,
        });
    }
}
