//! When an instance that gets nothing new may be told to stop.

use std::time::Duration;

use edge::{Bar, Drains, Live, Open};
use model::{Drain, ExchangeKind, InstanceName};
use telemetry::{Events, event};
use tokio::time::{Instant, timeout_at};

/// A wait that is shorter is not told.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// Waits until nothing can reach `live`, which gets nothing new, and that is proved, or until all that
/// is open on it has had the time that `drain` gives it.
///
/// Where it takes long enough for somebody to wonder, `tell` is told once what is open and how long that may be.
pub(crate) async fn drained(
    drains: &Drains,
    live: &Live,
    drain: Drain,
    events: &Events,
    tell: impl FnOnce(String),
) {
    let began = Instant::now();
    let mut tell = Some(tell);
    if drain.longest() > TOLD_AFTER {
        if timeout_at(began + TOLD_AFTER, drains.unreachable(live)).await.is_ok() {
            return;
        }
        let open = drains.open().await.of(&live.service, &live.name, live.address);
        let told = open.and_then(|open| waits_for(&open, &drain, &live.name, began.elapsed()));
        if let (Some(text), Some(tell)) = (told, tell.take()) {
            tell(text);
        }
    }
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
    let (service, instance) = (live.service.clone(), live.name.clone());
    match live.in_flight() {
        0 => events.emit(event::DrainNotReported { service, instance }),
        open => events.emit(event::DrainCutOff { service, instance, open }),
    }
}

/// What is still waited for: "waiting for 1 request and 2 tunnels on api-1, 28 s at most"; `None` where nothing is
/// open, or all has had its time.
fn waits_for(open: &Open, drain: &Drain, name: &InstanceName, after: Duration) -> Option<String> {
    let is_meant = |kind: &ExchangeKind| open.of(*kind) > 0 && drain.of(*kind) > after;
    let kinds: Vec<_> = ExchangeKind::ALL.into_iter().filter(is_meant).collect();
    let most = kinds.iter().map(|kind| drain.of(*kind)).max()?.saturating_sub(after);
    let parts: Vec<_> = kinds.iter().map(|kind| counted(open.of(*kind), *kind)).collect();
    let (last, others) = parts.split_last()?;
    let what = match others {
        [] => last.clone(),
        others => format!("{} and {last}", others.join(", ")),
    };
    Some(format!("waiting for {what} on {name}, {} s at most", most.as_secs_f64().ceil()))
}

fn counted(count: u32, kind: ExchangeKind) -> String {
    let noun = match kind {
        ExchangeKind::Request => "request",
        ExchangeKind::Upload => "upload",
        ExchangeKind::Stream => "event stream",
        ExchangeKind::Tunnel => "tunnel",
    };
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
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
    fn a_wait_is_told_with_what_it_is_for_and_how_long_it_may_take() {
        let seconds = Duration::from_secs;
        let drain = Drain { uploads: seconds(300), tunnels: seconds(1), ..Drain::all(seconds(30)) };
        let told = |open: Open| waits_for(&open, &drain, &"api-1".into(), seconds(2));
        let one = Open { requests: 1, ..Open::default() };
        assert_eq!(told(one).as_deref(), Some("waiting for 1 request on api-1, 28 s at most"));
        let more = Open { uploads: 2, streams: 3, ..one };
        let text = "waiting for 1 request, 2 uploads and 3 event streams on api-1, 298 s at most";
        assert_eq!(told(more).as_deref(), Some(text));
        // A tunnel's time is over already.
        assert_eq!(told(Open { tunnels: 1, ..Open::default() }), None);
        assert_eq!(told(Open::default()), None);
    }

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
