//! What is observed or remembered, by identity: kept from one publication to the next as long as what is served refers to
//! it, and forgotten with it. A shelf is asked when something is published, and never on a request's way: what a
//! request needs of it stands in the snapshot.

use std::hash::Hash;
use std::sync::Arc;

use model::Generation;
use rustc_hash::FxHashMap;

/// What is kept of one kind, by its identity.
pub(crate) struct Shelf<Id, T>(FxHashMap<Id, Kept<T>>);

struct Kept<T> {
    live: Arc<T>,
    /// The last generation that referred to it, or was to.
    generation: Generation,
}

impl<Id, T> Default for Shelf<Id, T> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<Id: Eq + Hash, T> Shelf<Id, T> {
    /// What is kept under `id`, to which `generation` refers; `new` where nothing is.
    pub(crate) fn take(
        &mut self,
        id: Id,
        generation: Generation,
        new: impl FnOnce() -> T,
    ) -> Arc<T> {
        let kept = self.0.entry(id).or_insert_with(|| Kept { live: Arc::new(new()), generation });
        kept.generation = generation;
        kept.live.clone()
    }

    /// Forgets what `generation`, which is served now, does not refer to, unless it is in use all the same.
    pub(crate) fn forget(&mut self, generation: Generation, is_in_use: impl Fn(&T) -> bool) {
        self.0.retain(|_, kept| kept.generation == generation || is_in_use(&kept.live));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_is_served_is_kept_and_what_is_not_is_forgotten_once_nobody_uses_it() {
        let mut shelf = Shelf::<&str, Cell<u32>>::default();
        let put = |shelf: &mut Shelf<_, Cell<u32>>, id, generation, count| {
            shelf.take(id, Generation(generation), Cell::default).set(count);
        };
        put(&mut shelf, "stays", 1, 7);
        put(&mut shelf, "goes", 1, 8);
        put(&mut shelf, "is busy", 1, 9);
        // The second was not published, and leaves nothing behind.
        put(&mut shelf, "was only meant", 2, 1);
        put(&mut shelf, "stays", 2, 7);
        shelf.forget(Generation(2), |count| count.get() == 9);
        let ids = |shelf: &Shelf<&'static str, Cell<u32>>| {
            let mut ids: Vec<_> = shelf.0.keys().copied().collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(ids(&shelf), ["is busy", "stays", "was only meant"]);
        assert_eq!(shelf.take("stays", Generation(3), Cell::default).get(), 7);
        assert_eq!(shelf.take("goes", Generation(3), Cell::default).get(), 0, "it is another");
        shelf.forget(Generation(3), |_| false);
        assert_eq!(ids(&shelf), ["goes", "stays"]);
    }
}
