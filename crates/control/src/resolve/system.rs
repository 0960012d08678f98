//! The resolver that the system is configured for: `/etc/hosts`, then the servers and search
//! domains of `/etc/resolv.conf`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use tokio::sync::OnceCell;

use super::{Answer, Resolve, ResolveError};

/// Asks as the system is configured to. Reads that configuration when it is first asked.
#[derive(Default)]
pub struct SystemResolver {
    resolver: OnceCell<TokioResolver>,
}

impl SystemResolver {
    async fn lookup(&self, name: &str) -> Result<Answer, ResolveError> {
        let configured = self.resolver.get_or_try_init(async || configure()).await;
        let resolver = configured.map_err(|error| ResolveError::Failed(Box::new(error)))?;
        let found = resolver.lookup_ip(name).await.map_err(fault)?;
        let addresses = of_use(found.iter().collect(), Ipv6::of_machine());
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
fn of_use(addresses: BTreeSet<IpAddr>, ipv6: Ipv6) -> BTreeSet<IpAddr> {
    let is_here = addresses.iter().all(IpAddr::is_loopback);
    let ipv4: BTreeSet<_> = addresses.iter().copied().filter(IpAddr::is_ipv4).collect();
    match (is_here || ipv6 == Ipv6::Unrouted) && !ipv4.is_empty() {
        true => ipv4,
        false => addresses,
    }
}

/// Whether this machine has a route for IPv6 addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ipv6 {
    Routed,
    Unrouted,
}

impl Ipv6 {
    /// Asks the kernel. No packet is sent for it.
    fn of_machine() -> Self {
        let somewhere = SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9));
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
        match socket.is_ok_and(|socket| socket.connect(somewhere).is_ok()) {
            true => Self::Routed,
            false => Self::Unrouted,
        }
    }
}

/// What a lookup failed with, in the words of the person who has to mend it.
fn fault(error: NetError) -> ResolveError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => ResolveError::NoName,
            ResponseCode::NoError => ResolveError::NoAddress,
            code => refused(code),
        },
        NetError::Dns(DnsError::ResponseCode(ResponseCode::NXDomain)) => ResolveError::NoName,
        NetError::Dns(DnsError::ResponseCode(code)) => refused(code),
        NetError::Timeout | NetError::NoConnections | NetError::Io(_) => ResolveError::Silent,
        error => ResolveError::Failed(Box::new(error)),
    }
}

fn refused(code: ResponseCode) -> ResolveError {
    ResolveError::Refused(match code {
        ResponseCode::ServFail => "failed to look it up (SERVFAIL)".to_owned(),
        ResponseCode::Refused => "refuses to look it up (REFUSED)".to_owned(),
        code => format!("gave an error: {code}"),
    })
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

    #[test]
    fn why_a_lookup_failed_is_told_in_words() {
        use hickory_resolver::net::NoRecords;
        use hickory_resolver::proto::op::Query;
        let none =
            |code| NetError::Dns(DnsError::NoRecordsFound(NoRecords::new(Query::new(), code)));
        let said = |code| NetError::Dns(DnsError::ResponseCode(code));
        for (error, words) in [
            (none(ResponseCode::NXDomain), "the name does not exist"),
            (none(ResponseCode::NoError), "the name has no address"),
            (said(ResponseCode::ServFail), "the DNS server failed to look it up (SERVFAIL)"),
            (said(ResponseCode::Refused), "the DNS server refuses to look it up (REFUSED)"),
            (NetError::Timeout, "no DNS server responds"),
        ] {
            assert_eq!(crate::chain::chain(&fault(error)), words);
        }
    }

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
        assert_eq!(of_use(both.clone(), Ipv6::Routed), both);
        assert_eq!(of_use(both, Ipv6::Unrouted), addresses(&["10.0.0.1", "10.0.0.2"]));
        let only = addresses(&["2001:db8::1"]);
        assert_eq!(of_use(only.clone(), Ipv6::Unrouted), only, "better than none");
        let here = addresses(&["127.0.0.1", "::1"]);
        assert_eq!(of_use(here, Ipv6::Routed), addresses(&["127.0.0.1"]));
        assert_eq!(of_use(addresses(&["::1"]), Ipv6::Routed), addresses(&["::1"]));
    }
}
