//! A value of the wrong type, and what to do about it.

use toml::de::DeValue;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::schema::{Key, Shape};
use crate::trail::Trail;
use crate::value::size;

/// A value whose type is not that of its shape.
pub(crate) struct Mistype<'a> {
    pub(crate) shape: &'static Shape,
    pub(crate) value: &'a DeValue<'a>,
    /// The key whose value it is or stands in, if it is one that we named.
    pub(crate) key: Option<&'static Key>,
    /// The value as it was written.
    pub(crate) raw: &'a str,
}

impl Mistype<'_> {
    /// The fault that it is, at the end of `trail`.
    pub(crate) fn flaw(&self, trail: &Trail<'_>) -> Flaw {
        let name = trail.name().unwrap_or("the file");
        let what = format!("`{name}` is {}", with_article(self.value));
        let why = format!("expected {}", self.shape.describe());
        Flaw::new(Code::WrongType, what, why, self.cure(name, trail))
    }

    fn cure(&self, name: &str, trail: &Trail<'_>) -> String {
        let own_header =
            |header| format!("each has a header of its own, `{header}`, and its keys below");
        match (self.shape, self.value) {
            (Shape::Names { of: Shape::Table(table), .. }, _) => own_header(table.header),
            (Shape::Table(table), _) if self.key.is_none() => own_header(table.header),
            (Shape::Count(_) | Shape::Number(_), DeValue::String(text)) if is_number(text) => {
                format!("write it without quotes: {text}")
            }
            (Shape::Duration(_), DeValue::Integer(number)) => format!(
                "a duration has a unit: \"{number}s\" for seconds, \"{number}ms\" for milliseconds"
            ),
            (Shape::Size(_) | Shape::SizeOrUnlimited, DeValue::Integer(number)) => {
                let bytes = number.as_str().parse().map(size::written);
                format!("a size has a unit: \"{}\"", bytes.unwrap_or_else(|_| "10MiB".to_owned()))
            }
            (Shape::Share, DeValue::Integer(_) | DeValue::Float(_)) => {
                "a share is a text with a percent sign, such as \"25%\"".to_owned()
            }
            (Shape::List { of, .. }, value) if of.takes(value) => self.in_brackets(name, trail),
            (Shape::Text(_), DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_))
                if self.key.is_none() =>
            {
                "put it in quotes".to_owned()
            }
            (Shape::Text(_), DeValue::Integer(_) | DeValue::Float(_)) if name == "version" => {
                format!("put it in quotes: version = \"{}\"", self.raw)
            }
            _ => example(self.key, self.shape),
        }
    }

    /// What to do where the item of a list stands for the list.
    fn in_brackets(&self, name: &str, trail: &Trail<'_>) -> String {
        const SHOWN_MAX: usize = 40;
        if self.raw.starts_with('[') {
            return format!("a list of tables has two brackets: [[{trail}]]");
        }
        // One text for several, as the command line takes it.
        if let DeValue::String(text) = self.value
            && text.contains(',')
            && text.len() <= SHOWN_MAX
        {
            let items: Vec<String> =
                text.split(',').map(|item| format!("\"{}\"", item.trim())).collect();
            return format!("put each in quotes of its own: {name} = [{}]", items.join(", "));
        }
        match self.raw.len() <= SHOWN_MAX && !self.raw.contains('\n') {
            true => format!("put it in brackets: {name} = [{}]", self.raw),
            false => "put it in brackets".to_owned(),
        }
    }
}

/// How a value of `key`, or of `shape` where the user made up the key, could be written.
pub(crate) fn example(key: Option<&Key>, shape: &Shape) -> String {
    match key {
        Some(key) => format!("for example `{} = {}`", key.name, key.example),
        None => format!("write {}", shape.describe()),
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn with_article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
