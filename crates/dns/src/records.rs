//! TXT records that are written, waited for, and taken away.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use acme::TxtRecords;
use dns_update::{DnsRecord, DnsRecordType, DnsUpdater};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use hickory_resolver::proto::rr::{Name, RecordType};
use model::Dns;
use tokio::time::{Instant, sleep};

use crate::ask::{ask, texts};
use crate::provider::{ProviderError, updater};
use crate::zone::{Place, PlaceError, find};

/// How long the zone's servers may take to have what was written: a secondary is told at once, and some hosts take a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// They are asked so often.
const ASK_FIRST: Duration = Duration::from_millis(250);
const ASK_LAST: Duration = Duration::from_secs(5);

/// How long others may keep what they have read; what a CA reads is gone a minute later.
const TTL: u32 = 60;

/// TXT records of zones that can be changed.
pub struct Records {
    dns: Dns,
    updater: DnsUpdater,
    patience: Duration,
}

/// Why a record is not there, or not away.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("the zone {zone} cannot be changed: {why}")]
    Update { zone: Name, why: dns_update::Error },
    #[error("{} s after it was written the DNS server {server} has no such record: {why}", after.as_secs())]
    Unseen { server: SocketAddr, after: Duration, why: String },
}

impl Records {
    /// Those that `dns` says how to write.
    ///
    /// # Errors
    /// When what it says cannot be used.
    pub fn new(dns: &Dns) -> Result<Self, ProviderError> {
        Ok(Self { dns: dns.clone(), updater: updater(dns)?, patience: PATIENCE })
    }

    /// The same, which waits so long for the zone's servers.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    async fn write(&self, name: &str, value: &str) -> Result<(), RecordError> {
        let place = find(&self.dns, name).await?;
        let zone = place.zone.to_ascii();
        let record = vec![DnsRecord::TXT(value.to_owned())];
        let name = place.name.to_ascii();
        let (kind, updater) = (DnsRecordType::TXT, &self.updater);
        let added = updater.add_to_rrset(name.as_str(), kind, TTL, record, zone.as_str()).await;
        added.map_err(|why| RecordError::Update { zone: place.zone.clone(), why })?;
        self.seen(&place, value).await
    }

    /// Waits until each of the zone's servers has it.
    async fn seen(&self, place: &Place, value: &str) -> Result<(), RecordError> {
        let (begun, mut pause) = (Instant::now(), ASK_FIRST);
        loop {
            let asked = place.servers.iter().map(|server| lacks(*server, &place.name, value));
            let Some((server, why)) = join_all(asked).await.into_iter().flatten().next() else {
                return Ok(());
            };
            let after = begun.elapsed();
            if after + pause > self.patience {
                return Err(RecordError::Unseen { server, after, why });
            }
            sleep(pause).await;
            pause = (pause * 2).min(ASK_LAST);
        }
    }

    async fn take(&self, name: &str, value: &str) -> Result<(), RecordError> {
        let place = find(&self.dns, name).await?;
        let (name, zone) = (place.name.to_ascii(), place.zone.to_ascii());
        let record = vec![DnsRecord::TXT(value.to_owned())];
        let (kind, updater) = (DnsRecordType::TXT, &self.updater);
        let taken = updater.remove_from_rrset(name.as_str(), kind, record, zone.as_str()).await;
        taken.map_err(|why| RecordError::Update { zone: place.zone, why })
    }
}

/// Why `server` does not have it; `None` where it has.
async fn lacks(server: SocketAddr, name: &Name, value: &str) -> Option<(SocketAddr, String)> {
    match ask(server, name, RecordType::TXT).await {
        Ok(response) if texts(&response, name).any(|it| it == value.as_bytes()) => None,
        Ok(_) => Some((server, "it has not been told of it yet, or is not told".to_owned())),
        Err(error) => Some((server, told(&error))),
    }
}

/// An error with what caused it.
fn told(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

impl TxtRecords for Records {
    fn add<'a>(&'a self, name: &'a str, value: &'a str) -> BoxFuture<'a, Result<(), String>> {
        async move { self.write(name, value).await.map_err(|error| told(&error)) }.boxed()
    }

    fn remove<'a>(&'a self, name: &'a str, value: &'a str) -> BoxFuture<'a, Result<(), String>> {
        async move { self.take(name, value).await.map_err(|error| told(&error)) }.boxed()
    }
}
