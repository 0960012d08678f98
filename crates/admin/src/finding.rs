//! What the judge found, as the API tells it: the evidence behind a word of a deploy.

use rollout::{Aspect, Basis, Fate, Percentile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::deploy::{milliseconds, seconds};
use crate::handle::rfc3339;

/// What the judge found, and by what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What is compared.
    pub kind: FindingKind,
    /// With what it is compared.
    pub compared_with: ComparedWith,
    /// The route that most of it comes from; absent where it is none alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The instance that alone is to blame; absent where the release is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The new release's instances that were hit, those that were hit most first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceHits>,
    /// Since when it is so, in seconds from the beginning of the deploy on. What is counted is counted since then.
    pub since_s: f64,
    /// The same, as RFC 3339 has it.
    pub since: String,
    /// Of the new release, or of the instance that is to blame.
    pub new: Hits,
    /// Of what it is compared with; all 0 where that is a past or a limit alone.
    pub old: Hits,
    /// Hits that the new one would have by what it is compared with.
    pub expected: f64,
    /// Of so many releases that are no worse one at the most ever looks like this. Absent for a limit: requests that fail together would make
    /// it a wrong number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_in: Option<f64>,
    /// What the rule asks for: the judge calls at most the share `1 - confidence` of the releases that are no worse worse, in
    /// a whole deploy and over all that it compares.
    pub confidence: f64,
    /// The share that may fail, where it is compared with a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// From how few addresses all requests came, where clients cannot be told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<u64>,
    /// What counts as slow, for latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<SlowLimit>,
    /// Some of the requests, the latest first; none where nothing but counts is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<FoundRequest>,
    /// A rule with which what is recorded would not have been found worse, as `plimsoll judge --set` reads it; absent where
    /// none nearby would do, and where it was not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes_with: Option<String>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Requests that fail.
    Errors,
    /// How long responses take.
    Latency,
    /// 4xx.
    ClientErrors,
    /// 3xx.
    Redirects,
}

/// With what a release, or an instance, is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComparedWith {
    /// The old release, over requests of the same time.
    OldRelease,
    /// The same, over what was seen before the new release's instances were ejected.
    OldReleaseUntilEjected,
    /// What the old release did before.
    Past,
    /// A limit on the share that may fail.
    Limit,
    /// The other instances of the new release.
    Siblings,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hits {
    /// Requests that failed, were slow, or responded with the class that is compared.
    pub hits: u64,
    /// Of so many.
    pub requests: u64,
}

/// An instance that was hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceHits {
    /// Its name.
    pub instance: String,
    /// How often.
    pub hits: u64,
}

/// What counts as slow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlowLimit {
    /// The percentile of the old release's that it is measured by: 95 or 99.
    pub percentile: u8,
    /// What that is, in milliseconds; absent where routes differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual_ms: Option<f64>,
    /// More than this is slow for the new release; absent where routes differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_ms: Option<f64>,
}

/// A request that speaks against the new release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FoundRequest {
    /// Its id, as its client got it in `X-Request-Id` and as the access log has it.
    pub id: String,
    /// When it ended, as RFC 3339 has it.
    pub at: String,
    /// By which route it came; absent for one that is counted with the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The instance that was asked.
    pub instance: String,
    /// The status of its response; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// In which way it ended.
    pub ending: RequestEnding,
    /// From the request to the head of its response, or to where it failed, in milliseconds.
    pub latency_ms: f64,
    /// What the instance wrote then: a line that names the request and what follows it, or lines of its time. At most four, of at most 400
    /// characters each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<OutputLine>,
}

/// In which way a request ended, as the judge counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestEnding {
    /// 1xx or 2xx, and whole.
    Ok,
    /// 3xx.
    Redirect,
    /// 4xx.
    ClientError,
    /// 5xx, a gRPC status that is the server's failure, no whole response, or a client that gave up after more than any
    /// patience is owed.
    Failed,
}

/// A line that an instance wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputLine {
    /// When, to the second; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What.
    pub text: String,
}

