//! A certificate that is there: how long it is good, and when the next one is ordered.

use std::time::{Duration, SystemTime};

use crate::machine::DirectoryUrl;
use crate::share::Share;

/// A certificate that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// From when on it is good.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
    /// Who issued it; `None` where that is not known, as of one that was imported: nobody is asked when it should be renewed.
    pub directory: Option<DirectoryUrl>,
}

/// When a CA would like a certificate to be renewed (RFC 9773 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From then on.
    pub start: SystemTime,
    /// Until then.
    pub end: SystemTime,
}

impl Held {
    /// How long it is good in all.
    pub fn lifetime(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }

    /// How long it is good from `wall` on.
    pub fn left(&self, wall: SystemTime) -> Duration {
        self.not_after.duration_since(wall).unwrap_or_default()
    }

    /// When a third of its lifetime is left, or up to a thirtieth earlier, by `share`: certificates that were ordered
    /// together drift apart.
    pub(crate) fn third_left(&self, share: Share) -> SystemTime {
        let lifetime = self.lifetime();
        before(self.not_after, lifetime / 3 + share.of_length(lifetime / 30))
    }

    /// The moment in `window` by `share` (RFC 9773 section 4.2 has it drawn evenly), but not so late that there would be no
    /// time for failures; `None` where it is no window.
    pub(crate) fn suggested(&self, window: Window, share: Share) -> Option<SystemTime> {
        let length = window.end.duration_since(window.start).ok()?;
        let drawn = window.start.checked_add(share.of_length(length))?;
        Some(drawn.min(before(self.not_after, self.lifetime() / LATEST)))
    }
}

/// What is left of a lifetime when it is renewed at the latest, whatever the CA suggests: this part of it.
const LATEST: u32 = 6;

fn before(moment: SystemTime, by: Duration) -> SystemTime {
    moment.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn held(days: u32) -> Held {
        let not_before = SystemTime::UNIX_EPOCH + 1_000 * DAY;
        Held { not_before, not_after: not_before + days * DAY, directory: None }
    }

    #[test]
    fn a_third_of_the_lifetime_is_left_or_a_little_more() {
        let held = held(90);
        assert_eq!(held.third_left(Share::exactly(0.0)), held.not_after - 30 * DAY);
        assert_eq!(held.third_left(Share::exactly(1.0)), held.not_after - 33 * DAY);
    }

    #[test]
    fn what_is_suggested_is_drawn_from_the_window_and_never_too_late() {
        let held = held(90);
        let window = |start: u32, end: u32| Window {
            start: held.not_before + start * DAY,
            end: held.not_before + end * DAY,
        };
        assert_eq!(
            held.suggested(window(40, 60), Share::exactly(0.5)),
            Some(held.not_before + 50 * DAY)
        );
        assert_eq!(
            held.suggested(window(80, 200), Share::exactly(1.0)),
            Some(held.not_after - 15 * DAY)
        );
        assert_eq!(held.suggested(window(60, 40), Share::exactly(0.5)), None);
    }
}
