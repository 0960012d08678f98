//! What came of the demonstration.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::Death;
use super::client::Counts;
use crate::quantity::latency;

/// What came of it.
pub(super) struct Receipt {
    pub(super) counts: Counts,
    pub(super) death: Death,
    pub(super) rate: u32,
    pub(super) took: Duration,
    pub(super) address: SocketAddr,
}

impl Receipt {
    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { counts, death, rate, took, .. } = self;
        let Counts { sent, failed, .. } = counts;
        let by = counts.by.iter().map(|(server, count)| format!("{server} {count}"));
        let quantile = |q| counts.quantile(q).map_or("-".to_owned(), |at| latency(ms(at)));
        let seconds = |at: Option<Duration>| match at {
            Some(at) => format!("{:.1} s", at.as_secs_f64()),
            None => "-".to_owned(),
        };
        let verdict = match (*failed, &counts.first_failure) {
            (0, _) => "Not one request failed.".to_owned(),
            (failed, Some(reason)) => format!("{failed} requests failed; the first: {reason}"),
            (failed, None) => format!("{failed} requests failed."),
        };
        [
            "Receipt".to_owned(),
            format!("  requests   {sent} sent, {rate} a second; {failed} failed"),
            format!("  answered   {}", by.collect::<Vec<_>>().join(", ")),
            format!("  latency    p50 {}, p99 {}", quantile(0.5), quantile(0.99)),
            format!(
                "  the death  {} requests met a dead server and went to the other",
                death.saved
            ),
            format!(
                "             out of the rotation after {}, back {} after its new start",
                seconds(death.noticed_after),
                seconds(death.back_after)
            ),
            format!("  took       {}", seconds(Some(*took))),
            String::new(),
            verdict,
        ]
        .join("\n")
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let Self { counts, death, rate, took, address } = self;
        let quantile = |q| counts.quantile(q).map(ms);
        json!({
            "event": "receipt",
            "address": address,
            "rate": rate,
            "sent": counts.sent,
            "failed": counts.failed,
            "first_failure": counts.first_failure,
            "by": counts.by,
            "p50_ms": quantile(0.5),
            "p99_ms": quantile(0.99),
            "sent_before_death": death.sent_before,
            "met_a_dead_server": death.saved,
            "noticed_after_ms": death.noticed_after.map(ms),
            "back_after_ms": death.back_after.map(ms),
            "took_ms": ms(*took),
        })
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_says_first_what_failed() {
        let death = Death { saved: 3, noticed_after: None, back_after: None, sent_before: 0 };
        let mut receipt = Receipt {
            counts: Counts { sent: 10, ..Counts::default() },
            death,
            rate: 5,
            took: Duration::from_secs(2),
            address: ([127, 0, 0, 1], 1).into(),
        };
        assert!(receipt.text().ends_with("Not one request failed."));
        receipt.counts.failed = 2;
        receipt.counts.first_failure = Some("answered 502".to_owned());
        assert!(receipt.text().ends_with("2 requests failed; the first: answered 502"));
    }
}
