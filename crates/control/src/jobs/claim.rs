//! Which of the edges that share a store runs a job: who comes first, once for each time that it is due.

use std::time::Duration;

use jiff::Timestamp;
use jobs::Claim;
use model::JobName;
use store::{Nonce, NonceUse, Shared};

/// So long it is known that an occurrence was given away: longer than clocks of edges differ, or one of them stands still.
const KNOWN_FOR: Duration = Duration::from_secs(86_400);

/// What came of the question.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) job: JobName,
    pub(crate) claim: Claim,
}

/// Asks whether this edge is the one to run `job`, which is due now.
pub(crate) async fn claim(shared: Shared, job: JobName, due: Timestamp) -> Claimed {
    let occurrence = format!("{job} {}", due.as_second());
    let nonce = Nonce { scope: "job", nonce: occurrence.as_bytes(), lifetime: KNOWN_FOR };
    let claim = match shared.use_nonce(nonce).await {
        Ok(NonceUse::First) => Claim::Ours,
        Ok(NonceUse::Again) => Claim::Elsewhere,
        Err(_) => Claim::Unknown,
    };
    Claimed { job, claim }
}
