//! How near an address is to this machine: what a server elsewhere names must not be nearer than that server itself.
//!
//! Without that, the operator of a public server, or of its DNS, could have Plimsoll ask what only this machine reaches: a database
//! without a password, or the metadata of a cloud.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How near an address is, the farthest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It can be reached from everywhere.
    Public,
    /// Of a private network (RFC 1918, RFC 4193, RFC 6598), or one that no server has.
    Private,
    /// On this link only (RFC 3927), as the metadata of clouds is.
    Link,
    /// This machine.
    Here,
}

impl Standing {
    /// That of `address`. An IPv4 address within an IPv6 one counts as itself.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => match within(address) {
                Some(address) => of_v4(address),
                None => of_v6(address),
            },
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Private => "an address of a private network",
            Self::Link => "an address of this link only",
            Self::Here => "an address of this machine",
        })
    }
}

fn of_v4(address: Ipv4Addr) -> Standing {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0 | 127, _, _) => Standing::Here,
        (169, 254, _) => Standing::Link,
        (10, _, _) | (192, 168, _) | (172, 16..=31, _) | (100, 64..=127, _) => Standing::Private,
        // Protocol assignments, benchmarks, multicast, what is reserved: no server that others may name.
        (192, 0, 0) | (198, 18 | 19, _) | (224.., _, _) => Standing::Private,
        _ => Standing::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Standing {
    let [first, ..] = address.segments();
    match address {
        Ipv6Addr::UNSPECIFIED | Ipv6Addr::LOCALHOST => Standing::Here,
        _ if first & 0xffc0 == 0xfe80 => Standing::Link,
        // Only 2000::/3 is given out for the whole world (RFC 4291 §2.4).
        _ if first & 0xe000 == 0x2000 => Standing::Public,
        _ => Standing::Private,
    }
}

/// The IPv4 address that `address` stands for: mapped, compatible (both RFC 4291 §2.5.5), by NAT64 (RFC 6052, RFC 8215) or
/// 6to4 (RFC 3056).
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0) if g != 0 => v4(g, h),
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) | (0x64, 0xff9b, 1, _, _, _) => {
            v4(g, h)
        }
        (0x2002, high, low, ..) => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_stands_where_it_can_be_reached_from() {
        let all = [
            (Standing::Public, "8.8.8.8 172.32.0.1 100.128.0.1 2606:4700::1111 2002:808:808::"),
            (Standing::Private, "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1"),
            (Standing::Private, "198.18.0.1 224.0.0.1 255.255.255.255 fc00::1 fd12::1 ff02::1"),
            (
                Standing::Private,
                "::ffff:10.0.0.1 64:ff9b::10.0.0.1 2002:a00:1:: fec0::1 64:ff9b:1::a00:1",
            ),
            (Standing::Link, "169.254.169.254 fe80::1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe"),
            (Standing::Here, "127.0.0.1 127.255.0.9 0.0.0.0 ::1 :: ::ffff:127.0.0.1 ::127.0.0.1"),
        ];
        for (standing, addresses) in all {
            for address in addresses.split(' ') {
                assert_eq!(Standing::of(address.parse().unwrap()), standing, "{address}");
            }
        }
        assert!(Standing::Public < Standing::Private && Standing::Link < Standing::Here);
    }
}
