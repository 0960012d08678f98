//! Where the parts of a file stand in it. A fault elsewhere in the file hides none of them.

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place; both begin with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A file's text, to be looked for places in.
pub(super) struct Places {
    text: String,
}

impl Places {
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// Where the value at `path` stands, or of it as much as the file has; none where it has nothing of it.
    pub(super) fn find(&self, path: &[&str]) -> Option<Place> {
        let (root, _) = DeTable::parse_recoverable(&self.text);
        let mut table: Option<&DeTable<'_>> = Some(root.get_ref());
        let mut found = None;
        for key in path {
            let Some(value) = table.and_then(|table| table.get(*key)) else { break };
            found = Some(value.span().start);
            table = below(value);
        }
        found.map(|byte| self.place(byte))
    }

    fn place(&self, byte: usize) -> Place {
        let before = self.text.get(..byte).unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place { line: before.matches('\n').count() + 1, column }
    }
}

fn below<'a, 'v>(value: &'a Spanned<DeValue<'v>>) -> Option<&'a DeTable<'v>> {
    value.get_ref().as_table()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_part_that_is_there_is_the_place() {
        let places = Places::of(
            "[services.api]\n  command = \"a\"\nx = = 3\n[services.b]\nenv = { A = 1 }\n",
        );
        let line = |path: &[&str]| places.find(path).map(|it| (it.line, it.column));
        assert_eq!(line(&["services", "api", "command"]), Some((2, 13)));
        assert_eq!(line(&["services", "b", "env", "A"]), Some((5, 13)));
        assert_eq!(line(&["services", "api", "user"]).map(|(line, _)| line), Some(1));
        assert_eq!(line(&["listeners", "web"]), None);
    }
}
