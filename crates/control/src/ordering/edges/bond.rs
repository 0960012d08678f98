//! The store, as the edges have it that share its secret and order of the same directories: what one says there, the others hear.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use acme::{Challenge, Credentials};
use certificates::{DirectoryUrl, Held};
use model::OnFailure;
use store::{Claim, Down, Posted, Record, Right, Sealer, Shared, Turn};
use tokio::time::{Instant, sleep};

use super::record::{Shown, Told, seconds};
use crate::ordering::kept::hash;

/// How long a turn lasts that is not kept, as its edge is dead or paused.
const TURN: Duration = Duration::from_secs(10);
/// After a store was read whole, others may have what it lacks, and offer it when they have noticed: they try it again every 2.5 s, and may be slow.
const SETTLED_AFTER: Duration = Duration::from_secs(6);
/// How often those that are ours are kept.
pub(super) const KEEP_EVERY: Duration = Duration::from_secs(3);
/// How long what a CA looks for is there, should nobody take it away.
const SHOWN_FOR: Duration = Duration::from_secs(600);
/// How long it is known that it was taken away.
const OVER_FOR: Duration = Duration::from_secs(60);
/// How long the others have to take up what a CA looks for: an edge that takes longer does not respond to one either.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long an account is there that no edge has asked for.
const ACCOUNT_FOR: Duration = Duration::from_secs(400 * 86_400);

/// What edges share. Ends with its owners.
pub(in super::super) struct Bond {
    pub(super) me: Arc<str>,
    pub(super) shared: Shared,
    sealer: Arc<Sealer>,
    pub(super) directories: Vec<DirectoryUrl>,
    /// What names have in them, so that other directories and secrets have other ones.
    scope: String,
    on_failure: OnFailure,
    /// The hosts whose turn is ours.
    turns: Mutex<BTreeSet<String>>,
    wanted: Mutex<Arc<BTreeSet<String>>>,
    /// Whether everything is to be read once more.
    is_anew: AtomicBool,
    /// When the store was first read whole over the connection that there is.
    read_at: Mutex<Option<Instant>>,
}

