//! Who changes the zone.

use std::time::Duration;

use dns_update::providers::rfc2136::DnsAddress;
use dns_update::{DnsUpdater, TsigAlgorithm};
use model::{Dns, DnsHost, DnsProvider, TsigHash};

/// How long a host's API may take for one request.
const WITHIN: Duration = Duration::from_secs(30);

/// Why nobody can change the zone.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// What was said of it cannot be used.
    #[error("the DNS provider cannot be used: {0}")]
    Unusable(String),
}

/// Who changes the zone, as `dns` says.
pub(crate) fn updater(dns: &Dns) -> Result<DnsUpdater, ProviderError> {
    let made = match &dns.provider {
        DnsProvider::Rfc2136(server) => DnsUpdater::new_rfc2136_tsig(
            // A signed update may be longer than a datagram.
            DnsAddress::Tcp(server.address),
            &server.key_name,
            server.secret.expose(),
            match server.hash {
                TsigHash::Sha256 => TsigAlgorithm::HmacSha256,
                TsigHash::Sha384 => TsigAlgorithm::HmacSha384,
                TsigHash::Sha512 => TsigAlgorithm::HmacSha512,
            },
        ),
        DnsProvider::Hosted { host, token } => {
            let token = std::str::from_utf8(token.expose())
                .map_err(|_| ProviderError::Unusable("its token is no text".to_owned()))?;
            hosted(*host, token)
        }
    };
    made.map_err(|error| ProviderError::Unusable(error.to_string()))
}

fn hosted(host: DnsHost, token: &str) -> dns_update::Result<DnsUpdater> {
    let within = Some(WITHIN);
    match host {
        DnsHost::Bunny => DnsUpdater::new_bunny(token, within),
        DnsHost::Cloudflare => DnsUpdater::new_cloudflare(token, within),
        DnsHost::Desec => DnsUpdater::new_desec(token, within),
        DnsHost::DigitalOcean => DnsUpdater::new_digitalocean(token, within),
        DnsHost::Gandi => DnsUpdater::new_gandiv5(token, within),
        DnsHost::Gcore => DnsUpdater::new_gcore(token, within),
        DnsHost::Hetzner => DnsUpdater::new_hetzner(token, within),
        DnsHost::Infomaniak => DnsUpdater::new_infomaniak(token, within),
        DnsHost::Ionos => DnsUpdater::new_ionos(token, within),
        DnsHost::Linode => DnsUpdater::new_linode(token, within),
        DnsHost::Ns1 => DnsUpdater::new_ns1(token, within),
        DnsHost::Scaleway => DnsUpdater::new_scaleway(token, within),
        DnsHost::Vultr => DnsUpdater::new_vultr(token, within),
    }
}
