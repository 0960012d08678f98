//! Puts what CAs look for where they look: in the zones of the DNS that we may change, on every listener of clear text, and in the handshakes of those that speak TLS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acme::{Answer, Challenge, ChallengeKind, Scope, Solver, TxtRecords, tls_proof};
use edge::Challenges;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::{ClientDemand, Dns, Intent, Listener};
use telemetry::{Events, event};
use wire::tls::{Ordered, Proof};

use super::edges::Edges;

/// Opens what writes records into zones, as the file says; or says why it cannot.
pub type OpenRecords = Arc<dyn Fn(&Dns) -> Result<Arc<dyn TxtRecords>, String> + Send + Sync>;

/// Responds to CAs.
pub(crate) struct Responder {
    challenges: Arc<Challenges>,
    served: Arc<Ordered>,
    records: OpenRecords,
    events: Events,
    edges: Arc<Edges>,
    ways: Mutex<Ways>,
}

#[derive(Default)]
struct Ways {
    /// What can be responded to, the best first.
    kinds: Vec<ChallengeKind>,
    /// Who writes records.
    records: Option<Records>,
    /// How often a CA was not convinced, by name: each time the next way is tried.
    failed: BTreeMap<String, usize>,
}

impl Responder {
    pub(crate) fn new(
        challenges: Arc<Challenges>,
        served: Arc<Ordered>,
        records: OpenRecords,
        events: Events,
        edges: Arc<Edges>,
    ) -> Self {
        Self { challenges, served, records, events, edges, ways: Mutex::default() }
    }

    /// Responds by the listeners of `intent`, and in the zones that it says how to change, from now on.
    pub(crate) fn follow(&self, intent: &Intent) {
        let is_of_ca = |host: &String| !intent.internal.contains(host);
        // A CA has no certificate to show.
        let needs = |it: &Listener| {
            it.client_auth.as_ref().is_some_and(|auth| auth.demand == ClientDemand::Required)
        };
        let mut listeners = intent.listeners.values();
        let http = listeners.any(|it| !it.is_tls()).then_some(ChallengeKind::Http01);
        let mut listeners = intent.listeners.values();
        let tls = listeners.any(|it| it.ordered.iter().flatten().any(is_of_ca) && !needs(it));
        let tls = tls.then_some(ChallengeKind::TlsAlpn01);
        let wanted = intent.acme.as_ref().and_then(|it| it.dns.as_ref());
        let dns = wanted.map(|_| ChallengeKind::Dns01);
        let mut ways = self.ways();
        ways.kinds = dns.into_iter().chain(http).chain(tls).collect();
        if ways.records.as_ref().map(|it| &it.dns) != wanted {
            let open = |dns: &Dns| Records { dns: dns.clone(), opened: (self.records)(dns) };
            ways.records = wanted.map(open);
        }
    }

    /// Who writes records, or why nobody does.
    fn records(&self) -> Result<Arc<dyn TxtRecords>, String> {
        match &self.ways().records {
            Some(records) => records.opened.clone(),
            None => Err("no zone of the DNS can be changed any more".to_owned()),
        }
    }

    /// Shows what a CA looks for, on this edge. What is to be in the DNS is not shown here.
    pub(super) fn show(&self, challenge: &Challenge) -> Result<(), String> {
        match &challenge.answer {
            Answer::Http01 { token, body } => self.challenges.put(token, body),
            Answer::TlsAlpn01 { digest } => {
                let made = tls_proof(&challenge.name, digest);
                let made = made.ok_or("no certificate for tls-alpn-01 could be made")?;
                let proof = Proof { certificate: made.certificate, key: made.key };
                let shown = self.served.prove(&challenge.name, proof);
                shown.map_err(|error| error.to_string())?;
            }
            Answer::Dns01 { .. } => {}
        }
        Ok(())
    }

    /// Shows it no longer, on this edge.
    pub(super) fn hide(&self, challenge: &Challenge) {
        match &challenge.answer {
            Answer::Http01 { token, .. } => self.challenges.remove(token),
            Answer::TlsAlpn01 { .. } => self.served.withdraw(&challenge.name),
            Answer::Dns01 { .. } => {}
        }
    }

    /// A CA was not convinced that `name` is ours.
    pub(crate) fn failed(&self, name: &str) {
        *self.ways().failed.entry(name.to_owned()).or_default() += 1;
    }

    /// Knows only names that `is_wanted` wants.
    pub(crate) fn retain(&self, is_wanted: impl Fn(&str) -> bool) {
        self.ways().failed.retain(|name, _| is_wanted(name));
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who writes records, and of what that was made.
struct Records {
    dns: Dns,
    opened: Result<Arc<dyn TxtRecords>, String>,
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").field("kinds", &self.ways().kinds).finish_non_exhaustive()
    }
}

/// Where a CA looks for the record of `name` (RFC 8555 section 8.4).
fn record_of(name: &str) -> String {
    format!("_acme-challenge.{name}.")
}

impl Solver for Responder {
    fn kinds(&self, name: &str, scope: Scope) -> Vec<ChallengeKind> {
        let ways = self.ways();
        if scope == Scope::Below {
            let dns = ways.kinds.iter().filter(|it| **it == ChallengeKind::Dns01);
            return dns.copied().collect();
        }
        let mut kinds = ways.kinds.clone();
        let failed = ways.failed.get(name).copied().unwrap_or_default();
        let by = failed % kinds.len().max(1);
        kinds.rotate_left(by);
        kinds
    }

    fn present<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<(), String>> {
        async move {
            if let Answer::Dns01 { value } = &challenge.answer {
                return self.records()?.add(&record_of(&challenge.name), value).await;
            }
            self.show(challenge)?;
            // The CA may connect to any edge.
            if let Some(bond) = self.edges.bond() {
                bond.show(challenge).await;
            }
            Ok(())
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, ()> {
        async move {
            let Answer::Dns01 { value } = &challenge.answer else {
                self.hide(challenge);
                if let Some(bond) = self.edges.bond() {
                    bond.hide(challenge).await;
                }
                return;
            };
            let name = record_of(&challenge.name);
            let removed = async { self.records()?.remove(&name, value).await };
            if let Err(why) = removed.await {
                self.events.emit(event::ChallengeRecordLeft { name, why });
            }
        }
        .boxed()
    }
}
