//! The keys that issuers of tokens publish: a feed of JWK Sets, each compiled for the algorithms that an authentication takes.
//!
//! What was fetched last is used until there is better, also over a restart ([`kept`]). What an issuer says of how long its
//! keys may be used is heeded within bounds ([`lifetime`]).

mod kept;
mod lifetime;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use http::header::ACCEPT;
use model::{AuthName, Authentication, FetchedKeys, Intent, JwtAlgorithm, JwtKeys, KeysAt, Proof};
use model::{Scheme, Url};
use outbound::{BadAuthorities, BadUrl, Client, Redirects, Request, Response, Standing, Trust};
use policy::jwt::{JWKS_BYTES_MAX, KeyFault, Keys, KeysError, Provenance, Skipped};
use serde::Deserialize;
use telemetry::{Event, event};
use tokio::time::Instant;

use crate::chain::chain;
use crate::feed::{Arrival, Feed, Fetch, Fetched, Outcome, Times};

pub(crate) use kept::Kept;

/// The keys of every issuer.
pub(crate) type Issuers = Feed<IssuerKeys>;

/// Keys that were asked for.
pub(crate) type KeysArrived = Arrival<IssuerKeys>;

/// How long one request may take: a discovery document and a JWK Set are two.
const REQUEST: Duration = Duration::from_secs(5);
/// How large a discovery document may be: that of a large provider has 3 KiB.
const DISCOVERY_BYTES_MAX: usize = 256 << 10;
const REDIRECTS_MAX: usize = 3;
/// An empty set is believed once it has been the response for so long. Within that time it is taken for an accident; after it, for the
/// issuer's will. It is less than [`Times::lifetime_max`], for which a key that is withdrawn may be believed anyway.
const EMPTY_BELIEVED_AFTER: Duration = Duration::from_secs(300);
/// A token with an unknown key has the keys fetched anew no more often than this.
pub(crate) const UNKNOWN_KEY_EVERY: Duration = Duration::from_secs(10);
/// So many keys that are not used are told of each set.
const SKIPPED_TOLD: usize = 8;

/// The keys of one issuer for one set of algorithms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    keys: FetchedKeys,
    algorithms: Vec<JwtAlgorithm>,
}

impl Source {
    /// Those that `authentication` goes by; `None` where they are not fetched.
    pub(crate) fn of(authentication: &Authentication) -> Option<Self> {
        let Proof::Jwt(jwt) = &authentication.proof else { return None };
        let JwtKeys::Fetched(keys) = &jwt.keys else { return None };
        Some(Self { keys: keys.clone(), algorithms: jwt.algorithms.clone() })
    }

    /// Those of each authentication of `intent`.
    pub(crate) fn of_all(intent: &Intent) -> BTreeSet<Self> {
        intent.auth.values().filter_map(|it| Self::of(it)).collect()
    }

