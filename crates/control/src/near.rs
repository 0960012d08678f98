//! Names that may have been meant.

/// How many are offered.
const OFFERED_MAX: usize = 3;
/// How alike they must be, from 0 to 1 (Jaro and Winkler's measure).
const ALIKE_MIN: f64 = 0.7;

/// Those of `names` that are like `wanted`, the most like it first.
pub(crate) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    // The end of an address, as its port, is meant before anything that looks like it.
    let is_end =
        |name: &str| name.strip_suffix(wanted).is_some_and(|rest| rest.ends_with([':', '-']));
    let alike = |name: &'a str| (strsim::jaro_winkler(wanted, name), name);
    let mut alike: Vec<_> =
        names.map(alike).filter(|(measure, name)| *measure >= ALIKE_MIN || is_end(name)).collect();
    alike.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    alike.sort_by_key(|(_, name)| !is_end(name));
    alike.into_iter().take(OFFERED_MAX).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_come_first_and_strangers_not_at_all() {
        let names = ["api-old", "api", "mail"];
        assert_eq!(near("apii", names.into_iter()), ["api", "api-old"]);
        let addresses = ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:19002"];
        assert_eq!(near("9002", addresses.into_iter()), ["127.0.0.1:9002"]);
        assert!(near("zzz", names.into_iter()).is_empty());
    }
}
