//! What chance brings.

use fastrand::Rng;

/// How many come when `mean` are expected and they come independently (Poisson, by Knuth).
pub(crate) fn poisson(chance: &mut Rng, mean: f64) -> u64 {
    if mean > 50.0 {
        return (mean + deviate(chance) * mean.sqrt()).round().max(0.0) as u64;
    }
    let limit = (-mean).exp();
    let mut product = chance.f64();
    let mut count = 0;
    while product > limit {
        product *= chance.f64();
        count += 1;
    }
    count
}

/// A normal deviate (Box and Muller).
pub(crate) fn deviate(chance: &mut Rng) -> f64 {
    let (one, other) = (1.0 - chance.f64(), chance.f64());
    (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

/// At least 1, with a tail as heavy as `shape` is small (Pareto).
pub(crate) fn pareto(chance: &mut Rng, shape: f64) -> f64 {
    (1.0 - chance.f64()).powf(-1.0 / shape)
}

/// The upper end of the interval that has the real share with 95 % (one-sided; E. Wilson 1927).
pub(crate) fn upper_bound(hits: u64, of: u64) -> f64 {
    let (n, z) = (of as f64, 1.645);
    let share = hits as f64 / n;
    let middle = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    (middle + spread) / (1.0 + z * z / n)
}
