//! `[defaults.services]`, `[defaults.routes]` and `[policies]`: what each service and each route has unless it says
//! otherwise.
//!
//! A key that a table does not have is taken; tables are merged key by key, at every depth, and so
//! are tables whose keys are made up (`env`, `headers`); any other value, a list too, is replaced as
//! a whole. What a table says instead decides: see [`Choice`]. A key that needs another one beside it
//! (`command`, `to`) goes only to tables that have that.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use crate::diagnostic::Code;
use crate::faults::{Faults, Flaw, Spot};
use crate::schema::{Shape, Table};
use crate::tables::ROOT;
use crate::tables::service::goes_with;

/// How many values may be copied from the defaults in all: each table that takes one has it as its
/// own, and many large ones must not fill the memory.
const COPIED_MAX: usize = 1_000_000;

/// The key of a service or a route that keeps the defaults away.
const KEY: &str = "defaults";

/// Keys that are decided together: a table that has one of `decided_by`, which the default does not
/// have, takes none of `taken` from it.
struct Choice {
    header: &'static str,
    decided_by: &'static [&'static str],
    taken: Taken,
}

enum Taken {
    /// No key at all.
    Nothing,
    /// All but these.
    AllBut(&'static [&'static str]),
}

const CHOICES: [Choice; 2] = [
    // Another kind of check asks in another way.
    Choice {
        header: "[services.NAME.health]",
        decided_by: &["path", "tcp", "grpc", "command", "notify"],
        taken: Taken::Nothing,
    },
    // A strategy says what the others mean; steps alone mean a canary.
    Choice {
        header: "[services.NAME.deploy]",
        decided_by: &["strategy", "steps"],
        taken: Taken::AllBut(&["strategy", "steps", "surge"]),
    },
];

/// A table of defaults: its key, and the one whose tables take them.
struct Source {
    key: &'static str,
    top: &'static str,
}

/// No two of them have the same key for the same tables (`tables::defaults` refuses that), so that their order decides nothing.
const SOURCES: [Source; 3] = [
    Source { key: "defaults.services", top: "services" },
    Source { key: "defaults.routes", top: "routes" },
    Source { key: "policies", top: "routes" },
];

/// Gives each service and each route of `root` what the defaults have for it.
pub(super) fn fill_in<'a>(root: &mut DeTable<'a>, faults: &Faults<'a>) {
    let mut left = COPIED_MAX;
    for source in &SOURCES {
        let Some(defaults) = table_at(root, source.key).filter(|table| !table.is_empty()) else {
            continue;
        };
        let Some(Shape::Defaults { of: table, but }) = shape(source.key) else { continue };
        let defaults = defaults.clone();
        let mut filling = Filling { faults, source, table, but, left, is_told: false };
        filling.offer(&defaults);
        if source.top == "routes" {
            add_only_route(root);
        }
        match root.get_mut(source.top).map(Spanned::get_mut) {
            Some(DeValue::Table(named)) => {
                named.iter_mut().for_each(|(_, own)| filling.fill(own, &defaults));
            }
            Some(DeValue::Array(listed)) => {
                listed.iter_mut().for_each(|own| filling.fill(own, &defaults));
            }
            _ => {}
        }
        left = filling.left;
    }
}

/// The table at `key` of `root`, whose names are joined by dots.
fn table_at<'t, 'a>(root: &'t DeTable<'a>, key: &str) -> Option<&'t DeTable<'a>> {
    key.split('.').try_fold(root, |table, name| match table.get(name)?.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    })
}

/// A file with one service and no routes sends everything there: the defaults hold for that route,
/// too.
fn add_only_route(root: &mut DeTable<'_>) {
    if root.contains_key("routes") {
        return;
    }
    let Some(DeValue::Table(services)) = root.get("services").map(Spanned::get_ref) else { return };
    let mut names = services.keys();
    let (Some(name), None) = (names.next(), names.next()) else { return };
    let (span, name) = (name.span(), name.get_ref().clone());
    let key = |text: &'static str| Spanned::new(span.clone(), DeString::Borrowed(text));
    let mut route = DeTable::new();
    route.insert(key("to"), Spanned::new(span.clone(), DeValue::String(name)));
    let mut routes = DeArray::new();
    routes.push(Spanned::new(span.clone(), DeValue::Table(route)));
    root.insert(key("routes"), Spanned::new(span.clone(), DeValue::Array(routes)));
}

/// One of the defaults.
#[derive(Clone, Copy)]
struct Entry<'t, 'a> {
    name: &'t Spanned<DeString<'a>>,
    value: &'t Spanned<DeValue<'a>>,
}

struct Filling<'w, 'a> {
    faults: &'w Faults<'a>,
    source: &'static Source,
    /// What takes the defaults.
    table: &'static Table,
    /// Its keys that are no defaults.
    but: &'static [&'static str],
    /// How many values more may be copied.
    left: usize,
    is_told: bool,
}

