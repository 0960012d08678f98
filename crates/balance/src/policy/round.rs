//! Who may be chosen in one pick.

use crate::eligibility::Eligibility;
use crate::field::Field;
use crate::slow_start::WeightShare;

/// A member that can be chosen at all: its weight is not 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// Its place in the field.
    pub(crate) index: usize,
    /// Its identity.
    pub(crate) id: u64,
    /// Its weight.
    pub(crate) weight: u32,
}

/// A slot that may be chosen now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    /// Its place among the slots.
    pub(crate) place: usize,
    /// The slot.
    pub(crate) slot: &'a Slot,
    /// Its weight times its share of it: in 1024ths, never 0, below 2^42.
    pub(crate) weight: u64,
}

impl Candidate<'_> {
    /// Its weight if it counted with all of it: in 1024ths.
    #[inline]
    pub(crate) fn whole_weight(&self) -> u64 {
        u64::from(self.slot.weight) * u64::from(WeightShare::FULL.parts())
    }
}

/// Which instances are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The healthy.
    Healthy,
    /// Whoever serves in panic.
    Panic,
}

impl Door {
    #[inline]
    fn admits(self, eligibility: Eligibility) -> bool {
        match self {
            Self::Healthy => eligibility == Eligibility::Healthy,
            Self::Panic => eligibility.serves_in_panic(),
        }
    }
}

/// One pick: what is observed, and what the request tried before.
#[derive(Debug)]
pub(crate) struct Round<'a, F> {
    pub(crate) field: &'a F,
    pub(crate) tried: &'a [usize],
    pub(crate) door: Door,
}

impl<F: Field> Round<'_, F> {
    /// Whether its eligibility lets the slot in, be it full or tried.
    #[inline]
    pub(crate) fn admits(&self, slot: &Slot) -> bool {
        self.door.admits(self.field.eligibility(slot.index))
    }

    /// Whether the request went to the slot before.
    #[inline]
    pub(crate) fn has_tried(&self, slot: &Slot) -> bool {
        !self.tried.is_empty() && self.tried.contains(&slot.index)
    }

    /// The slot at `place`, if it may be chosen.
    // Called from many places, in loops that it is most of: left to itself the compiler calls it.
    #[inline(always)]
    pub(crate) fn candidate<'s>(&self, place: usize, slot: &'s Slot) -> Option<Candidate<'s>> {
        let open = self.admits(slot) && !self.has_tried(slot) && !self.field.is_full(slot.index);
        open.then(|| {
            let share = self.field.share(slot.index);
            let weight = u64::from(slot.weight) * u64::from(share.parts());
            Candidate { place, slot, weight }
        })
    }

    /// The slots that may be chosen.
    #[inline]
    pub(crate) fn candidates<'s>(&self, slots: &'s [Slot]) -> impl Iterator<Item = Candidate<'s>> {
        slots.iter().enumerate().filter_map(|(place, slot)| self.candidate(place, slot))
    }
}