/// A finding as the journal keeps it until its deploy has a receipt.
pub(crate) fn write_finding(finding: &control::Finding) -> String {
    serde_json::to_string(&Finding::from(finding)).expect("our documents have text for keys")
}

impl Finding {
    /// What `found` says; nothing of one of another version that cannot be read.
    pub(crate) fn of(found: &control::Found) -> Option<Self> {
        match found {
            control::Found::Now(finding) => Some(Self::from(&**finding)),
            control::Found::Kept(text) => serde_json::from_str(text).ok(),
        }
    }

    /// Leaves `text` where an instance's own line was.
    pub(crate) fn leave_output_out(&mut self, text: &str) {
        let lines = self.requests.iter_mut().flat_map(|request| &mut request.output);
        lines.for_each(|line| line.text = text.to_owned());
    }
}

impl From<&control::Finding> for Finding {
    fn from(finding: &control::Finding) -> Self {
        let fault = &finding.fault;
        let (compared_with, limit) = compared_with(fault.basis);
        let instances = fault
            .struck
            .iter()
            .map(|it| InstanceHits { instance: it.instance.to_string(), hits: it.hits });
        Self {
            kind: kind(fault.aspect),
            compared_with,
            route: fault.route.as_deref().map(str::to_owned),
            instance: fault.instance.as_ref().map(ToString::to_string),
            instances: instances.collect(),
            since_s: seconds(finding.since),
            since: rfc3339(finding.since_at),
            new: hits(fault.canary),
            old: hits(fault.stable),
            expected: fault.expected,
            // Infinity is no number in JSON.
            one_in: limit.is_none().then(|| fault.one_in.min(1e18)),
            confidence: finding.confidence,
            limit,
            addresses: fault.addresses.map(|few| few as u64),
            slow: fault.slow.map(SlowLimit::from),
            requests: finding.requests.iter().map(FoundRequest::from).collect(),
            passes_with: finding.passes_with.map(|change| change.to_string()),
        }
    }
}

fn kind(aspect: Aspect) -> FindingKind {
    match aspect {
        Aspect::Errors => FindingKind::Errors,
        Aspect::Latency => FindingKind::Latency,
        Aspect::ClientErrors => FindingKind::ClientErrors,
        Aspect::Redirects => FindingKind::Redirects,
    }
}

/// With what it is compared, and the limit, if it is one.
fn compared_with(basis: Basis) -> (ComparedWith, Option<f64>) {
    match basis {
        Basis::SameTime => (ComparedWith::OldRelease, None),
        Basis::Ejected => (ComparedWith::OldReleaseUntilEjected, None),
        Basis::Past => (ComparedWith::Past, None),
        Basis::Siblings => (ComparedWith::Siblings, None),
        Basis::Limit(max) => (ComparedWith::Limit, Some(max)),
    }
}

fn hits(rate: rollout::Rate) -> Hits {
    Hits { hits: rate.hits, requests: rate.requests }
}

impl From<rollout::Slow> for SlowLimit {
    fn from(slow: rollout::Slow) -> Self {
        let percentile = match slow.percentile {
            Percentile::P95 => 95,
            Percentile::P99 => 99,
        };
        let (usual_ms, allowed_ms) = (slow.usual.map(milliseconds), slow.allowed.map(milliseconds));
        Self { percentile, usual_ms, allowed_ms }
    }
}

impl From<&control::Shown> for FoundRequest {
    fn from(shown: &control::Shown) -> Self {
        let request = &shown.request;
        let output = shown
            .output
            .iter()
            .map(|line| OutputLine { at: line.at.map(rfc3339), text: line.text.clone() });
        Self {
            id: request.request_id.to_string(),
            at: rfc3339(shown.at),
            route: request.route.as_deref().map(str::to_owned),
            instance: request.instance.to_string(),
            status: request.status,
            ending: match request.fate {
                Fate::Ok => RequestEnding::Ok,
                Fate::Redirect => RequestEnding::Redirect,
                Fate::ClientError => RequestEnding::ClientError,
                Fate::Failed => RequestEnding::Failed,
            },
            latency_ms: milliseconds(request.latency),
            output: output.collect(),
        }
    }
}
