//! A table of the file, read along its description.
//!
//! Opening one checks all its keys. Each reading takes limits and default from the description, so
//! that a key whose value is wrong is read as if it were absent, and reading goes on.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use model::BodyLimit;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::diagnostic::Code;
use crate::faults::{Faults, Flaw, Spot};
use crate::node::{Node, unsupported};
use crate::schema::{self, Absent, Key, Shape, Table};
use crate::tables;
use crate::trail::Trail;
use crate::value::{self, duration, secret, share, size};

/// Keys of nginx that say where requests go, and not the word by which somebody gets in.
const OF_NGINX: [&str; 4] = ["proxy_pass", "fastcgi_pass", "grpc_pass", "uwsgi_pass"];

/// A table of the file, there or not.
pub(crate) struct Section<'a> {
    entries: Option<&'a DeTable<'a>>,
    table: &'static Table,
    span: Range<usize>,
    trail: Trail<'a>,
    faults: &'a Faults<'a>,
    /// Keys that an unknown one was probably meant to be: not to be missed a second time.
    meant: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The whole file; what is missing in it is missing at its end.
    pub(crate) fn root(entries: &'a DeTable<'a>, faults: &'a Faults<'a>) -> Self {
        let end = faults.sources().end();
        Self::open(entries, &tables::ROOT, end..end, Trail::top(), faults)
    }

    /// A table that is there.
    pub(crate) fn open(
        entries: &'a DeTable<'a>,
        table: &'static Table,
        span: Range<usize>,
        trail: Trail<'a>,
        faults: &'a Faults<'a>,
    ) -> Self {
        let meant = RefCell::default();
        let section = Self { entries: Some(entries), table, span, trail, faults, meant };
        for (name, value) in entries.iter() {
            section.check_key(name, value);
        }
        section
    }

    /// Where it stands, in bytes: its header, or all of an inline one.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where relative paths in it start.
    pub(crate) fn dir(&self) -> &'a Path {
        self.faults.sources().dir(self.span.start)
    }

    /// The keys that are in it, of those that it may have.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.table.keys.iter().map(|key| key.name).filter(|key| self.has(key))
    }

    /// How many tables take `key`, which is one of a table of defaults.
    pub(crate) fn takers(&self, key: &str) -> usize {
        let name = self.entries.and_then(|entries| entries.get_key_value(key));
        name.map_or(0, |(name, _)| self.faults.marks().takers(&name.span()))
    }

    /// Whether it has a key that does nothing yet.
    pub(crate) fn has_later(&self) -> bool {
        self.table.later.iter().any(|later| self.has(later.name))
    }

    /// Whether an unknown key was probably meant to be `key`.
    pub(crate) fn is_meant(&self, key: &str) -> bool {
        self.meant.borrow().contains(&key)
    }

    /// Whether `key` is in it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.is_some_and(|entries| entries.contains_key(key))
    }

    /// Where `key` and its value stand, in bytes.
    pub(crate) fn entry_span(&self, key: &str) -> Option<Range<usize>> {
        let (name, value) = self.entries?.get_key_value(key)?;
        // A table with a header of its own stands there and not behind its key.
        let is_below =
            matches!(value.get_ref(), DeValue::Table(_)) && value.span().start < name.span().end;
        Some(if is_below { name.span() } else { name.span().start..value.span().end })
    }

    /// The value of `key`.
    pub(crate) fn node(&self, key: &'static str) -> Option<Node<'_>> {
        let value = self.entries?.get(key)?;
        let spec = self.spec(key);
        Some(Node::new(value, &spec.shape, Some(spec), self.trail.key(key), self.faults))
    }

    /// The value of `key`, whose absence is a fault.
    pub(crate) fn require(&self, key: &'static str) -> Option<Node<'_>> {
        let node = self.node(key);
        if node.is_none() && !self.is_meant(key) {
            let spec = self.spec(key);
            let what = format!("{} has no `{key}`", self.called());
            let hint = format!("for example `{key} = {}`", spec.example);
            self.report(Flaw::new(Code::Missing, what, format!("`{key}` is missing"), hint));
        }
        node
    }

    /// Adds a fault of the table as a whole.
    pub(crate) fn report(&self, flaw: Flaw) {
        self.report_with(flaw, &[]);
    }

    /// Adds a fault of the table as a whole that has to do with other places.
    pub(crate) fn report_with(&self, flaw: Flaw, related: &[(Range<usize>, &str)]) {
        self.report_span(self.span(), flaw, related);
    }

    /// Adds a fault somewhere in the table.
    pub(crate) fn report_span(
        &self,
        span: Range<usize>,
        flaw: Flaw,
        related: &[(Range<usize>, &str)],
    ) {
        self.faults.add(Spot { key: self.trail.to_string(), span }, flaw, related);
    }

    /// Adds a fault at `key` and its value, which are there.
    pub(crate) fn report_at(
        &self,
        key: &'static str,
        flaw: Flaw,
        related: &[(Range<usize>, &str)],
    ) {
        let span = self.entry_span(key).unwrap_or_else(|| self.span());
        self.faults.add(Spot { key: self.trail.key(key).to_string(), span }, flaw, related);
    }

    /// Adds a fault at every text in it that `flaw` has one for, whatever it stands in; not in what stands at the
    /// keys `but`, as at `health.command`.
    pub(crate) fn report_texts(&self, but: &[&str], flaw: impl Fn(&str) -> Option<Flaw>) {
        let above = self.trail.to_string();
        let is_at = |place: &str, key: &str| {
            let below = place.strip_prefix(&*above).unwrap_or(place).trim_start_matches('.');
            let rest = below.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let see = |text: &str, trail: Trail<'_>, span: Range<usize>| {
            let Some(flaw) = flaw(text) else { return };
            let key = trail.to_string();
            if !but.iter().any(|but| is_at(&key, but)) {
                self.faults.add(Spot { key, span }, flaw, &[]);
            }
        };
        for (name, value) in self.entries.into_iter().flat_map(|entries| entries.iter()) {
            each_text(value, self.trail.key(name.get_ref()), &see);
        }
    }

    /// The table at `key`; an empty one where it is absent or no table.
    pub(crate) fn section<T>(&self, key: &'static str, read: impl FnOnce(&Section<'_>) -> T) -> T {
        let node = self.node(key);
        match node.as_ref().and_then(Node::section) {
            Some(section) => read(&section),
            None => read(&self.absent(key)),
        }
    }

    /// The table at `key` as if it were absent: all its defaults.
    pub(crate) fn absent(&self, key: &'static str) -> Section<'_> {
        let tables = self.spec(key).shape.tables();
        let table = tables.first().copied().unwrap_or(self.table);
        let trail = self.trail.key(key);
        let (span, meant) = (self.span(), RefCell::default());
        Section { entries: None, table, span, trail, faults: self.faults, meant }
    }

    /// The text of `key`, read by `read`, if it is there.
    pub(crate) fn parse<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, Flaw>,
    ) -> Option<T> {
        self.node(key)?.parse(read)
    }

    /// The text of `key`, or of its default, read by `read`; `None` only if it is wrong.
    pub(crate) fn parse_or_default<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, Flaw>,
    ) -> Option<T> {
        match self.node(key) {
            Some(node) => node.parse(read),
            None => read(self.default_text(key)).ok(),
        }
    }

    /// The word at `key`, or its default, as `meaning` takes it.
    pub(crate) fn word<T: Default>(
        &self,
        key: &'static str,
        meaning: impl Fn(&str) -> Option<T>,
    ) -> T {
        let written = self.node(key).and_then(|node| node.word(&meaning));
        written.or_else(|| meaning(self.default_text(key))).unwrap_or_default()
    }

    pub(crate) fn flag(&self, key: &'static str) -> bool {
        let default = matches!(self.spec(key).absent, Absent::Flag(true));
        self.node(key).and_then(|node| node.flag()).unwrap_or(default)
    }

    pub(crate) fn count(&self, key: &'static str) -> u64 {
        let default = match self.spec(key).absent {
            Absent::Count(count) => count,
            _ => 0,
        };
        self.node(key).and_then(|node| node.count()).unwrap_or(default)
    }

    pub(crate) fn duration(&self, key: &'static str) -> Duration {
        let default = || duration::parse(self.default_text(key)).unwrap_or_default();
        self.node(key).and_then(|node| node.duration()).unwrap_or_else(default)
    }

    pub(crate) fn size(&self, key: &'static str) -> u64 {
        let default = || size::parse(self.default_text(key)).unwrap_or_default();
        self.node(key).and_then(|node| node.size()).unwrap_or_else(default)
    }

    pub(crate) fn body_limit(&self, key: &'static str) -> BodyLimit {
        let default = || size::parse_limit(self.default_text(key)).unwrap_or(BodyLimit::Unlimited);
        self.node(key).and_then(|node| node.body_limit()).unwrap_or_else(default)
    }

    pub(crate) fn share(&self, key: &'static str) -> f64 {
        let default = || share::parse(self.default_text(key)).unwrap_or_default();
        self.node(key).and_then(|node| node.share()).unwrap_or_else(default)
    }

    /// The description of `key`.
    fn spec(&self, key: &str) -> &'static Key {
        self.table.key(key).expect("the reader asks only for keys that are described")
    }

    /// The default of `key`, which is a list.
    pub(crate) fn default_texts(&self, key: &str) -> &'static [&'static str] {
        match self.spec(key).absent {
            Absent::Texts(texts) => texts,
            _ => &[],
        }
    }

    fn default_text(&self, key: &str) -> &'static str {
        match self.spec(key).absent {
            Absent::Text(text) => text,
            _ => "",
        }
    }

    /// What the table is called in a message.
    pub(crate) fn called(&self) -> String {
        match (self.trail.is_top(), self.trail.name()) {
            (true, _) => "the file".to_owned(),
            (false, Some("routes")) | (false, None) => self.table.noun.to_owned(),
            (false, Some(_)) => format!("`{}`", self.trail),
        }
    }

    fn check_key(&self, name: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let text = name.get_ref();
        if self.table.key(text).is_some() {
            return;
        }
        let is_below = name.span().end > value.span().start;
        // `true` and `false` tell nothing.
        let is_flag = matches!(value.get_ref(), DeValue::Boolean(_));
        let is_address = OF_NGINX.contains(&&**text);
        let is_secret = (secret::is_named(text) || text.starts_with("env")) && !is_address;
        if is_secret && !is_below && !is_flag {
            self.faults.hide(value.span());
        }
        let flaw = match self.table.later(text) {
            Some(later) => unsupported(&format!("`{text}`"), later),
            None => self.unknown_key(text),
        };
        let spot = Spot { key: self.trail.key(text).to_string(), span: name.span() };
        self.faults.add(spot, flaw, &[]);
    }

    fn unknown_key(&self, name: &str) -> Flaw {
        let shown = value::shown(name);
        let what = match self.trail.is_top() {
            true => format!("unknown key `{shown}`"),
            false => format!("unknown key `{shown}` in {}", self.called()),
        };
        let why = format!("not a key of {}", self.table.noun);
        let hint = self.advice(name).unwrap_or_else(|| self.all_keys());
        Flaw::new(Code::UnknownKey, what, why, hint)
    }

    /// What was probably meant by `name`.
    fn advice(&self, name: &str) -> Option<String> {
        if !self.faults.may_suggest() {
            return None;
        }
        let keys = self.table.keys;
        let later = self.table.later.iter().map(|later| later.name);
        let same = keys.iter().find(|key| key.aka.contains(&name));
        let meant = same
            .map(|key| key.name)
            .or_else(|| suggest::nearest(name, keys.iter().map(|key| key.name).chain(later)));
        if let Some(meant) = meant {
            self.meant.borrow_mut().push(meant);
            return Some(format!("did you mean `{meant}`?"));
        }
        let inner =
            keys.iter().flat_map(|key| key.shape.tables().into_iter().map(move |t| (key, t)));
        if let Some((key, _)) = inner.clone().find(|(_, table)| table.key(name).is_some()) {
            return Some(format!("`{name}` belongs in `{}`, as `{}.{name}`", key.name, key.name));
        }
        let mut homes = schema::tables()
            .into_iter()
            .filter(|table| table.key(name).is_some() && !table.header.is_empty());
        let home = homes.next()?;
        Some(format!("`{name}` is a key of {}; {}", home.header, self.all_keys()))
    }

    fn all_keys(&self) -> String {
        let keys = suggest::listed(self.table.keys.iter().map(|key| key.name));
        format!("the keys of {} are {keys}", self.table.noun)
    }
}

