//! Which zone a name is in, and which servers are that zone's own.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::op::DnsResponse;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use model::{Dns, DnsProvider};

use crate::ask::{AskError, ask};

/// So many aliases are followed: a challenge is often kept in a zone of its own.
const ALIASES_MAX: usize = 8;

const PORT: u16 = 53;

/// Where a record is written.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its name, behind all aliases.
    pub(crate) name: Name,
    pub(crate) zone: Name,
    /// Who has to say it.
    pub(crate) servers: Vec<SocketAddr>,
}

/// Why there is no such place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("`{0}` is no name in the DNS")]
    NoName(String),
    #[error(transparent)]
    Ask(Box<AskError>),
    #[error("the system's resolver cannot be used: {0}")]
    NoResolver(String),
    #[error("no zone of {0} can be found")]
    NoZone(Name),
    #[error("there are more than {ALIASES_MAX} aliases (CNAME) from {0} on")]
    Aliases(Name),
    #[error(
        "no address of a server of the zone {0} can be found: name them by `[acme.dns]`'s `servers`"
    )]
    NoServers(Name),
}

impl From<AskError> for PlaceError {
    fn from(error: AskError) -> Self {
        Self::Ask(Box::new(error))
    }
}

/// Finds where the record `name` is to be written.
pub(crate) async fn find(dns: &Dns, name: &str) -> Result<Place, PlaceError> {
    let first = Name::from_ascii(name).map_err(|_| PlaceError::NoName(name.to_owned()))?;
    let mut name = absolute(first.clone());
    let asked = asked(dns);
    for _ in 0..=ALIASES_MAX {
        let found = match asked.is_empty() {
            true => by_resolver(&name).await?,
            false => by_servers(&asked, &name).await?,
        };
        match found {
            Found::Alias(target) => name = absolute(target),
            Found::Zone(zone) => {
                let servers = servers(dns, &zone).await?;
                return Ok(Place { name, zone, servers });
            }
        }
    }
    Err(PlaceError::Aliases(first))
}

/// What is known of a name.
enum Found {
    Alias(Name),
    Zone(Name),
}

fn absolute(mut name: Name) -> Name {
    name.set_fqdn(true);
    name
}

/// The servers that are asked for the zone; none where the system's resolver is.
fn asked(dns: &Dns) -> Vec<SocketAddr> {
    match &dns.provider {
        _ if !dns.servers.is_empty() => dns.servers.clone(),
        DnsProvider::Rfc2136(server) => vec![server.address],
        DnsProvider::Hosted { .. } => Vec::new(),
    }
}

/// Asks servers that have the zone itself, the next one where one says nothing.
async fn by_servers(servers: &[SocketAddr], name: &Name) -> Result<Found, PlaceError> {
    let mut failed = PlaceError::NoZone(name.clone());
    for server in servers {
        match ask(*server, name, RecordType::SOA).await {
            Ok(response) => match of_response(&response, name) {
                Some(found) => return Ok(found),
                None => failed = PlaceError::NoZone(name.clone()),
            },
            Err(error) => failed = error.into(),
        }
    }
    Err(failed)
}

fn of_response(response: &DnsResponse, name: &Name) -> Option<Found> {
    let alias = response.answers.iter().find_map(|it| match &it.data {
        RData::CNAME(target) if it.name == *name => Some(Found::Alias(target.0.clone())),
        _ => None,
    });
    let all = response.answers.iter().chain(&response.authorities);
    let is_above = |it: &&Record| matches!(it.data, RData::SOA(_)) && it.name.zone_of(name);
    alias.or_else(|| all.filter(is_above).map(|it| Found::Zone(it.name.clone())).next())
}

/// Asks as the system is configured to.
async fn by_resolver(name: &Name) -> Result<Found, PlaceError> {
    let resolver = resolver()?;
    if let Ok(found) = resolver.lookup(name.clone(), RecordType::CNAME).await {
        let target = found.answers().iter().find_map(|it| match &it.data {
            RData::CNAME(target) if it.name == *name => Some(target.0.clone()),
            _ => None,
        });
        if let Some(target) = target {
            return Ok(Found::Alias(target));
        }
    }
    let mut zone = name.clone();
    while !zone.is_root() {
        if let Ok(found) = resolver.lookup(zone.clone(), RecordType::SOA).await
            && found.answers().iter().any(|it| it.name == zone && matches!(it.data, RData::SOA(_)))
        {
            return Ok(Found::Zone(zone));
        }
        zone = zone.base_name();
    }
    Err(PlaceError::NoZone(name.clone()))
}

/// The servers that have to say what was written.
async fn servers(dns: &Dns, zone: &Name) -> Result<Vec<SocketAddr>, PlaceError> {
    if !dns.servers.is_empty() {
        return Ok(dns.servers.clone());
    }
    let resolver = resolver()?;
    let names: Vec<Name> = match &dns.provider {
        // It knows them also where it is none of them itself.
        DnsProvider::Rfc2136(server) => {
            let response = ask(server.address, zone, RecordType::NS).await?;
            response.answers.iter().filter_map(|it| named(&it.data)).collect()
        }
        DnsProvider::Hosted { .. } => {
            let found = resolver.lookup(zone.clone(), RecordType::NS).await;
            let found = found.map_err(|_| PlaceError::NoServers(zone.clone()))?;
            found.answers().iter().filter_map(|it| named(&it.data)).collect()
        }
    };
    let mut servers = BTreeSet::new();
    for name in names {
        // One whose name leads nowhere is nobody that a CA could ask.
        if let Ok(found) = resolver.lookup_ip(name).await {
            // Over the other family it is the same server.
            let address = found.iter().find(std::net::IpAddr::is_ipv4).or(found.iter().next());
            servers.extend(address.map(|it| SocketAddr::new(it, PORT)));
        }
    }
    match servers.is_empty() {
        true => Err(PlaceError::NoServers(zone.clone())),
        false => Ok(servers.into_iter().collect()),
    }
}

fn named(data: &RData) -> Option<Name> {
    match data {
        RData::NS(name) => Some(name.0.clone()),
        _ => None,
    }
}

fn resolver() -> Result<TokioResolver, PlaceError> {
    let builder = TokioResolver::builder_tokio();
    builder.and_then(|it| it.build()).map_err(|error| PlaceError::NoResolver(error.to_string()))
}
