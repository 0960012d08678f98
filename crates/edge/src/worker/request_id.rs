//! The id by which logs, servers and clients speak of one request.

use std::cell::RefCell;

use wire::head::RequestHead;
use wire::name::Name;

use crate::peer::Sender;

/// An id that was made elsewhere may be this long.
const BYTES_MAX: usize = 128;

/// Makes ids for one worker: 128 random bits each.
pub(crate) struct RequestIds(RefCell<fastrand::Rng>);

impl RequestIds {
    /// Ids that begin at `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(RefCell::new(fastrand::Rng::with_seed(seed)))
    }

    /// A new id.
    pub(crate) fn next(&self) -> [u8; 32] {
        let number = self.0.borrow_mut().u128(..);
        let mut text = [0; 32];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(number.to_be_bytes()) {
            *pair = PAIRS[usize::from(byte)];
        }
        text
    }
}

/// Every byte in hexadecimal.
const PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    pairs
};

/// The id of one request.
#[derive(Clone, Copy)]
pub(crate) enum RequestId<'a> {
    /// That of a trusted proxy.
    Given(&'a [u8]),
    /// Ours.
    Made([u8; 32]),
}

impl<'a> RequestId<'a> {
    /// The id that a trusted proxy sent, if it is a plain token of decent length, or a new one. What
    /// anybody else sends is replaced: by the id of another's request, logs would tell of a mix.
    pub(crate) fn of(head: &'a RequestHead, sender: Sender, ids: &RequestIds) -> Self {
        let given = || head.fields.get(Name::XRequestId).filter(|id| is_plain(id));
        match sender.is_trusted.then(given).flatten() {
            Some(id) => Self::Given(id),
            None => Self::Made(ids.next()),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Given(id) => id,
            Self::Made(id) => id,
        }
    }
}

/// Whether `id` can stand in a log, a header and JSON as it is.
fn is_plain(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:+/=~@".contains(byte);
    (1..=BYTES_MAX).contains(&id.len()) && id.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use wire::buffer::Pool;
    use wire::head::HeadBuilder;

    use super::*;

    fn id(sent: &[u8], is_trusted: bool) -> Vec<u8> {
        let mut builder = HeadBuilder::new(&Pool::default());
        builder.field(b"x-request-id", sent);
        let head = builder.request(b"GET", b"a", b"/");
        let sender = Sender { client: "10.0.0.1".parse().unwrap(), is_trusted };
        RequestId::of(&head, sender, &RequestIds::new(7)).as_bytes().to_vec()
    }

    #[test]
    fn a_trusted_proxys_plain_id_is_kept_and_any_other_replaced() {
        assert_eq!(id(b"abc-123", true), b"abc-123");
        assert_eq!(id(b"abc-123", false).len(), 32);
        for bad in [&b""[..], b"a b", b"a\"b", &[b'x'; 129]] {
            assert_eq!(id(bad, true).len(), 32);
            assert_ne!(id(bad, true), bad);
        }
    }

    #[test]
    fn ids_differ() {
        let ids = RequestIds::new(1);
        assert_ne!(ids.next(), ids.next());
    }
}
