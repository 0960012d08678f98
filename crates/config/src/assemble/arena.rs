//! Texts that live as long as the tree that borrows them.

use std::cell::{Cell, OnceCell};

/// How many chunks there are; each is twice as large as the one before. A configuration, of at most
/// 64 MiB, has fewer texts than fit into these.
const CHUNKS: usize = 32;

/// Grows only, and never moves a text that it has handed out.
#[derive(Default)]
pub(crate) struct Arena {
    chunks: [OnceCell<Vec<OnceCell<String>>>; CHUNKS],
    count: Cell<usize>,
}

impl Arena {
    /// Keeps `text`.
    pub(crate) fn keep(&self, text: String) -> &str {
        let index = self.count.get();
        self.count.set(index + 1);
        // Chunk n holds 2^n texts, and before it are as many less one.
        let chunk = (index + 1).ilog2() as usize;
        let size = 1_usize << chunk;
        let empty = || std::iter::repeat_with(OnceCell::new).take(size).collect();
        let cells = self.chunks[chunk].get_or_init(empty);
        cells[index + 1 - size].get_or_init(|| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_stays_what_it_was() {
        let arena = Arena::default();
        let kept: Vec<&str> = (0..1000).map(|n| arena.keep(format!("text {n}"))).collect();
        for (n, text) in kept.into_iter().enumerate() {
            assert_eq!(text, format!("text {n}"));
        }
    }
}
