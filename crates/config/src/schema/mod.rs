//! What a description of a key is: the reader takes types, limits and defaults from it, and the JSON
//! Schema and the reference are written from it. The descriptions themselves stand in `tables`, each
//! beside what reads it.
//!
//! What a description cannot say (two keys that exclude each other, a service that must exist) is
//! the reader's. The tests in `conformance` see to it that every key that is described is read.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

#[cfg(test)]
mod conformance;
mod json;
mod reference;

pub use json::schema;
pub use reference::reference;

use crate::tables::ROOT;

/// A table of the file.
pub(crate) struct Table {
    /// Where it stands, as its header would say: `[listeners.NAME]`; empty for the file itself.
    pub(crate) header: &'static str,
    /// What it describes: "a listener".
    pub(crate) noun: &'static str,
    /// A few sentences for the reference.
    pub(crate) doc: &'static str,
    /// What may stand in it.
    pub(crate) keys: &'static [Key],
    /// Names that are taken, but do nothing yet.
    pub(crate) later: &'static [Later],
}

/// A key of a table.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) absent: Absent,
    /// A value as it could be written.
    pub(crate) example: &'static str,
    /// A sentence or two for the reference.
    pub(crate) doc: &'static str,
    /// What other programs, or other people, call it.
    pub(crate) aka: &'static [&'static str],
    /// What becomes of `${NAME}` in its value.
    pub(crate) variables: Variables,
    /// The keys beside it without any of which it says nothing; none where it needs none.
    pub(crate) needs: &'static [&'static str],
}

/// What becomes of `${NAME}` in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variables {
    /// It is a variable of Plimsoll's environment.
    Substituted,
    /// It stays as it is, for the value has variables of its own.
    Kept,
}

/// A name that is taken, but does nothing yet. Whoever builds it deletes its row.
pub(crate) struct Later {
    pub(crate) name: &'static str,
    /// What it will be for, as in "instances that Plimsoll runs itself".
    pub(crate) what: &'static str,
}

/// The bounds of a number that has none.
pub(crate) const ANY_NUMBER: RangeInclusive<f64> = f64::MIN..=f64::MAX;

/// What kind of value a key takes.
pub(crate) enum Shape {
    Flag,
    Count(RangeInclusive<u64>),
    Number(RangeInclusive<f64>),
    Text(&'static Format),
    /// One of these; of the second list nothing works yet.
    Word(&'static [&'static str], &'static [Later]),
    Duration(RangeInclusive<Duration>),
    Size(RangeInclusive<u64>),
    /// A size, or `"unlimited"`.
    SizeOrUnlimited,
    Share,
    List {
        of: &'static Shape,
        empty: Empty,
    },
    /// A table whose keys are made up by the user; `names` is what they name, in capitals.
    Names {
        names: &'static str,
        of: &'static Shape,
    },
    Table(&'static Table),
    /// A table with the keys of another one, none of which must be there.
    Defaults {
        of: &'static Table,
        /// Those that it does not have.
        but: &'static [&'static str],
    },
    /// One of these, told apart by the type of TOML.
    Either(&'static [Shape]),
}

/// Whether a list may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    Allowed,
    Refused,
}

/// A text that must have a form of its own.
pub(crate) struct Format {
    /// "an IP address with a port".
    pub(crate) noun: &'static str,
    /// A regular expression (ECMA 262) that holds for all of them, for editors.
    pub(crate) pattern: Option<&'static str>,
}

/// What it means that a key is absent.
pub(crate) enum Absent {
    /// A fault.
    Fault,
    /// Something that no value says.
    Means(&'static str),
    /// The same as this text.
    Text(&'static str),
    /// The same as this number.
    Count(u64),
    /// The same as this.
    Flag(bool),
    /// The same as a list of these.
    Texts(&'static [&'static str]),
    /// The defaults of the keys in the table.
    Inner,
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The keys to which `key` gives something to say.
    pub(crate) fn keys_that_need(&self, key: &str) -> impl Iterator<Item = &'static str> {
        self.keys.iter().filter(move |it| it.needs.contains(&key)).map(|it| it.name)
    }

    pub(crate) fn later(&self, name: &str) -> Option<&'static Later> {
        self.later.iter().find(|later| later.name == name)
    }
}

impl Key {
    pub(crate) const fn new(
        name: &'static str,
        shape: Shape,
        absent: Absent,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        let variables = Variables::Substituted;
        Self { name, shape, absent, example, doc, aka: &[], variables, needs: &[] }
    }

    /// The key, whose value has variables of its own.
    pub(crate) const fn verbatim(self) -> Self {
        Self { variables: Variables::Kept, ..self }
    }

    /// The key, which says nothing where none of `keys` is beside it.
    pub(crate) const fn needs(self, keys: &'static [&'static str]) -> Self {
        Self { needs: keys, ..self }
    }

    /// The key, which others call by these names.
    pub(crate) const fn aka(self, aka: &'static [&'static str]) -> Self {
        Self { aka, ..self }
    }
}

