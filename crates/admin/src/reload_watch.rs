//! How a reload is asked for, and what `GET /v1/reloads/{revision}` says of one that is watched.

use std::collections::BTreeMap;
use std::time::Duration;

use control::{IfRolledBack, ReloadRequest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No reload is watched for less: it takes four blocks of a quarter of a second to find anything.
const WATCH_MIN: Duration = Duration::from_secs(1);
/// Nor for more.
const WATCH_MAX: Duration = Duration::from_secs(60 * 60);

/// How a reload is asked for by the query of a request, as in `?watch=1m&anyway=true`, or what is wrong with that.
pub(crate) fn of_query(query: &BTreeMap<String, String>) -> Result<ReloadRequest, String> {
    let mut request = ReloadRequest::default();
    for (key, value) in query {
        match (key.as_str(), value.as_str()) {
            ("watch", text) => {
                let length = config::parse_duration(text);
                let length = length.filter(|length| (WATCH_MIN..=WATCH_MAX).contains(length));
                let why = || format!("`watch` is a time from 1s to 1h, not `{text}`");
                request.watch = Some(length.ok_or_else(why)?);
            }
            ("anyway", "true") => request.refused = IfRolledBack::TakeUp,
            ("anyway", "false") => request.refused = IfRolledBack::Refuse,
            ("anyway", _) => return Err("`anyway` is true or false".to_owned()),
            _ => return Err(format!("a reload has no `{key}`")),
        }
    }
    Ok(request)
}

/// The query of a request that asks for a reload so, with its `?`; empty where there is nothing to say.
pub(crate) fn to_query(request: &ReloadRequest) -> String {
    let watch = request.watch.map(|length| format!("watch={}ms", length.as_millis()));
    let anyway = (request.refused == IfRolledBack::TakeUp).then(|| "anyway=true".to_owned());
    let pairs: Vec<String> = watch.into_iter().chain(anyway).collect();
    match pairs.is_empty() {
        true => String::new(),
        false => format!("?{}", pairs.join("&")),
    }
}

/// How a reload stands that is watched, or was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadWatch {
    /// The configuration that was applied.
    pub revision: u64,
    /// For how long it is watched.
    pub length_s: f64,
    /// How much of that is left.
    pub left_s: f64,
    /// Requests by what it changes, so far.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them that got a 4xx.
    pub client_errors: u64,
    /// What came of it; absent as long as it is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ReloadOutcome>,
    /// The same in words, with the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What came of a reload that was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReloadOutcome {
    /// The configuration stays: requests fail no more often than before, or for a reason that what it leaves as it was shares.
    Stands,
    /// It stays, and too little is known to compare it with what was before.
    NotCompared,
    /// What was served before is served again.
    RolledBack,
    /// It should have been rolled back, and what was served before cannot be put into effect.
    NotRolledBack,
    /// Another configuration was applied meanwhile.
    Superseded,
}

impl From<&control::ReloadProgress> for ReloadWatch {
    fn from(progress: &control::ReloadProgress) -> Self {
        let ending = progress.ending.as_ref();
        Self {
            revision: progress.revision.0,
            length_s: progress.length.as_secs_f64(),
            left_s: progress.left.as_secs_f64(),
            requests: progress.requests,
            failed: progress.failed,
            client_errors: progress.client_errors,
            outcome: ending.map(ReloadOutcome::from),
            text: ending.map(control::ReloadEnding::text),
        }
    }
}

impl From<&control::ReloadEnding> for ReloadOutcome {
    fn from(ending: &control::ReloadEnding) -> Self {
        match ending {
            control::ReloadEnding::Stands(_) => Self::Stands,
            control::ReloadEnding::NotCompared(_) => Self::NotCompared,
            control::ReloadEnding::RolledBack { .. } => Self::RolledBack,
            control::ReloadEnding::NotRolledBack { .. } => Self::NotRolledBack,
            control::ReloadEnding::Superseded(_) => Self::Superseded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<ReloadRequest, String> {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        of_query(&pairs.collect())
    }

    #[test]
    fn a_query_says_how_and_what_makes_no_sense_is_refused() {
        let how = of(&[("watch", "1m"), ("anyway", "true")]).unwrap();
        assert_eq!(how.watch, Some(Duration::from_secs(60)));
        assert_eq!(to_query(&how), "?watch=60000ms&anyway=true");
        assert_eq!(to_query(&of(&[]).unwrap()), "");
        for wrong in [("watch", "1"), ("watch", "2h"), ("watch", "0s"), ("anyway", "x"), ("x", "1")]
        {
            assert!(of(&[wrong]).is_err(), "{wrong:?}");
        }
    }
}
