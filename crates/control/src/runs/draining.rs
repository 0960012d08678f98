//! When an instance that gets nothing new may be told to stop.

use std::time::Duration;

use edge::{Bar, Drains, Live, Open};
use model::{Drain, ExchangeKind};
use tokio::time::{Instant, timeout_at};

/// Waits until nothing can reach `live`, which gets nothing new, and that is proved, or until all that
/// is open on it has had the time that `drain` gives it.
pub(crate) async fn drained(drains: &Drains, live: &Live, drain: Drain) {
    let began = Instant::now();
    for time in deadlines(&drain) {
        if !live.has(Bar::Drained) {
            // It gets requests again, and nobody listens to this any more.
            return;
        }
        let proved = drains.unreachable(live);
        if timeout_at(began + time, proved).await.is_ok() {
            return;
        }
        let opens = drains.open().await;
        let open = opens.of(&live.service, &live.name, live.address);
        // A worker that was too busy to tell may have what is missing.
        let all = open.filter(|open| open.total() >= live.in_flight());
        if all.is_some_and(|open| is_over(&open, &drain, time)) {
            break;
        }
    }
    let (instance, open) = (&live.name, live.in_flight());
    match open {
        0 => tracing::warn!(%instance, "time to drain is over, and a worker is too busy to answer"),
        _ => tracing::warn!(%instance, open, "time to drain is over, what is open is cut"),
    }
}

/// The times after which some kind of exchange has had its own, in order.
fn deadlines(drain: &Drain) -> Vec<Duration> {
    let mut deadlines = ExchangeKind::ALL.map(|kind| drain.of(kind)).to_vec();
    deadlines.sort();
    deadlines.dedup();
    deadlines
}

/// Whether all that is open has had its time, so long after the beginning.
fn is_over(open: &Open, drain: &Drain, after: Duration) -> bool {
    ExchangeKind::ALL.into_iter().all(|kind| open.of(kind) == 0 || drain.of(kind) <= after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_time() {
        let seconds = Duration::from_secs;
        let drain = Drain { uploads: seconds(300), tunnels: seconds(5), ..Drain::all(seconds(30)) };
        assert_eq!(deadlines(&drain), [5, 30, 300].map(seconds));
        let open =
            |requests, uploads, tunnels| Open { requests, uploads, tunnels, ..Open::default() };
        assert!(is_over(&open(0, 0, 1), &drain, seconds(5)));
        assert!(!is_over(&open(1, 0, 1), &drain, seconds(5)), "the request has its 30 s");
        assert!(is_over(&open(1, 0, 1), &drain, seconds(30)));
        assert!(!is_over(&open(1, 1, 1), &drain, seconds(30)), "the upload has its 5 minutes");
        assert!(is_over(&open(1, 1, 1), &drain, seconds(300)));
    }
}
