//! Where a container's processes listen, as the kernel of its machine tells of its network; and its own address.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bollard::models::ContainerInspectResponse;

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// Where anything listens in the network of the process `pid`, which belongs to the container `id`; `None` where this cannot be
/// seen, as when the engine numbers its processes otherwise than we do.
pub(crate) fn listening(pid: u32, id: &str) -> Option<Vec<SocketAddr>> {
    // Its number may be another's by now, or always have been.
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    if !groups.contains(id) {
        return None;
    }
    let table = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}")).ok();
    Some(listening_by(&format!("{}{}", table("tcp")?, table("tcp6").unwrap_or_default())))
}

/// Where anything listens by the kernel's tables, one behind the other.
pub(crate) fn listening_by(tables: &str) -> Vec<SocketAddr> {
    let mut found = addresses(tables);
    found.sort();
    found.dedup();
    found
}

/// Whether what listens there is reached from outside, on `port`.
pub(crate) fn is_open(listening: &[SocketAddr], port: u16) -> bool {
    listening.iter().any(|address| address.port() == port && !address.ip().is_loopback())
}

/// The address of a container on `network`.
pub(crate) fn own_address(container: &ContainerInspectResponse, network: &str) -> Option<IpAddr> {
    let networks = container.network_settings.as_ref()?.networks.as_ref()?;
    let endpoint = networks.get(network)?;
    let said = |text: &Option<String>| text.as_ref().filter(|text| !text.is_empty())?.parse().ok();
    said(&endpoint.ip_address).or_else(|| said(&endpoint.global_ipv6_address))
}

/// The addresses on which is listened, of `/proc/net/tcp` or `tcp6`.
fn addresses(table: &str) -> Vec<SocketAddr> {
    let listens = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
        (state == LISTENS).then(|| address(local))?
    };
    // A head has other words where the state would be.
    table.lines().filter_map(listens).collect()
}

/// `0100007F:1F90`: words of 32 bits, each in the machine's order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word =
        |at: usize| Some(u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.as_flattened().try_into().ok()?;
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some((ip, port).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn who_listens_is_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue\n   0: 0100007F:1F90 00000000:0000 0A 0\n   \
                     1: 00000000:0BB8 00000000:0000 0A 0\n   2: 0100007F:1F90 0100007F:D2A0 01 0\n";
        let listens = addresses(table);
        assert_eq!(listens, ["127.0.0.1:8080", "0.0.0.0:3000"].map(|it| it.parse().unwrap()));
        assert!(is_open(&listens, 3000) && !is_open(&listens, 8080), "loopback is not reached");
        let six = "head\n 0: 00000000000000000000000001000000:0050 0:0 0A\n 1: 00000000000000000000000000000000:1F90 0:0 0A\n";
        assert_eq!(addresses(six), ["[::1]:80", "[::]:8080"].map(|it| it.parse().unwrap()));
        assert_eq!(addresses("head\nrubbish\n 0: xyz 1 0A\n 0: 01:02 1 0A"), []);
    }
}
