//! What is asked, and what a good answer is.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

/// What is asked, and what a good answer is.
pub trait Workload: Send + Sync + 'static {
    /// The request of this number, the first being 0. Needs a path for its target and a `Host`.
    fn request(&self, number: u64) -> Request<Full<Bytes>>;

    /// Who gave the answer to the request of this number.
    ///
    /// # Errors
    /// When it is not the answer that the request should have had.
    fn judge(&self, number: u64, answer: &Response<Bytes>) -> Result<String, Wrong>;
}

/// Why an answer is wrong, in a few words that are the same for answers that are wrong alike: they
/// are counted by them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub String);
