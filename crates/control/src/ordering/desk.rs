//! Places one order, or asks one question, at a CA, and keeps what comes of it: here, and with the other edges.

use std::sync::Arc;
use std::time::SystemTime;

use acme::{Issued, KeyKind, Refused, Wanted, is_internal};
use certificates::{DirectoryUrl, Failed, FailureKind, Suggestion};
use model::CertificateKey;
use store::{Posted, Turn};
use telemetry::Events;
use tokio::task::spawn_blocking;

use super::accounts::Accounts;
use super::edges::{Bond, Edges, Left, Whose, adopt};
use super::kept::{self, Kept, Known};
use super::responder::Responder;
use crate::chain::chain;

/// Where CAs are asked.
pub(super) struct Desk {
    pub(super) kept: Arc<Kept>,
    pub(super) responder: Arc<Responder>,
    pub(super) events: Events,
    pub(super) edges: Arc<Edges>,
    pub(super) accounts: Accounts,
}

/// What became of an order.
pub(super) enum Placed {
    /// The certificate has come.
    Issued(Known),
    /// Another edge has ordered it meanwhile.
    Found(Known),
    /// It is not ordered here.
    Left(Left),
}

impl Desk {
    /// Orders a certificate for `host` of `directory`, serves it and keeps it, unless that is another edge's to do.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn order(
        &self,
        host: &str,
        directory: &DirectoryUrl,
        is_replacing: bool,
    ) -> Result<Placed, Failed> {
        let (bond, turn) = match self.edges.turn(host).await {
            Whose::Left(left) => return Ok(Placed::Left(left)),
            Whose::Alone => {
                let issued = self.issued(host, directory, is_replacing).await?;
                return self.take(host, issued).await.map(Placed::Issued);
            }
            Whose::Ours(bond, turn) => (bond, turn),
        };
        if let Some(known) = self.found(&bond, host).await {
            bond.end_turn(host).await;
            return Ok(Placed::Found(known));
        }
        let issued = self.issued(host, directory, is_replacing).await?;
        let placed = self.share(&bond, turn, host, issued).await;
        bond.end_turn(host).await;
        placed
    }

    /// What another edge has ordered for `host` and this one has not heard of yet.
    async fn found(&self, bond: &Arc<Bond>, host: &str) -> Option<Known> {
        let text = bond.certificate(host).await.ok().flatten()?;
        let (kept, bond, events) = (self.kept.clone(), bond.clone(), self.events.clone());
        let host = host.to_owned();
        let adopted = spawn_blocking(move || adopt(&kept, &bond, &events, &host, Some(&text)));
        adopted.await.ok().flatten()
    }

    /// Gives what was issued to all edges, and serves it.
    async fn share(
        &self,
        bond: &Bond,
        turn: Turn,
        host: &str,
        issued: Issued,
    ) -> Result<Placed, Failed> {
        let text = kept::file_text(host, &issued);
        match bond.post_certificate(host, &text, &issued.held, turn).await {
            Ok(Posted::Refused) => {
                // The turn has passed to another edge, which may have ordered it, too: all are to serve the same.
                let name = "another edge".to_owned();
                Ok(Placed::Left(Left::Edge { name, told: None }))
            }
            // Where it cannot be told, it is offered when the store is up again.
            Ok(Posted::Taken(_)) | Err(_) => self.take(host, issued).await.map(Placed::Issued),
        }
    }

    /// Has `directory` issue a certificate for `host`.
    async fn issued(
        &self,
        host: &str,
        directory: &DirectoryUrl,
        is_replacing: bool,
    ) -> Result<Issued, Failed> {
        let terms = self.accounts.agreed()?;
        let replaced = match is_replacing {
            true => self.chain(host, directory).await,
            false => None,
        };
        let names = [host.to_owned()];
        let wanted = Wanted {
            names: &names,
            key: kind(terms.key),
            profile: terms.profile.as_deref(),
            replaces: replaced.as_deref(),
        };
        let authority = self.accounts.authority(&terms, directory).await?;
        let issued = match authority.order(wanted, &*self.responder).await {
            Err(Refused::NoAccount(_)) => {
                // It was lost there, or ended. Another one is opened, once.
                let authority = self.accounts.reopen(&terms, directory, &authority).await?;
                authority.order(wanted, &*self.responder).await
            }
            ordered => ordered,
        };
        issued.map_err(failed).inspect_err(|it| {
            if it.kind == FailureKind::Refused {
                self.responder.failed(host);
            }
        })
    }

    /// Serves and keeps what was issued for `host`.
    async fn take(&self, host: &str, issued: Issued) -> Result<Known, Failed> {
        let (kept, events, host) = (self.kept.clone(), self.events.clone(), host.to_owned());
        let taken = spawn_blocking(move || {
            kept.take(&host, &issued, |path, error| events.emit(kept::not_kept(path, &error)))
        });
        taken.await.map_err(own)?.map_err(own)
    }

    /// Has the CA of our own issue a certificate for `host` at `wall`, serves it and keeps it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn issue(&self, host: &str, wall: SystemTime) -> Result<Known, Failed> {
        let (kept, events, host) = (self.kept.clone(), self.events.clone(), host.to_owned());
        let issued = spawn_blocking(move || kept.issue(&host, wall, |event| events.emit(event)));
        issued.await.map_err(own)?.map_err(|error| own(chain(&error)))
    }

    /// When `directory` would like the certificate of `host` to be renewed; `None` where it does not say.
    pub(super) async fn suggestion(
        &self,
        host: &str,
        directory: &DirectoryUrl,
    ) -> Option<Suggestion> {
        if is_internal(directory) {
            return None;
        }
        let terms = self.accounts.agreed().ok()?;
        let chain = self.chain(host, directory).await?;
        let authority = self.accounts.authority(&terms, directory).await.ok()?;
        authority.suggestion(&chain).await
    }

    /// The chain of the certificate of `host`, where `directory` has issued it.
    async fn chain(&self, host: &str, directory: &DirectoryUrl) -> Option<String> {
        let known = self.kept.known(host)?;
        if known.held.directory.as_ref() != Some(directory) {
            return None;
        }
        let (kept, host) = (self.kept.clone(), host.to_owned());
        spawn_blocking(move || kept.text(&host)).await.ok().flatten()
    }
}

fn kind(key: CertificateKey) -> KeyKind {
    match key {
        CertificateKey::P256 => KeyKind::P256,
        CertificateKey::P384 => KeyKind::P384,
        CertificateKey::Rsa2048 => KeyKind::Rsa2048,
        CertificateKey::Rsa4096 => KeyKind::Rsa4096,
    }
}

pub(super) fn failed(refused: Refused) -> Failed {
    match refused {
        Refused::Failed(failed) => failed,
        Refused::NoAccount(problem) => {
            Failed { kind: FailureKind::Unreachable, retry_after: None, problem }
        }
    }
}

/// It failed here.
pub(super) fn own(why: impl ToString) -> Failed {
    Failed { kind: FailureKind::Own, retry_after: None, problem: why.to_string() }
}
