//! Names in the environment: those that must be there, and those that were.

use std::collections::BTreeSet;

use super::Obstacle;
use crate::env_file::EnvFile;
use crate::environment::Environment;

/// What is missing or blank of `secrets`, with names that may have been meant, of the environment and
/// of those that are `known` besides.
pub(super) fn secrets(
    environment: &Environment,
    known: &[String],
    secrets: &[String],
) -> Vec<Obstacle> {
    let check = |name: &String| match environment.get(name) {
        Some(_) if environment.says(name) => None,
        Some(_) => Some(Obstacle::SecretBlank { name: name.clone() }),
        None => {
            let all: BTreeSet<_> =
                environment.names().chain(known.iter().map(String::as_str)).collect();
            let near = suggest::near(name, all);
            Some(Obstacle::SecretMissing { name: name.clone(), near })
        }
    };
    secrets.iter().filter_map(check).collect()
}

/// The names that were given to the running release and the new one lacks, each with those that may
/// have taken its place; `but` those of which nothing is to be said.
pub(super) fn lost(
    running: &BTreeSet<String>,
    new: &Environment,
    but: impl Fn(&String) -> bool,
) -> Vec<Obstacle> {
    let is_lost = |name: &&String| new.get(name).is_none() && !but(name);
    let fresh = || new.names().filter(|name| !running.contains(*name));
    let fault = |name: &String| Obstacle::NameLost {
        name: name.clone(),
        near: suggest::near(name, fresh()),
    };
    running.iter().filter(is_lost).map(fault).collect()
}

/// The names that a service gives to its instances, beside what Plimsoll itself was given.
pub(super) fn given<'a>(
    secrets: &'a [String],
    file: Option<&'a EnvFile>,
    env: impl Iterator<Item = &'a String>,
) -> BTreeSet<String> {
    let of_file = file.into_iter().flat_map(EnvFile::entries).map(|(name, _)| name);
    secrets.iter().chain(of_file).chain(env).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_gone_is_told_with_what_may_have_replaced_it() {
        let running = ["PATH", "DB_URL", "OLD", "MEANT"].map(str::to_owned).into();
        let new = [("PATH", "x"), ("DB_URI", "x")].into_iter().collect();
        let told: Vec<_> =
            lost(&running, &new, |name| name == "MEANT").iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "the running release was given `DB_URL`, and the new one is not; there is `DB_URI` \
                 (--without DB_URL if that is meant)",
                "the running release was given `OLD`, and the new one is not \
                 (--without OLD if that is meant)",
            ]
        );
    }
}
