//! A value of the file: what it is, where it stands, what it should be.
//!
//! Every reading of a node either gives the value or adds a fault and gives `None`; nobody who
//! reads needs to look at types or places himself.

use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use model::BodyLimit;
use toml::Spanned;
use toml::de::DeValue;

use crate::diagnostic::Code;
use crate::faults::{Faults, Flaw, Spot};
use crate::mistype::{Mistype, example};
use crate::schema::{Absent, Empty, Key, Later, Shape};
use crate::section::{Names, Section};
use crate::trail::Trail;
use crate::value;
use crate::value::{duration, share, size};

/// A value of the file.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    value: &'a DeValue<'a>,
    span: Range<usize>,
    /// What it should be, and the key whose value it is or stands in.
    shape: &'static Shape,
    key: Option<&'static Key>,
    trail: Trail<'a>,
    faults: &'a Faults<'a>,
}

impl<'a> Node<'a> {
    pub(crate) fn new(
        value: &'a Spanned<DeValue<'a>>,
        shape: &'static Shape,
        key: Option<&'static Key>,
        trail: Trail<'a>,
        faults: &'a Faults<'a>,
    ) -> Self {
        Self { value: value.get_ref(), span: value.span(), shape, key, trail, faults }
    }

    /// Where it stands, in bytes.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Adds a fault of this value.
    pub(crate) fn report(&self, flaw: Flaw) {
        self.report_with(flaw, &[]);
    }

    /// Adds a fault of this value that has to do with other places.
    pub(crate) fn report_with(&self, flaw: Flaw, related: &[(Range<usize>, &str)]) {
        let span = match &flaw.part {
            Some(part) => self.part(part),
            None => self.span(),
        };
        let spot = Spot { key: self.trail.to_string(), span };
        self.faults.add(spot, flaw, related);
    }

    /// Keeps the value out of every drawing.
    pub(crate) fn hide(&self) {
        self.faults.hide(self.span());
    }

