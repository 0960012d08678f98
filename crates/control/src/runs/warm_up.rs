//! What a new instance is asked after its first passed check and before it gets traffic, so that its caches are
//! filled and its code is compiled by the time a client pays for it.
//!
//! What fails of it is told, and holds nothing up: whether an instance may serve is for its checks to say.

use std::fmt;
use std::time::Duration;

use edge::OwnRequest;
use model::{Deploy, HealthProbe, ProbeHeaders, ProbeMethod, WarmUp};
use tokio::time::Instant;

use crate::probe::{self, ProbePlan};

/// What requests that warm up call themselves.
const USER_AGENT: &str = "plimsoll-warm-up";
/// So much of a response is read.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Responses from this status on are told as failures.
const FAILURES_FROM: u16 = 400;

/// What came of warming an instance up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WarmedUp {
    /// Requests that were made.
    asked: usize,
    /// How long they took together.
    took: Duration,
    /// Those of them that failed, and why.
    failed: Vec<(WarmUp, String)>,
    /// Requests for which no time was left.
    left_out: usize,
}

/// How long it may take, where the instance was started at `started`: half of the time to get ready, and no
/// longer than what is left of it, less a tenth for the rest.
pub(super) fn limit(deploy: &Deploy, started: Instant) -> Duration {
    let left = deploy.ready_timeout.mul_f64(0.9).saturating_sub(started.elapsed());
    left.min(deploy.ready_timeout / 2)
}

/// Makes all `requests`, one after the other, as long as there is time.
pub(super) async fn warm_up(plan: &ProbePlan, requests: &[WarmUp], limit: Duration) -> WarmedUp {
    let began = Instant::now();
    let mut warmed = WarmedUp { asked: 0, took: Duration::ZERO, failed: Vec::new(), left_out: 0 };
    for request in requests {
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        warmed.asked += 1;
        let WarmUp { method, target } = request;
        let asked = own_request(plan, *method, target, USER_AGENT, left);
        let why = match plan.checker.ask(asked).await {
            Ok(response) if response.status < FAILURES_FROM => continue,
            Ok(response) => format!("status {}", response.status),
            Err(fault) => fault.to_string(),
        };
        warmed.failed.push((request.clone(), why));
    }
    warmed.left_out = requests.len() - warmed.asked;
    warmed.took = began.elapsed();
    warmed
}

/// A request to the instance that `plan` checks, with the check's host and headers.
pub(super) fn own_request(
    plan: &ProbePlan,
    method: ProbeMethod,
    target: &str,
    user_agent: &str,
    timeout: Duration,
) -> OwnRequest {
    let none = ProbeHeaders::default();
    let (host, headers) = match &plan.check.probe {
        HealthProbe::Http(probe) => (probe.host.as_deref(), &probe.headers),
        HealthProbe::Grpc(probe) => (probe.host.as_deref(), &probe.headers),
        HealthProbe::Tcp | HealthProbe::Command(_) | HealthProbe::Notify => (None, &none),
    };
    OwnRequest {
        address: plan.address,
        protocol: plan.protocol,
        tls: plan.tls.clone(),
        violations: plan.violations,
        method: method.as_str(),
        target: target.to_owned(),
        host: host.unwrap_or(&plan.target).to_owned(),
        fields: probe::fields(&[("user-agent", user_agent), ("accept", "*/*")], headers),
        body: None,
        kept: BODY_BYTES_MAX,
        timeout,
    }
}

impl fmt::Display for WarmedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = if self.asked == 1 { "request" } else { "requests" };
        write!(f, "warmed up by {} {requests} in {:.1} s", self.asked, self.took.as_secs_f64())?;
        for (request, why) in &self.failed {
            write!(f, "; {request}: {why}")?;
        }
        match self.left_out {
            0 => Ok(()),
            left_out => write!(f, "; no time was left for {left_out} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use model::{HealthCheck, ProbeMethod, UpstreamProtocol, Violations};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::probe::Checker;

    fn get(target: &str) -> WarmUp {
        WarmUp { method: ProbeMethod::Get, target: target.to_owned() }
    }

    /// A server that refuses `/bad`, never answers `/slow`, and keeps what it was asked.
    async fn serve() -> (ProbePlan, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).await.unwrap();
                let head = String::from_utf8_lossy(&bytes[..read]).into_owned();
                let response: &[u8] = match head.split(' ').nth(1) {
                    Some("/slow") => b"",
                    Some("/bad") => b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",
                    _ => b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok",
                };
                hears.lock().unwrap().push(head);
                stream.write_all(response).await.unwrap();
                held.push(stream);
            }
        });
        let check = HealthCheck {
            probe: HealthProbe::Tcp,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            healthy: 1,
            unhealthy: 1,
        };
        let checker = Checker::start(Default::default()).unwrap();
        let target = "api-1".to_owned();
        let (protocol, violations) = (UpstreamProtocol::H1, Violations::Refused);
        (ProbePlan { address, target, protocol, tls: None, violations, check, checker }, heard)
    }

    #[tokio::test]
    async fn all_are_asked_in_their_order_and_failures_hold_nothing_up() {
        let (plan, heard) = serve().await;
        let requests = [get("/one"), get("/bad"), get("/two?page=1")];
        let warmed = warm_up(&plan, &requests, Duration::from_secs(30)).await;
        assert_eq!((warmed.asked, warmed.left_out), (3, 0));
        assert_eq!(warmed.failed, [(get("/bad"), "status 500".to_owned())]);
        let heard = heard.lock().unwrap();
        let targets: Vec<_> = heard.iter().filter_map(|head| head.split(' ').nth(1)).collect();
        assert_eq!(targets, ["/one", "/bad", "/two?page=1"]);
        assert!(heard[0].to_lowercase().contains("user-agent: plimsoll-warm-up\r\n"), "{heard:?}");
    }

    #[tokio::test]
    async fn it_ends_in_its_time() {
        let (plan, _) = serve().await;
        let requests = [get("/slow"), get("/one")];
        let warmed = warm_up(&plan, &requests, Duration::from_millis(300)).await;
        assert_eq!((warmed.asked, warmed.left_out), (1, 1));
        let told = WarmedUp { took: Duration::from_millis(300), ..warmed }.to_string();
        assert!(told.starts_with("warmed up by 1 request in 0.3 s; GET /slow: no response within"));
        assert!(told.ends_with("; no time was left for 1 more"), "{told}");
    }

    #[test]
    fn it_leaves_time_to_get_ready() {
        let deploy = Deploy { ready_timeout: Duration::from_secs(60), ..Deploy::default() };
        let now = Instant::now();
        assert!(limit(&deploy, now) <= Duration::from_secs(30));
        let Some(long_ago) = now.checked_sub(Duration::from_secs(50)) else { return };
        assert!(limit(&deploy, long_ago) <= Duration::from_secs(4));
    }
}
