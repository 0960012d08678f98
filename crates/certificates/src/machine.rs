//! The machine: which orders are placed now.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::budget::Budget;
use crate::directory::Directory;
use crate::failure::Failed;
use crate::held::Held;
use crate::now::Now;
use crate::place::{Place, Suggestion, UnderWay};
use crate::share::Share;
use crate::status::{Status, Why};

/// A certificate that is wanted: the names that it is for, as its owner writes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateId(Arc<str>);

/// Where a CA is asked (RFC 8555 section 7.1.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectoryUrl(Arc<str>);

macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// With this text.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(CertificateId);
text!(DirectoryUrl);

/// By what the machine goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Who is asked, the first unless it fails; never empty.
    pub directories: Vec<DirectoryUrl>,
    /// What each of them may be asked for.
    pub budget: Budget,
    /// How many orders are under way at once, over all of them; at least 1.
    pub at_once: usize,
    /// What makes one machine's moments differ from another's.
    pub seed: u64,
}

/// What is to be done. Each has exactly one result, which the caller reports even where it fails or is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Order it: [`Machine::ordered`], or [`Machine::left`].
    Order {
        /// What.
        id: CertificateId,
        /// Of whom.
        directory: DirectoryUrl,
        /// Whether the order is to say which certificate it replaces.
        is_replacing: bool,
    },
    /// Ask when it should be renewed: [`Machine::suggested`].
    Ask {
        /// What.
        id: CertificateId,
        /// Whom.
        directory: DirectoryUrl,
    },
}

/// A certificate that ends so soon goes before those that are new: this part of its lifetime is left.
const URGENT: u32 = 4;

/// After so many failures in a row at one directory the next one is preferred.
const FAILURES_THEN_NEXT: u32 = 2;

/// The clock of the wall is looked at so often: it may be set at any time.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Orders and renewals of all certificates that are wanted.
#[derive(Debug)]
pub struct Machine {
    rules: Rules,
    places: BTreeMap<CertificateId, Place>,
    directories: BTreeMap<DirectoryUrl, Directory>,
}