    /// What it should be.
    pub(crate) fn shape(&self) -> &'static Shape {
        self.shape
    }

    /// Whether it is a table.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// Whether it is a text.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.value, DeValue::String(_))
    }

    /// Whether it is a list.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value, DeValue::Array(_))
    }

    /// Whether it is a table with this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        matches!(self.value, DeValue::Table(entries) if entries.contains_key(key))
    }

    /// Whether it is `true` or `false`.
    pub(crate) fn is_flag(&self) -> bool {
        matches!(self.value, DeValue::Boolean(_))
    }

    /// The text, whatever is in it.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type(),
        }
    }

    /// The text, read by `read`.
    pub(crate) fn parse<T>(&self, read: impl FnOnce(&str) -> Result<T, Flaw>) -> Option<T> {
        let text = self.text()?;
        read(text).map_err(|flaw| self.report(without_variables(text, flaw))).ok()
    }

    /// The word that the text is, as `meaning` takes it.
    pub(crate) fn word<T>(&self, meaning: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text()?;
        let found = meaning(text);
        if found.is_none() {
            self.report(self.unknown_word(text));
        }
        found
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.wrong_type(),
        }
    }

    /// A whole number within its limits.
    pub(crate) fn count(&self) -> Option<u64> {
        let DeValue::Integer(integer) = self.value else {
            return self.wrong_type();
        };
        let Some(Shape::Count(range)) = self.narrow() else {
            return self.wrong_type();
        };
        let value = i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX);
        let inside = u64::try_from(value).ok().filter(|value| range.contains(value));
        if inside.is_none() {
            self.out_of_range(range);
        }
        inside
    }

    /// A number within its limits.
    pub(crate) fn number(&self) -> Option<f64> {
        let text = match self.value {
            DeValue::Float(float) => float.as_str(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
            _ => return self.wrong_type(),
        };
        let Some(Shape::Number(range)) = self.narrow() else {
            return self.wrong_type();
        };
        let inside = text.parse().ok().filter(|value| range.contains(value));
        if inside.is_none() {
            self.out_of_range(range);
        }
        inside
    }

    pub(crate) fn duration(&self) -> Option<Duration> {
        let value = self.parse(duration::parse)?;
        let Some(Shape::Duration(range)) = self.narrow() else {
            return self.wrong_type();
        };
        let bounds = Bounds::of(range, |bound| duration::written(*bound));
        self.within(range.contains(&value).then_some(value), bounds)
    }

    pub(crate) fn size(&self) -> Option<u64> {
        let value = self.parse(size::parse)?;
        let Some(Shape::Size(range)) = self.narrow() else {
            return self.wrong_type();
        };
        let bounds = Bounds::of(range, |bound| size::written(*bound));
        self.within(range.contains(&value).then_some(value), bounds)
    }

    pub(crate) fn body_limit(&self) -> Option<BodyLimit> {
        self.parse(size::parse_limit)
    }

    pub(crate) fn share(&self) -> Option<f64> {
        self.parse(share::parse)
    }

    /// The table that it is.
    pub(crate) fn section(&self) -> Option<Section<'_>> {
        match (self.value, self.narrow()) {
            (
                DeValue::Table(entries),
                Some(Shape::Table(table) | Shape::Defaults { of: table, .. }),
            ) => Some(Section::open(entries, table, self.span(), self.trail, self.faults)),
            _ => self.wrong_type(),
        }
    }

    /// The table, whose keys the user made up, that it is.
    pub(crate) fn names(&self) -> Option<Names<'_>> {
        match (self.value, self.narrow()) {
            (DeValue::Table(entries), Some(Shape::Names { of, .. })) => {
                Some(Names::new(entries, of, self.trail, self.faults))
            }
            _ => self.wrong_type(),
        }
    }

    /// The same, where a wrong type was reported before.
    pub(crate) fn names_quietly(&self) -> Option<Names<'_>> {
        self.is_table().then(|| self.names()).flatten()
    }

    /// The items of the list that it is; none where it is no list.
    pub(crate) fn items(&self) -> impl Iterator<Item = Node<'_>> {
        let (items, of) = match (self.value, self.narrow()) {
            (DeValue::Array(items), Some(Shape::List { of, empty })) => {
                if items.is_empty() && *empty == Empty::Refused {
                    self.report(self.empty_list());
                }
                (&items[..], *of)
            }
            _ => {
                self.wrong_type::<()>();
                (&[][..], self.shape)
            }
        };
        items.iter().enumerate().map(move |(index, item)| {
            Node::new(item, of, self.key, self.trail.index(index), self.faults)
        })
    }

    /// The item that a text is, or the items of a list.
    pub(crate) fn one_or_many(&self) -> impl Iterator<Item = Node<'_>> {
        let one = self.is_text().then(|| self.clone());
        let many = one.is_none().then(|| self.items());
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Adds a fault: the type is wrong.
    pub(crate) fn wrong_type<T>(&self) -> Option<T> {
        let raw = self.faults.text().get(self.span()).unwrap_or_default();
        let mistake = Mistype { shape: self.shape, value: self.value, key: self.key, raw };
        self.report(mistake.flaw(&self.trail));
        None
    }

    /// The alternative of the shape that the type of the value picks.
    fn narrow(&self) -> Option<&'static Shape> {
        match self.shape {
            Shape::Either(shapes) => shapes.iter().find(|shape| shape.takes(self.value)),
            shape => shape.takes(self.value).then_some(shape),
        }
    }

    fn within<T>(&self, value: Option<T>, bounds: Bounds) -> Option<T> {
        if value.is_none() {
            let name = self.trail.name().unwrap_or_default();
            let what = format!("`{name}` is out of range");
            let why = format!("allowed is from {} to {}", bounds.least, bounds.most);
            self.report(Flaw::new(Code::OutOfRange, what, why, self.way_back()));
        }
        value
    }

    /// What to do about a value out of range; a 0 is mostly meant to switch something off.
    fn way_back(&self) -> String {
        let raw = self.faults.text().get(self.span()).unwrap_or_default();
        let is_zero = raw.trim_matches('"').trim_end_matches(char::is_alphabetic) == "0";
        match (self.key, self.shape) {
            (Some(Key { absent: Absent::Means(what), name, .. }), _) if is_zero => {
                format!("leave `{name}` out: {what}")
            }
            (Some(key), Shape::Duration(_)) if is_zero => format!(
                "it cannot be switched off; write a long time such as `{} = \"1d\"` if it should \
                 hardly ever expire",
                key.name
            ),
            _ => self.example(),
        }
    }

    fn out_of_range<T: std::fmt::Display>(&self, range: &RangeInclusive<T>) {
        self.within(None::<()>, Bounds::of(range, ToString::to_string));
    }

    fn unknown_word(&self, text: &str) -> Flaw {
        let name = self.trail.name().unwrap_or_default();
        let words = match self.narrow() {
            Some(Shape::Word(words, later)) => {
                if let Some(later) = later.iter().find(|later| later.name == text) {
                    return unsupported(&format!("\"{text}\""), later);
                }
                *words
            }
            _ => &[],
        };
        let hint = match suggest::nearest(text, words.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("one of {}", quoted(words)),
        };
        let what = format!("`{name}` has no value \"{}\"", value::shown(text));
        Flaw::invalid(what, format!("expected {}", self.shape.describe()), hint)
    }

    fn empty_list(&self) -> Flaw {
        let name = self.trail.name().unwrap_or_default();
        let what = format!("`{name}` is an empty list");
        let hint = match self.key {
            Some(Key { absent: Absent::Fault, .. }) => self.example(),
            _ => format!("leave `{name}` out, or {}", self.example()),
        };
        Flaw::invalid(what, "at least one is needed", hint)
    }

    /// How the value could be written.
    fn example(&self) -> String {
        example(self.key, self.shape)
    }

    /// The place of `part` of the text.
    fn part(&self, part: &Range<usize>) -> Range<usize> {
        match self.value {
            DeValue::String(text) => self.faults.part(&self.span, text, part),
            _ => self.span(),
        }
    }

    /// Where relative paths in it start.
    pub(crate) fn dir(&self) -> &'a Path {
        self.faults.sources().dir(self.span.start)
    }
}

/// The least and the greatest value that is allowed, as the file would say them.
struct Bounds {
    least: String,
    most: String,
}

impl Bounds {
    fn of<T>(range: &RangeInclusive<T>, written: impl Fn(&T) -> String) -> Self {
        Self { least: written(range.start()), most: written(range.end()) }
    }
}

/// A text that cannot be read because something was meant to be put into it first.
fn without_variables(text: &str, flaw: Flaw) -> Flaw {
    let Some(rest) = text.strip_prefix('$').filter(|_| flaw.code == Code::Invalid) else {
        return flaw;
    };
    let name =
        &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())];
    let name = if name.is_empty() { "NAME" } else { name };
    let why = "a `$` without braces stays as it is".to_owned();
    let hint = format!("write `${{{name}}}` for a variable of Plimsoll's environment");
    Flaw { why, hint, part: None, ..flaw }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// The fault of a name that is taken, but does nothing yet.
pub(crate) fn unsupported(name: &str, later: &Later) -> Flaw {
    Flaw::new(
        Code::Unsupported,
        format!("{name} is not supported yet"),
        format!("the name is kept for {}", later.what),
        "remove it; it would do nothing in this version",
    )
}
