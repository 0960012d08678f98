//! The steady client: what it asks, and who answered.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use load::{Workload, Wrong};

/// Asks for the start page, again and again.
pub(super) struct Visitors;

impl Workload for Visitors {
    fn request(&self, _: u64) -> Request<Full<Bytes>> {
        let request = Request::get("/").header("host", "demo.test");
        request.body(Full::default()).expect("a request without anything odd")
    }

    fn judge(&self, _: u64, answer: &Response<Bytes>) -> Result<String, Wrong> {
        let release = answer.headers().get("x-release").and_then(|value| value.to_str().ok());
        match (answer.status(), release) {
            (StatusCode::OK, Some(release)) => Ok(release.to_owned()),
            (status, Some(release)) => Err(Wrong(format!("{} from {release}", status.as_u16()))),
            (status, None) => Err(Wrong(format!("{} from the balancer", status.as_u16()))),
        }
    }
}
