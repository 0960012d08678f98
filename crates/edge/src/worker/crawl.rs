//! Uploads that crawl: bodies of unknown length whose pieces come rarely, as those of a client that
//! streams events or gRPC messages do.
//!
//! A body of known length that hardly moves is cut, for it could have come at once. One of unknown
//! length comes when there is something to say, so that every byte is progress. That is also what a
//! client sends that means to hold as many connections as it can, and so there may be only so many at
//! once, and none for ever; beyond that the rule for other bodies holds for them too.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// How many may crawl on one worker at once: far more than a fleet of agents that report now and then
/// needs, and far fewer than the connections that a listener takes.
const AT_ONCE: u32 = 1000;
/// How long one may.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The uploads that crawl on one worker.
#[derive(Default)]
pub(crate) struct Crawlers(Rc<Cell<u32>>);

/// One upload that crawls, as long as it does.
pub(crate) struct Crawl {
    count: Rc<Cell<u32>>,
    until: Duration,
}

impl Crawlers {
    /// One more crawls from `now` on, in the time of the worker's wheel; `None` where there are enough.
    pub(crate) fn enter(&self, now: Duration) -> Option<Crawl> {
        if self.0.get() >= AT_ONCE {
            return None;
        }
        self.0.set(self.0.get() + 1);
        Some(Crawl { count: self.0.clone(), until: now + LIFETIME })
    }
}

impl Crawl {
    /// Whether it may go on.
    pub(crate) fn may_last(&self, now: Duration) -> bool {
        now < self.until
    }
}

impl Drop for Crawl {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_crawl_at_once_and_none_for_ever() {
        let crawlers = Crawlers::default();
        let mut crawls: Vec<_> = (0..AT_ONCE).map(|_| crawlers.enter(Duration::ZERO)).collect();
        assert!(crawls.iter().all(Option::is_some));
        assert!(crawlers.enter(Duration::ZERO).is_none());
        crawls.pop();
        let late = crawlers.enter(Duration::from_secs(9)).unwrap();
        assert!(late.may_last(LIFETIME) && !late.may_last(LIFETIME + Duration::from_secs(9)));
        drop((crawls, late));
        assert_eq!(crawlers.0.get(), 0);
    }
}
