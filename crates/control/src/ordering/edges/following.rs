//! Follows what other edges post: shows what CAs look for, serves the certificates that have come, and offers those that the store lacks. Keeps this edge's turns.
//!
//! Everything is applied before it is read on: so the others know what this edge has taken up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use acme::Challenge;
use store::{Board, BoardReader, Down, Record};
use telemetry::{Events, event};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::bond::{Bond, KEEP_EVERY, worth};
use super::record::Shown;
use crate::chain::chain;
use crate::ordering::Word;
use crate::ordering::kept::{self, Kept, Known};
use crate::ordering::responder::Responder;

/// How often it is asked what others have posted.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// What follows.
pub(in super::super) struct Follow {
    pub(in super::super) bond: Arc<Bond>,
    pub(in super::super) kept: Arc<Kept>,
    pub(in super::super) responder: Arc<Responder>,
    pub(in super::super) words: mpsc::UnboundedSender<Word>,
    pub(in super::super) events: Events,
}

/// What others show, until when.
type Elsewhere = BTreeMap<String, (Challenge, Instant)>;

/// Follows until it is dropped.
pub(in super::super) async fn follow(follow: Follow) {
    let mut reader = BoardReader::new(&*follow.bond.me);
    let mut shown = Elsewhere::new();
    // What each certificate is worth that is in the store.
    let mut there = BTreeMap::new();
    let (mut edges, mut is_read) = (1, false);
    let (mut rounds, mut keeping) = (interval(ASK_EVERY), interval(KEEP_EVERY));
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    keeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = keeping.tick() => follow.bond.keep_turns().await,
            _ = rounds.tick() => {
                let is_asked = follow.bond.is_anew();
                if is_asked {
                    reader.begin_anew();
                }
                follow.hide_what_is_over(&mut shown);
                let Ok(board) = reader.read(&follow.bond.shared).await else {
                    is_read = false;
                    follow.bond.has_read(None);
                    continue;
                };
                // Another connection, or another store, unless it was read once more for us.
                if board.is_whole && !(is_asked && is_read) {
                    follow.bond.has_read(Some(Instant::now()));
                }
                is_read = true;
                if std::mem::replace(&mut edges, board.edges) != board.edges {
                    // Its end is ours, too.
                    let _ = follow.words.send(Word::Edges(edges));
                }
                if follow.take_up(board, &mut shown, &mut there).await.is_err() {
                    // What could not be offered is offered when it is up again: everything is read then.
                    reader.begin_anew();
                }
            }
        }
    }
}

impl Follow {
    async fn take_up(
        &self,
        board: Board,
        shown: &mut Elsewhere,
        there: &mut BTreeMap<String, u64>,
    ) -> Result<(), Down> {
        let Board { records, is_whole, edges: _ } = board;
        if is_whole {
            there.clear();
        }
        let wanted = self.bond.wanted();
        let mut certificates = Vec::new();
        for record in records {
            if self.bond.is_shown(&record.name) {
                self.show(&record, shown);
            } else if let Some(host) = self.bond.host_of(&record.name)
                && wanted.contains(host)
            {
                there.insert(host.to_owned(), record.worth);
                certificates.push((host.to_owned(), self.bond.open(&record)));
            }
        }
        self.adopt(certificates).await;
        if is_whole { self.offer(&wanted, there).await } else { Ok(()) }
    }

    /// Shows what another edge wants to be shown, or no longer.
    fn show(&self, record: &Record, shown: &mut Elsewhere) {
        let said = self.bond.open(record);
        let said = said.and_then(|text| serde_json::from_str::<Shown>(&text).ok());
        let Some(said) = said.filter(|it| *it.edge != *self.bond.me) else { return };
        let (key, challenge) = (said.key(), said.challenge());
        if said.is_over || record.remaining.is_zero() {
            if shown.remove(&key).is_some() {
                self.responder.hide(&challenge);
            }
        } else if self.responder.show(&challenge).is_ok() {
            shown.insert(key, (challenge, Instant::now() + record.remaining));
        }
    }

    fn hide_what_is_over(&self, shown: &mut Elsewhere) {
        let now = Instant::now();
        for (_, (challenge, _)) in shown.extract_if(.., |_, (_, ends)| *ends <= now) {
            self.responder.hide(&challenge);
        }
    }

    /// Serves and keeps those of `certificates` that were issued later than what is served.
    async fn adopt(&self, certificates: Vec<(String, Option<String>)>) {
        if certificates.is_empty() {
            return;
        }
        let (kept, bond, events) = (self.kept.clone(), self.bond.clone(), self.events.clone());
        let adopted = spawn_blocking(move || {
            let adopt = |(host, text): (String, Option<String>)| {
                let known = adopt(&kept, &bond, &events, &host, text.as_deref())?;
                Some((host, known))
            };
            certificates.into_iter().filter_map(adopt).collect::<Vec<_>>()
        });
        let adopted = adopted.await.unwrap_or_default();
        if !adopted.is_empty() {
            let _ = self.words.send(Word::Found(adopted));
        }
    }

    /// Offers what is here and not in the store, or issued later.
    async fn offer(
        &self,
        wanted: &BTreeSet<String>,
        there: &BTreeMap<String, u64>,
    ) -> Result<(), Down> {
        for host in wanted {
            let Some(known) = self.kept.known(host) else { continue };
            let is_newer = there.get(host).is_none_or(|there| worth(&known.held) > *there);
            if !is_newer || !self.bond.is_of_ours(&known.held) {
                continue;
            }
            let (kept, of) = (self.kept.clone(), host.clone());
            let text = spawn_blocking(move || kept.text(&of)).await.ok().flatten();
            if let Some(text) = text {
                self.bond.offer(host, &text, &known.held).await?;
            }
        }
        Ok(())
    }
}

/// Serves and keeps the certificate of `host` that others have, where it was issued later than what is served. Says what is wrong with it. Waits for the disk.
pub(in super::super) fn adopt(
    kept: &Kept,
    bond: &Bond,
    events: &Events,
    host: &str,
    text: Option<&str>,
) -> Option<Known> {
    let unusable = |why: String| {
        events.emit(event::SharedCertificateUnusable { host: host.to_owned(), why });
        None
    };
    let Some(text) = text else {
        return unusable("it was not sealed by an edge as the certificate of this host".to_owned());
    };
    let tell = |path: &_, error| events.emit(kept::not_kept(path, &error));
    match kept.adopt(host, text, |held| bond.is_of_ours(held), tell) {
        Ok(known) => known,
        Err(error) => unusable(chain(&error)),
    }
}