impl fmt::Debug for Bond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bond")
            .field("me", &self.me)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Bond {
    pub(super) fn new(
        me: Arc<str>,
        shared: &Shared,
        sealer: &Arc<Sealer>,
        directories: &[DirectoryUrl],
        on_failure: OnFailure,
    ) -> Self {
        let urls: Vec<&str> = directories.iter().map(DirectoryUrl::as_str).collect();
        let scope = format!("{}/{:016x}", sealer.id(), hash(urls.join("\n").as_bytes()));
        Self {
            me,
            shared: shared.clone(),
            sealer: sealer.clone(),
            directories: directories.to_vec(),
            scope,
            on_failure,
            turns: Mutex::default(),
            wanted: Mutex::default(),
            is_anew: AtomicBool::new(false),
            read_at: Mutex::default(),
        }
    }

    /// Whether `other` shares the same in the same way.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.shared.is_same(&other.shared)
            && (&self.scope, self.on_failure) == (&other.scope, other.on_failure)
    }

    pub(super) fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// Shares certificates of these hosts. Turns of others are kept no longer.
    pub(super) fn want(&self, hosts: BTreeSet<String>) {
        self.turns().retain(|host| hosts.contains(host));
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if !hosts.is_subset(&wanted) {
            // What was posted for a host that nobody wanted here was passed over.
            self.is_anew.store(true, Ordering::Relaxed);
        }
        *wanted = Arc::new(hosts);
    }

    pub(super) fn wanted(&self) -> Arc<BTreeSet<String>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the store can be asked.
    pub(super) fn is_up(&self) -> bool {
        self.shared.is_up()
    }

    /// The store has been read whole over a new connection, or cannot be read.
    pub(super) fn has_read(&self, at: Option<Instant>) {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Whether all that edges have is in the store by now.
    pub(super) fn is_settled(&self) -> bool {
        let read_at = *self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        read_at.is_some_and(|at| at.elapsed() >= SETTLED_AFTER)
    }

    /// Whether everything is to be read once more; asked once.
    pub(super) fn is_anew(&self) -> bool {
        self.is_anew.swap(false, Ordering::Relaxed)
    }

    fn certificate_name(&self, host: &str) -> String {
        format!("certificate/{}/{host}", self.scope)
    }

    /// The host of the certificate that is posted under this name.
    pub(super) fn host_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix("certificate/")?.strip_prefix(&*self.scope)?.strip_prefix('/')
    }

    /// Whether what a CA looks for is posted under this name.
    pub(super) fn is_shown(&self, name: &str) -> bool {
        name.strip_prefix("challenge/").is_some_and(|it| it.starts_with(self.sealer.id()))
    }

    /// Whether `held` was issued by one of the directories that are named, or it is not known by which.
    pub(super) fn is_of_ours(&self, held: &Held) -> bool {
        held.directory.as_ref().is_none_or(|it| self.directories.contains(it))
    }

    /// What a record says, as an edge has sealed it.
    pub(super) fn open(&self, record: &Record) -> Option<String> {
        self.sealer.open(&record.name, &record.text)
    }

    async fn post(
        &self,
        name: String,
        text: &str,
        lasting: Lasting,
        right: Right,
    ) -> Result<Posted, Down> {
        let text = self.sealer.seal(&name, text);
        let Lasting { remaining, worth } = lasting;
        self.shared.post(&Record { name, text, remaining, worth }, right).await
    }

    pub(super) async fn take_turn(&self, host: &str) -> Result<Claim, Down> {
        let claim = self.shared.take_turn(&self.certificate_name(host), &self.me, TURN).await?;
        if matches!(claim, Claim::Ours(_)) {
            self.turns().insert(host.to_owned());
        }
        Ok(claim)
    }

    /// Keeps all turns that are ours.
    pub(super) async fn keep_turns(&self) {
        let hosts: Vec<_> = self.turns().iter().map(|host| self.certificate_name(host)).collect();
        // Where it cannot be said others take them, and what is posted in them is refused.
        let _ = self.shared.keep_turns(&hosts, &self.me, TURN).await;
    }

    /// The turn of `host` is over.
    pub(in super::super) async fn end_turn(&self, host: &str) {
        self.turns().remove(host);
        // It ends by itself.
        let _ = self.shared.end_turn(&self.certificate_name(host), &self.me).await;
    }

    /// Keeps the turn of `host`, and says to the others what fails.
    pub(in super::super) async fn tell(&self, host: &str, told: &Told) {
        let text = serde_json::to_string(told).unwrap_or_default();
        let name = self.certificate_name(host);
        let _ = self.shared.tell_of_turn(&name, &self.me, &text, TURN).await;
    }

    /// What is posted as the certificate of `host`, and what it is worth.
    pub(in super::super) async fn certificate(&self, host: &str) -> Result<Option<String>, Down> {
        let record = self.shared.record(&self.certificate_name(host)).await?;
        Ok(record.and_then(|it| self.open(&it)))
    }

    /// Posts the certificate of `host`, by the right of `turn`.
    pub(in super::super) async fn post_certificate(
        &self,
        host: &str,
        text: &str,
        held: &Held,
        turn: Turn,
    ) -> Result<Posted, Down> {
        self.post(self.certificate_name(host), text, Lasting::of(held), Right::Turn(turn)).await
    }

    /// Posts it unless there is one that was issued as late.
    pub(super) async fn offer(&self, host: &str, text: &str, held: &Held) -> Result<Posted, Down> {
        self.post(self.certificate_name(host), text, Lasting::of(held), Right::WorthMore).await
    }

    /// Has all edges show what a CA looks for: done when they do, as far as they are there.
    pub(in super::super) async fn show(&self, challenge: &Challenge) {
        let Some(shown) = Shown::new(challenge, &self.me) else { return };
        let Ok(Posted::Taken(change)) = self.post_shown(&shown, SHOWN_FOR).await else { return };
        let end = Instant::now() + TAKEN_UP_WITHIN;
        while Instant::now() < end {
            match self.shared.unread(change, &self.me).await {
                Ok(1..) => sleep(LOOK_EVERY).await,
                _ => return,
            }
        }
    }

    /// Has them show it no longer.
    pub(in super::super) async fn hide(&self, challenge: &Challenge) {
        let Some(mut shown) = Shown::new(challenge, &self.me) else { return };
        shown.is_over = true;
        // Where it cannot be said, it is over by itself.
        let _ = self.post_shown(&shown, OVER_FOR).await;
    }

    async fn post_shown(&self, shown: &Shown, remaining: Duration) -> Result<Posted, Down> {
        let name = format!("challenge/{}/{}", self.sealer.id(), shown.key());
        let text = serde_json::to_string(shown).unwrap_or_default();
        self.post(name, &text, Lasting { remaining, worth: 0 }, Right::Any).await
    }

    /// The account that edges order with, by the name of its file, where one was offered.
    pub(in super::super) async fn account(&self, file: &str) -> Option<Credentials> {
        let record = self.shared.record(&self.account_name(file)).await.ok().flatten()?;
        self.open(&record).map(Credentials::new)
    }

    /// Offers an account to the others, which have one alike from then on, unless there is one.
    pub(in super::super) async fn offer_account(&self, file: &str, account: &Credentials) {
        let lasting = Lasting { remaining: ACCOUNT_FOR, worth: 0 };
        let (name, text) = (self.account_name(file), account.expose());
        // An edge that finds none opens another one.
        let _ = self.post(name, text, lasting, Right::WorthMore).await;
    }

    /// Another account than what is there is to be the edges' account: the CA does not know that one any more.
    pub(in super::super) async fn replace_account(&self, file: &str, account: &Credentials) {
        let lasting = Lasting { remaining: ACCOUNT_FOR, worth: 0 };
        let _ = self.post(self.account_name(file), account.expose(), lasting, Right::Any).await;
    }

    fn account_name(&self, file: &str) -> String {
        format!("account/{}/{file}", self.sealer.id())
    }

    fn turns(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a record is there, and what it is worth.
struct Lasting {
    remaining: Duration,
    worth: u64,
}

impl Lasting {
    /// Of a certificate: until it ends, and worth more than those that were issued before it.
    fn of(held: &Held) -> Self {
        let remaining = held.left(SystemTime::now());
        Self { remaining, worth: worth(held) }
    }
}

/// What a certificate is worth beside another.
pub(super) fn worth(held: &Held) -> u64 {
    seconds(held.not_before)
}
