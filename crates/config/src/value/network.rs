//! Networks: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::shown;
use crate::faults::Flaw;

/// Reads a network, with the bits of hosts as they were written. One of IPv4 in the clothes of IPv6
/// (`::ffff:10.0.0.0/104`) is one of IPv4, as every address of a client is.
pub(crate) fn parse(text: &str) -> Result<IpNet, Flaw> {
    let network = text.parse::<IpNet>().ok();
    let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.map(canonical).ok_or_else(|| misread(text))
}

fn canonical(network: IpNet) -> IpNet {
    /// The bits that all mapped addresses begin with.
    const MAPPED_BITS: u8 = 96;
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(MAPPED_BITS)) {
        (IpAddr::V4(address), Some(bits)) if network.addr().is_ipv6() => {
            IpNet::new(address.into(), bits).unwrap_or(network)
        }
        _ => network,
    }
}

fn misread(text: &str) -> Flaw {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let what = format!("\"{}\" is not a network", shown(text));
    let example = "write an address and the length of its prefix, as in \"10.0.0.0/8\"";
    if address.parse::<IpAddr>().is_ok() {
        let max = if address.contains(':') { 128 } else { 32 };
        let why = match length.contains('.') {
            true => "masks are written as a length".to_owned(),
            false => format!("the length of a prefix is from 0 to {max}"),
        };
        return Flaw::invalid(what, why, example);
    }
    let why = match text.trim() == text {
        true => "it does not begin with an IP address",
        false => "there is white space around it",
    };
    Flaw::invalid(what, why, example)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_read() {
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.1.2.3", "10.1.2.3/32"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), network);
        }
        for text in ["", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "10/8", "lan", " 10.0.0.1", "::/129"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