impl<'a> Filling<'_, 'a> {
    /// Notes which defaults there are.
    fn offer(&self, defaults: &DeTable<'a>) {
        self.mark(defaults);
        defaults.keys().for_each(|name| self.faults.marks().offer(&name.span()));
    }

    /// Notes where each name and value of `defaults` stands.
    fn mark(&self, defaults: &DeTable<'a>) {
        for (name, value) in defaults {
            self.faults.marks().mark_default(&name.span(), self.source.key);
            self.mark_value(value);
        }
    }

    fn mark_value(&self, value: &Spanned<DeValue<'a>>) {
        self.faults.marks().mark_default(&value.span(), self.source.key);
        match value.get_ref() {
            DeValue::Table(entries) => self.mark(entries),
            DeValue::Array(items) => items.iter().for_each(|item| self.mark_value(item)),
            _ => {}
        }
    }

    /// Gives `own`, a service or a route, what `defaults` have for it.
    fn fill(&mut self, own: &mut Spanned<DeValue<'a>>, defaults: &DeTable<'a>) {
        let DeValue::Table(own) = own.get_mut() else { return };
        if matches!(own.get(KEY).map(Spanned::get_ref), Some(DeValue::Boolean(false))) {
            return;
        }
        let (table, but) = (self.table, self.but);
        for (name, value) in defaults {
            let key = &**name.get_ref();
            let Some(spec) = table.key(key).filter(|_| !but.contains(&key)) else { continue };
            if !goes_with(spec, |it| own.contains_key(it)) {
                continue;
            }
            self.faults.marks().take(&name.span());
            self.merge(own, Entry { name, value }, table);
        }
    }

    /// Gives `own`, which is a `table`, one key of the defaults.
    fn merge(&mut self, own: &mut DeTable<'a>, entry: Entry<'_, 'a>, table: &'static Table) {
        let Entry { name, value } = entry;
        let Some(key) = table.key(name.get_ref()) else { return };
        let Some(known) = own.get_mut(&**name.get_ref()) else {
            self.copy(own, entry);
            return;
        };
        if let (DeValue::Table(known), DeValue::Table(value)) = (known.get_mut(), value.get_ref()) {
            self.merge_tables(known, value, &key.shape);
        }
    }

    fn merge_tables(
        &mut self,
        own: &mut DeTable<'a>,
        default: &DeTable<'a>,
        shape: &'static Shape,
    ) {
        match shape.of_table() {
            Some(Shape::Names { .. }) => {
                for (name, value) in default {
                    if !own.contains_key(&**name.get_ref()) {
                        self.copy(own, Entry { name, value });
                    }
                }
            }
            Some(Shape::Table(table)) => {
                let choice = CHOICES.iter().find(|choice| choice.is_made(table, own, default));
                for (name, value) in default {
                    if choice.is_none_or(|choice| choice.takes(name.get_ref())) {
                        self.merge(own, Entry { name, value }, table);
                    }
                }
            }
            _ => {}
        }
    }

    fn copy(&mut self, own: &mut DeTable<'a>, Entry { name, value }: Entry<'_, 'a>) {
        let Some(left) = self.left.checked_sub(count(value.get_ref())) else {
            self.tell_too_many(name.span());
            return;
        };
        self.left = left;
        own.insert(name.clone(), value.clone());
    }

    fn tell_too_many(&mut self, span: Range<usize>) {
        if std::mem::replace(&mut self.is_told, true) {
            return;
        }
        let flaw = Flaw::new(
            Code::OutOfRange,
            "the defaults are too large for so many",
            format!("together they would be more than {COPIED_MAX} values"),
            "say less in the defaults",
        );
        self.faults.add(Spot { key: self.source.key.to_owned(), span }, flaw, &[]);
    }
}

impl Choice {
    /// Whether `own` decides it otherwise than `default`.
    fn is_made(&self, table: &Table, own: &DeTable<'_>, default: &DeTable<'_>) -> bool {
        let mut own = self.decided_by.iter().filter(|key| own.contains_key(**key));
        table.header == self.header
            && match self.taken {
                Taken::Nothing => own.any(|key| !default.contains_key(*key)),
                Taken::AllBut(_) => own.next().is_some(),
            }
    }

    fn takes(&self, key: &str) -> bool {
        match self.taken {
            Taken::Nothing => false,
            Taken::AllBut(but) => !but.contains(&key),
        }
    }
}

/// The description of the table of defaults at `key`, whose names are joined by dots.
fn shape(key: &str) -> Option<&'static Shape> {
    let mut names = key.split('.');
    let first = &ROOT.key(names.next()?)?.shape;
    names.try_fold(first, |shape, name| match shape {
        Shape::Table(table) => table.key(name).map(|key| &key.shape),
        _ => None,
    })
}

/// How many values there are in `value`, itself included.
fn count(value: &DeValue<'_>) -> usize {
    match value {
        DeValue::Table(entries) => {
            1 + entries.values().map(|it| count(it.get_ref())).sum::<usize>()
        }
        DeValue::Array(items) => 1 + items.iter().map(|it| count(it.get_ref())).sum::<usize>(),
        _ => 1,
    }
}
