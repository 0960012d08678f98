//! A check by HTTP, in whichever version the service speaks.

use edge::OwnRequest;

use super::verdict::{BODY_BYTES_MAX, Expected};
use super::{Passed, Plan, ProbeFault, USER_AGENT};

pub(super) async fn ask(
    plan: &Plan,
    host: &str,
    path: &str,
    expected: Expected<'_>,
) -> Result<Passed, ProbeFault> {
    let fields = [("user-agent", USER_AGENT), ("accept", "*/*")];
    let request = OwnRequest {
        address: plan.address,
        protocol: plan.protocol,
        method: "GET",
        target: path.to_owned(),
        host: host.to_owned(),
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        body: None,
        kept: BODY_BYTES_MAX,
        timeout: plan.check.timeout,
    };
    let response = plan.checker.ask(request).await?;
    expected.judge(response.status, &response.body)
}
