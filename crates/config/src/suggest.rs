//! Which name was probably meant.

/// Longer names are not compared: nobody mistypes them, and comparing takes the product of the
/// lengths.
const LENGTH_MAX: usize = 64;

/// The candidate that `name` was probably meant to be: the nearest by Damerau-Levenshtein
/// distance, if no more than a third of the name is wrong, or one that is only shorter or longer.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = plain(name)?;
    let tolerance = (wanted.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&wanted, &plain(candidate)?, tolerance), candidate)))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many slips lie between `a` and `b`; no more than `tolerance` where one is the beginning of
/// the other. One letter is no slip of another letter.
fn distance(a: &str, b: &str, tolerance: usize) -> usize {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    if long.len() == 1 && a != b {
        return usize::MAX;
    }
    let slips = strsim::damerau_levenshtein(a, b);
    match short.len() >= 3 && long.starts_with(short) {
        true => slips.min(tolerance),
        false => slips,
    }
}

/// `name` in the form in which names are compared: case and the kind of dash are easily mixed up.
fn plain(name: &str) -> Option<String> {
    (name.len() <= LENGTH_MAX).then(|| name.to_lowercase().replace('-', "_"))
}

/// `names` for a message, in backquotes: all of a table's keys, and of so many that nobody reads them a few.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const ALL_MAX: usize = 40;
    const FEW: usize = 12;
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.len() {
        ..=ALL_MAX => names.join(", "),
        many => format!("{} and {} more", names[..FEW].join(", "), many - FEW),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_is_seen() {
        let keys = ["health", "balance", "max_connections", "to", "targets", "retry"];
        for (typed, meant) in [
            ("helth", Some("health")),
            ("haelth", Some("health")),
            ("Health", Some("health")),
            ("max-connections", Some("max_connections")),
            ("target", Some("targets")),
            ("health_url", Some("health")),
            ("bal", Some("balance")),
            ("retires", None),
            ("bananas", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, keys), meant, "{typed}");
        }
    }

    #[test]
    fn long_names_are_not_compared() {
        let long = "a".repeat(1 << 20);
        assert_eq!(nearest(&long, ["a"]), None);
    }
}
