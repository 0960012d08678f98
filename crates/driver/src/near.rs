//! Names that may have been meant.

/// How many are offered.
const OFFERED_MAX: usize = 3;
/// How alike they must be, from 0 to 1 (Jaro and Winkler's measure), cases and dashes aside.
const ALIKE_MIN: f64 = 0.85;

/// Those of `names` that are like `wanted`, the most like it first. `wanted` itself is none.
pub(crate) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let meant = plain(wanted);
    let mut alike: Vec<_> = names
        .filter(|name| *name != wanted)
        .map(|name| (strsim::jaro_winkler(&meant, &plain(name)), name))
        .filter(|(measure, _)| *measure >= ALIKE_MIN)
        .collect();
    alike.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    alike.dedup_by_key(|(_, name)| *name);
    alike.into_iter().take(OFFERED_MAX).map(|(_, name)| name.to_owned()).collect()
}

/// `names` as the end of a sentence, or nothing.
pub(crate) fn hint(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; there is `{}`", names.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_case_is_the_nearest_and_strangers_are_not_offered() {
        let names = ["PATH", "SMS_SECRET", "sms_access", "HOME"];
        assert_eq!(near("SMS_ACCESS", names.into_iter())[0], "sms_access");
        assert!(near("ZZZ", names.into_iter()).is_empty());
        assert!(near("PATH", names.into_iter()).is_empty(), "the name itself is no other");
    }
}
