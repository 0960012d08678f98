//! Where the keys of a configuration stand, whatever else is wrong in it, and whichever of its files they are in: for
//! what is found out elsewhere, as of a program that a machine lacks.

use std::collections::BTreeMap;

use toml::de::DeTable;

use crate::faults::Faults;
use crate::place::Place;

/// How deep keys are known: a table's kind, its name, its key, and a key in that.
const DEPTH_MAX: usize = 4;

/// Where keys stand. What is in a list has no key, and no place here.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<Vec<String>, Place>);

impl Places {
    /// The place of the value at `keys`, from the outermost table inwards; where it is not there, of the nearest table
    /// around it that is.
    pub fn nearest(&self, keys: &[&str]) -> Option<&Place> {
        let path: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        (1..=path.len()).rev().find_map(|length| self.0.get(&path[..length]))
    }
}

/// Those of what is in `root`, as far as it can be read.
pub(crate) fn of(root: &DeTable<'_>, faults: &Faults<'_>) -> Places {
    let mut places = Places::default();
    walk(root, faults, &mut Vec::new(), &mut places);
    places
}

fn walk(table: &DeTable<'_>, faults: &Faults<'_>, above: &mut Vec<String>, places: &mut Places) {
    for (key, value) in table {
        above.push(key.get_ref().to_string());
        places.0.insert(above.clone(), faults.sources().place(value.span()));
        if let (Some(below), true) = (value.get_ref().as_table(), above.len() < DEPTH_MAX) {
            walk(below, faults, above, places);
        }
        above.pop();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{Environment, places};

    #[test]
    fn keys_are_found_in_the_file_that_has_them_whatever_else_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let whole = "include = [\"b.toml\"]\n[services.api]\n  command = \"a\"\nbnid = 3\n";
        fs::write(dir.path().join("a.toml"), whole).unwrap();
        fs::write(dir.path().join("b.toml"), "[services.b]\n\nenv = { A = \"1\" }\n").unwrap();
        let places = places(&dir.path().join("a.toml"), &Environment::of_process());
        let found = |keys: &[&str]| {
            let place = places.nearest(keys)?;
            Some((place.file.rsplit('/').next()?.to_owned(), place.line, place.column))
        };
        let at = |file: &str, line, column| Some((file.to_owned(), line, column));
        assert_eq!(found(&["services", "api", "command"]), at("a.toml", 3, 13));
        assert_eq!(found(&["services", "b", "env", "A"]), at("b.toml", 3, 13));
        assert_eq!(found(&["services", "api", "user"]).map(|it| it.1), Some(2));
        assert_eq!(found(&["listeners", "web"]), None);
    }
}
