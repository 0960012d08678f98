//! Active checks: asks one instance again and again whether it is well.
//!
//! One task for each instance, on a connection of its own for each check, so that a check also
//! tells whether connections can be opened. A response is read by what reads clients' responses
//! ([`edge::Asker`]): what would be 502 there passes no check. What a series of results means is
//! `balance::health`'s to say.

mod checker;
mod command;
mod fault;
mod grpc;
mod inside;
mod notify;
mod request;
mod verdict;

use std::net::SocketAddr;
use std::time::Duration;

use edge::{Greeting, InstanceTls, OwnFault};
use model::{HealthCheck, HealthProbe, ProbeHeaders, UpstreamProtocol, Violations};
use tokio::time::{Instant, MissedTickBehavior};

pub(crate) use checker::Checker;
pub(crate) use fault::ProbeFault;
pub(crate) use inside::Inside;

/// What the checks call themselves.
const USER_AGENT: &str = "plimsoll-health";
/// First checks are spread over this, or the interval where that is less, so that a large service
/// is not checked all at once ever after.
const SPREAD: Duration = Duration::from_secs(1);

/// How one instance is checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProbePlan {
    pub(crate) address: SocketAddr,
    /// The target as it was written: its own `Host`.
    pub(crate) target: String,
    pub(crate) protocol: UpstreamProtocol,
    /// How TLS is spoken with it; `None` for clear text.
    pub(crate) tls: Option<InstanceTls>,
    /// What becomes of responses that are not what they should be.
    pub(crate) violations: Violations,
    pub(crate) check: HealthCheck,
    /// What makes the checks.
    pub(crate) checker: Checker,
}

/// A check that passed, and what it saw, in words: "status 200".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed(pub(crate) String);

/// Checks for ever, and tells each result. A check that could not be made for want of something of
/// ours is told as such ([`ProbeFault::is_ours`]), and the next one is made in its time.
pub(crate) async fn run(plan: ProbePlan, mut tell: impl FnMut(Result<Passed, ProbeFault>)) {
    // An interval of nothing would panic, whatever the configuration allows.
    let interval = plan.check.interval.max(Duration::from_millis(1));
    let first = interval.min(SPREAD).mul_f64(fastrand::f64());
    let mut ticks = tokio::time::interval_at(Instant::now() + first, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ear = notify::Ear::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // What an instance says by itself is taken up at once.
            () = ear.changed(&plan) => {}
        }
        tell(once(&plan).await);
    }
}

/// Checks once.
pub(crate) async fn once(plan: &ProbePlan) -> Result<Passed, ProbeFault> {
    let checked = match &plan.check.probe {
        HealthProbe::Tcp => connect(plan).await,
        HealthProbe::Http(probe) => request::ask(plan, probe).await,
        HealthProbe::Grpc(probe) => grpc::ask(plan, probe).await,
        HealthProbe::Command(command) => command::ask(plan, command).await,
        HealthProbe::Notify => notify::ask(plan),
    };
    if let Err(fault @ ProbeFault::NotMade(_)) = &checked {
        plan.checker.tell_shortage(fault);
    }
    checked
}

/// The fields of a request: `ours`, but for those that are set otherwise, then those that are set.
pub(crate) fn fields(ours: &[(&str, &str)], set: &ProbeHeaders) -> Vec<(String, String)> {
    let is_set = |name: &str| set.0.iter().any(|(it, _)| it == name);
    let ours = ours.iter().filter(|(name, _)| !is_set(name));
    let ours = ours.map(|(name, value)| (name.to_string(), value.to_string()));
    ours.chain(set.0.iter().cloned()).collect()
}

/// Whether a connection can be opened, with TLS where that is spoken.
async fn connect(plan: &ProbePlan) -> Result<Passed, ProbeFault> {
    let (tls, timeout) = (plan.tls.clone(), plan.check.timeout);
    let greeting = Greeting { address: plan.address, tls, protocol: plan.protocol, timeout };
    match greeting.make().await {
        Ok(()) => Ok(Passed("connection opened".to_owned())),
        Err(OwnFault::Timeout(..)) => Err(ProbeFault::TooSlow(timeout)),
        Err(fault) => Err(fault.into()),
    }
}

#[cfg(test)]
mod tests;
