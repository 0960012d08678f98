//! Who waits for something that is scarce, in a fair order: each client has a line of its own, and the lines take turns.
//!
//! One client that asks a thousand times waits for itself. Where there is no room for one more, the client that waits for most
//! gives way.

use std::collections::{BTreeMap, VecDeque};

/// What waits, by client.
#[derive(Debug)]
pub(super) struct Line<K, T> {
    lines: BTreeMap<K, VecDeque<T>>,
    /// Each client that has a line, once: the first is next.
    turns: VecDeque<K>,
    count: usize,
    room: usize,
}

impl<K: Copy + Ord, T> Line<K, T> {
    /// One that has room for so many, over all clients.
    pub(super) fn new(room: usize) -> Self {
        Self { lines: BTreeMap::new(), turns: VecDeque::new(), count: 0, room }
    }

    /// Joins as the last of `client`'s.
    ///
    /// # Errors
    /// With what has to go, where there is no room: `item` itself, or the last of another client that has more than this
    /// one would have.
    pub(super) fn join(&mut self, client: K, item: T) -> Result<(), T> {
        let gone = if self.count < self.room { None } else { Some(self.give_way(client)) };
        let gone = match gone {
            None => None,
            Some(None) => return Err(item),
            Some(gone) => gone,
        };
        let line = self.lines.entry(client).or_default();
        if line.is_empty() {
            self.turns.push_back(client);
        }
        line.push_back(item);
        self.count += 1;
        gone.map_or(Ok(()), Err)
    }

    /// Takes the last of the client that has most away, if that has more than `client` would have with one more.
    fn give_way(&mut self, client: K) -> Option<T> {
        let mine = self.lines.get(&client).map_or(0, VecDeque::len);
        let (&most, line) = self.lines.iter_mut().max_by_key(|(_, line)| line.len())?;
        if line.len() <= mine + 1 {
            return None;
        }
        let gone = line.pop_back()?;
        self.count -= 1;
        debug_assert!(self.lines[&most].len() > mine, "it is not empty: its turn stays");
        Some(gone)
    }

    /// The next, whose client has its turn.
    pub(super) fn next(&mut self) -> Option<T> {
        let client = self.turns.pop_front()?;
        let line = self.lines.get_mut(&client)?;
        let item = line.pop_front()?;
        self.count -= 1;
        match line.is_empty() {
            true => drop(self.lines.remove(&client)),
            false => self.turns.push_back(client),
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clients_take_turns_however_many_one_has() {
        let mut line = Line::new(10);
        for item in 0..5 {
            line.join('a', ('a', item)).unwrap();
        }
        line.join('b', ('b', 0)).unwrap();
        line.join('c', ('c', 0)).unwrap();
        let order: Vec<_> = std::iter::from_fn(|| line.next()).collect();
        assert_eq!(order, [('a', 0), ('b', 0), ('c', 0), ('a', 1), ('a', 2), ('a', 3), ('a', 4)]);
        line.join('a', ('a', 9)).unwrap();
        assert_eq!(line.next(), Some(('a', 9)), "its turn comes again");
    }

    #[test]
    fn who_has_most_gives_way_and_nobody_else() {
        let mut line = Line::new(4);
        for item in 0..4 {
            line.join('a', ('a', item)).unwrap();
        }
        assert_eq!(line.join('a', ('a', 4)), Err(('a', 4)), "it has most itself");
        assert_eq!(line.join('b', ('b', 0)), Err(('a', 3)));
        assert_eq!(line.join('b', ('b', 1)), Err(('a', 2)));
        assert_eq!(line.join('b', ('b', 2)), Err(('b', 2)), "both have two");
        assert_eq!(line.join('c', ('c', 0)), Err(('b', 1)), "the last of those with as many");
        let order: Vec<_> = std::iter::from_fn(|| line.next()).collect();
        assert_eq!(order, [('a', 0), ('b', 0), ('c', 0), ('a', 1)]);
    }

    proptest! {
        /// Whatever comes in whatever order: nothing is lost, and there are never more than there is room for.
        #[test]
        fn each_is_served_or_given_back_once(steps in prop::collection::vec((0..5u8, any::<bool>()), 0..200)) {
            let mut line = Line::new(7);
            let (mut inside, mut seen) = (0usize, Vec::new());
            for (item, (client, is_join)) in steps.into_iter().enumerate() {
                if is_join {
                    inside += 1;
                    if let Err(gone) = line.join(client, item) {
                        inside -= 1;
                        seen.push(gone);
                    }
                } else if let Some(item) = line.next() {
                    inside -= 1;
                    seen.push(item);
                }
                prop_assert!(inside <= 7 && line.count == inside);
                prop_assert_eq!(line.turns.len(), line.lines.len());
            }
            let rest: Vec<_> = std::iter::from_fn(|| line.next()).collect();
            prop_assert_eq!(rest.len(), inside);
            let before = seen.len() + rest.len();
            seen.extend(rest);
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), before);
        }
    }
}