    /// What tells it from others in the state directory; the algorithms are not in what is published.
    fn text(&self) -> String {
        match &self.keys.at {
            KeysAt::Jwks(url) => format!("jwks {}", url.whole()),
            KeysAt::Discovery { document, .. } => format!("discovery {}", document.whole()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.at.fmt(f)
    }
}

/// A JWK Set as it was published, and compiled.
#[derive(Debug)]
pub(crate) struct KeySet {
    document: Bytes,
    pub(crate) keys: Arc<Keys>,
}

/// The same document.
impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl KeySet {
    fn read(document: Bytes, algorithms: &[JwtAlgorithm]) -> Result<Self, KeysError> {
        let keys = Keys::from_jwks(&document, Provenance::Published, algorithms)?;
        Ok(Self { document, keys: Arc::new(keys) })
    }

    /// What is told of it where it is new.
    pub(crate) fn told<'a>(&'a self, source: &'a Source) -> impl Iterator<Item = Event> + 'a {
        let (url, keys) = (source.to_string(), self.keys.count());
        let taken = event::KeysTaken { url, keys }.into();
        // A set has keys for encryption as a matter of course, and those of algorithms that are not wanted here.
        let is_told =
            |it: &&Skipped| !matches!(it.fault, KeyFault::NotForSignatures | KeyFault::NotAsked);
        let skipped = self.keys.skipped().iter().filter(is_told).take(SKIPPED_TOLD);
        let skipped = skipped.map(|it| {
            let (url, why) = (source.to_string(), it.fault.to_string());
            let id = it.id.as_deref().unwrap_or_default().to_owned();
            event::KeySkipped { url, id, why }.into()
        });
        std::iter::once(taken).chain(skipped)
    }
}

/// Fetches the keys of issuers.
pub(crate) struct IssuerKeys {
    client: Client,
    kept: Arc<Kept>,
    /// Since when each set is empty.
    empty: Mutex<BTreeMap<Source, Instant>>,
}

/// Why keys cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerFault {
    #[error(transparent)]
    Ask(#[from] outbound::Fault),
    #[error("the authorities in `ca` cannot be used")]
    Trust(#[from] BadAuthorities),
    #[error("{0} responds with status {1}")]
    Status(Url, u16),
    #[error("{0} is no discovery document: a JSON object with `issuer` and `jwks_uri`")]
    NoDiscovery(Url, #[source] serde_json::Error),
    #[error("the discovery document is of the issuer {said:?}, and not of {wanted:?}")]
    OtherIssuer { said: String, wanted: String },
    #[error("the `jwks_uri` of the discovery document cannot be asked")]
    KeysUri(#[source] BadUrl),
    #[error("the `jwks_uri` of a discovery document that came by https:// is http://")]
    Downgrade,
    #[error("{0} gives no keys that can be used")]
    Keys(Url, #[source] KeysError),
    #[error("{0} gives a set without a key; it is believed once that was so for {minutes} minutes", minutes = EMPTY_BELIEVED_AFTER.as_secs() / 60)]
    Empty(Url),
    #[error("not fetched within {} s", .0.as_secs())]
    TooSlow(Duration),
    #[error("the reader of keys panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

/// What is read of a discovery document.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl IssuerKeys {
    /// Asks by `client`, and goes back to what was `kept`.
    pub(crate) fn new(client: Client, kept: Arc<Kept>) -> Self {
        Self { client, kept, empty: Mutex::default() }
    }

    async fn fetch_set(&self, source: &Source) -> Outcome<Self> {
        let trust = match &source.keys.ca {
            Some(ca) => Trust::of_pem(&ca.text)?,
            None => Trust::System,
        };
        let (url, nearest) = match &source.keys.at {
            KeysAt::Jwks(url) => (url.clone(), Standing::Here),
            KeysAt::Discovery { document, issuer } => {
                self.discover(document, issuer, &trust).await?
            }
        };
        let request = request(url.clone(), trust, JWKS_BYTES_MAX);
        let response = self.ask(Request { nearest, ..request }).await?;
        let lifetime = lifetime::of(&response.fields, SystemTime::now());
        let (document, algorithms) = (response.body, source.algorithms.clone());
        // A thousand keys take their time.
        let read = tokio::task::spawn_blocking(move || KeySet::read(document, &algorithms)).await?;
        let value = read.map_err(|error| IssuerFault::Keys(url.clone(), error))?;
        match self.is_believed(source, &value) {
            true => Ok(Fetched { value, lifetime }),
            false => Err(IssuerFault::Empty(url)),
        }
    }

    /// Where the keys of `issuer` are, and how near that may be.
    async fn discover(
        &self,
        document: &Url,
        issuer: &str,
        trust: &Trust,
    ) -> Result<(Url, Standing), IssuerFault> {
        let request = request(document.clone(), trust.clone(), DISCOVERY_BYTES_MAX);
        let response = self.ask(request).await?;
        let read: Result<Discovery, _> = serde_json::from_slice(&response.body);
        let read = read.map_err(|error| IssuerFault::NoDiscovery(document.clone(), error))?;
        if read.issuer != issuer {
            let wanted = issuer.to_owned();
            return Err(IssuerFault::OtherIssuer { said: read.issuer, wanted });
        }
        let url = outbound::parse(&read.jwks_uri).map_err(IssuerFault::KeysUri)?;
        match (response.url.scheme, url.scheme) {
            (Scheme::Https, Scheme::Http) => Err(IssuerFault::Downgrade),
            _ => Ok((url, response.standing)),
        }
    }

    async fn ask(&self, request: Request) -> Result<Response, IssuerFault> {
        let response = self.client.ask(request).await?;
        match response.status.as_u16() {
            200 => Ok(response),
            status => Err(IssuerFault::Status(response.url, status)),
        }
    }

    /// Whether `set` is what `source` means to publish: an empty one is, once it was empty for long enough.
    fn is_believed(&self, source: &Source, set: &KeySet) -> bool {
        let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        if set.keys.count() > 0 {
            empty.remove(source);
            return true;
        }
        let now = Instant::now();
        let since = *empty.entry(source.clone()).or_insert(now);
        now.duration_since(since) >= EMPTY_BELIEVED_AFTER
    }
}

fn request(url: Url, trust: Trust, bytes_max: usize) -> Request {
    let accept = HeaderValue::from_static("application/json, application/jwk-set+json");
    let request = Request::get(url, REQUEST, bytes_max).with(ACCEPT, accept);
    Request { trust, redirects: Redirects::Followed(REDIRECTS_MAX), ..request }
}

impl Fetch for IssuerKeys {
    type Key = Source;
    type Value = KeySet;
    type Error = IssuerFault;

    const TIMES: Times = Times {
        lifetime_min: Duration::from_secs(60),
        // A key that is withdrawn is believed so long at most, while its issuer can be asked.
        lifetime_max: Duration::from_secs(3600),
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(60),
        patience: Duration::from_secs(10),
        deadline: Duration::from_secs(15),
        at_once: 16,
    };

    fn fetch<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Outcome<Self>> {
        self.fetch_set(source).boxed()
    }

    fn kept(&self, source: &Source) -> Option<KeySet> {
        let document = self.kept.document(&source.text())?;
        KeySet::read(document.into_bytes().into(), &source.algorithms).ok()
    }

    fn too_slow(limit: Duration) -> IssuerFault {
        IssuerFault::TooSlow(limit)
    }

    fn becomes_stale(source: &Source, why: &IssuerFault, kept: Option<&KeySet>) -> Event {
        let kept = kept.map_or(0, |set| set.keys.count());
        event::KeysUnfetched { url: source.to_string(), why: chain(why), kept }.into()
    }

    fn recovers(source: &Source) -> Event {
        event::KeysFetched { url: source.to_string() }.into()
    }
}

impl Issuers {
    /// The keys of each authentication of `intent` of which there are any, with `found` over what is known.
    pub(crate) fn keys(
        &self,
        intent: &Intent,
        found: &[KeysArrived],
    ) -> BTreeMap<AuthName, Arc<Keys>> {
        let keys_of = |source: &Source| {
            let here = self.value(source);
            let found = found.iter().find(|it| it.key == *source).and_then(KeysArrived::value);
            // What has not changed is what workers know already.
            let there = found.filter(|found| here != Some(*found));
            there.or(here).map(|set| set.keys.clone())
        };
        let of_each = intent.auth.iter().filter_map(|(name, authentication)| {
            Some((name.clone(), keys_of(&Source::of(authentication)?)?))
        });
        of_each.collect()
    }

    /// What is to be kept over a restart: each set, by its source.
    pub(crate) fn documents(&self) -> BTreeMap<String, String> {
        let text = |set: &KeySet| String::from_utf8_lossy(&set.document).into_owned();
        self.values().map(|(source, set)| (source.text(), text(set))).collect()
    }
}

#[cfg(test)]
mod tests;
