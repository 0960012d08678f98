//! Which name was probably meant, and how it is offered: one measure for a key of the file, a service that a command
//! names, a program in PATH and a variable in the environment.
//!
//! It knows nothing of what the names are of. It never decides anything: what it finds is for a person to read.

/// Longer names are not compared: nobody mistypes them, and comparing takes the product of the
/// lengths.
const LENGTH_MAX: usize = 64;

/// How many are offered.
const OFFERED_MAX: usize = 3;

/// The candidate that `name` was probably meant to be: the nearest by Damerau-Levenshtein
/// distance, if no more than a third of the name is wrong, or one that is only shorter or longer.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = Wanted::new(name)?;
    let measured = candidates.into_iter().filter_map(|it| Some((wanted.distance(it)?, it)));
    measured.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Those of `names` that may have been meant, at most three, by the same measure: the nearest first, but before them those
/// that end in what was typed, as addresses end in a port. `wanted` itself is none.
pub fn near<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let Some(measure) = Wanted::new(wanted) else { return Vec::new() };
    let others = names.into_iter().filter(|name| *name != wanted);
    let rank = |name| match measure.is_end_of(name) {
        true => Some((Rank::End, 0)),
        false => measure.distance(name).map(|distance| (Rank::Alike, distance)),
    };
    let mut alike: Vec<_> = others.filter_map(|name| Some((rank(name)?, name))).collect();
    alike.sort_by_key(|(rank, _)| *rank);
    let mut offered = Vec::new();
    for (_, name) in alike {
        if offered.len() < OFFERED_MAX && !offered.iter().any(|it| it == name) {
            offered.push(name.to_owned());
        }
    }
    offered
}

/// `names` as the end of a sentence that says what is not there; nothing where there are none.
pub fn instead(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; there is `{}`", names.join("`, `")),
    }
}

/// `names` for a message, in backquotes: all of a table's keys, and of so many that nobody reads them a few.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const ALL_MAX: usize = 40;
    const FEW: usize = 12;
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.len() {
        ..=ALL_MAX => names.join(", "),
        many => format!("{} and {} more", names[..FEW].join(", "), many - FEW),
    }
}

/// Which come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    End,
    Alike,
}

/// A name as it was typed, and as it is compared.
struct Wanted<'a> {
    typed: &'a str,
    plain: String,
    /// How many slips it may be away.
    tolerance: usize,
}

impl<'a> Wanted<'a> {
    fn new(typed: &'a str) -> Option<Self> {
        let plain = plain(typed)?;
        let tolerance = (plain.chars().count() / 3).clamp(1, 3);
        Some(Self { typed, plain, tolerance })
    }

    /// How many slips away `candidate` is, if it may be meant.
    fn distance(&self, candidate: &str) -> Option<usize> {
        let distance = distance(&self.plain, &plain(candidate)?, self.tolerance);
        (distance <= self.tolerance).then_some(distance)
    }

    /// Whether `name` ends in it, behind what joins the parts of names: 127.0.0.1:9001, api-2.
    fn is_end_of(&self, name: &str) -> bool {
        let before = name.strip_suffix(self.typed);
        !self.typed.is_empty() && before.is_some_and(|before| before.ends_with([':', '-']))
    }
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
        assert_eq!(near("a", [long.as_str()]), [""; 0]);
    }

    #[test]
    fn the_most_alike_come_first_and_strangers_not_at_all() {
        for (typed, names, offered) in [
            ("apii", &["api-old", "mail", "api"][..], &["api"][..]),
            ("api", &["mail", "api-old"], &["api-old"]),
            ("9002", &["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:19002"], &["127.0.0.1:9002"]),
            ("2", &["api-1", "api-2"], &["api-2"]),
            ("pyhton3", &["python3", "python", "perl"], &["python3", "python"]),
            ("SMS_ACCESS", &["PATH", "SMS_SECRET", "sms_access", "HOME"], &["sms_access"]),
            ("PATH", &["PATH"], &[]),
            ("zzz", &["api-old", "api", "mail"], &[]),
            ("aaa", &["aab", "aac", "aab", "aad", "aae"], &["aab", "aac", "aad"]),
        ] {
            assert_eq!(near(typed, names.iter().copied()), offered, "{typed}");
        }
    }

    #[test]
    fn names_are_offered_in_words() {
        let names = ["a", "b"].map(str::to_owned);
        assert_eq!(instead(&names), "; there is `a`, `b`");
        assert_eq!(instead(&[]), "");
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert!(listed(std::iter::repeat_n("a", 41)).ends_with("`a` and 29 more"));
    }
}
