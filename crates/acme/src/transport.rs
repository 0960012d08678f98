//! Requests to a CA, by `outbound`.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use outbound::{Client, Redirects, Request, Standing, Trust};

/// How long a CA may take for one request: some sign a certificate meanwhile.
const WITHIN: Duration = Duration::from_secs(30);

/// How large a response may be: a chain of certificates has some ten KiB.
const BYTES_MAX: usize = 1 << 20;

/// So many redirects of a GET are followed.
const REDIRECTS_MAX: usize = 3;

/// How requests go to one CA.
#[derive(Clone)]
pub(crate) struct Transport {
    client: Client,
    trust: Trust,
    /// How near the CA is: what it names may be no nearer. `None` before the first response, which is that of the URL that
    /// an operator wrote.
    standing: Arc<Mutex<Option<Standing>>>,
    told: Told,
}

/// What the last response asked for that was none: what the protocol's library does not hand on.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Option<Duration>>>);

impl Told {
    /// How long the CA asked to be left alone, with its last refusal.
    pub(crate) fn take(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, asked: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = asked;
    }
}

impl Transport {
    pub(crate) fn new(client: Client, trust: Trust) -> Self {
        Self { client, trust, standing: Arc::default(), told: Told::default() }
    }

    /// What the last refusal asked for.
    pub(crate) fn told(&self) -> Told {
        self.told.clone()
    }

    async fn ask(
        self,
        request: http::Request<BodyWrapper<bytes::Bytes>>,
    ) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let url = outbound::parse(&parts.uri.to_string()).map_err(other)?;
        let Ok(body) = body.collect().await;
        let known = *self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Request {
            method: parts.method,
            url,
            fields: parts.headers,
            body: body.to_bytes(),
            trust: self.trust,
            within: WITHIN,
            bytes_max: BYTES_MAX,
            redirects: Redirects::Followed(REDIRECTS_MAX),
            nearest: known.unwrap_or(Standing::Here),
        };
        let response = self.client.ask(asked).await.map_err(other)?;
        if known.is_none() {
            *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = Some(response.standing);
        }
        if !response.status.is_success() {
            self.told.set(retry_after(&response.fields));
        }
        let mut answer = http::Response::new(http_body_util::Full::new(response.body));
        *answer.status_mut() = response.status;
        *answer.headers_mut() = response.fields;
        Ok(BytesResponse::from(answer))
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: http::Request<BodyWrapper<bytes::Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().ask(request))
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date, which is taken by the CA's own clock where it tells it.
fn retry_after(fields: &HeaderMap) -> Option<Duration> {
    let text = fields.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let now =
        fields.get(DATE).and_then(|it| date(it.to_str().ok()?)).unwrap_or_else(SystemTime::now);
    Some(date(text)?.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(retry: &'static str) -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.insert(RETRY_AFTER, http::HeaderValue::from_static(retry));
        let date = http::HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        fields.insert(DATE, date);
        fields
    }

    #[test]
    fn what_is_asked_for_is_seconds_or_a_date_by_the_clock_of_the_ca() {
        assert_eq!(retry_after(&fields("90")), Some(Duration::from_secs(90)));
        let date = fields("Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(retry_after(&date), Some(Duration::from_secs(60)));
        assert_eq!(retry_after(&fields("Sun, 06 Nov 1994 08:00:00 GMT")), Some(Duration::ZERO));
        assert_eq!(retry_after(&fields("soon")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
