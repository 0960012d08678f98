//! From how long on a response is slow, beside how long a service took before.

use std::time::Duration;

use super::Requests;
use crate::tally::Latencies;

/// So many responses have to be known.
const KNOWN: u64 = 100;
/// Of them all but this share were quicker than what is taken for usual.
const QUANTILE: f64 = 0.95;
/// Slow is so many times as long, and so much longer at least: what the judge of releases takes for it by default.
const TIMES: f64 = 1.5;
const FLOOR: Duration = Duration::from_millis(5);

/// From how long on a response is slow, by how long a service took before; `None` where too little is known.
pub fn slow_from(before: &Latencies) -> Option<Duration> {
    let is_known = before.count() >= KNOWN;
    let usual = before.quantile(QUANTILE).filter(|_| is_known)?;
    Some(usual.mul_f64(TIMES).max(usual + FLOOR))
}

/// Responses, of which those from `slow` on are slow.
pub fn timed(latencies: &Latencies, slow: Duration) -> Requests {
    let classes = latencies.classes().filter(|(class, _)| *class >= slow);
    let slow = classes.map(|(_, count)| count).sum();
    Requests { all: latencies.count(), slow, ..Requests::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_much_more_than_nearly_all_took_and_a_floor_more() {
        let of = |millis: u64, count: u64| {
            let mut latencies = Latencies::default();
            latencies.record(Duration::from_millis(millis), count);
            latencies.record(Duration::from_millis(1), count / 20);
            latencies
        };
        assert_eq!(slow_from(&of(40, 100)), Some(Duration::from_millis(60)));
        assert_eq!(slow_from(&of(2, 100)), Some(Duration::from_millis(7)), "the floor");
        assert_eq!(slow_from(&of(40, 90)), None, "too few are known");
        let counted = timed(&of(60, 100), Duration::from_millis(60));
        assert_eq!((counted.all, counted.slow), (105, 100));
    }
}
