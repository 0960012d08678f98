//! What each frame costs a connection and what it earns.
//!
//! Control frames are paid for from one budget and resets from another, since a reset throws
//! away a request that was worked on, and a control frame only its own few bytes. A stream earns for
//! both when it is opened, and loses it again where it is refused: only what is accepted is work.

use std::fmt;

use tokio::time::Instant;

use super::budget::{Allowance, Budget, Payment};
use super::frames::{Head, kind};

/// What a connection may do beyond what its requests account for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowances {
    /// For frames that ask for work and bring none. A PING costs 1.
    pub control: Allowance,
    /// For streams that are given up. A reset costs 2 and an opened stream earns 1 back, so that
    /// a client may cancel every second request for ever.
    pub resets: Allowance,
    /// For streams beyond the limit that was agreed on, which are refused. One costs 1. Nothing earns
    /// it back but time: a client that knows the limit needs none.
    pub refusals: Allowance,
}

impl Default for Allowances {
    /// Rates are those that nghttp2 has for resets, as is the burst of those; of control frames no
    /// more than 500 come before the end. What may be saved is what a client
    /// can be late with: two WINDOW_UPDATE for each of 32,768 DATA frames. Refused may be as many streams as
    /// a client opens that has not read our SETTINGS yet.
    fn default() -> Self {
        Self {
            control: Allowance { burst: 500, per_second: 33, saved: 65_536 },
            resets: Allowance { burst: 1000, per_second: 33, saved: 1000 },
            refusals: Allowance { burst: 1000, per_second: 33, saved: 1000 },
        }
    }
}

/// The kind of frame that a client sent too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flood {
    /// DATA without data that does not end its stream (CVE-2019-9518).
    EmptyData,
    /// DATA in so small pieces that there is no memory for more of them.
    SmallData,
    /// HEADERS that open no stream.
    Headers,
    /// PRIORITY (CVE-2019-9513).
    Priority,
    /// RST_STREAM (CVE-2023-44487).
    Reset,
    /// HEADERS that open more streams than were agreed on.
    Refused,
    /// SETTINGS (CVE-2019-9515).
    Settings,
    /// PING (CVE-2019-9512).
    Ping,
    /// WINDOW_UPDATE.
    WindowUpdate,
    /// CONTINUATION (CVE-2024-27316).
    Continuation,
    /// Any other frame.
    Other,
}

impl Flood {
    const ALL: [Self; 11] = [
        Self::EmptyData,
        Self::SmallData,
        Self::Headers,
        Self::Priority,
        Self::Reset,
        Self::Refused,
        Self::Settings,
        Self::Ping,
        Self::WindowUpdate,
        Self::Continuation,
        Self::Other,
    ];

    /// A word for logs and labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::EmptyData => "empty_data",
            Self::SmallData => "small_data",
            Self::Headers => "headers",
            Self::Priority => "priority",
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::Settings => "settings",
            Self::Ping => "ping",
            Self::WindowUpdate => "window_update",
            Self::Continuation => "continuation",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A stream brings a few control frames with it: its priority, changes of that, its window, and
/// the CONTINUATION frames of a large head.
const STREAM_EARNS: u32 = 4;
const STREAM_EARNS_RESETS: u32 = 1;
const RESET_COSTS: u32 = 2;
/// A change of the initial window is applied to each stream (RFC 9113 §6.9.2).
const SETTINGS_COST: u32 = 10;
/// For DATA that we send: WINDOW_UPDATE for stream and connection, and a PING that measures.
const DATA_EARNS: u32 = 3;
/// A client may also open its windows with each KiB that it reads.
const DATA_BYTES_A_CREDIT_LOG2: u32 = 10;
/// Payload of which there may be any amount is paid for with the frame: 256 bytes a credit.
const PAYLOAD_BYTES_A_CREDIT_LOG2: u32 = 8;
/// A WINDOW_UPDATE is this many bytes on the wire. DATA that carries no more than the frame that
/// let it out earns nothing: a client that opens its window byte by byte is CVE-2019-9511.
const WINDOW_UPDATE_BYTES: u32 = 13;

/// More than its stream has earned, so that it cannot be sent with each.
const EMPTY_CONTINUATION_COST: u32 = 16;

/// Whether the code of a reset of ours says that the client broke the rules (RFC 9113 §7). Where it
/// was cut off, which is rare, it is taken to.
fn blames_client(code: &[u8]) -> bool {
    const PROTOCOL_ERROR: u8 = 0x1;
    const FLOW_CONTROL_ERROR: u8 = 0x3;
    const STREAM_CLOSED: u8 = 0x5;
    const FRAME_SIZE_ERROR: u8 = 0x6;
    match code {
        [_, _, _, code] => {
            matches!(*code, PROTOCOL_ERROR | FLOW_CONTROL_ERROR | STREAM_CLOSED | FRAME_SIZE_ERROR)
        }
        _ => true,
    }
}

/// Whether a reset of ours refuses its stream (RFC 9113 §8.7). Where its code was cut off it is taken to
/// blame the client, which costs no less.
fn refuses(code: &[u8]) -> bool {
    const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 0x7];
    code == REFUSED_STREAM
}

