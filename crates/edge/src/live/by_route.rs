//! What became of an instance's attempts, by the route that they came by: a slot for each route of a service, and one
//! for the rest.
//!
//! A slot is a route's as long as it is served, known by its [`RouteId`] over reloads. Of one that is served no more a new
//! route may take the slot, with what was counted there: to tell them apart, look at what is added.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use model::{Generation, RouteId};

use crate::live::fate::{Assignment, FateCounters, Fates};

/// Routes of one service that are told apart.
pub const ROUTES_MAX: usize = 64;
/// Counters that are made together, 1.5 KiB of them.
const GROUP: usize = 8;
const GROUPS: usize = ROUTES_MAX / GROUP + 1;

/// Where a service's attempts by one route count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteSlot(u8);

impl RouteSlot {
    /// What has no slot of its own.
    pub const REST: Self = Self(ROUTES_MAX as u8);
}

/// The routes of a service that have slots, in the slots' order.
#[derive(Debug, Default)]
pub(crate) struct RouteSlots(Mutex<Vec<Held>>);

#[derive(Debug)]
struct Held {
    id: RouteId,
    name: Arc<str>,
    /// The last generation that served it.
    generation: Generation,
}

/// A route that has a slot.
#[derive(Clone, Debug)]
pub struct SlottedRoute {
    /// Where it counts.
    pub slot: RouteSlot,
    /// Which it is.
    pub id: RouteId,
    /// What people call it.
    pub name: Arc<str>,
}

impl RouteSlots {
    /// The slots of the `routes` that `generation` serves, in their order, each with what people call it.
    pub(crate) fn assign(
        &self,
        generation: Generation,
        routes: &[(RouteId, String)],
    ) -> Vec<RouteSlot> {
        let mut held = self.held();
        // Before any slot is given to another: none of those that stay may lose theirs.
        for (id, name) in routes {
            if let Some(known) = held.iter_mut().find(|known| known.id == *id) {
                known.generation = generation;
                if *known.name != **name {
                    known.name = name.as_str().into();
                }
            }
        }
        routes.iter().map(|(id, name)| assign(&mut held, generation, id, name)).collect()
    }

    /// Every route that has a slot.
    pub(crate) fn all(&self) -> Vec<SlottedRoute> {
        let route = |(slot, held): (usize, &Held)| SlottedRoute {
            slot: RouteSlot(slot as u8),
            id: held.id.clone(),
            name: held.name.clone(),
        };
        self.held().iter().enumerate().map(route).collect()
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn assign(held: &mut Vec<Held>, generation: Generation, id: &RouteId, name: &str) -> RouteSlot {
    if let Some(slot) = held.iter().position(|known| known.id == *id) {
        return RouteSlot(slot as u8);
    }
    let new = Held { id: id.clone(), name: name.into(), generation };
    if held.len() < ROUTES_MAX {
        held.push(new);
        return RouteSlot(held.len() as u8 - 1);
    }
    let unused = held.iter_mut().enumerate().filter(|(_, known)| known.generation != generation);
    match unused.min_by_key(|(_, known)| known.generation) {
        None => RouteSlot::REST,
        Some((slot, longest_unused)) => {
            *longest_unused = new;
            RouteSlot(slot as u8)
        }
    }
}

/// One worker's counts of one instance's attempts, made as routes are used.
#[derive(Debug, Default)]
pub(crate) struct RouteCounters([OnceLock<Box<[FateCounters; GROUP]>>; GROUPS]);

impl RouteCounters {
    /// Where attempts by the route of `slot` count.
    #[inline]
    pub(crate) fn of(&self, slot: RouteSlot) -> &FateCounters {
        let slot = usize::from(slot.0);
        &self.0[slot / GROUP].get_or_init(Box::default)[slot % GROUP]
    }

    /// What was counted, where that is anything.
    pub(crate) fn all(&self) -> impl Iterator<Item = (RouteSlot, Assignment, Fates)> {
        let groups = self.0.iter().enumerate().filter_map(|(at, group)| Some((at, group.get()?)));
        let counters = groups.flat_map(|(at, group)| {
            let slot = move |within| RouteSlot((at * GROUP + within) as u8);
            group.iter().enumerate().map(move |(within, counters)| (slot(within), counters))
        });
        let counts = counters
            .flat_map(|(slot, counters)| Assignment::ALL.map(|by| (slot, by, counters.of(by))));
        counts.filter(|(_, _, fates)| !fates.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use model::{HostMatch, Matcher};

    use super::*;
    use crate::live::fate::Fate;

    fn routes(numbers: std::ops::Range<usize>) -> Vec<(RouteId, String)> {
        let route = |number| {
            let hosts = vec![HostMatch::Exact(format!("{number}.example"))];
            let id = RouteId::of(&Matcher { hosts, ..Matcher::default() });
            (id, format!("route {number}"))
        };
        numbers.map(route).collect()
    }

    #[test]
    fn a_route_keeps_its_slot_whatever_its_place() {
        let slots = RouteSlots::default();
        let mut routes = routes(0..3);
        let before = slots.assign(Generation(1), &routes);
        routes.reverse();
        routes.remove(0);
        let after = slots.assign(Generation(2), &routes);
        assert_eq!(after, [before[1], before[0]]);
    }

    #[test]
    fn what_is_one_too_many_counts_with_the_rest_until_a_slot_is_free() {
        let slots = RouteSlots::default();
        let all = routes(0..ROUTES_MAX + 2);
        let first = slots.assign(Generation(1), &all);
        assert_eq!(first[ROUTES_MAX..], [RouteSlot::REST; 2]);
        let distinct: std::collections::BTreeSet<_> = first[..ROUTES_MAX].iter().collect();
        assert_eq!(distinct.len(), ROUTES_MAX);
        // One of the first is gone: one of the rest takes its slot, and all others keep theirs.
        let second = slots.assign(Generation(2), &all[1..]);
        assert_eq!(second[..ROUTES_MAX - 1], first[1..ROUTES_MAX]);
        assert_eq!(second[ROUTES_MAX - 1..], [first[0], RouteSlot::REST]);
        assert_eq!(&*slots.all()[usize::from(first[0].0)].name, "route 64");
    }

    #[test]
    fn counters_are_made_for_those_routes_that_are_used_and_tell_them_apart() {
        let counters = RouteCounters::default();
        counters.of(RouteSlot(9)).count(Assignment::Pinned, Fate::Failure);
        counters.of(RouteSlot::REST).count(Assignment::Drawn, Fate::Ok);
        assert_eq!(counters.0.iter().filter(|group| group.get().is_some()).count(), 2);
        let all: Vec<_> = counters.all().collect();
        let told = all
            .iter()
            .map(|(slot, by, fates)| (*slot, *by, fates.of(Fate::Ok), fates.of(Fate::Failure)));
        let expected =
            [(RouteSlot(9), Assignment::Pinned, 0, 1), (RouteSlot::REST, Assignment::Drawn, 1, 0)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn their_size_is_what_the_documents_say() {
        assert_eq!(size_of::<[FateCounters; GROUP]>(), 1536);
        assert!(size_of::<RouteCounters>() <= 144);
    }
}
