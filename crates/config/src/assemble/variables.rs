//! `${NAME}` and `${NAME:-default}` in the values of a configuration.
//!
//! Only `${` begins a variable, and `$${` is `${` itself; a `$` elsewhere is a `$`. A default, which
//! ends at the first `}`, is taken where the variable is not set or empty. What a variable holds is
//! taken as it is: it is not looked at for variables again, and is never read as TOML. Values of keys
//! that are `verbatim`, which have variables of their own, stay as they are, and so do names.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::arena::Arena;
use crate::diagnostic::Code;
use crate::environment::Environment;
use crate::faults::{Faults, Flaw, Spot};
use crate::marks::{State, Substituted};
use crate::schema::{Shape, Variables};
use crate::tables::ROOT;
use crate::trail::Trail;
use crate::value::{secret, url};

/// What all values together may hold once variables are in them, in bytes: a variable that is named
/// often must not fill the memory.
const EXPANDED_BYTES_MAX: usize = 64 << 20;

/// What the configuration as a whole is.
static FILE: Shape = Shape::Table(&ROOT);

/// What is the matter with more than that.
const TOO_LONG: &str = "the variables are too long";

/// What each instance has for itself: of Plimsoll's own environment hardly anybody means them.
const OF_INSTANCES: [&str; 4] = ["PORT", "VERSION", "INSTANCE", "SERVICE"];

/// A text with variables, and what is put in for them.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// The variables that were set, each once, with their values.
    pub(super) set: BTreeMap<String, String>,
    /// The variables that are named, each once, in order.
    pub(super) names: Vec<String>,
    /// The same, to look them up.
    known: BTreeSet<String>,
}

/// Why a variable cannot be put in, and which part of the text that is.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) at: Range<usize>,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// It has no `}`.
    Open,
    /// It has no name, or something else than a default behind it.
    Form,
    /// Its default has a variable.
    Nested,
    /// It is not set, and has no default.
    Missing(String),
    /// Its value is not UTF-8.
    Bytes(String),
    /// With its value there is more than all values together may hold.
    TooLong,
}

/// Puts variables into `text`; `None` where it has none.
pub(super) fn expand(
    text: &str,
    look: impl Fn(&str) -> Option<OsString>,
) -> Option<Result<Expanded, Vec<Problem>>> {
    if !text.contains("${") {
        return None;
    }
    let mut expanded = Expanded::default();
    let mut problems = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let begin = at + found;
        if text[at..begin].ends_with('$') {
            expanded.text.push_str(&text[at..begin - 1]);
            expanded.text.push_str("${");
            at = begin + 2;
            continue;
        }
        expanded.text.push_str(&text[at..begin]);
        let Some(length) = text[begin..].find('}') else {
            problems.push(Problem { at: begin..text.len(), kind: Kind::Open });
            at = text.len();
            break;
        };
        at = begin + length + 1;
        if let Err(kind) = expanded.put(&text[begin + 2..at - 1], &look) {
            let is_last = kind == Kind::TooLong;
            problems.push(Problem { at: begin..at, kind });
            if is_last {
                break;
            }
        }
    }
    expanded.text.push_str(&text[at..]);
    Some(if problems.is_empty() { Ok(expanded) } else { Err(problems) })
}

impl Expanded {
    /// Appends what stands between the braces of a variable stands for.
    fn put(&mut self, inner: &str, look: impl Fn(&str) -> Option<OsString>) -> Result<(), Kind> {
        let end = inner.find(|c: char| !is_name_char(c)).unwrap_or(inner.len());
        let (name, rest) = inner.split_at(end);
        let default = rest.strip_prefix(":-");
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Kind::Form);
        }
        if default.is_none() && !rest.is_empty() {
            return Err(Kind::Form);
        }
        if default.is_some_and(|default| default.contains("${")) {
            return Err(Kind::Nested);
        }
        let value = look(name).map(OsString::into_string).transpose();
        let value = value.map_err(|_| Kind::Bytes(name.to_owned()))?;
        if self.known.insert(name.to_owned()) {
            self.names.push(name.to_owned());
        }
        if self.text.len() + value.as_ref().map_or(0, String::len) > EXPANDED_BYTES_MAX {
            return Err(Kind::TooLong);
        }
        match (value, default) {
            (Some(value), default) if !value.is_empty() || default.is_none() => {
                self.text.push_str(&value);
                self.set.insert(name.to_owned(), value);
            }
            (_, Some(default)) => self.text.push_str(default),
            (_, None) => return Err(Kind::Missing(name.to_owned())),
        }
        Ok(())
    }
}

