//! A configuration as it is read, written as TOML: variables, files that are included and defaults
//! are put in, and secrets are starred out. Behind what does not stand there itself, a comment says
//! where it is from.
//!
//! A secret is what the reader keeps out of drawings (every value of `env`, headers whose names say
//! so, ...), a value from a variable whose name says so, and a password in a URL.

use std::fmt::Write;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::faults::Faults;
use crate::marks::State;
use crate::schema::{Variables, tables};
use crate::value::url;

/// What a secret is written as.
const STARS: &str = url::STARS;

/// Writes `tree`, which was read with `faults`.
pub(crate) fn resolved(tree: &DeTable<'_>, faults: &Faults<'_>) -> String {
    let mut writer = Writer { text: String::new(), faults };
    writer.body(tree, "");
    writer.text
}

struct Writer<'w, 'a> {
    text: String,
    faults: &'w Faults<'a>,
}

/// A name and what it stands for.
type Entry<'t, 'a> = (&'t Spanned<DeString<'a>>, &'t Spanned<DeValue<'a>>);

impl Writer<'_, '_> {
    /// Writes what stands in the table at `path`: its values, then the tables below it.
    fn body(&mut self, table: &DeTable<'_>, path: &str) {
        let mut entries: Vec<Entry<'_, '_>> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let is_inlined =
            |name: &str| path.is_empty() && matches!(name, "include" | "defaults" | "policies");
        entries.retain(|(name, _)| !is_inlined(name.get_ref()));
        let (below, values): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(name, value)| {
            has_header(value.get_ref()) && variables_of(name.get_ref()) == Variables::Substituted
        });
        for (name, value) in values {
            let _ = write!(self.text, "{} = ", quoted_key(name.get_ref()));
            self.value(value, variables_of(name.get_ref()));
            self.origin(&name.span(), value);
            self.text.push('\n');
        }
        for (name, value) in below {
            let path = match path.is_empty() {
                true => quoted_key(name.get_ref()),
                false => format!("{path}.{}", quoted_key(name.get_ref())),
            };
            match value.get_ref() {
                DeValue::Table(table) => self.table(table, &path, &value.span()),
                DeValue::Array(items) => {
                    for item in items {
                        let DeValue::Table(table) = item.get_ref() else { continue };
                        self.header(&format!("[[{path}]]"), &item.span());
                        self.body(table, &path);
                    }
                }
                _ => {}
            }
        }
    }

    fn table(&mut self, table: &DeTable<'_>, path: &str, span: &Range<usize>) {
        // A table that has only tables says nothing by itself.
        if table.is_empty() || table.values().any(|value| !has_header(value.get_ref())) {
            self.header(&format!("[{path}]"), span);
        }
        self.body(table, path);
    }

    /// A header, behind it the file if that is not the configuration itself.
    fn header(&mut self, header: &str, span: &Range<usize>) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(header);
        if self.faults.sources().index(span.start) > 0 {
            let place = self.faults.sources().place(span.clone());
            let _ = write!(self.text, " # {}:{}", place.file, place.line);
        }
        self.text.push('\n');
    }

    /// Where a value is from, if it is not written there.
    fn origin(&mut self, name: &Range<usize>, value: &Spanned<DeValue<'_>>) {
        let mut from = Vec::new();
        if let Some(table) = self.faults.marks().table_of(name) {
            let place = self.faults.sources().place(name.clone());
            let top = table.split('.').next().unwrap_or(table);
            from.push(format!("{top}, {}:{}", place.file, place.line));
        }
        self.variables(value, &mut from);
        if !from.is_empty() {
            let _ = write!(self.text, " # {}", from.join(", "));
        }
    }

    /// Adds the variables in `value` that are not in `found`.
    fn variables(&self, value: &Spanned<DeValue<'_>>, found: &mut Vec<String>) {
        match value.get_ref() {
            DeValue::Table(entries) => {
                entries.values().for_each(|value| self.variables(value, found));
            }
            DeValue::Array(items) => items.iter().for_each(|item| self.variables(item, found)),
            _ => {
                let marks = self.faults.marks();
                let names = marks.of(&value.span()).into_iter().flat_map(|value| &value.names);
                let mut names: Vec<String> = names.map(|name| format!("${{{name}}}")).collect();
                names.retain(|name| !found.contains(name));
                found.extend(names);
            }
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, variables: Variables) {
        let span = value.span();
        match value.get_ref() {
            DeValue::Table(entries) => self.inline(entries, variables),
            DeValue::Array(items) => self.list(items, variables),
            _ if self.is_secret(&span) => self.text.push_str(&quoted(STARS)),
            DeValue::String(text) => {
                let hidden = url::without_password(text);
                let text = hidden.as_deref().unwrap_or(text);
                self.text.push_str(&quoted(&match variables {
                    Variables::Substituted => text.replace("${", "$${"),
                    Variables::Kept => text.to_owned(),
                }));
            }
            DeValue::Integer(number) => {
                let _ = write!(self.text, "{number}");
            }
            DeValue::Float(number) => {
                let _ = write!(self.text, "{number}");
            }
            DeValue::Boolean(flag) => {
                let _ = write!(self.text, "{flag}");
            }
            DeValue::Datetime(time) => {
                let _ = write!(self.text, "{time}");
            }
        }
    }

    fn list(&mut self, items: &[Spanned<DeValue<'_>>], variables: Variables) {
        self.text.push('[');
        for (index, item) in items.iter().enumerate() {
            self.text.push_str(if index > 0 { ", " } else { "" });
            self.value(item, variables);
        }
        self.text.push(']');
    }

    fn inline(&mut self, table: &DeTable<'_>, variables: Variables) {
        let mut entries: Vec<Entry<'_, '_>> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        self.text.push('{');
        for (index, (name, value)) in entries.into_iter().enumerate() {
            let _ = write!(
                self.text,
                "{}{} = ",
                if index > 0 { ", " } else { " " },
                quoted_key(name.get_ref())
            );
            self.value(value, variables);
        }
        self.text.push_str(if table.is_empty() { "}" } else { " }" });
    }

    fn is_secret(&self, span: &Range<usize>) -> bool {
        let is_of_secret = self.faults.marks().of(span).is_some_and(|it| it.state == State::Secret);
        is_of_secret || self.faults.hides(span)
    }
}

/// What becomes of `${NAME}` in the value of a key of this name.
fn variables_of(name: &str) -> Variables {
    let mut keys = tables().into_iter().flat_map(|table| table.keys);
    match keys.any(|key| key.name == name && key.variables == Variables::Kept) {
        true => Variables::Kept,
        false => Variables::Substituted,
    }
}

/// Whether a value is written below a header of its own.
fn has_header(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => true,
        DeValue::Array(items) => {
            !items.is_empty()
                && items.iter().all(|item| matches!(item.get_ref(), DeValue::Table(_)))
        }
        _ => false,
    }
}

/// `text` in double quotes, on one line: TOML has all escapes that JSON has, and needs one more.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn quoted_key(name: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match !name.is_empty() && name.bytes().all(is_bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_quoted_where_toml_wants_it() {
        assert_eq!(quoted_key("a-b_C1"), "a-b_C1");
        for name in ["", "a b", "a.b", "ü", "\"", "'", "\\", "a\nb", "\u{7f}\u{1}"] {
            let text = format!("{} = {}", quoted_key(name), quoted(name));
            let table: toml::Table = text.parse().unwrap();
            assert_eq!(table[name].as_str(), Some(name), "{text}");
        }
    }
}
