//! Descriptors that connections use, counted over all workers: so many are left to health checks,
//! the admin API, the journal and the instances' output that those never go without, and neither do
//! clients' connections leave none for those to instances, nor the other way round.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

/// What is left to everything else, where there are many: some hundred instances' checks and output
/// at once.
const RESERVE: usize = 256;
/// Where there are few, everything else is left this part.
const RESERVE_SHARE: usize = 4;
/// Each side is left at least this part of what connections may use.
const SIDE_SHARE: usize = 8;
/// This part goes to pipes, through which large bodies go from socket to socket.
const PIPES_SHARE: usize = 8;

/// How the program's descriptors are shared out, and how many of them connections use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorBudget {
    /// Used by clients' connections.
    pub clients: usize,
    /// Used by connections to instances.
    pub instances: usize,
    /// What both may use together.
    pub allowed: usize,
    /// What is left to pipes, through which large bodies go.
    pub pipes: usize,
    /// What is left to everything else: health checks, the admin API, the journal, instances' output.
    pub reserve: usize,
    /// What the system allows the program; the three above together.
    pub limit: usize,
}

/// What connections may use of the program's descriptors, and do.
#[derive(Debug)]
pub(crate) struct Descriptors {
    limit: usize,
    allowed: usize,
    /// How many pipes there may be, of two descriptors each.
    pipes: usize,
    clients: AtomicUsize,
    instances: AtomicUsize,
}

impl Descriptors {
    /// As many as the system allows the program now.
    pub(crate) fn of_process() -> Self {
        let limit = getrlimit(Resource::Nofile).current;
        Self::new(limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    fn new(limit: usize) -> Self {
        let reserve = RESERVE.min(limit / RESERVE_SHARE);
        let of_pipes = limit / PIPES_SHARE;
        let allowed = limit - reserve - of_pipes;
        Self { limit, allowed, pipes: of_pipes / 2, clients: 0.into(), instances: 0.into() }
    }

    /// How they are shared out and used, as of now.
    pub(crate) fn budget(&self) -> DescriptorBudget {
        let Self { limit, allowed, pipes, .. } = *self;
        DescriptorBudget {
            clients: self.clients.load(Ordering::Relaxed),
            instances: self.instances.load(Ordering::Relaxed),
            allowed,
            pipes: 2 * pipes,
            reserve: limit - allowed - 2 * pipes,
            limit,
        }
    }

    /// How many pipes there may be.
    pub(crate) fn pipes(&self) -> usize {
        self.pipes
    }

    /// Whether one more client may be let in.
    pub(crate) fn has_room_for_client(&self) -> bool {
        self.has_room(&self.clients)
    }

    /// A client was let in.
    pub(crate) fn client_came(&self) {
        self.clients.fetch_add(1, Ordering::Relaxed);
    }

    /// A client's connection was closed.
    pub(crate) fn client_left(&self) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
    }

    /// One for a connection to an instance; `None` where there is none to be had.
    pub(crate) fn for_instance(self: &Arc<Self>) -> Option<Slot> {
        self.has_room(&self.instances).then(|| {
            self.instances.fetch_add(1, Ordering::Relaxed);
            Slot(self.clone())
        })
    }

    /// Whether one more may be used on the side that uses `side`. Two workers may find the last one
    /// at once: the reserve bears that.
    fn has_room(&self, side: &AtomicUsize) -> bool {
        let (clients, instances) =
            (self.clients.load(Ordering::Relaxed), self.instances.load(Ordering::Relaxed));
        let of_side = side.load(Ordering::Relaxed);
        of_side < self.allowed - self.allowed / SIDE_SHARE
            && clients.saturating_add(instances) < self.allowed
    }
}

/// The descriptor of one connection to an instance, as long as that is open.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Descriptors>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many clients are let in.
    fn fill(descriptors: &Descriptors) -> usize {
        let mut count = 0;
        while descriptors.has_room_for_client() {
            descriptors.client_came();
            count += 1;
        }
        count
    }

    #[test]
    fn neither_side_takes_what_is_left_to_the_other_and_to_everything_else() {
        let descriptors = Arc::new(Descriptors::new(160));
        assert_eq!(descriptors.pipes(), 10);
        assert_eq!(fill(&descriptors), 88, "an eighth of 100 is left to instances");
        let slots: Vec<_> = std::iter::from_fn(|| descriptors.for_instance()).collect();
        assert_eq!(slots.len(), 12);
        descriptors.client_left();
        assert!(descriptors.has_room_for_client());
        let budget = descriptors.budget();
        assert_eq!((budget.clients, budget.instances), (87, 12));
        assert_eq!(budget.allowed + budget.pipes + budget.reserve, budget.limit);
        drop(slots);
        (0..87).for_each(|_| descriptors.client_left());
        let slots: Vec<_> = std::iter::from_fn(|| descriptors.for_instance()).collect();
        assert_eq!(slots.len(), 88, "and an eighth to clients");
        assert_eq!(fill(&descriptors), 12);
    }

    #[test]
    fn of_many_no_more_are_left_than_are_needed() {
        let descriptors = Descriptors::new(100_000);
        assert_eq!(descriptors.allowed, 100_000 - 12_500 - RESERVE);
        assert!(Descriptors::new(usize::MAX).allowed > usize::MAX / 2);
    }
}
