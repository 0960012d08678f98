//! The lives of a service's instances in a simulated world: programs that fail, hang, die and lose their
//! ports, drains that take long, word that comes late, deploys by the real machine, persons who change
//! their minds, and a Plimsoll that is killed and comes back. After every step the instances are held
//! against a shadow of what really runs. `INSTANCE_SEED=17` replays one run.

mod outside;
mod world;

use world::{Counts, World};

const SEEDS: u64 = 500;

#[test]
fn whatever_happens_what_is_wanted_runs_and_nothing_else() {
    if let Ok(seed) = std::env::var("INSTANCE_SEED") {
        println!("{:?}", World::new(seed.parse().expect("a number")).run());
        return;
    }
    let mut all = Counts::default();
    (0..SEEDS).for_each(|seed| all.add(&World::new(seed).run()));
    println!("{all:?} in {SEEDS} runs");
    // Otherwise the runs would be too calm to show anything.
    let Counts {
        restarts,
        crash_loops,
        stops,
        adopted,
        rejected,
        cancelled,
        deploys,
        forced,
        late,
    } = all;
    for count in [restarts, crash_loops, stops, adopted, rejected, cancelled, deploys, forced, late]
    {
        assert!(count > SEEDS / 2, "{all:?}");
    }
}
