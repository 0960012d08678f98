//! The account of every request.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::request_error::RequestError;

/// Three significant digits of every latency.
const DIGITS: u8 = 3;

/// What takes longer counts as that: an hour.
const MICROS_MAX: u64 = 3_600_000_000;

/// The account of every request: none is counted twice, and none is left out.
#[derive(Clone, Debug)]
pub struct Tally {
    sent: u64,
    answered: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
    /// In microseconds.
    latency: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new_with_max(MICROS_MAX, DIGITS);
        let latency = latency.expect("an hour to three digits is what a histogram can hold");
        Self { sent: 0, answered: BTreeMap::new(), failed: BTreeMap::new(), latency }
    }
}

impl Tally {
    /// Requests that were sent, or could not be for want of a connection.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Requests that were answered as they should be.
    pub fn answered(&self) -> u64 {
        self.answered.values().sum()
    }

    /// Of these, those that `who` answered.
    pub fn answered_by(&self, who: &str) -> u64 {
        self.answered.get(who).copied().unwrap_or(0)
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Why requests failed, and how many of them for that reason.
    pub fn failures(&self) -> &BTreeMap<String, u64> {
        &self.failed
    }

    /// Requests that have ended, well or not.
    pub fn ended(&self) -> u64 {
        self.answered() + self.failed()
    }

    /// Requests whose fate is still open.
    pub fn in_flight(&self) -> u64 {
        self.sent.saturating_sub(self.ended())
    }

    /// The latency that the share `quantile`, from 0 to 1, of the ended requests did not exceed,
    /// counted from the moment when each was due; failed ones are among them. None if none ended.
    pub fn latency(&self, quantile: f64) -> Option<Duration> {
        let micros = self.latency.value_at_quantile(quantile);
        (!self.latency.is_empty()).then(|| Duration::from_micros(micros))
    }

    /// What came since `earlier`, a tally of the same client.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut latency = self.latency.clone();
        latency.subtract(&earlier.latency).expect("an earlier tally holds nothing else");
        Self {
            sent: self.sent - earlier.sent,
            answered: difference(&self.answered, &earlier.answered),
            failed: difference(&self.failed, &earlier.failed),
            latency,
        }
    }

    pub(crate) fn send(&mut self) {
        self.sent += 1;
    }

    /// Counts the end of a request that was due `latency` ago.
    pub(crate) fn end(&mut self, latency: Duration, outcome: Result<String, RequestError>) {
        match outcome {
            Ok(who) => *self.answered.entry(who).or_default() += 1,
            Err(error) => *self.failed.entry(error.why()).or_default() += 1,
        }
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros);
        debug_assert!(self.ended() <= self.sent, "a request ends once");
    }
}

fn difference(
    all: &BTreeMap<String, u64>,
    earlier: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let of = |(key, count): (&String, &u64)| {
        (key.clone(), count - earlier.get(key).copied().unwrap_or(0))
    };
    all.iter().map(of).filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Wrong;

    fn ended(tally: &mut Tally, latency_ms: u64, outcome: Result<&str, &str>) {
        tally.send();
        let outcome = outcome.map(str::to_owned).map_err(|why| Wrong(why.to_owned()).into());
        tally.end(Duration::from_millis(latency_ms), outcome);
    }

    #[test]
    fn every_request_is_answered_failed_or_in_flight() {
        let mut tally = Tally::default();
        assert_eq!(tally.latency(0.5), None);
        ended(&mut tally, 10, Ok("a"));
        ended(&mut tally, 20, Ok("b"));
        ended(&mut tally, 30, Err("status 502"));
        tally.send();
        assert_eq!((tally.sent(), tally.answered(), tally.failed()), (4, 2, 1));
        assert_eq!((tally.in_flight(), tally.answered_by("b")), (1, 1));
        assert_eq!(tally.failures()["status 502"], 1);
        let median = tally.latency(0.5).unwrap().as_millis();
        assert_eq!(median, 20);
    }

    #[test]
    fn a_difference_holds_only_what_came_since() {
        let mut tally = Tally::default();
        ended(&mut tally, 1000, Err("status 502"));
        ended(&mut tally, 1000, Ok("a"));
        let earlier = tally.clone();
        ended(&mut tally, 10, Ok("a"));
        let since = tally.since(&earlier);
        assert_eq!((since.sent(), since.answered_by("a"), since.failed()), (1, 1, 0));
        assert!(since.failures().is_empty());
        assert_eq!(since.latency(1.0).unwrap().as_millis(), 10);
    }
}
