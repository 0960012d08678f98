//! What came of the demonstration.

use std::time::Duration;

use admin::Receipt as Deploy;
use load::Tally;
use serde_json::{Value, json};

use super::{BAD, FIRST, GOOD};
use crate::progress::draw;
use crate::quantity::latency;

/// What came of it.
pub(super) struct Receipt {
    pub(super) good: Deploy,
    pub(super) bad: Deploy,
    pub(super) tally: Tally,
    pub(super) rate: u32,
    pub(super) took: Duration,
}

impl Receipt {
    /// Whether it went as it should: the good release stays, the bad one went, and nobody but the bad
    /// one failed a request.
    pub(super) fn is_good(&self) -> bool {
        let by_the_bad_one = format!("500 from {BAD}");
        self.good.outcome == "promoted"
            && self.bad.outcome == "rolled-back"
            && self.tally.failures().keys().all(|why| *why == by_the_bad_one)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { good, bad, tally, rate, took } = self;
        let (sent, failed) = (tally.sent(), tally.failed());
        let quantile = |q| tally.latency(q).map_or("-".to_owned(), |at| latency(ms(at)));
        let by = [FIRST, GOOD, BAD].map(|release| {
            let answered = tally.answered_by(release);
            format!("{release} served {answered}")
        });
        let failures = tally.failures().iter();
        let failures: String =
            failures.map(|(why, count)| format!("             {count} times {why}\n")).collect();
        format!(
            "{}{}\nWhat the client saw\n  requests   {sent} sent, {rate} a second; {failed} failed\n\
             {failures}  releases   {}\n  latency    p50 {}, p99 {}\n  took       {:.1} s\n\n{}\n",
            draw(good),
            draw(bad),
            by.join(", "),
            quantile(0.5),
            quantile(0.99),
            took.as_secs_f64(),
            self.verdict()
        )
    }

    fn verdict(&self) -> String {
        if !self.is_good() {
            return "The demonstration did not go as expected.".to_owned();
        }
        let (sent, felt) = (self.tally.sent(), self.tally.failed());
        let (failed, asked) = self.of_the_bad_one();
        let saved = match failed.saturating_sub(felt) {
            0 => String::new(),
            saved => format!(": {saved} were retried on {GOOD}"),
        };
        format!(
            "{BAD} failed {failed} of {asked} attempts before it was rolled back. Users saw {felt} \
             failures in {sent} requests{saved}."
        )
    }

    /// How many requests the bad release failed, and of how many.
    fn of_the_bad_one(&self) -> (u64, u64) {
        let bad = self.bad.releases.iter().find(|release| release.version == BAD);
        bad.map_or((0, 0), |bad| (bad.failed, bad.requests))
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let Self { good, bad, tally, rate, took } = self;
        let quantile = |q| tally.latency(q).map(ms);
        json!({
            "event": "receipt",
            "rate": rate,
            "sent": tally.sent(),
            "failed": tally.failed(),
            "failures": tally.failures(),
            "p50_ms": quantile(0.5),
            "p99_ms": quantile(0.99),
            "good": good,
            "bad": bad,
            "took_ms": ms(*took),
            "is_good": self.is_good(),
        })
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