/// A connection's budgets.
#[derive(Debug)]
pub(super) struct Ledger {
    control: Budget,
    resets: Budget,
    refusals: Budget,
    /// The highest stream opened by the client.
    last_stream: u32,
    /// Credits spent on each kind since the control budget was filled last.
    spent: [u32; Flood::ALL.len()],
}

impl Ledger {
    pub(super) fn new(allowances: Allowances, now: Instant) -> Self {
        Self {
            control: Budget::new(allowances.control, now),
            resets: Budget::new(allowances.resets, now),
            refusals: Budget::new(allowances.refusals, now),
            last_stream: 0,
            spent: [0; _],
        }
    }

    /// Books a frame that the client sent.
    ///
    /// # Errors
    /// When it cannot be paid for.
    #[inline]
    pub(super) fn received(
        &mut self,
        head: Head,
        clock: impl FnOnce() -> Instant,
    ) -> Result<(), Flood> {
        let payload = head.length >> PAYLOAD_BYTES_A_CREDIT_LOG2;
        let (kind, cost) = match head.kind {
            kind::DATA if head.length > 0 || head.ends_stream() => return Ok(()),
            kind::DATA => (Flood::EmptyData, 1),
            kind::HEADERS if head.stream > self.last_stream => {
                self.last_stream = head.stream;
                self.control.earn(STREAM_EARNS);
                self.resets.earn(STREAM_EARNS_RESETS);
                return Ok(());
            }
            kind::HEADERS => (Flood::Headers, 1 + payload),
            kind::PRIORITY => (Flood::Priority, 1),
            kind::RST_STREAM => return self.reset(clock),
            kind::SETTINGS => (Flood::Settings, SETTINGS_COST + payload),
            kind::PING => (Flood::Ping, 1),
            kind::WINDOW_UPDATE => (Flood::WindowUpdate, 1),
            // Its bytes are bounded with the head that it continues; one without any continues
            // nothing.
            kind::CONTINUATION if head.length == 0 => {
                (Flood::Continuation, EMPTY_CONTINUATION_COST)
            }
            kind::CONTINUATION => (Flood::Continuation, 1),
            _ => (Flood::Other, 1 + payload),
        };
        self.charge(kind, cost, clock)
    }

    /// Books a frame that we sent, of whose payload this much is seen.
    ///
    /// # Errors
    /// When it is one of too many resets for what the client did wrong.
    #[inline]
    pub(super) fn sent(
        &mut self,
        head: Head,
        payload: &[u8],
        clock: impl FnOnce() -> Instant,
    ) -> Result<(), Flood> {
        match head.kind {
            kind::DATA if head.length > WINDOW_UPDATE_BYTES => {
                self.control.earn(DATA_EARNS + (head.length >> DATA_BYTES_A_CREDIT_LOG2));
                Ok(())
            }
            kind::RST_STREAM if refuses(payload) => self.refused(clock),
            kind::RST_STREAM if blames_client(payload) => self.reset(clock),
            _ => Ok(()),
        }
    }

    /// A stream was given up, by the client or for its fault.
    fn reset(&mut self, clock: impl FnOnce() -> Instant) -> Result<(), Flood> {
        match self.resets.spend(RESET_COSTS, clock) {
            Payment::Bounced => Err(Flood::Reset),
            Payment::Made | Payment::MadeByWaiting => Ok(()),
        }
    }

    /// A stream was not accepted, so that it has earned nothing.
    fn refused(&mut self, clock: impl FnOnce() -> Instant) -> Result<(), Flood> {
        self.control.forfeit(STREAM_EARNS);
        self.resets.forfeit(STREAM_EARNS_RESETS);
        match self.refusals.spend(1, clock) {
            Payment::Bounced => Err(Flood::Refused),
            Payment::Made | Payment::MadeByWaiting => Ok(()),
        }
    }

