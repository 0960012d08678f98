//! Properties that hold for all inputs, and machines under seeded simulation.
//!
//! `PLIMSOLL_SEED` replays one seed of the simulations.

mod access;
mod budget;
mod dice;
mod ejection;
mod fleet;
mod hashing;
mod health;
mod spreading;
