//! A check by HTTP, in whichever version the service speaks.

use edge::OwnRequest;
use model::HttpProbe;

use super::verdict::{BODY_BYTES_MAX, judge};
use super::{Passed, ProbeFault, ProbePlan, USER_AGENT, fields};

pub(super) async fn ask(plan: &ProbePlan, probe: &HttpProbe) -> Result<Passed, ProbeFault> {
    let request = OwnRequest {
        address: plan.address,
        protocol: plan.protocol,
        tls: plan.tls.clone(),
        violations: plan.violations,
        method: probe.method.as_str(),
        target: probe.path.clone(),
        host: probe.host.as_deref().unwrap_or(&plan.target).to_owned(),
        fields: fields(&[("user-agent", USER_AGENT), ("accept", "*/*")], &probe.headers),
        body: None,
        kept: BODY_BYTES_MAX,
        timeout: plan.check.timeout,
    };
    let response = plan.checker.ask(request).await?;
    judge(probe, response.status, &response.body)
}