    fn charge(
        &mut self,
        kind: Flood,
        cost: u32,
        clock: impl FnOnce() -> Instant,
    ) -> Result<(), Flood> {
        let payment = self.control.spend(cost, clock);
        if payment == Payment::MadeByWaiting {
            self.spent = [0; _];
        }
        let spent = &mut self.spent[kind as usize];
        *spent = spent.saturating_add(cost);
        match payment {
            Payment::Bounced => Err(self.dearest()),
            Payment::Made | Payment::MadeByWaiting => Ok(()),
        }
    }

    /// The kind that the budget went on, which need not be that of the last frame.
    fn dearest(&self) -> Flood {
        let by_cost = Flood::ALL.into_iter().max_by_key(|kind| self.spent[*kind as usize]);
        by_cost.expect("there are kinds of flood")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const END_STREAM: u8 = 0x1;

    fn frame(kind: u8, length: u32) -> Head {
        Head { length, kind, flags: 0, stream: 1 }
    }

    /// A client's connection at a clock that stands still until it is moved.
    struct Client {
        ledger: Ledger,
        now: Instant,
        streams: u32,
    }

    impl Client {
        fn new() -> Self {
            let now = Instant::now();
            let ledger = Ledger::new(Allowances::default(), now);
            let mut client = Self { ledger, now, streams: 0 };
            client.sends(frame(kind::SETTINGS, 36)).unwrap();
            client
        }

        fn sends(&mut self, head: Head) -> Result<(), Flood> {
            let now = self.now;
            self.ledger.received(head, || now)
        }

        fn gets(&mut self, head: Head, payload: &[u8]) -> Result<(), Flood> {
            let now = self.now;
            self.ledger.sent(head, payload, || now)
        }

        fn opens(&mut self) {
            let stream = 2 * self.streams + 1;
            self.streams += 1;
            self.sends(Head { stream, ..frame(kind::HEADERS, 100) }).unwrap();
        }

        /// How many frames like `head` pass before one does not, and as what.
        fn floods(mut self, head: Head) -> (u32, Flood) {
            let mut passed = 0;
            loop {
                match self.sends(head) {
                    Ok(()) => passed += 1,
                    Err(flood) => return (passed, flood),
                }
                assert!(passed < 1_000_000, "{head:?} is never too much");
            }
        }
    }

    #[test]
    fn each_flood_is_named_and_ends_within_the_burst() {
        let cases = [
            (frame(kind::DATA, 0), Flood::EmptyData),
            (frame(kind::PRIORITY, 5), Flood::Priority),
            (frame(kind::RST_STREAM, 4), Flood::Reset),
            (frame(kind::SETTINGS, 6), Flood::Settings),
            (frame(kind::PING, 8), Flood::Ping),
            (frame(kind::WINDOW_UPDATE, 4), Flood::WindowUpdate),
            (frame(kind::CONTINUATION, 0), Flood::Continuation),
            (frame(kind::CONTINUATION, 10), Flood::Continuation),
            (frame(0xbe, 0), Flood::Other),
        ];
        for (head, flood) in cases {
            let (passed, named) = Client::new().floods(head);
            assert_eq!(named, flood);
            assert!((25..=500).contains(&passed), "{passed} of {flood}");
        }
        let mut client = Client::new();
        client.opens();
        let (passed, named) = client.floods(frame(kind::HEADERS, 100));
        assert_eq!((passed, named), (494, Flood::Headers));
    }

    #[test]
    fn large_payloads_nobody_asked_for_end_sooner() {
        for kind in [kind::SETTINGS, 0xbe] {
            let (passed, _) = Client::new().floods(frame(kind, 16_384));
            assert!(passed <= 16, "{passed} frames of 16 KiB");
        }
    }

    #[test]
    fn flood_is_named_after_what_the_budget_went_on() {
        let mut client = Client::new();
        let mut result = Ok(());
        while result.is_ok() {
            let pings = (0..9).try_for_each(|_| client.sends(frame(kind::PING, 8)));
            result = pings.and_then(|()| client.sends(frame(kind::WINDOW_UPDATE, 4)));
        }
        assert_eq!(result, Err(Flood::Ping));
    }

    #[test]
    fn window_updates_of_a_gibibyte_download_are_earned() {
        for (bytes, updates) in [(16_384, 18), (16_384, 2), (1024, 2), (100, 2)] {
            let mut client = Client::new();
            client.opens();
            for _ in 0..(1u32 << 30) / bytes {
                client.gets(frame(kind::DATA, bytes), &[]).unwrap();
                for _ in 0..updates {
                    client.sends(frame(kind::WINDOW_UPDATE, 4)).unwrap();
                }
            }
        }
    }

    #[test]
    fn window_opened_byte_by_byte_is_a_flood() {
        let mut client = Client::new();
        client.opens();
        let mut sent = 0;
        while client.sends(frame(kind::WINDOW_UPDATE, 4)).is_ok() {
            client.gets(frame(kind::DATA, 1), &[]).unwrap();
            sent += 1;
            assert!(sent < 2000);
        }
    }

    #[test]
    fn keepalive_pings_are_paid_for_by_time() {
        let mut client = Client::new();
        for _ in 0..24 * 3600 {
            client.now += Duration::from_secs(1);
            client.sends(frame(kind::PING, 8)).unwrap();
        }
    }

    #[test]
    fn browser_may_set_priorities_with_each_request() {
        let mut client = Client::new();
        for _ in 0..100_000 {
            client.opens();
            client.sends(frame(kind::PRIORITY, 5)).unwrap();
            client.sends(frame(0x10, 20)).unwrap();
            client.sends(frame(kind::WINDOW_UPDATE, 4)).unwrap();
        }
    }

    #[test]
    fn every_second_request_may_be_cancelled_but_not_every_one() {
        let mut client = Client::new();
        for _ in 0..100_000 {
            client.opens();
            client.opens();
            client.sends(frame(kind::RST_STREAM, 4)).unwrap();
        }
        let mut pairs = 0;
        while client.sends(frame(kind::RST_STREAM, 4)).is_ok() {
            client.opens();
            pairs += 1;
        }
        assert!((900..=1000).contains(&pairs), "{pairs} rapid resets");
    }

    #[test]
    fn resets_that_a_client_makes_us_send_are_its_own() {
        let reset = frame(kind::RST_STREAM, 4);
        let mut client = Client::new();
        for _ in 0..100_000 {
            // Every second request may be malformed, for as long as the connection lives.
            client.opens();
            client.opens();
            client.gets(reset, &[0, 0, 0, 1]).unwrap();
            // What we could not answer, or did not want, is not its fault.
            for code in [0, 2, 8, 11] {
                client.gets(reset, &[0, 0, 0, code]).unwrap();
            }
        }
        let mut count = 0;
        while client.gets(reset, &[0, 0, 0, 1]).is_ok() {
            client.opens();
            count += 1;
        }
        assert!((900..=1000).contains(&count), "{count} malformed requests in a row");
    }

    #[test]
    fn a_stream_that_is_refused_earns_nothing() {
        let (mut client, reset) = (Client::new(), frame(kind::RST_STREAM, 4));
        // More than are agreed on at a time; those that are accepted are cancelled at once.
        let mut rounds = || -> Result<(), Flood> {
            for _ in 0..1000 {
                for _ in 0..128 {
                    client.opens();
                    client.sends(reset)?;
                }
                for _ in 0..150 {
                    client.opens();
                    client.gets(reset, &[0, 0, 0, 7])?;
                }
            }
            Ok(())
        };
        assert!(matches!(rounds(), Err(Flood::Reset | Flood::Refused)));
        assert!(client.streams < 4000, "{} streams", client.streams);

        let mut client = Client::new();
        while client.sends(frame(kind::PING, 8)).is_ok() {
            client.opens();
            client.gets(reset, &[0, 0, 0, 7]).unwrap();
        }
    }

    #[test]
    fn a_client_may_go_over_the_limit_until_it_knows_it_and_not_for_ever() {
        let (mut client, reset) = (Client::new(), frame(kind::RST_STREAM, 4));
        for _ in 0..900 {
            client.opens();
            client.gets(reset, &[0, 0, 0, 7]).unwrap();
        }
        for _ in 0..100_000 {
            client.opens();
            client.opens();
            client.sends(reset).unwrap();
            client.sends(frame(kind::PING, 8)).unwrap();
        }
        let mut count = 0;
        let flood = loop {
            client.opens();
            match client.gets(reset, &[0, 0, 0, 7]) {
                Ok(()) => count += 1,
                Err(flood) => break flood,
            }
        };
        assert_eq!((count, flood), (100, Flood::Refused));
    }

    #[test]
    fn uploads_and_ends_of_streams_are_free() {
        let mut client = Client::new();
        client.opens();
        for _ in 0..100_000 {
            client.sends(frame(kind::DATA, 1)).unwrap();
            client.sends(Head { flags: END_STREAM, ..frame(kind::DATA, 0) }).unwrap();
        }
    }
}
