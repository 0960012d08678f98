//! The HTTP API of Prometheus: an instant query that has one value.

use model::{Bounds, Url};
use outbound::Response;
use rollout::Measurement;
use serde_json::Value;

use super::{Situation, shown};

/// The target of the request for `query` in this situation.
pub(super) fn target(url: &Url, query: &str, situation: &Situation) -> String {
    let base = url.target.trim_end_matches('/');
    format!("{base}/api/v1/query?query={}", escaped(&filled(query, situation)))
}

/// `query` with what is deployed in the place of its variables. Braces of PromQL hold a comparison, and these none.
fn filled(query: &str, situation: &Situation) -> String {
    query
        .replace("{service}", situation.service.as_str())
        .replace("{version}", &situation.version)
        .replace("{previous}", situation.previous.as_deref().unwrap_or_default())
        .replace("{deploy}", &situation.deploy.to_string())
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Whether the one value of the response is within `bounds`.
///
/// # Errors
/// Why that is not known.
pub(super) fn read(response: &Response, bounds: Bounds) -> Result<Measurement, String> {
    let value: Option<Value> = serde_json::from_slice(&response.body).ok();
    let field = |name: &str| value.as_ref().and_then(|value| value.get(name));
    if let (Some("error"), Some(why)) =
        (field("status").and_then(Value::as_str), field("error").and_then(Value::as_str))
    {
        return Err(format!("Prometheus says{}", shown(why.as_bytes())));
    }
    if !response.status.is_success() {
        return Err(format!("status {}{}", response.status.as_u16(), shown(&response.body)));
    }
    let data = field("data").ok_or("no response of Prometheus's query API")?;
    let result = data.get("result").ok_or("no response of Prometheus's query API")?;
    let sample = match (data.get("resultType").and_then(Value::as_str), result) {
        (Some("scalar"), sample) => sample,
        (Some("vector"), Value::Array(all)) => match &all[..] {
            [] => return Err("the query has no sample".to_owned()),
            [one] => one.get("value").unwrap_or(&Value::Null),
            more => {
                let count = more.len();
                return Err(format!("the query has {count} series: aggregate them, as by max()"));
            }
        },
        (Some(kind), _) => return Err(format!("the query is a {kind}, and has to be one value")),
        (None, _) => return Err("no response of Prometheus's query API".to_owned()),
    };
    let text = sample.get(1).and_then(Value::as_str).unwrap_or_default();
    match text.parse::<f64>() {
        Ok(value) if value.is_nan() => Err("the value is NaN".to_owned()),
        Ok(value) => Ok(compared(value, bounds)),
        Err(_) => Err("the value is no number".to_owned()),
    }
}

fn compared(value: f64, bounds: Bounds) -> Measurement {
    let Bounds { min, max } = bounds;
    match (min.filter(|min| value < *min), max.filter(|max| value > *max)) {
        (Some(min), _) => Measurement::Breached(format!("{} < {min}", rounded(value, min))),
        (None, Some(max)) => Measurement::Breached(format!("{} > {max}", rounded(value, max))),
        (None, None) => {
            let min = min.map(|min| format!("{} >= {min}", rounded(value, min)));
            let max = max.map(|max| format!("{} <= {max}", rounded(value, max)));
            let met: Vec<String> = min.into_iter().chain(max).collect();
            Measurement::Met(met.join(", "))
        }
    }
}

/// With four digits that count, or all where it would look like `bound` otherwise.
fn rounded(value: f64, bound: f64) -> String {
    let short = format!("{value:.3e}").parse().unwrap_or(value);
    if short == bound { value.to_string() } else { short.to_string() }
}
