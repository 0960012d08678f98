//! Accounts with CAs: opened where there is none, kept, and the same on all edges that share a store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use acme::{Authority, Credentials, Enrolment, ExternalAccount, Refused};
use certificates::{DirectoryUrl, Failed};
use model::Acme;
use outbound::{Client, Trust};
use telemetry::{Events, event};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use super::desk::{failed, own};
use super::edges::Edges;
use super::kept::{self, Kept};
use crate::chain::chain;

/// A CA as its account asks it, once that is open.
type Opening = Arc<OnceCell<Arc<Authority>>>;

/// The accounts, and by what terms is ordered with them.
pub(super) struct Accounts {
    client: Client,
    kept: Arc<Kept>,
    events: Events,
    edges: Arc<Edges>,
    terms: Mutex<Terms>,
}

/// By what orders are placed.
#[derive(Clone, Default)]
struct Terms {
    acme: Option<Arc<Acme>>,
    accounts: BTreeMap<DirectoryUrl, Opening>,
}

impl Accounts {
    pub(super) fn new(client: Client, kept: Arc<Kept>, events: Events, edges: Arc<Edges>) -> Self {
        Self { client, kept, events, edges, terms: Mutex::default() }
    }

    /// Orders as `acme` says from now on.
    pub(super) fn follow(&self, acme: &Acme) {
        let mut terms = self.terms();
        if terms.acme.as_deref() != Some(acme) {
            *terms = Terms { acme: Some(Arc::new(acme.clone())), accounts: BTreeMap::new() };
        }
    }

    /// By what is ordered now.
    pub(super) fn agreed(&self) -> Result<Arc<Acme>, Failed> {
        self.terms().acme.clone().ok_or_else(|| own("nothing is to be ordered any more"))
    }

    /// The CA, as the account asks it that edges share, or that is kept, or that is opened now.
    pub(super) async fn authority(
        &self,
        acme: &Arc<Acme>,
        directory: &DirectoryUrl,
    ) -> Result<Arc<Authority>, Failed> {
        let opening = self.terms().accounts.entry(directory.clone()).or_default().clone();
        let opened = opening.get_or_try_init(|| async {
            let trust = trust(acme)?;
            let name = kept::account_name(directory, acme);
            let bond = self.edges.bond();
            let shared = match &bond {
                Some(bond) => bond.account(&name).await,
                None => None,
            };
            let (kept, url, terms) = (self.kept.clone(), directory.clone(), acme.clone());
            let own = spawn_blocking(move || kept.account(&url, &terms)).await.map_err(own)?;
            // All order with the same, whatever each has opened before.
            for account in shared.iter().chain(&own) {
                let (client, url) = (self.client.clone(), directory.clone());
                match Authority::open(client, trust.clone(), url, account).await {
                    // What cannot be read is opened anew.
                    Err(Refused::NoAccount(_)) => {}
                    Err(refused) => return Err(failed(refused)),
                    Ok(authority) => {
                        if let (Some(bond), None) = (&bond, &shared) {
                            bond.offer_account(&name, account).await;
                        }
                        if shared.is_some() && own.as_ref() != Some(account) {
                            self.keep_account(acme, directory, account.clone()).await?;
                        }
                        return Ok(Arc::new(authority));
                    }
                }
            }
            let (authority, account, kept) = self.enrol(acme, directory, trust).await?;
            if let Some(bond) = &bond {
                bond.offer_account(&name, &account).await;
            }
            self.tell_opened(directory, kept);
            Ok(Arc::new(authority))
        });
        opened.await.cloned()
    }

    /// Opens an account and keeps it, and says where.
    async fn enrol(
        &self,
        acme: &Arc<Acme>,
        directory: &DirectoryUrl,
        trust: Trust,
    ) -> Result<(Authority, Credentials, Option<PathBuf>), Failed> {
        let external = acme.external_account.as_ref().map(|it| ExternalAccount {
            key_id: it.key_id.clone(),
            secret: it.secret.expose().to_vec(),
        });
        let by = Enrolment { email: Some(acme.email.clone()), external };
        let (client, url) = (self.client.clone(), directory.clone());
        let (authority, credentials) =
            Authority::enrol(client, trust, url, &by).await.map_err(failed)?;
        let kept = self.keep_account(acme, directory, credentials.clone()).await?;
        Ok((authority, credentials, kept))
    }

    /// Tells of an account that was opened, where it is kept: that it is not was told.
    fn tell_opened(&self, directory: &DirectoryUrl, kept: Option<PathBuf>) {
        if let Some(path) = kept {
            let (url, path) = (directory.to_string(), path.display().to_string());
            self.events.emit(event::AccountOpened { url, path });
        }
    }

    /// Keeps an account, and says where; says what is wrong where it cannot: it is good until the end of this life.
    async fn keep_account(
        &self,
        acme: &Arc<Acme>,
        directory: &DirectoryUrl,
        account: Credentials,
    ) -> Result<Option<PathBuf>, Failed> {
        let (kept, url, terms) = (self.kept.clone(), directory.clone(), acme.clone());
        let written = spawn_blocking(move || kept.keep_account(&url, &terms, &account));
        match written.await.map_err(own)? {
            Ok(path) => Ok(Some(path)),
            Err(error) => {
                let (url, why) = (directory.to_string(), chain(&error));
                self.events.emit(event::AccountNotKept { url, why });
                Ok(None)
            }
        }
    }

    /// Opens another account at `directory` in the place of that of `authority`, which the CA does not know, unless that has been done.
    pub(super) async fn reopen(
        &self,
        acme: &Arc<Acme>,
        directory: &DirectoryUrl,
        authority: &Arc<Authority>,
    ) -> Result<Arc<Authority>, Failed> {
        let opening = {
            let mut terms = self.terms();
            let it = terms.accounts.entry(directory.clone()).or_default();
            if it.get().is_some_and(|opened| Arc::ptr_eq(opened, authority)) {
                *it = Opening::default();
            }
            it.clone()
        };
        let opened = opening.get_or_try_init(|| async {
            self.kept.lose_account(directory, acme);
            let (authority, account, kept) = self.enrol(acme, directory, trust(acme)?).await?;
            if let Some(bond) = self.edges.bond() {
                bond.replace_account(&kept::account_name(directory, acme), &account).await;
            }
            self.tell_opened(directory, kept);
            Ok(Arc::new(authority))
        });
        opened.await.cloned()
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the certificates of directories' own servers are checked with.
fn trust(acme: &Acme) -> Result<Trust, Failed> {
    match &acme.ca {
        Some(document) => Trust::of_pem(&document.text).map_err(own),
        None => Ok(Trust::System),
    }
}