/// Shows `see` every text in `value`, with where it stands.
fn each_text(
    value: &Spanned<DeValue<'_>>,
    trail: Trail<'_>,
    see: &impl Fn(&str, Trail<'_>, Range<usize>),
) {
    match value.get_ref() {
        DeValue::String(text) => see(text, trail, value.span()),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each_text(item, trail.index(index), see);
            }
        }
        DeValue::Table(entries) => {
            for (name, value) in entries.iter() {
                each_text(value, trail.key(name.get_ref()), see);
            }
        }
        _ => {}
    }
}

/// A table whose keys the user made up.
pub(crate) struct Names<'a> {
    entries: &'a DeTable<'a>,
    of: &'static Shape,
    trail: Trail<'a>,
    faults: &'a Faults<'a>,
}

/// One of the names that the user made up, with what it stands for.
pub(crate) struct Name<'a> {
    /// The name.
    pub(crate) text: &'a str,
    /// Where it stands, in bytes.
    pub(crate) span: Range<usize>,
    /// What it stands for.
    pub(crate) node: Node<'a>,
    trail: Trail<'a>,
    faults: &'a Faults<'a>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(
        entries: &'a DeTable<'a>,
        of: &'static Shape,
        trail: Trail<'a>,
        faults: &'a Faults<'a>,
    ) -> Self {
        Self { entries, of, trail, faults }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Each, in the order of the file. It means nothing: what is made of them is to be sorted, so
    /// that files that mean the same give equal intents.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Name<'_>> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        entries.into_iter().map(|(name, value)| {
            let trail = self.trail.key(name.get_ref());
            let node = Node::new(value, self.of, None, trail, self.faults);
            Name { text: name.get_ref(), span: name.span(), node, trail, faults: self.faults }
        })
    }
}

impl Name<'_> {
    /// Adds a fault of the name itself.
    pub(crate) fn report(&self, flaw: Flaw) {
        self.report_with(flaw, &[]);
    }

    /// Adds a fault of the name itself that has to do with other places.
    pub(crate) fn report_with(&self, flaw: Flaw, related: &[(Range<usize>, &str)]) {
        let spot = Spot { key: self.trail.to_string(), span: self.span.clone() };
        self.faults.add(spot, flaw, related);
    }

    /// The name, read by `read`.
    pub(crate) fn parse<T>(&self, read: impl FnOnce(&str) -> Result<T, Flaw>) -> Option<T> {
        read(self.text).map_err(|flaw| self.report(flaw)).ok()
    }
}
