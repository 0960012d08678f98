//! The resolver that the system is configured for: `/etc/hosts`, then the servers and search
//! domains of `/etc/resolv.conf`.

use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use tokio::sync::OnceCell;

use super::{Answer, Resolve, ResolveError};

/// Asks as the system is configured to. Reads that configuration when it is first asked.
#[derive(Default)]
pub struct SystemResolver {
    resolver: OnceCell<TokioResolver>,
}

impl SystemResolver {
    async fn lookup(&self, name: &str) -> Result<Answer, ResolveError> {
        let failed = |error: NetError| ResolveError::Failed(Box::new(error));
        let resolver = self.resolver.get_or_try_init(async || configure()).await.map_err(failed)?;
        let found = resolver.lookup_ip(name).await.map_err(failed)?;
        let addresses: std::collections::BTreeSet<_> = found.iter().collect();
        if addresses.is_empty() {
            return Err(ResolveError::NoAddress);
        }
        let ttl = found.valid_until().saturating_duration_since(Instant::now());
        Ok(Answer { addresses, ttl })
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Answer, ResolveError>> {
        self.lookup(name).boxed()
    }
}

fn configure() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    let options = builder.options_mut();
    // A server that has both addresses is one instance and not two.
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
    // Names are looked up when their time is over; a cache could only make that later.
    options.cache_size = 0;
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_needs_no_server_is_resolved() {
        let answer = SystemResolver::default().resolve("localhost").await.unwrap();
        assert!(answer.addresses.iter().all(std::net::IpAddr::is_loopback), "{answer:?}");
    }
}
