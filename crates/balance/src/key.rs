//! Stable hashes: of what a request is hashed by, and of instances' names.
//!
//! Two Plimsolls in front of the same instances must send the same client to the same one, today's
//! release and next year's. So all of this is fixed: XXH64 with seed 0 over bytes, and the
//! finaliser of SplitMix64 to mix two hashes. The tests pin values; a change is a breaking one.
//!
//! None of it is keyed: who may choose the key of a request may choose its instance, as with every
//! other load balancer's hashing. A bound on the load is what limits the harm.

use std::net::IpAddr;

use twox_hash::XxHash64;

/// The stable hash of the part of a request that decides on its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The key of these bytes: XXH64 with seed 0.
    #[inline]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(xxh64(bytes))
    }

    /// The key of a client's address: that of its octets in network order. An IPv4 address and
    /// the IPv6 address that stands for it (`::ffff:a.b.c.d`) have the same key.
    #[inline]
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_bytes(&address.octets()),
            IpAddr::V6(address) => Self::of_bytes(&address.octets()),
        }
    }

    /// A key that is a good hash already, or a random number.
    #[inline]
    pub const fn from_hash(hash: u64) -> Self {
        Self(hash)
    }

    /// The hash.
    #[inline]
    pub const fn hash(self) -> u64 {
        self.0
    }

    /// What this key and the member with this id draw together: uniform, and independent of what
    /// either draws with another.
    #[inline]
    pub(crate) const fn draw(self, id: u64) -> u64 {
        mix(self.0 ^ id)
    }
}

#[inline]
pub(crate) fn xxh64(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014; constants: Stafford's variant 13). A bijection.
#[inline]
pub(crate) const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_never_change() {
        assert_eq!(Key::of_bytes(b"").hash(), 0xef46_db37_51d8_e999);
        assert_eq!(Key::of_bytes(b"abc").hash(), 0x44bc_2cf5_ad77_0999);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn an_address_has_one_key_in_either_notation() {
        let v4 = Key::of_address("192.0.2.7".parse().unwrap());
        let mapped = Key::of_address("::ffff:192.0.2.7".parse().unwrap());
        let other = Key::of_address("192.0.2.8".parse().unwrap());
        assert_eq!(v4, mapped);
        assert_ne!(v4, other);
    }
}