impl Problem {
    pub(super) fn flaw(&self) -> Flaw {
        let (what, why, hint) = match &self.kind {
            Kind::Open => (
                "a variable is not closed".to_owned(),
                "`${` has no `}`".to_owned(),
                "write `${NAME}`, or `$${` for the two characters".to_owned(),
            ),
            Kind::Form => (
                "not a variable".to_owned(),
                "between the braces stands a name, perhaps with a default".to_owned(),
                "write `${NAME}` or `${NAME:-default}`, or `$${` for the two characters".to_owned(),
            ),
            Kind::Nested => (
                "a variable in the default of a variable".to_owned(),
                "a default is taken as it is, up to the first `}`".to_owned(),
                "write the value itself".to_owned(),
            ),
            Kind::Missing(name) if OF_INSTANCES.contains(&name.as_str()) => (
                format!("the variable `{name}` is not set"),
                format!("an instance's own `${name}` is known in `command` alone"),
                format!(
                    "pass it on there, as in `--option ${name}`; the instance has it in its environment, too"
                ),
            ),
            Kind::Missing(name) => (
                format!("the variable `{name}` is not set"),
                "it is not in the environment, and has no default".to_owned(),
                format!(
                    "set {name} where Plimsoll is started, or write a default: `${{{name}:-...}}`"
                ),
            ),
            Kind::TooLong => (
                TOO_LONG.to_owned(),
                format!("all values together hold more than {} MiB", EXPANDED_BYTES_MAX >> 20),
                "use a long variable less often".to_owned(),
            ),
            Kind::Bytes(name) => (
                format!("the variable `{name}` is not UTF-8"),
                "a configuration is text".to_owned(),
                format!("correct {name}"),
            ),
        };
        Flaw::new(Code::Variable, what, why, hint).at(self.at.clone())
    }
}

/// Whether the value of this variable is a secret: by its name, or because one is in it.
fn is_secret(name: &str, value: &str) -> bool {
    secret::is_named(name) || url::without_password(value).is_some()
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Puts variables into all values below `root`.
pub(super) fn substitute<'a>(
    root: &mut DeTable<'a>,
    environment: &Environment,
    arena: &'a Arena,
    faults: &Faults<'a>,
) {
    // Most configurations have none, and are not walked.
    if faults.text().contains("${") {
        let mut walk = Walk { environment, arena, faults, left: EXPANDED_BYTES_MAX };
        walk.table(root, &FILE, Trail::top());
    }
}

/// A walk over the tree, along its description.
struct Walk<'w, 'a> {
    environment: &'w Environment,
    arena: &'a Arena,
    faults: &'w Faults<'a>,
    /// How many bytes more values may hold.
    left: usize,
}

impl<'a> Walk<'_, 'a> {
    fn table(&mut self, entries: &mut DeTable<'a>, shape: &'static Shape, trail: Trail<'_>) {
        for (name, value) in entries.iter_mut() {
            let shape = match shape {
                Shape::Names { of, .. } => *of,
                Shape::Table(table) | Shape::Defaults { of: table, .. } => {
                    // What is wrong with other keys is said by the reader.
                    let Some(key) = table.key(name.get_ref()) else { continue };
                    if key.variables == Variables::Kept {
                        continue;
                    }
                    &key.shape
                }
                _ => continue,
            };
            self.value(value, shape, trail.key(name.get_ref()));
        }
    }

    fn value(&mut self, value: &mut Spanned<DeValue<'a>>, shape: &'static Shape, trail: Trail<'_>) {
        let span = value.span();
        match value.get_mut() {
            DeValue::Table(entries) => {
                if let Some(shape) = shape.of_table() {
                    self.table(entries, shape, trail);
                }
            }
            DeValue::Array(items) => {
                let Some(of) = shape.of_items() else { return };
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(item, of, trail.index(index));
                }
            }
            DeValue::String(text) => {
                if let Some(expanded) = expand(text, self.environment.variable) {
                    let found = self.expanded(expanded, text, span, trail);
                    if let Some(found) = found {
                        *value.get_mut() = typed(found, shape, self.arena);
                    }
                }
            }
            _ => {}
        }
    }

    /// The text of a value, unless something is wrong with its variables.
    fn expanded(
        &mut self,
        expanded: Result<Expanded, Vec<Problem>>,
        text: &str,
        span: Range<usize>,
        trail: Trail<'_>,
    ) -> Option<String> {
        let key = trail.to_string();
        let mark = |names, state| {
            self.faults.marks().substitute(span.start, Substituted { end: span.end, names, state });
        };
        let expanded = match expanded {
            Ok(expanded) if expanded.text.len() <= self.left => expanded,
            Ok(expanded) => {
                mark(expanded.names, State::Broken);
                let at = 0..text.len();
                let flaw = Problem { at, kind: Kind::TooLong }.flaw();
                self.faults.add(Spot { key, span }, flaw, &[]);
                return None;
            }
            Err(problems) => {
                mark(Vec::new(), State::Broken);
                let inner = self.faults.inner(&span, text);
                for problem in problems {
                    let flaw = problem.flaw();
                    let part = |begin| begin + problem.at.start..begin + problem.at.end;
                    let span = inner.map_or_else(|| span.clone(), part);
                    self.faults.add(Spot { key: key.clone(), span }, flaw, &[]);
                }
                return None;
            }
        };
        self.left -= expanded.text.len();
        let secrets = expanded.set.iter().filter(|(name, value)| is_secret(name, value));
        let mut state = State::Plain;
        for (_, value) in secrets {
            state = State::Secret;
            self.faults.marks().keep_secret(value.clone());
        }
        if !expanded.names.is_empty() {
            mark(expanded.names, state);
        }
        Some(expanded.text)
    }
}

