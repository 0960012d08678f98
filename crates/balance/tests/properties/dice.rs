//! Chance that can be replayed.

use std::ops::Range;

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.roll() % (range.end - range.start)
    }

    /// Whether something happens that happens `per_mille` times out of a thousand.
    pub(crate) fn happens(&mut self, per_mille: u64) -> bool {
        self.within(0..1_000) < per_mille
    }

    pub(crate) fn choose<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[self.within(0..N as u64) as usize]
    }

    pub(crate) fn one_of<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        (!of.is_empty()).then(|| &of[self.within(0..of.len() as u64) as usize])
    }
}

/// Runs `simulate` with the seed that `PLIMSOLL_SEED` names, or with `count` of them.
pub(crate) fn for_each_seed(count: u64, simulate: impl Fn(Dice)) {
    let seeds = match std::env::var("PLIMSOLL_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("PLIMSOLL_SEED is a number");
            seed..=seed
        }
        Err(_) => 0..=count - 1,
    };
    for seed in seeds {
        let _replay = Replay(seed);
        simulate(Dice::new(seed));
    }
}

/// Tells the seed when a simulation fails.
struct Replay(u64);

impl Drop for Replay {
    #[expect(clippy::print_stderr, reason = "part of a failing test's output")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with PLIMSOLL_SEED={}", self.0);
        }
    }
}
