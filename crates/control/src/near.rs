//! Names that may have been meant.

/// How many are offered.
const OFFERED_MAX: usize = 3;
/// How alike they must be, from 0 to 1 (Jaro and Winkler's measure).
const ALIKE_MIN: f64 = 0.7;

/// Those of `names` that are like `wanted`, the most like it first.
pub(crate) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let alike = |name: &'a str| (strsim::jaro_winkler(wanted, name), name);
    let mut alike: Vec<_> = names.map(alike).filter(|(measure, _)| *measure >= ALIKE_MIN).collect();
    alike.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    alike.into_iter().take(OFFERED_MAX).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_come_first_and_strangers_not_at_all() {
        let names = ["api-old", "api", "mail"];
        assert_eq!(near("apii", names.into_iter()), ["api", "api-old"]);
        assert!(near("zzz", names.into_iter()).is_empty());
    }
}
