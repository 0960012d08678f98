//! Choices by chance: one, or the lighter of two (Mitzenmacher, "The power of two choices in
//! randomized load balancing", 2001).
//!
//! A draw from the table is thrown away when it is no candidate; after a few of them one pass over
//! the candidates decides. Both ways give each candidate its weight among the candidates, so their
//! mixture does too.

use super::alias::AliasTable;
use super::{Candidate, Round, Slot};
use crate::field::Field;

/// Draws before the pass. With half of the instances out one in sixteen picks needs the pass.
const DRAWS: usize = 4;

/// One candidate, by weight.
#[inline]
pub(crate) fn one<F: Field>(
    round: &Round<'_, F>,
    slots: &[Slot],
    table: &AliasTable,
    entropy: &mut impl FnMut() -> u64,
) -> Option<usize> {
    Some(draw(round, slots, table, entropy, None)?.place)
}

/// The one with less load of two different candidates, each chosen by weight; the first when they
/// are equal, so that weights hold among the idle.
#[inline]
pub(crate) fn lighter_of_two<'s, F: Field, L: PartialOrd>(
    round: &Round<'_, F>,
    slots: &'s [Slot],
    table: &AliasTable,
    entropy: &mut impl FnMut() -> u64,
    load: impl Fn(&Candidate<'s>) -> L,
) -> Option<usize> {
    let first = draw(round, slots, table, entropy, None)?;
    match draw(round, slots, table, entropy, Some(first.place)) {
        Some(second) if load(&second) < load(&first) => Some(second.place),
        _ => Some(first.place),
    }
}

#[inline]
fn draw<'s, F: Field>(
    round: &Round<'_, F>,
    slots: &'s [Slot],
    table: &AliasTable,
    entropy: &mut impl FnMut() -> u64,
    except: Option<usize>,
) -> Option<Candidate<'s>> {
    if slots.is_empty() {
        return None;
    }
    for _ in 0..DRAWS {
        let place = table.place(entropy());
        if Some(place) == except {
            continue;
        }
        if let Some(candidate) = round.candidate(place, &slots[place])
            && counts(&candidate, entropy)
        {
            return Some(candidate);
        }
    }
    pass(round, slots, entropy, except)
}

/// The table knows whole weights: one that counts with a share of it is thrown away in proportion.
#[inline]
fn counts(candidate: &Candidate<'_>, entropy: &mut impl FnMut() -> u64) -> bool {
    let whole = candidate.whole_weight();
    candidate.weight == whole || below(entropy(), whole) < candidate.weight
}

/// One candidate by weight, in one pass: each replaces the one before with the probability that it
/// has among those seen so far (Chao, "A general purpose unequal probability sampling plan", 1982).
#[inline(never)]
fn pass<'s, F: Field>(
    round: &Round<'_, F>,
    slots: &'s [Slot],
    entropy: &mut impl FnMut() -> u64,
    except: Option<usize>,
) -> Option<Candidate<'s>> {
    let mut seen = 0;
    let mut chosen = None;
    for candidate in round.candidates(slots) {
        if Some(candidate.place) == except {
            continue;
        }
        seen += candidate.weight;
        if below(entropy(), seen) < candidate.weight {
            chosen = Some(candidate);
        }
    }
    chosen
}

/// A uniformly random number below `limit` (but for a bias below `limit` / 2^64).
#[inline]
fn below(random: u64, limit: u64) -> u64 {
    ((u128::from(random) * u128::from(limit)) >> 64) as u64
}
