//! Puts what CAs look for where they look: on every listener of clear text, and in the handshakes of those that speak TLS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acme::{Answer, Challenge, ChallengeKind, Scope, Solver, tls_proof};
use edge::Challenges;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use model::Intent;
use wire::tls::{Ordered, Proof};

/// Responds to CAs.
#[derive(Debug)]
pub(crate) struct Responder {
    challenges: Arc<Challenges>,
    served: Arc<Ordered>,
    ways: Mutex<Ways>,
}

#[derive(Debug, Default)]
struct Ways {
    /// What the listeners can respond to, the best first.
    kinds: Vec<ChallengeKind>,
    /// How often a CA was not convinced, by name: each time the next way is tried.
    failed: BTreeMap<String, usize>,
}

impl Responder {
    pub(crate) fn new(challenges: Arc<Challenges>, served: Arc<Ordered>) -> Self {
        Self { challenges, served, ways: Mutex::default() }
    }

    /// Responds by the listeners of `intent` from now on.
    pub(crate) fn follow(&self, intent: &Intent) {
        let has = |is: fn(&model::Listener) -> bool| intent.listeners.values().any(|it| is(it));
        let http = has(|it| !it.is_tls()).then_some(ChallengeKind::Http01);
        let tls = has(|it| it.ordered.is_some()).then_some(ChallengeKind::TlsAlpn01);
        self.ways().kinds = http.into_iter().chain(tls).collect();
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

impl Solver for Responder {
    fn kinds(&self, name: &str, scope: Scope) -> Vec<ChallengeKind> {
        if scope == Scope::Below {
            return Vec::new();
        }
        let ways = self.ways();
        let mut kinds = ways.kinds.clone();
        let failed = ways.failed.get(name).copied().unwrap_or_default();
        let by = failed % kinds.len().max(1);
        kinds.rotate_left(by);
        kinds
    }

    fn present<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<(), String>> {
        let presented = match &challenge.answer {
            Answer::Http01 { token, body } => {
                self.challenges.put(token, body);
                Ok(())
            }
            Answer::TlsAlpn01 { digest } => match tls_proof(&challenge.name, digest) {
                Some(made) => {
                    let proof = Proof { certificate: made.certificate, key: made.key };
                    let shown = self.served.prove(&challenge.name, proof);
                    shown.map_err(|error| error.to_string())
                }
                None => Err("no certificate for tls-alpn-01 could be made".to_owned()),
            },
            Answer::Dns01 { .. } => Err("no DNS server is known".to_owned()),
        };
        async { presented }.boxed()
    }

    fn withdraw<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, ()> {
        match &challenge.answer {
            Answer::Http01 { token, .. } => self.challenges.remove(token),
            Answer::TlsAlpn01 { .. } => self.served.withdraw(&challenge.name),
            Answer::Dns01 { .. } => {}
        }
        async {}.boxed()
    }
}
