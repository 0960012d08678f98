//! How long a response may take on its way: what counts as progress while its client is waited for,
//! and while its instance is.

use crate::upstream::relay::Party;

/// A client that is waited for must take so much within each `write_idle`, or all that there is:
/// what is held for it stays held, and a byte now and then would hold it for ever. At the default of
/// 30 s that is 137 bytes a second, for each response.
const TAKEN_BYTES_MIN: u64 = 4 * 1024;

/// Which side is waited for, and since when nothing has counted.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    waits_for: Option<Party>,
    /// Bytes of the response, and of the request, when the deadline was set.
    since: (u64, u64),
}

impl Patience {
    /// Whether the deadline begins anew, now that `down` bytes of the response and `up` of the request
    /// have moved.
    pub(crate) fn begins_anew(&mut self, waits_for: Party, down: u64, up: u64) -> bool {
        let has_moved = match waits_for {
            // The instance owes whatever it has: each byte counts.
            Party::Instance => (down, up) != self.since,
            Party::Client => down - self.since.0 >= TAKEN_BYTES_MIN,
        };
        // To wait for the other side is to have had all of this one.
        let begins = has_moved || self.waits_for != Some(waits_for);
        if begins {
            (self.waits_for, self.since) = (Some(waits_for), (down, up));
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_takes_a_byte_now_and_then_is_not_waited_for_any_longer() {
        let mut patience = Patience::default();
        assert!(patience.begins_anew(Party::Client, 100, 0));
        for taken in 1..TAKEN_BYTES_MIN {
            assert!(!patience.begins_anew(Party::Client, 100 + taken, taken));
        }
        assert!(patience.begins_anew(Party::Client, 100 + TAKEN_BYTES_MIN, 0));
        assert!(!patience.begins_anew(Party::Client, 101 + TAKEN_BYTES_MIN, 0));
    }

    #[test]
    fn one_that_has_taken_all_owes_nothing() {
        let mut patience = Patience::default();
        assert!(patience.begins_anew(Party::Client, 10, 0));
        assert!(patience.begins_anew(Party::Instance, 11, 0));
        assert!(!patience.begins_anew(Party::Instance, 11, 0));
        assert!(patience.begins_anew(Party::Client, 12, 0));
    }

    #[test]
    fn each_byte_of_an_instance_counts() {
        let mut patience = Patience::default();
        assert!(patience.begins_anew(Party::Instance, 0, 0));
        assert!(!patience.begins_anew(Party::Instance, 0, 0));
        assert!(patience.begins_anew(Party::Instance, 1, 0));
        assert!(patience.begins_anew(Party::Instance, 1, 1), "of the request as well");
    }
}
