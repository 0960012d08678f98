//! The chance of a request to go to the new release, if nothing but chance decides: by route, and as it was when the request began.
//!
//! The split's share is ours, and no client moves it. Where the balancing decides, it is the part of the serving instances that are the new
//! release's. Where clearly more drawn requests went to the new release than either says (its instances take more than
//! their part, or the old ones are full), what was counted holds. The greatest of all errs towards the new release, and a
//! bet at a greater share than the real one is worth no more in any outcome.

use std::collections::VecDeque;
use std::time::Duration;

/// Half of what was counted is forgotten in so long: in the one for what comes seldom, in the other for what changes at once, as when
/// the old instances are ejected and the new ones get all.
const HALF_LIVES: [Duration; 2] = [Duration::from_secs(5), Duration::from_millis(200)];

/// For how long shares of before are known: as long as a request may take to fail.
const REMEMBERED: Duration = Duration::from_secs(120);

/// When a failure began of which nothing but its block is known: so long before at most.
pub(super) const LAG: Duration = Duration::from_secs(5);

/// From so many drawn requests on, what was counted may hold.
const COUNTED_MIN: f64 = 20.0;

#[derive(Clone, Debug, Default)]
pub(super) struct Odds {
    /// What the share was, each since a time, the latest last.
    shares: VecDeque<Share>,
    /// Drawn requests by route, of late.
    routes: Vec<[Drawn; HALF_LIVES.len()]>,
    last: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    since: Duration,
    share: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Drawn {
    canary: f64,
    all: f64,
    share: Option<f64>,
}

impl Odds {
    /// A block begins in which the share is `share`.
    pub(super) fn begin(&mut self, now: Duration, share: f64) {
        let before = self.shares.back().map(|it| it.share);
        if before != Some(share) {
            self.shares.push_back(Share { since: now, share });
            // What was counted at another share says nothing of this one.
            self.routes.clear();
        }
        while self.shares.get(1).is_some_and(|next| next.since + REMEMBERED < now) {
            self.shares.pop_front();
        }
        let passed = self.last.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.last = Some(now);
        let kept = HALF_LIVES.map(|half| 0.5f64.powf(passed.as_secs_f64() / half.as_secs_f64()));
        for drawn in &mut self.routes {
            for (drawn, kept) in drawn.iter_mut().zip(kept) {
                *drawn = Drawn { canary: drawn.canary * kept, all: drawn.all * kept, share: None };
            }
        }
    }

    /// So many drawn requests of a route ended in this block.
    pub(super) fn count(&mut self, route: usize, canary: u64, stable: u64) {
        if self.routes.len() <= route {
            self.routes.resize(route + 1, Default::default());
        }
        for drawn in &mut self.routes[route] {
            drawn.canary += canary as f64;
            drawn.all += (canary + stable) as f64;
            drawn.share = None;
        }
    }

    /// The chance for a request of `route` that began at `begun`.
    pub(super) fn share(&mut self, route: usize, begun: Duration) -> f64 {
        let set = self.set_since(begun);
        let counted = self.routes.get_mut(route).into_iter().flatten().map(Drawn::certain);
        counted.fold(set, f64::max)
    }

    /// The greatest share that was set since `begun`.
    fn set_since(&self, begun: Duration) -> f64 {
        let mut most: f64 = 0.0;
        for share in self.shares.iter().rev() {
            most = most.max(share.share);
            if share.since <= begun {
                break;
            }
        }
        most
    }
}

impl Drawn {
    /// What the share is at least, by what was counted: a standard deviation less.
    fn certain(&mut self) -> f64 {
        if let Some(share) = self.share {
            return share;
        }
        let share = match self.all >= COUNTED_MIN {
            true => {
                let share = self.canary / self.all;
                share - (share.max(1.0 / self.all) * (1.0 - share) / self.all).sqrt()
            }
            false => 0.0,
        };
        self.share = Some(share);
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_request_has_the_greatest_share_since_it_began() {
        let mut odds = Odds::default();
        for (at, share) in [(0, 0.05), (10, 0.25), (20, 1.0), (30, 0.5)] {
            odds.begin(SECOND * at, share);
        }
        let at = |odds: &mut Odds, begun| odds.share(0, SECOND * begun);
        assert_eq!([31, 30, 29, 12].map(|begun| at(&mut odds, begun)), [0.5, 0.5, 1.0, 1.0]);
        odds.begin(SECOND * 200, 0.5);
        assert_eq!(odds.share(0, SECOND), 0.5, "nothing takes that long");
    }

    #[test]
    fn what_was_counted_holds_where_it_is_clearly_more() {
        let mut odds = Odds::default();
        odds.begin(SECOND, 0.25);
        odds.count(0, 26, 74);
        odds.count(1, 80, 20);
        odds.count(2, 1, 0);
        let [chance, counted, single] = [0, 1, 2].map(|route| odds.share(route, SECOND));
        assert_eq!((chance, single), (0.25, 0.25));
        assert!((0.6..0.8).contains(&counted), "{counted}");
    }

    #[test]
    fn that_the_new_release_gets_all_at_once_is_seen_at_once() {
        let mut odds = Odds::default();
        for block in 0..40 {
            odds.begin(SECOND + SECOND / 4 * block, 0.5);
            odds.count(0, 25, 25);
        }
        odds.begin(SECOND * 11, 0.5);
        odds.count(0, 50, 0);
        let share = odds.share(0, SECOND * 11);
        assert!(share > 0.7, "{share}");
        odds.begin(SECOND * 11 + SECOND / 4, 0.5);
        odds.count(0, 50, 0);
        let share = odds.share(0, SECOND * 11);
        assert!(share > 0.85, "{share}");
    }
}
