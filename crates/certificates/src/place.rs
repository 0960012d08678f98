//! One certificate that is wanted: what there is of it, and what is due.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::failure::{Failed, FailureKind};
use crate::held::{Held, Window};
use crate::machine::DirectoryUrl;
use crate::now::Now;
use crate::pace;
use crate::share::Share;
use crate::status::{Trouble, Why};

/// How often a CA is asked when it would like a certificate renewed, where it does not say (RFC 9773 section 4.3 has six hours).
const ASK_EVERY: Duration = Duration::from_secs(6 * 3_600);
const ASK_MIN: Duration = Duration::from_secs(60);
const ASK_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A certificate that lives shorter is asked for this often during its life.
const ASKS_IN_A_LIFE: u32 = 16;

/// Behind an order that succeeded, the next one waits so long at the least, or for this part of the lifetime: a CA, or a clock, that is wrong
/// about dates must not cause a loop of orders.
const BETWEEN_MIN: Duration = Duration::from_secs(300);
const BETWEEN: u32 = 10;

/// A certificate that is wanted.
#[derive(Debug)]
pub(crate) struct Place {
    share: Share,
    pub(crate) held: Option<Held>,
    window: Option<Window>,
    pub(crate) order: Option<UnderWay>,
    pub(crate) trouble: Option<Trouble>,
    tries: BTreeMap<DirectoryUrl, Tries>,
    /// No order before this.
    not_before: Duration,
    /// Certificates in a row that were due as they came.
    due_as_they_came: u32,
    /// Whether the next order says which certificate it replaces.
    pub(crate) is_replacing: bool,
    ask: Ask,
}

/// An order that is under way.
#[derive(Clone, Debug)]
pub(crate) struct UnderWay {
    pub(crate) directory: DirectoryUrl,
    pub(crate) begun: Duration,
}

/// What became of orders of one directory.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    failed: u32,
    again: Duration,
}

/// Asking a CA when it would like a renewal.
#[derive(Clone, Copy, Debug, Default)]
struct Ask {
    at: Duration,
    is_under_way: bool,
}

impl Place {
    /// Of a certificate that is not there yet.
    pub(crate) fn new(share: Share) -> Self {
        Self {
            share,
            held: None,
            window: None,
            order: None,
            trouble: None,
            tries: BTreeMap::new(),
            not_before: Duration::ZERO,
            due_as_they_came: 0,
            is_replacing: false,
            ask: Ask::default(),
        }
    }

    /// Puts `held` there, which was found or has come.
    pub(crate) fn put(&mut self, held: Held, now: Now) {
        self.window = None;
        self.is_replacing = true;
        self.ask = Ask { at: now.elapsed, ..Ask::default() };
        self.share = self.share.of_next(held.not_after);
        self.held = Some(held);
    }

    /// Another has ordered `held`: what failed here is of no matter any more.
    pub(crate) fn found(&mut self, held: Held, now: Now) {
        self.trouble = None;
        self.tries.clear();
        self.due_as_they_came = 0;
        self.put(held, now);
    }

    /// The order that is under way is not placed, and none before `again`. Says whom it was to be asked of.
    pub(crate) fn left(&mut self, again: Duration) -> Option<DirectoryUrl> {
        let UnderWay { directory, .. } = self.order.take()?;
        self.not_before = self.not_before.max(again);
        Some(directory)
    }

    /// When the next one is ordered, and why then.
    pub(crate) fn due(&self) -> (SystemTime, Why) {
        let Some(held) = &self.held else { return (SystemTime::UNIX_EPOCH, Why::New) };
        match self.window.and_then(|window| held.suggested(window, self.share)) {
            Some(due) => (due, Why::Suggested),
            None => (held.third_left(self.share), Why::ThirdLeft),
        }
    }

    /// From when on `directory` may be asked for it.
    pub(crate) fn free_at(&self, directory: &DirectoryUrl) -> Duration {
        self.tries.get(directory).map_or(Duration::ZERO, |it| it.again).max(self.not_before)
    }

    /// How often orders of `directory` failed in a row.
    pub(crate) fn failures(&self, directory: &DirectoryUrl) -> u32 {
        self.tries.get(directory).map_or(0, |it| it.failed)
    }

    /// An order has succeeded, with `held`.
    pub(crate) fn succeeded(&mut self, held: Held, now: Now) {
        self.order = None;
        self.trouble = None;
        self.tries.clear();
        let lifetime = held.lifetime();
        self.put(held, now);
        let is_due = self.due().0 <= now.wall;
        self.due_as_they_came = if is_due { self.due_as_they_came.saturating_add(1) } else { 0 };
        let mut between = BETWEEN_MIN.max(lifetime / BETWEEN);
        if self.due_as_they_came > 0 {
            let as_if =
                Failed { kind: FailureKind::Refused, retry_after: None, problem: String::new() };
            between = between.max(pace::certificate(&as_if, self.due_as_they_came, self.share));
        }
        self.not_before = now.elapsed + between;
    }

    /// An order has failed.
    pub(crate) fn failed(&mut self, failed: Failed, now: Now) {
        let Some(UnderWay { directory, .. }) = self.order.take() else { return };
        let tries = self.tries.entry(directory.clone()).or_default();
        tries.failed = tries.failed.saturating_add(1);
        tries.again = now.elapsed + pace::certificate(&failed, tries.failed, self.share);
        if failed.kind == FailureKind::AlreadyReplaced {
            self.is_replacing = false;
        }
        let (since, times) = self.trouble.as_ref().map_or((now.wall, 0), |it| (it.since, it.times));
        let (times, problem) = (times.saturating_add(1), failed.problem);
        self.trouble = Some(Trouble { since, times, directory, problem });
    }

    /// When its CA is asked when it would like a renewal; `None` where nobody is, or is already.
    pub(crate) fn ask_at(&self) -> Option<Duration> {
        let is_asked = self.held.as_ref().is_some_and(|held| held.directory.is_some());
        (is_asked && !self.ask.is_under_way).then_some(self.ask.at)
    }

    /// Its CA is asked.
    pub(crate) fn asks(&mut self) {
        self.ask.is_under_way = true;
    }

    /// What its CA said: the window, and when it would like to be asked again.
    pub(crate) fn told(&mut self, said: Option<Suggestion>, now: Now) {
        let lifetime = self.held.as_ref().map_or(Duration::ZERO, Held::lifetime);
        let longest = (lifetime / ASKS_IN_A_LIFE).clamp(ASK_MIN, ASK_MAX);
        let asked = match said {
            Some(Suggestion { window, retry_after }) => {
                self.window = Some(window);
                retry_after.unwrap_or(ASK_EVERY)
            }
            // What was said before goes on being true.
            None => ASK_EVERY,
        };
        let pause = asked.clamp(ASK_MIN, longest);
        let at = now.elapsed + pause + self.share.of_length(pause / 10);
        self.ask = Ask { at, is_under_way: false };
    }
}

/// What a CA says of a certificate's renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// When it would like it.
    pub window: Window,
    /// When it would like to be asked again.
    pub retry_after: Option<Duration>,
}
