//! The resolver that the system is configured for: `/etc/hosts`, then the servers and search
//! domains of `/etc/resolv.conf`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
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
        let addresses = of_use(found.iter().collect(), has_ipv6());
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

/// Those of a name's addresses that can be connected to, as of getaddrinfo(3) with `AI_ADDRCONFIG`: of the IPv6
/// ones none where this machine has no route for them, unless there is nothing else. And a name of this machine, as
/// `localhost`, is one server, which need not listen on both.
fn of_use(addresses: BTreeSet<IpAddr>, has_ipv6: bool) -> BTreeSet<IpAddr> {
    let is_here = addresses.iter().all(IpAddr::is_loopback);
    let ipv4: BTreeSet<_> = addresses.iter().copied().filter(IpAddr::is_ipv4).collect();
    match (is_here || !has_ipv6) && !ipv4.is_empty() {
        true => ipv4,
        false => addresses,
    }
}

/// Whether this machine has a route for IPv6 addresses. No packet is sent for it.
fn has_ipv6() -> bool {
    let somewhere = SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9));
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))
        .is_ok_and(|socket| socket.connect(somewhere).is_ok())
}

fn configure() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
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
        assert!(answer.addresses.iter().all(IpAddr::is_loopback), "{answer:?}");
    }

    #[test]
    fn a_name_stands_for_every_address_that_can_be_connected_to() {
        let addresses = |texts: &[&str]| -> BTreeSet<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let both = addresses(&["10.0.0.1", "10.0.0.2", "2001:db8::1"]);
        assert_eq!(of_use(both.clone(), true), both);
        assert_eq!(of_use(both, false), addresses(&["10.0.0.1", "10.0.0.2"]));
        let only = addresses(&["2001:db8::1"]);
        assert_eq!(of_use(only.clone(), false), only, "better than none");
        let here = addresses(&["127.0.0.1", "::1"]);
        assert_eq!(of_use(here, true), addresses(&["127.0.0.1"]));
        assert_eq!(of_use(addresses(&["::1"]), true), addresses(&["::1"]));
    }
}