impl Shape {
    /// The tables in it.
    pub(crate) fn tables(&'static self) -> Vec<&'static Table> {
        match self {
            Self::Table(table) => vec![table],
            Self::List { of, .. } | Self::Names { of, .. } => of.tables(),
            Self::Either(shapes) => shapes.iter().flat_map(Self::tables).collect(),
            _ => Vec::new(),
        }
    }

    /// The alternative that a table is.
    pub(crate) fn of_table(&'static self) -> Option<&'static Shape> {
        match self {
            Self::Table(_) | Self::Names { .. } | Self::Defaults { .. } => Some(self),
            Self::Either(shapes) => shapes.iter().find_map(Self::of_table),
            _ => None,
        }
    }

    /// What the items of a list are.
    pub(crate) fn of_items(&'static self) -> Option<&'static Shape> {
        match self {
            Self::List { of, .. } => Some(of),
            Self::Either(shapes) => shapes.iter().find_map(Self::of_items),
            _ => None,
        }
    }

    /// Whether one of its alternatives `is` so.
    pub(crate) fn has(&self, is: fn(&Self) -> bool) -> bool {
        match self {
            Self::Either(shapes) => shapes.iter().any(|shape| shape.has(is)),
            shape => is(shape),
        }
    }

    /// Whether values of this type of TOML can be of this shape.
    pub(crate) fn takes(&self, value: &DeValue<'_>) -> bool {
        match (self, value) {
            (Self::Flag, DeValue::Boolean(_))
            | (Self::Count(_), DeValue::Integer(_))
            | (Self::Number(_), DeValue::Integer(_) | DeValue::Float(_))
            | (Self::List { .. }, DeValue::Array(_))
            | (Self::Names { .. } | Self::Table(_) | Self::Defaults { .. }, DeValue::Table(_)) => {
                true
            }
            (
                Self::Text(_)
                | Self::Word(..)
                | Self::Duration(_)
                | Self::Size(_)
                | Self::SizeOrUnlimited
                | Self::Share,
                DeValue::String(_),
            ) => true,
            (Self::Either(shapes), value) => shapes.iter().any(|shape| shape.takes(value)),
            _ => false,
        }
    }

    /// What a value of this shape is, in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Count(range) => format!("a whole number{}", between(range)),
            Self::Number(range) if *range == ANY_NUMBER => "a number".to_owned(),
            Self::Number(range) => format!("a number{}", between(range)),
            Self::Text(format) => format.noun.to_owned(),
            Self::Word(words, _) => either(words.iter().map(|word| format!("\"{word}\""))),
            Self::Duration(_) => "a duration such as \"30s\"".to_owned(),
            Self::Size(_) => "a size such as \"10MiB\"".to_owned(),
            Self::SizeOrUnlimited => "a size such as \"10MiB\", or \"unlimited\"".to_owned(),
            Self::Share => "a share such as \"25%\"".to_owned(),
            Self::List { of, .. } => format!("a list, each {}", of.describe()),
            Self::Names { names, .. } => {
                format!("a table with a {} as each key", names.to_lowercase())
            }
            Self::Table(table) | Self::Defaults { of: table, .. } => {
                format!("a table with the keys of {}", table.noun)
            }
            Self::Either(shapes) => either(shapes.iter().map(Self::describe)),
        }
    }
}

/// The words of `shape` that do nothing yet.
fn words_later(shape: &Shape) -> &'static [Later] {
    match shape {
        Shape::Word(_, later) => later,
        Shape::List { of, .. } => words_later(of),
        _ => &[],
    }
}

fn between<T: std::fmt::Display>(range: &RangeInclusive<T>) -> String {
    format!(" from {} to {}", range.start(), range.end())
}

fn either(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

/// The table that is the whole file, and every table below it, each once, in their order.
pub(crate) fn tables() -> Vec<&'static Table> {
    fn collect(table: &'static Table, found: &mut Vec<&'static Table>) {
        if found.iter().any(|other| std::ptr::eq(*other, table)) {
            return;
        }
        found.push(table);
        for inner in table.keys.iter().flat_map(|key| key.shape.tables()) {
            collect(inner, found);
        }
    }
    let mut found = Vec::new();
    collect(&ROOT, &mut found);
    found
}

const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Any time that makes sense to wait for; nothing can be waited for in no time at all.
pub(crate) const TIMEOUT: Shape = Shape::Duration(MILLISECOND..=Duration::from_secs(365 * 86_400));

/// The weight of a target or of a route's share.
pub(crate) const WEIGHT: Shape = Shape::Count(0..=65_535);

pub(crate) const ADDRESS: Format =
    Format { noun: "an IP address with a port", pattern: Some(r":[0-9]+$") };
pub(crate) const NETWORK: Format =
    Format { noun: "a network such as \"10.0.0.0/8\", or an address", pattern: None };
pub(crate) const METHOD: Format =
    Format { noun: "a method such as \"GET\"", pattern: Some("^[!#-'*+.0-9A-Z^-z|~-]+$") };
pub(crate) const HEADER_NAME: Format =
    Format { noun: "a header's name", pattern: Some("^[!#-'*+.0-9A-Z^-z|~-]+$") };
pub(crate) const HEADER_VALUE: Format = Format { noun: "a header's value", pattern: None };
pub(crate) const AUTHORITY: Format =
    Format { noun: "a host, with a port if need be", pattern: None };
pub(crate) const FILE: Format = Format { noun: "the path of a file", pattern: None };
pub(crate) const TEXT: Format = Format { noun: "a text", pattern: None };
pub(crate) const VARIABLE: Format = Format {
    noun: "the name of an environment variable",
    pattern: Some("^[A-Za-z_][A-Za-z0-9_]*$"),
};
