//! The client: a request, and the redirects that it may follow.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header::LOCATION;
use http::{HeaderMap, Method};
use model::{Scheme, Url};

use crate::connect::Names;
use crate::exchange::{Deadline, Received, exchange};
use crate::fault::Fault;
use crate::request::{Redirects, Request, Response};
use crate::standing::Standing;
use crate::trust::SystemTrust;
use crate::url::join;

/// Asks servers. One is enough for all that is asked.
#[derive(Clone)]
pub struct Client {
    pub(crate) names: Arc<dyn Names>,
    pub(crate) system: Arc<SystemTrust>,
    /// How near an address is.
    pub(crate) standing: fn(IpAddr) -> Standing,
}

impl Client {
    /// One that has names looked up by `names`.
    pub fn new(names: Arc<dyn Names>) -> Self {
        Self { names, system: Arc::default(), standing: Standing::of }
    }

    /// One that knows no names: it asks servers by their addresses.
    pub fn nameless() -> Self {
        Self::new(Arc::new(Nameless))
    }

    /// The same with another notion of how near an address is, as tests have that have no other machine than this.
    #[must_use]
    pub fn with_standing(self, standing: fn(IpAddr) -> Standing) -> Self {
        Self { standing, ..self }
    }

    /// Asks. Dropping the future ends it, its connection included.
    ///
    /// # Errors
    /// When there is no response within the bounds of `request`: each by its [`Fault`]. A status is no error.
    pub async fn ask(&self, request: Request) -> Result<Response, Fault> {
        let deadline = Deadline::after(request.within);
        let mut request = request;
        let mut followed = 0;
        loop {
            let connected = self.connect(&request, deadline).await?;
            let received = exchange(connected, &request, deadline).await?;
            let standing = received.standing.min(request.nearest);
            let Some(next) = next(&request, &received)? else {
                let Received { status, fields, body, .. } = received;
                return Ok(Response { status, fields, body, url: request.url, standing });
            };
            followed += 1;
            if Redirects::Followed(followed - 1) == request.redirects {
                return Err(Fault::Redirects(followed - 1));
            }
            if !is_same_server(&request.url, &next) {
                request.fields = HeaderMap::new();
            }
            (request.url, request.nearest) = (next, standing);
        }
    }
}

/// Looks nothing up.
struct Nameless;

impl Names for Nameless {
    fn addresses<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>>> {
        async { Err("no names are looked up here".into()) }.boxed()
    }
}

/// Where `received` leads, if it is to be followed.
fn next(request: &Request, received: &Received) -> Result<Option<Url>, Fault> {
    let is_followed = request.redirects != Redirects::Returned && request.method == Method::GET;
    let is_redirect = matches!(received.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = received.fields.get(LOCATION).filter(|_| is_followed && is_redirect);
    let Some(location) = location.and_then(|it| it.to_str().ok()) else { return Ok(None) };
    let next = join(&request.url, location).map_err(Fault::Location)?;
    match (request.url.scheme, next.scheme) {
        (Scheme::Https, Scheme::Http) => Err(Fault::Downgrade),
        _ => Ok(Some(next)),
    }
}

fn is_same_server(one: &Url, other: &Url) -> bool {
    (one.scheme, &one.host, one.port) == (other.scheme, &other.host, other.port)
}