impl Machine {
    /// One that wants nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self { rules, places: BTreeMap::new(), directories: BTreeMap::new() }
    }

    /// Goes by `rules` from now on. What is known of directories stays.
    pub fn rule(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Wants `ids`, and nothing else. An order that is under way for one that is no longer wanted ends unheeded.
    pub fn want(&mut self, ids: impl IntoIterator<Item = CertificateId>) {
        let mut before = std::mem::take(&mut self.places);
        let keep = |id: CertificateId| {
            let place = before.remove(&id);
            (id.clone(), place.unwrap_or_else(|| Place::new(Share::of(self.rules.seed, &id))))
        };
        self.places = ids.into_iter().map(keep).collect();
        for UnderWay { directory, begun } in before.into_values().filter_map(|it| it.order) {
            // It says nothing of the directory that another order would not say as well.
            self.directories.entry(directory).or_default().end(begun, None, begun);
        }
    }

    /// There is `held`: from an earlier life, from a file, or from another edge.
    pub fn found(&mut self, id: &CertificateId, held: Held, now: Now) {
        if let Some(place) = self.places.get_mut(id) {
            place.found(held, now);
        }
    }

    /// An order that was to be placed is another's to place: it costs nothing, and is due again after `pause`, unless [`Machine::found`] comes before.
    pub fn left(&mut self, id: &CertificateId, pause: Duration, now: Now) {
        let left = self.places.get_mut(id).and_then(|it| it.left(now.elapsed + pause));
        if let Some(directory) = left {
            self.directories.entry(directory).or_default().undo(self.rules.budget);
        }
    }

    /// What is to be done now.
    pub fn step(&mut self, now: Now) -> Vec<Action> {
        let mut actions = self.asks(now);
        let mut due: Vec<_> =
            self.places.iter().filter(|(_, place)| place.order.is_none()).collect();
        due.retain(|(_, place)| place.due().0 <= now.wall);
        due.sort_by_key(|(_, place)| (Urgency::of(place, now), place.due().0));
        let due: Vec<CertificateId> = due.into_iter().map(|(id, _)| id.clone()).collect();
        let mut under_way = self.places.values().filter(|it| it.order.is_some()).count();
        for id in due {
            if under_way >= self.rules.at_once {
                break;
            }
            let Some((directory, at)) = self.preferred(&id, now.elapsed) else { continue };
            if at > now.elapsed {
                continue;
            }
            let Some(place) = self.places.get_mut(&id) else { continue };
            place.order = Some(UnderWay { directory: directory.clone(), begun: now.elapsed });
            let is_replacing = place.is_replacing;
            let known = self.directories.entry(directory.clone()).or_default();
            known.begin(self.rules.budget, now.elapsed);
            under_way += 1;
            actions.push(Action::Order { id, directory, is_replacing });
        }
        actions
    }

    /// Those whose CA is to be asked when it would like a renewal.
    fn asks(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        for (id, place) in &mut self.places {
            if place.ask_at().is_none_or(|at| at > now.elapsed) {
                continue;
            }
            if let Some(directory) = place.held.as_ref().and_then(|it| it.directory.clone()) {
                place.asks();
                actions.push(Action::Ask { id: id.clone(), directory });
            }
        }
        actions
    }

    /// The directory that is asked for `id` next, and from when on; `None` where all are being tried by others.
    fn preferred(&self, id: &CertificateId, elapsed: Duration) -> Option<(DirectoryUrl, Duration)> {
        let place = self.places.get(id)?;
        let all = self.rules.directories.iter().filter_map(|url| {
            let directory = self.directories.get(url);
            let failures = directory.map_or(0, |it| it.failures(elapsed)).max(place.failures(url));
            let free_at = match directory {
                Some(directory) => directory.free_at(self.rules.budget)?,
                None => Duration::ZERO,
            };
            Some((failures / FAILURES_THEN_NEXT, url, free_at.max(place.free_at(url))))
        });
        // Of equals the first.
        let (_, url, at) = all.min_by_key(|(failures, ..)| *failures)?;
        Some((url.clone(), at))
    }

    /// When [`Machine::step`] has something to do next, if nothing happens before.
    pub fn wake(&self, now: Now) -> Duration {
        let of = |(id, place): (&CertificateId, &Place)| {
            let order = match (&place.order, place.due().0.duration_since(now.wall)) {
                (Some(_), _) => None,
                // What else it may have to wait for is looked at then.
                (None, Ok(left)) if !left.is_zero() => Some(now.elapsed + left),
                (None, _) => self.preferred(id, now.elapsed).map(|(_, at)| at),
            };
            [order, place.ask_at()].into_iter().flatten().min()
        };
        let next = self.places.iter().filter_map(of).min();
        let latest = now.elapsed + LOOK_EVERY;
        next.map_or(latest, |next| next.clamp(now.elapsed, latest))
    }

    /// What became of an order.
    pub fn ordered(&mut self, id: &CertificateId, result: Result<Held, Failed>, now: Now) {
        let Some(place) = self.places.get_mut(id) else { return };
        let Some(UnderWay { directory, begun }) = place.order.clone() else { return };
        let known = self.directories.entry(directory).or_default();
        known.end(begun, result.as_ref().err(), now.elapsed);
        match result {
            Ok(held) => place.succeeded(held, now),
            Err(failed) => place.failed(failed, now),
        }
    }

    /// What a CA said of a renewal; `None` where it said nothing, as it does not do that or cannot be reached.
    pub fn suggested(&mut self, id: &CertificateId, said: Option<Suggestion>, now: Now) {
        if let Some(place) = self.places.get_mut(id) {
            place.told(said, now);
        }
    }

    /// How `id` stands; `None` where it is not wanted.
    pub fn status(&self, id: &CertificateId, now: Now) -> Option<Status> {
        let place = self.places.get(id)?;
        let (due, why) = place.due();
        let waits = self.preferred(id, now.elapsed).map(|(_, at)| at.saturating_sub(now.elapsed));
        let free = now.wall + waits.unwrap_or_default();
        let why = match (free > due, &place.trouble) {
            (true, Some(_)) => Why::Again,
            (true, None) if place.held.is_some() && due <= now.wall => Why::TooSoon,
            _ => why,
        };
        Some(Status {
            held: place.held.clone(),
            next: place.order.is_none().then(|| due.max(free)),
            why,
            trouble: place.trouble.clone(),
        })
    }

    /// All that are wanted.
    pub fn ids(&self) -> impl Iterator<Item = &CertificateId> {
        self.places.keys()
    }
}

/// Which certificates are ordered first where not all can be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// It ends soon.
    Urgent,
    /// There is none yet.
    New,
    Due,
}

impl Urgency {
    fn of(place: &Place, now: Now) -> Self {
        match &place.held {
            None => Self::New,
            Some(held) if held.left(now.wall) < held.lifetime() / URGENT => Self::Urgent,
            Some(_) => Self::Due,
        }
    }
}
