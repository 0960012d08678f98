//! Places one order, or asks one question, at a CA: opens the account where there is none, and keeps what comes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use acme::{Authority, Enrolment, ExternalAccount, KeyKind, Refused, Wanted, is_internal};
use certificates::{DirectoryUrl, Failed, FailureKind, Suggestion};
use model::{Acme, CertificateKey};
use outbound::{Client, Trust};
use telemetry::{Events, event};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use super::kept::{self, Kept, Known};
use super::responder::Responder;
use crate::chain::chain;

/// A CA as its account asks it, once that is open.
type Opening = Arc<OnceCell<Arc<Authority>>>;

/// Where CAs are asked.
pub(super) struct Desk {
    pub(super) client: Client,
    pub(super) kept: Arc<Kept>,
    pub(super) responder: Arc<Responder>,
    pub(super) events: Events,
    terms: Mutex<Terms>,
}

/// By what orders are placed.
#[derive(Clone, Default)]
struct Terms {
    acme: Option<Arc<Acme>>,
    accounts: BTreeMap<DirectoryUrl, Opening>,
}

impl Desk {
    pub(super) fn new(
        client: Client,
        kept: Arc<Kept>,
        responder: Arc<Responder>,
        events: Events,
    ) -> Self {
        Self { client, kept, responder, events, terms: Mutex::default() }
    }

    /// Orders as `acme` says from now on.
    pub(super) fn follow(&self, acme: &Acme) {
        let mut terms = self.terms();
        if terms.acme.as_deref() != Some(acme) {
            *terms = Terms { acme: Some(Arc::new(acme.clone())), accounts: BTreeMap::new() };
        }
    }

    /// Orders a certificate for `host` of `directory`, serves it and keeps it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn order(
        &self,
        host: &str,
        directory: &DirectoryUrl,
        is_replacing: bool,
    ) -> Result<Known, Failed> {
        let terms = self.agreed()?;
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
        let authority = self.authority(&terms, directory).await?;
        let issued = match authority.order(wanted, &*self.responder).await {
            Err(Refused::NoAccount(_)) => {
                // It was lost there, or ended. Another one is opened, once.
                self.forget(directory, &authority);
                let authority = self.authority(&terms, directory).await?;
                authority.order(wanted, &*self.responder).await
            }
            ordered => ordered,
        };
        let issued = issued.map_err(failed).inspect_err(|it| {
            if it.kind == FailureKind::Refused {
                self.responder.failed(host);
            }
        })?;
        let (kept, events, host) = (self.kept.clone(), self.events.clone(), host.to_owned());
        let taken = spawn_blocking(move || {
            kept.take(&host, issued, |path, error| events.emit(kept::not_kept(path, &error)))
        });
        let taken = taken.await.map_err(own)?;
        taken.map_err(own)
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
        let terms = self.agreed().ok()?;
        let chain = self.chain(host, directory).await?;
        let authority = self.authority(&terms, directory).await.ok()?;
        authority.suggestion(&chain).await
    }

    /// The chain of the certificate of `host`, where `directory` has issued it.
    async fn chain(&self, host: &str, directory: &DirectoryUrl) -> Option<String> {
        let known = self.kept.known(host)?;
        if known.held.directory.as_ref() != Some(directory) {
            return None;
        }
        let (kept, host) = (self.kept.clone(), host.to_owned());
        spawn_blocking(move || kept.chain(&host)).await.ok().flatten()
    }

    fn agreed(&self) -> Result<Arc<Acme>, Failed> {
        self.terms().acme.clone().ok_or_else(|| own("nothing is to be ordered any more"))
    }

    /// The CA, as the account asks it that is kept, or that is opened now.
    async fn authority(
        &self,
        acme: &Arc<Acme>,
        directory: &DirectoryUrl,
    ) -> Result<Arc<Authority>, Failed> {
        let opening = self.terms().accounts.entry(directory.clone()).or_default().clone();
        let opened = opening.get_or_try_init(|| async {
            let trust = match &acme.ca {
                Some(document) => Trust::of_pem(&document.text).map_err(own)?,
                None => Trust::System,
            };
            let (kept, url, terms) = (self.kept.clone(), directory.clone(), acme.clone());
            let account = spawn_blocking(move || kept.account(&url, &terms)).await.map_err(own)?;
            if let Some(account) = account {
                let (client, url) = (self.client.clone(), directory.clone());
                match Authority::open(client, trust.clone(), url, &account).await {
                    // What cannot be read is opened anew.
                    Err(Refused::NoAccount(_)) => {}
                    opened => return opened.map(Arc::new).map_err(failed),
                }
            }
            self.enrol(acme, directory, trust).await.map(Arc::new)
        });
        opened.await.cloned()
    }

    async fn enrol(
        &self,
        acme: &Arc<Acme>,
        directory: &DirectoryUrl,
        trust: Trust,
    ) -> Result<Authority, Failed> {
        let external = acme.external_account.as_ref().map(|it| ExternalAccount {
            key_id: it.key_id.clone(),
            secret: it.secret.expose().to_vec(),
        });
        let by = Enrolment { email: Some(acme.email.clone()), external };
        let (client, url) = (self.client.clone(), directory.clone());
        let (authority, credentials) =
            Authority::enrol(client, trust, url, &by).await.map_err(failed)?;
        let (kept, url, terms) = (self.kept.clone(), directory.clone(), acme.clone());
        let written = spawn_blocking(move || kept.keep_account(&url, &terms, &credentials));
        let url = directory.to_string();
        match written.await.map_err(own)? {
            Ok(path) => {
                let path = path.display().to_string();
                self.events.emit(event::AccountOpened { url, path });
            }
            // It is good until the end of this life.
            Err(error) => self.events.emit(event::AccountNotKept { url, why: chain(&error) }),
        }
        Ok(authority)
    }

    /// Opens another account at `directory` when it is asked next, unless that has been done.
    fn forget(&self, directory: &DirectoryUrl, authority: &Arc<Authority>) {
        let mut terms = self.terms();
        let is_it = |it: &Opening| it.get().is_some_and(|opened| Arc::ptr_eq(opened, authority));
        if terms.accounts.get(directory).is_some_and(is_it) {
            terms.accounts.remove(directory);
            if let Some(acme) = &terms.acme {
                self.kept.lose_account(directory, acme);
            }
        }
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
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

fn failed(refused: Refused) -> Failed {
    match refused {
        Refused::Failed(failed) => failed,
        Refused::NoAccount(problem) => {
            Failed { kind: FailureKind::Unreachable, retry_after: None, problem }
        }
    }
}

/// It failed here.
fn own(why: impl ToString) -> Failed {
    Failed { kind: FailureKind::Own, retry_after: None, problem: why.to_string() }
}
