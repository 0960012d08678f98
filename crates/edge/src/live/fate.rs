//! What became of an attempt, as it counts: one account for the judge of a deploy, `status`, passive ejection and metrics.
//!
//! Once the head of a response has come its status counts, whatever becomes of the rest by its client's doing; a
//! response that its instance breaks off is a failure. What Plimsoll itself caused counts nowhere.

use telemetry::Counter;

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// 1xx, 2xx; a gRPC call that ended with `OK`, a tunnel that ended in order.
    Ok,
    /// 3xx.
    Redirect,
    /// 4xx, or a gRPC status that is the client's doing.
    ClientError,
    /// 5xx that says nothing of whether the instance is well, such as 501.
    Refused,
    /// 500, 502, 503, 504, or a gRPC status that is a failure of the server.
    ServerError,
    /// No whole response: not reached, reset, nonsense, too slow, broken off.
    Failure,
    /// Its client gave up before there was a head, later than it need have waited ([`Judged`](super::judged::Judged)).
    Overdue,
    /// Its client gave up before there was a head. It says nothing of the instance.
    Abandoned,
}

const FATES: usize = 8;

/// What decided for the release, or the instance, that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assignment {
    /// Chance or balancing, for this attempt.
    Drawn,
    /// Something that the client keeps or chooses, as a cookie or the key that is hashed; or that another attempt had
    /// failed.
    Pinned,
    /// The request itself, which asks for the new release: chance has no part in it, so that it is evidence of nothing.
    Asked,
}

const ASSIGNMENTS: usize = 3;

impl Assignment {
    /// Every one.
    pub const ALL: [Self; ASSIGNMENTS] = [Self::Drawn, Self::Pinned, Self::Asked];
}

impl Fate {
    /// Every one.
    pub const ALL: [Self; FATES] = [
        Self::Ok,
        Self::Redirect,
        Self::ClientError,
        Self::Refused,
        Self::ServerError,
        Self::Failure,
        Self::Overdue,
        Self::Abandoned,
    ];

    /// By the status of HTTP.
    #[inline]
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            ..300 => Self::Ok,
            300..400 => Self::Redirect,
            400..500 => Self::ClientError,
            500 | 502 | 503 | 504 => Self::ServerError,
            _ => Self::Refused,
        }
    }

    /// Whether a client must call it failed.
    #[inline]
    pub fn is_failed(self) -> bool {
        matches!(self, Self::Refused | Self::ServerError | Self::Failure | Self::Overdue)
    }
}

/// How many attempts came to each fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates([u64; FATES]);

impl Fates {
    /// How many came to this one.
    #[inline]
    pub fn of(&self, fate: Fate) -> u64 {
        self.0[fate as usize]
    }

    /// Whether there are none of any.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; FATES]
    }

    /// Counts `other` as well.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// What came since `earlier`, which was counted by the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|fate| self.0[fate].saturating_sub(earlier.0[fate])))
    }
}

/// Counts fates, by what decided for the instance. Written by one worker.
#[derive(Debug, Default)]
pub(crate) struct FateCounters([[Counter; FATES]; ASSIGNMENTS]);

impl FateCounters {
    #[inline]
    pub(crate) fn count(&self, assignment: Assignment, fate: Fate) {
        self.0[assignment as usize][fate as usize].add(1);
    }

    pub(crate) fn of(&self, assignment: Assignment) -> Fates {
        let counters = &self.0[assignment as usize];
        Fates(std::array::from_fn(|fate| counters[fate].get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_its_class_and_what_a_server_refuses_is_none_of_its_failures() {
        for (status, fate) in [
            (0, Fate::Ok),
            (101, Fate::Ok),
            (299, Fate::Ok),
            (304, Fate::Redirect),
            (404, Fate::ClientError),
            (499, Fate::ClientError),
            (500, Fate::ServerError),
            (501, Fate::Refused),
            (503, Fate::ServerError),
            (505, Fate::Refused),
        ] {
            assert_eq!(Fate::of_status(status), fate, "{status}");
        }
    }

    #[test]
    fn each_fate_and_assignment_has_a_count_of_its_own() {
        let counters = FateCounters::default();
        for (times, fate) in Fate::ALL.into_iter().enumerate() {
            (0..=times).for_each(|_| counters.count(Assignment::Drawn, fate));
            counters.count(Assignment::Pinned, fate);
        }
        counters.count(Assignment::Asked, Fate::Ok);
        assert_eq!(counters.of(Assignment::Asked).of(Fate::Ok), 1);
        let (drawn, pinned) = (counters.of(Assignment::Drawn), counters.of(Assignment::Pinned));
        for (times, fate) in Fate::ALL.into_iter().enumerate() {
            assert_eq!((drawn.of(fate), pinned.of(fate)), (times as u64 + 1, 1));
            assert_eq!(drawn.since(&pinned).of(fate), times as u64);
        }
    }
}
