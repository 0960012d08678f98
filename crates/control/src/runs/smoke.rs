//! What an instance of a new release is asked before it gets traffic, and has to respond to as it should: a failure
//! ends the deploy before a client can see it.

use std::fmt;
use std::time::Duration;

use model::Smoke;
use tokio::time::Instant;

use super::warm_up::own_request;
use crate::probe::ProbePlan;

/// What smoke requests call themselves.
const USER_AGENT: &str = "plimsoll-smoke";

/// All that were made passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    requests: usize,
    took: Duration,
}

/// Makes all `requests`, one after the other, each with what is left of `limit`; the first that fails is the last.
///
/// # Errors
/// Which failed, and why.
pub(super) async fn smoke(
    plan: &ProbePlan,
    requests: &[Smoke],
    limit: Duration,
) -> Result<Passed, String> {
    let began = Instant::now();
    for request in requests {
        let left = limit.saturating_sub(began.elapsed());
        let failed = |why: String| format!("failed the smoke request `{request}`: {why}");
        if left.is_zero() {
            return Err(failed("no time was left for it".to_owned()));
        }
        let Smoke { method, target, .. } = request;
        let asked = own_request(plan, *method, target, USER_AGENT, left);
        match plan.checker.ask(asked).await {
            Ok(response) if request.accepts(response.status) => {}
            Ok(response) => return Err(failed(format!("status {}", response.status))),
            Err(fault) => return Err(failed(fault.to_string())),
        }
    }
    Ok(Passed { requests: requests.len(), took: began.elapsed() })
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = if self.requests == 1 { "request" } else { "requests" };
        let seconds = self.took.as_secs_f64();
        write!(f, "passed {} smoke {requests} in {seconds:.1} s", self.requests)
    }
}
