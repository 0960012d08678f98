//! Asks what has to hold outside of Plimsoll: tasks beside the control loop, each with a bound on its time and on what it reads.
//!
//! When a condition is asked, and what follows, is the rollout's to say. Nothing here follows a redirect, tries again or keeps a
//! connection.

mod prometheus;
mod webhook;

use std::time::Duration;

use config::Environment;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use model::{Asks, Condition, ServiceName, Url};
use outbound::{Client, Request, Trust};
use rollout::Measurement;

use crate::chain::chain;

/// What requests of conditions call themselves.
const USER_AGENT: &str = "plimsoll-condition";
/// More than this is no response to a condition.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What it takes to ask.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) client: Client,
    pub(crate) environment: Environment,
}

/// What is deployed while a condition is asked.
#[derive(Clone, Debug)]
pub(crate) struct Situation {
    pub(crate) service: ServiceName,
    pub(crate) version: String,
    pub(crate) previous: Option<String>,
    pub(crate) deploy: i64,
    /// `step` or `bake`.
    pub(crate) stage: &'static str,
    /// The canary's step, counted from 1.
    pub(crate) step: Option<usize>,
    /// What the new release gets, from 0 to 1.
    pub(crate) share: f64,
}

/// A condition that was asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) service: ServiceName,
    pub(crate) deploy: i64,
    pub(crate) condition: usize,
    pub(crate) number: u64,
    pub(crate) measurement: Measurement,
}

impl Outside {
    /// Asks `condition`, within its timeout.
    pub(crate) async fn ask(&self, condition: &Condition, situation: &Situation) -> Measurement {
        self.measure(condition, situation).await.unwrap_or_else(Measurement::Unknown)
    }

    async fn measure(
        &self,
        condition: &Condition,
        situation: &Situation,
    ) -> Result<Measurement, String> {
        let mut request = match &condition.asks {
            Asks::Prometheus { url, query, .. } => {
                let target = prometheus::target(url, query, situation);
                request(&Url { target, ..url.clone() }, condition.timeout)
            }
            Asks::Webhook { url } => {
                let json = HeaderValue::from_static("application/json");
                let body = webhook::body(condition, situation).into();
                let request = request(url, condition.timeout).with(CONTENT_TYPE, json);
                Request { method: Method::POST, body, ..request }
            }
        };
        if let Some(ca) = &condition.ca {
            let trust = Trust::of_pem(&ca.text);
            request.trust = trust.map_err(|why| format!("{}: {why}", ca.name))?;
        }
        if let Some(variable) = &condition.token_env {
            let token = token(&self.environment, variable)?;
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| format!("the variable {variable} holds no token"))?;
            value.set_sensitive(true);
            request.fields.insert(AUTHORIZATION, value);
        }
        let response = self.client.ask(request).await.map_err(|fault| chain(&fault))?;
        if response.status.is_redirection() {
            let status = response.status.as_u16();
            return Err(format!("status {status}: a redirect is not followed"));
        }
        match &condition.asks {
            Asks::Prometheus { bounds, .. } => prometheus::read(&response, *bounds),
            Asks::Webhook { .. } => webhook::read(&response),
        }
    }
}

fn request(url: &Url, within: Duration) -> Request {
    let agent = HeaderValue::from_static(USER_AGENT);
    let json = HeaderValue::from_static("application/json");
    Request::get(url.clone(), within, BODY_BYTES_MAX)
        .with(http::header::USER_AGENT, agent)
        .with(ACCEPT, json)
}

/// The bearer token in a variable.
///
/// # Errors
/// When there is none that can be sent.
pub(crate) fn token(environment: &Environment, variable: &str) -> Result<String, String> {
    let value = environment.secret_text(variable);
    let is_sent = |value: &String| !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
    let trimmed = value.map(|value| value.trim().to_owned());
    trimmed.filter(is_sent).ok_or_else(|| format!("the variable {variable} holds no token"))
}

/// The beginning of a body, on one line.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|c| !c.is_control()).take(120).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

#[cfg(test)]
mod tests;
