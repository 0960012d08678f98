//! What a key is known by: a number that nobody can make of it without the secret.
//!
//! The hash is SipHash-1-3 with 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), which the standard library
//! uses with 64. Keyed, so that nobody can choose keys that share a set of slots, or a bucket.

/// What a key is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u128);

/// The key of the hash: drawn at random by each process, or shared by edges that share their buckets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Makes a fingerprint of the parts of a key, which are told apart from each other. Equal ones make the same of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHasher(SipHash<1, 3>);

impl KeyHasher {
    /// Begins with what all keys of one limit have in common.
    pub fn new(secret: Secret, common: &[u8]) -> Self {
        let mut begun = Self(SipHash::new(secret.0));
        begun.part(Some(common));
        begun
    }

    /// The next part; `None` is another than an empty one.
    #[inline]
    pub fn part(&mut self, part: Option<&[u8]>) {
        match part {
            Some(bytes) => {
                self.0.word(bytes.len() as u64 + 1);
                self.0.bytes(bytes);
            }
            None => self.0.word(0),
        }
    }

    /// Of all parts.
    #[inline]
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finish())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SipHash<const C: u32, const D: u32> {
    state: [u64; 4],
    /// Bytes that no whole word was made of.
    tail: u64,
    /// How many bytes there were.
    length: u64,
}

impl<const C: u32, const D: u32> SipHash<C, D> {
    fn new(key: [u8; 16]) -> Self {
        let half = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&key[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let (k0, k1) = (half(0), half(8));
        let state = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        Self { state, tail: 0, length: 0 }
    }

    #[inline]
    fn word(&mut self, word: u64) {
        let held = 8 * (self.length % 8);
        self.length += 8;
        if held == 0 {
            return self.compress(word);
        }
        let whole = self.tail | word << held;
        self.tail = word >> (64 - held);
        self.compress(whole);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.word(u64::from_le_bytes(*word)));
        for byte in rest {
            self.tail |= u64::from(*byte) << (8 * (self.length % 8));
            self.length += 1;
            if self.length.is_multiple_of(8) {
                let whole = std::mem::take(&mut self.tail);
                self.compress(whole);
            }
        }
    }

    #[inline]
    fn compress(&mut self, word: u64) {
        self.state[3] ^= word;
        (0..C).for_each(|_| self.round());
        self.state[0] ^= word;
    }

    #[inline]
    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.state;
        *v0 = v0.wrapping_add(*v1);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v3);
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.wrapping_add(*v3);
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.wrapping_add(*v1);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v2 = v2.rotate_left(32);
    }

    #[inline]
    fn finish(mut self) -> u128 {
        self.compress(self.tail | self.length << 56);
        self.state[2] ^= 0xee;
        let low = self.half();
        self.state[1] ^= 0xdd;
        let high = self.half();
        u128::from(low) | u128::from(high) << 64
    }

    #[inline]
    fn half(&mut self) -> u64 {
        (0..D).for_each(|_| self.round());
        self.state.iter().fold(0, |all, word| all ^ word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_siphash() {
        // Of the reference implementation: SipHash-2-4 with 128 bits, key 00 01 .. 0f, of "" and of 00.
        let key = std::array::from_fn(|at| at as u8);
        let of = |bytes: &[u8]| {
            let mut hash = SipHash::<2, 4>::new(key);
            hash.bytes(bytes);
            hash.finish().to_le_bytes()
        };
        assert_eq!(of(b""), 0x9302_55c7_1472_f66d_e6a8_25ba_047f_81a3_u128.to_le_bytes());
        assert_eq!(of(b"\0"), 0x45fc_229b_1159_7634_44af_996b_d8c1_87da_u128.to_le_bytes());
    }

    #[test]
    fn it_does_not_matter_how_a_text_is_cut() {
        let text: Vec<u8> = (0..40).collect();
        let mut whole = SipHash::<1, 3>::new([7; 16]);
        whole.bytes(&text);
        for cut in 0..text.len() {
            let mut parts = SipHash::<1, 3>::new([7; 16]);
            parts.bytes(&text[..cut]);
            match text[cut..].split_first_chunk::<8>() {
                Some((word, rest)) => {
                    parts.word(u64::from_le_bytes(*word));
                    parts.bytes(rest);
                }
                None => parts.bytes(&text[cut..]),
            }
            assert_eq!(parts.finish(), whole.finish(), "{cut}");
        }
    }

    #[test]
    fn parts_are_told_apart() {
        let of = |parts: &[Option<&str>]| {
            let mut hasher = KeyHasher::new(Secret([1; 16]), b"limit");
            parts.iter().for_each(|part| hasher.part(part.map(str::as_bytes)));
            hasher.finish()
        };
        let keys = [
            of(&[Some("ab"), Some("c")]),
            of(&[Some("a"), Some("bc")]),
            of(&[Some("abc"), None]),
            of(&[Some("abc"), Some("")]),
            of(&[None, Some("abc")]),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().map(|key| key.0).collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
