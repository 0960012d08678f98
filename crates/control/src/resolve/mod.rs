//! Looking names up: what the control loop asks for, and who answers it.

mod system;

use std::collections::BTreeSet;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

pub use system::SystemResolver;

/// Looks names up.
pub trait Resolve: Send + Sync {
    /// The addresses of `name`. May take long; who asks gives up when it likes.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer, ResolveError>>;
}

/// The same resolver, for what is asked by [`outbound`].
pub(crate) struct Resolver(pub(crate) Arc<dyn Resolve>);

impl outbound::Names for Resolver {
    fn addresses<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<IpAddr>, Box<dyn Error + Send + Sync>>> {
        async { Ok(self.0.resolve(name).await?.addresses.into_iter().collect()) }.boxed()
    }
}

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The addresses; never empty.
    pub addresses: BTreeSet<IpAddr>,
    /// How long they may be believed.
    pub ttl: Duration,
}

/// Why a name gave no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No server knows the name (NXDOMAIN).
    #[error("the name does not exist")]
    NoName,
    /// The server would not, or could not, say: with what it said.
    #[error("the DNS server {0}")]
    Refused(String),
    /// No server could be reached, or none responded.
    #[error("no DNS server responds")]
    Silent,
    /// Nobody could be asked, or the answer was an error.
    #[error("the name cannot be resolved")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// The name is there, but has no address.
    #[error("the name has no address")]
    NoAddress,
    /// There was no answer yet.
    #[error("no DNS server responded within {} s", .0.as_secs_f32())]
    TooSlow(Duration),
}
