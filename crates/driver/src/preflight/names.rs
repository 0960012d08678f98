//! Names in the environment: those that must be there, and those that were.

use std::collections::BTreeSet;

use super::Fault;
use crate::environment::Environment;
use crate::near::near;

/// What is missing or blank of `secrets`, with names that may have been meant.
pub(super) fn secrets(environment: &Environment, secrets: &[String]) -> Vec<Fault> {
    let check = |name: &String| match environment.get(name) {
        Some(_) if environment.says(name) => None,
        Some(_) => Some(Fault::SecretBlank { name: name.clone() }),
        None => {
            let near = near(name, environment.names());
            Some(Fault::SecretMissing { name: name.clone(), near })
        }
    };
    secrets.iter().filter_map(check).collect()
}

/// The names that the running release has and the new one lacks, each with those that may have
/// taken its place.
pub fn lost(running: &BTreeSet<String>, new: &Environment) -> Vec<(String, Vec<String>)> {
    let is_lost = |name: &&String| new.get(name).is_none();
    let fresh = || new.names().filter(|name| !running.contains(*name));
    running.iter().filter(is_lost).map(|name| (name.clone(), near(name, fresh()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_gone_is_told_with_what_may_have_replaced_it() {
        let running = ["PATH", "DB_URL", "OLD"].map(str::to_owned).into();
        let new = [("PATH", "x"), ("DB_URI", "x")].into_iter().collect();
        let expected = [("DB_URL", vec!["DB_URI".to_owned()]), ("OLD", vec![])];
        assert_eq!(lost(&running, &new), expected.map(|(name, near)| (name.to_owned(), near)));
    }
}
