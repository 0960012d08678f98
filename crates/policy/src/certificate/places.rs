//! Patterns with places that take any number of items, compared without going back: in as many steps as pattern and text are long together,
//! however the text was chosen.

/// What a place of a pattern takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Exactly one item.
    One,
    /// Any number of them, and none as well.
    Many,
}

/// Whether `pattern` fits all of `items`: how many a place takes says `takes`, and whether it takes one `fits`.
pub(super) fn fit<P, T>(
    pattern: &[P],
    items: impl IntoIterator<Item = T>,
    takes: impl Fn(&P) -> Takes,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    // At `n`: whether the first `n` places fit what has come so far.
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    skip(pattern, &mut reached, &takes);
    for item in items {
        let mut next = vec![false; pattern.len() + 1];
        for (at, place) in pattern.iter().enumerate() {
            if reached[at] && fits(place, &item) {
                match takes(place) {
                    Takes::One => next[at + 1] = true,
                    Takes::Many => next[at] = true,
                }
            }
        }
        skip(pattern, &mut next, &takes);
        reached = next;
    }
    reached[pattern.len()]
}

/// A place that takes any number has taken none at first.
fn skip<P>(pattern: &[P], reached: &mut [bool], takes: impl Fn(&P) -> Takes) {
    for (at, place) in pattern.iter().enumerate() {
        if reached[at] && takes(place) == Takes::Many {
            reached[at + 1] = true;
        }
    }
}
