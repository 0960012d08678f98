//! How instances stand, and what follows for all of them together: who may get traffic, and why.
//!
//! The rule, for the instances of one service whose weight is not 0:
//!
//! 1. healthy primaries, if there is one;
//! 2. healthy backups, if there is one;
//! 3. panic: nobody is healthy, so the verdicts are not believed. Better slow than nothing: the
//!    unhealthy and the ejected get traffic, primaries before backups;
//! 4. nobody: all are drained or still starting. What a person took out stays out, and what never
//!    was seen to answer would only refuse connections.
//!
//! [`Mode`] says this of a whole set, for people; [`Picker`](crate::Picker) goes the same way for
//! one request, which may also have tried some instances already or find them full.

use std::fmt;

/// How an instance stands. Where several hold, the later one here is the one to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Eligibility {
    /// Nothing speaks against it.
    Healthy,
    /// It failed too many requests, and is out for a while.
    Ejected,
    /// Its active checks fail.
    Unhealthy,
    /// It was started and has not passed its first check.
    Starting,
    /// A person, or a rollout, took it out.
    Drained,
}

impl Eligibility {
    /// Whether it may get traffic while nobody is healthy.
    #[inline]
    pub const fn serves_in_panic(self) -> bool {
        matches!(self, Self::Healthy | Self::Ejected | Self::Unhealthy)
    }
}

impl fmt::Display for Eligibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy",
            Self::Ejected => "ejected",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
            Self::Drained => "drained",
        })
    }
}

/// When an instance's turn comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It serves whenever it can.
    #[default]
    Primary,
    /// It serves when no primary can.
    Backup,
}

/// Who of a set of instances may get traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The healthy ones of this role.
    Normal(Role),
    /// Nobody is healthy: those of this role that are neither drained nor starting.
    Panic(Role),
    /// Nobody.
    Nobody,
}

impl Mode {
    /// The mode of these instances. Leave out those whose weight is 0.
    pub fn of(instances: impl IntoIterator<Item = (Eligibility, Role)>) -> Self {
        let mut healthy = None;
        let mut barred = None;
        for (eligibility, role) in instances {
            let first = match eligibility {
                Eligibility::Healthy => &mut healthy,
                _ if eligibility.serves_in_panic() => &mut barred,
                _ => continue,
            };
            *first = Some(first.map_or(role, |other: Role| other.min(role)));
        }
        match (healthy, barred) {
            (Some(role), _) => Self::Normal(role),
            (None, Some(role)) => Self::Panic(role),
            (None, None) => Self::Nobody,
        }
    }

    /// What an instance of this set may get.
    pub fn access(self, eligibility: Eligibility, role: Role) -> Access {
        match self {
            Self::Normal(serving) if eligibility == Eligibility::Healthy && serving == role => {
                Access::Open
            }
            Self::Panic(serving) if eligibility.serves_in_panic() && serving == role => {
                Access::OpenInPanic
            }
            Self::Normal(_) if eligibility == Eligibility::Healthy => Access::Reserve,
            _ => Access::Barred,
        }
    }
}

/// What an instance may get, seen together with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Traffic, as its eligibility says.
    Open,
    /// Traffic in spite of its eligibility, since nobody is healthy.
    OpenInPanic,
    /// Nothing but what the others fail at: a healthy backup while a primary is healthy.
    Reserve,
    /// Nothing.
    Barred,
}

impl Access {
    /// Whether it gets traffic.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::OpenInPanic)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "gets traffic",
            Self::OpenInPanic => "gets traffic, as no instance is healthy",
            Self::Reserve => "backup, not needed now",
            Self::Barred => "gets no traffic",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Eligibility::{Drained, Ejected, Healthy, Starting, Unhealthy};
    use Role::{Backup, Primary};

    #[test]
    fn backups_serve_only_without_a_healthy_primary() {
        let mode = Mode::of([(Healthy, Primary), (Healthy, Backup)]);
        assert_eq!(mode, Mode::Normal(Primary));
        assert_eq!(mode.access(Healthy, Backup), Access::Reserve);
        let mode = Mode::of([(Unhealthy, Primary), (Healthy, Backup)]);
        assert_eq!(mode, Mode::Normal(Backup));
        assert_eq!(mode.access(Unhealthy, Primary), Access::Barred);
        assert_eq!(mode.access(Healthy, Backup), Access::Open);
    }

    #[test]
    fn panic_opens_to_all_but_the_drained_and_the_starting() {
        let mode = Mode::of([(Drained, Primary), (Ejected, Primary), (Unhealthy, Primary)]);
        assert_eq!(mode, Mode::Panic(Primary));
        for (eligibility, open) in
            [(Drained, false), (Starting, false), (Ejected, true), (Unhealthy, true)]
        {
            assert_eq!(mode.access(eligibility, Primary).is_open(), open, "{eligibility}");
        }
        assert_eq!(Mode::of([(Drained, Primary), (Unhealthy, Backup)]), Mode::Panic(Backup));
    }

    #[test]
    fn nobody_serves_when_all_are_drained_or_starting() {
        let mode = Mode::of([(Drained, Primary), (Starting, Backup)]);
        assert_eq!(mode, Mode::Nobody);
        assert_eq!(mode.access(Starting, Backup), Access::Barred);
        assert_eq!(Mode::of([]), Mode::Nobody);
    }
}
