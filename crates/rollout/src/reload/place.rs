//! What is counted by itself when a reload is watched, and what is counted of it.

use model::{RouteId, ServiceName};

/// What is counted by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Attempts by a route.
    Route(RouteId),
    /// What clients of a service got, also where no instance was asked.
    Service(ServiceName),
    /// All requests: those that no route matched are what fails.
    Unrouted,
    /// How long the instances of a service take.
    Times(ServiceName),
}

/// Whether the configuration changes what is done with a place's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// It does.
    Changed,
    /// It does not.
    Left,
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// All of them.
    pub all: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that got a 4xx.
    pub client_errors: u64,
    /// Of [`Place::Times`] those that took longer than nearly all did before.
    pub slow: u64,
}

impl Requests {
    /// Counts `more` as well.
    pub fn add(&mut self, more: &Self) {
        self.all += more.all;
        self.failed += more.failed;
        self.client_errors += more.client_errors;
        self.slow += more.slow;
    }

    pub(super) fn hits(&self, aspect: RiseOf) -> u64 {
        match aspect {
            RiseOf::Errors => self.failed,
            RiseOf::ClientErrors => self.client_errors,
            RiseOf::Slow => self.slow,
        }
    }
}

/// What has risen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RiseOf {
    /// 5xx and no whole responses; of [`Place::Unrouted`] requests that no route matches.
    Errors,
    /// 4xx.
    ClientErrors,
    /// Responses that take long, of [`Place::Times`] alone.
    Slow,
}

impl RiseOf {
    pub(super) const ALL: [Self; 3] = [Self::Errors, Self::ClientErrors, Self::Slow];

    /// Whether it is asked of a place.
    pub(super) fn is_asked_of(self, place: &Place) -> bool {
        matches!(place, Place::Times(_)) == (self == Self::Slow)
    }
}