/// The value that a text with variables stands for, where a value of this shape is wanted.
fn typed<'a>(text: String, shape: &Shape, arena: &'a Arena) -> DeValue<'a> {
    let is_flag = matches!(text.as_str(), "true" | "false");
    if is_flag && shape.has(|shape| matches!(shape, Shape::Flag)) {
        return DeValue::Boolean(text == "true");
    }
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_number
        && shape.has(|shape| matches!(shape, Shape::Count(_) | Shape::Number(_)))
        && let Ok(value) = DeValue::parse(arena.keep(text.clone()))
    {
        return value.into_inner();
    }
    DeValue::String(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(name: &str) -> Option<OsString> {
        match name {
            "A" => Some("1".into()),
            "EMPTY" => Some("".into()),
            "TRICKY" => Some("${A}\"\n'\\".into()),
            "_x9" => Some("ü".into()),
            _ => None,
        }
    }

    fn text(text: &str) -> Option<String> {
        expand(text, look).map(|expanded| expanded.unwrap().text)
    }

    #[test]
    fn only_a_brace_behind_the_dollar_begins_a_variable() {
        for (written, meant) in [
            ("${A}", "1"),
            ("a${A}b${_x9}c", "a1büc"),
            ("${EMPTY}", ""),
            ("${NONE:-x:-y}", "x:-y"),
            ("${NONE:-}", ""),
            ("${EMPTY:-x}", "x"),
            ("${A:-x}", "1"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$${A}${A}", "${A}1"),
            ("$A ${A} $$", "$A 1 $$"),
            ("$${", "${"),
            ("}${A}}", "}1}"),
        ] {
            assert_eq!(text(written).as_deref(), Some(meant), "{written}");
        }
        for written in ["", "$A", "$(A)", "{A}", "$ {A}", "a$$b"] {
            assert!(text(written).is_none(), "{written}");
        }
    }

    #[test]
    fn what_a_variable_holds_is_not_read_again() {
        assert_eq!(text("<${TRICKY}>").unwrap(), "<${A}\"\n'\\>");
    }

    #[test]
    fn what_is_no_variable_is_said_with_its_place() {
        for (written, kind, at) in [
            ("a${A", Kind::Open, 1..4),
            ("${}", Kind::Form, 0..3),
            ("${1A}", Kind::Form, 0..5),
            ("${A-x}", Kind::Form, 0..6),
            ("${A:?x}", Kind::Form, 0..7),
            ("${a b}", Kind::Form, 0..6),
            ("${ä}", Kind::Form, 0..5),
            ("${NONE:-${A}}", Kind::Nested, 0..12),
            ("x${NONE}", Kind::Missing("NONE".to_owned()), 1..8),
        ] {
            let problems = expand(written, look).unwrap().unwrap_err();
            assert_eq!((&problems[0].kind, problems[0].at.clone()), (&kind, at), "{written}");
        }
        let both = expand("${NONE}${NIL}", look).unwrap().unwrap_err();
        assert_eq!(both.len(), 2);
    }

    #[test]
    fn secrets_are_known_by_the_names_of_their_variables() {
        for name in ["API_KEY", "DB_PASSWORD", "TOKEN", "AUTH", "PRIVATE", "SENTRY_DSN", "secret"] {
            assert!(is_secret(name, "x"), "{name}");
        }
        assert!(is_secret("DATABASE_URL", "postgres://app:hunter2@db/shop"));
        assert!(!is_secret("DATABASE_URL", "postgres://app@db/shop"));
        for name in ["API_HOST", "PORT", "HOME", "BIND"] {
            assert!(!is_secret(name, "x"), "{name}");
        }
    }

    #[test]
    fn a_text_becomes_what_the_key_takes() {
        let arena = Arena::default();
        let of = |text: &str, shape: &Shape| typed(text.to_owned(), shape, &arena).type_str();
        let either = Shape::Either(&[Shape::Flag, Shape::Count(1..=9)]);
        assert_eq!(of("true", &Shape::Flag), "boolean");
        assert_eq!(of("true", &either), "boolean");
        assert_eq!(of("12", &either), "integer");
        assert_eq!(of("1.5", &Shape::Number(0.0..=2.0)), "float");
        for (text, shape) in
            [("12", &Shape::Flag), ("1x", &either), ("", &either), ("true", &Shape::Share)]
        {
            assert_eq!(of(text, shape), "string", "{text}");
        }
        assert_eq!(of("1.2.3", &either), "string");
    }
}
