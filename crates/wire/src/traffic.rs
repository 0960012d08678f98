//! How much went over a connection, or one stream of it.

/// Bytes, heads and framing included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the peer.
    pub received: u64,
    /// To the peer.
    pub sent: u64,
}

impl Traffic {
    /// What came on top of `before`, which was a part of it.
    pub fn since(self, before: Self) -> Self {
        Self { received: self.received - before.received, sent: self.sent - before.sent }
    }
}
