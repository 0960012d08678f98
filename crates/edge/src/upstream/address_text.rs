//! An address as text, without touching the heap.

use std::io::Write as _;
use std::net::IpAddr;

/// The text of an address, as headers carry it.
pub(crate) struct AddressText {
    bytes: [u8; Self::BYTES_MAX],
    len: u8,
    is_v6: bool,
}

impl AddressText {
    /// The longest are of IPv6 with an IPv4 address at their end.
    const BYTES_MAX: usize = 46;

    pub(crate) fn of(address: IpAddr) -> Self {
        let mut text = Self { bytes: [0; Self::BYTES_MAX], len: 0, is_v6: address.is_ipv6() };
        match address {
            IpAddr::V4(address) => {
                for (place, octet) in address.octets().into_iter().enumerate() {
                    if place > 0 {
                        text.push(b'.');
                    }
                    text.octet(octet);
                }
            }
            IpAddr::V6(address) => {
                let mut rest = &mut text.bytes[..];
                write!(rest, "{address}").expect("no address is longer");
                text.len = (Self::BYTES_MAX - rest.len()) as u8;
            }
        }
        text
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// What stands before and behind it in `Forwarded` (RFC 7239 §6).
    pub(crate) fn brackets(&self) -> (&'static [u8], &'static [u8]) {
        if self.is_v6 { (b"\"[", b"]\"") } else { (b"", b"") }
    }

    fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.len)] = byte;
        self.len += 1;
    }

    fn octet(&mut self, octet: u8) {
        if octet >= 100 {
            self.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            self.push(b'0' + octet / 10 % 10);
        }
        self.push(b'0' + octet % 10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        for text in [
            "0.0.0.0",
            "127.0.0.1",
            "10.99.100.255",
            "255.255.255.255",
            "::1",
            "2001:db8:1111:2222:3333:4444:5555:6666",
            "::ffff:255.255.255.255",
        ] {
            assert_eq!(AddressText::of(text.parse().unwrap()).as_bytes(), text.as_bytes());
        }
    }
}
