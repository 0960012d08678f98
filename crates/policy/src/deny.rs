//! `deny`: clients from some networks are refused.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Networks whose clients are refused. Ten thousand cost a request little more than one: they are kept as
/// ranges that lie apart, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Deny {
    /// Refuses clients from `networks`. `None` where there are none.
    pub fn new(networks: &[IpNet]) -> Option<Self> {
        if networks.is_empty() {
            return None;
        }
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match canonical(*network) {
                IpNet::V4(it) => v4.push((it.network().to_bits(), it.broadcast().to_bits())),
                IpNet::V6(it) => v6.push((it.network().to_bits(), it.broadcast().to_bits())),
            }
        }
        Some(Self { v4: Ranges::of(v4), v6: Ranges::of(v6) })
    }

    /// Whether `client` is refused. An IPv4 address is the same one where it is written as IPv6
    /// (`::ffff:192.0.2.1`).
    pub fn refuses(&self, client: IpAddr) -> bool {
        match client.to_canonical() {
            IpAddr::V4(address) => self.v4.has(address.to_bits()),
            IpAddr::V6(address) => self.v6.has(address.to_bits()),
        }
    }
}

/// A network of IPv4 addresses that are written as IPv6 is one of IPv4.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(MAPPED_BITS)) {
        (IpAddr::V4(address), Some(bits)) if matches!(network, IpNet::V6(_)) => {
            Ipv4Net::new(address, bits).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

/// Ranges, both ends included, of which none touches another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ranges<T>(Box<[(T, T)]>);

impl<T: Copy + Ord> Ranges<T> {
    fn of(mut ranges: Vec<(T, T)>) -> Self {
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let overlaps = next.0 <= before.1;
            if overlaps {
                before.1 = before.1.max(next.1);
            }
            overlaps
        });
        Self(ranges.into())
    }

    fn has(&self, value: T) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= value);
        behind > 0 && value <= self.0[behind - 1].1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deny(networks: &[&str]) -> Deny {
        let networks: Vec<IpNet> = networks.iter().map(|text| text.parse().unwrap()).collect();
        Deny::new(&networks).expect("there are some")
    }

    #[test]
    fn an_address_of_ipv4_is_one_however_it_is_written() {
        let deny = deny(&["192.0.2.0/24", "::ffff:198.51.100.0/120", "2001:db8::/32"]);
        for refused in
            ["192.0.2.7", "::ffff:192.0.2.7", "198.51.100.1", "::ffff:198.51.100.1", "2001:db8::1"]
        {
            assert!(deny.refuses(refused.parse().unwrap()), "{refused}");
        }
        for passed in ["192.0.3.7", "::1", "198.51.101.0", "2001:db9::"] {
            assert!(!deny.refuses(passed.parse().unwrap()), "{passed}");
        }
    }

    #[test]
    fn the_whole_of_a_family_can_be_refused() {
        let deny = deny(&["0.0.0.0/0", "10.0.0.0/8"]);
        assert!(deny.refuses("255.255.255.255".parse().unwrap()));
        assert!(!deny.refuses("::2".parse().unwrap()));
        assert_eq!(Deny::new(&[]), None);
    }

    fn network() -> impl Strategy<Value = IpNet> {
        // Addresses that lie close to each other, so that networks overlap.
        let v4 = (0u32..1024, 20u8..=32)
            .prop_map(|(bits, length)| IpNet::new(IpAddr::V4(bits.into()), length).unwrap());
        let v6 = (0u128..1024, 110u8..=128)
            .prop_map(|(bits, length)| IpNet::new(IpAddr::V6(bits.into()), length).unwrap());
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn clients_of_each_network_and_no_others_are_refused(
            networks in prop::collection::vec(network(), 1..12), bits in 0u32..2048,
        ) {
            let networks: Vec<IpNet> = networks.iter().map(IpNet::trunc).collect();
            let deny = Deny::new(&networks).unwrap();
            for client in [IpAddr::V4(bits.into()), IpAddr::V6(u128::from(bits).into())] {
                let expected = networks.iter().any(|network| network.contains(&client));
                prop_assert_eq!(deny.refuses(client), expected, "{}", client);
            }
        }
    }
}
