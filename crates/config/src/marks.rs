//! Values that are not read as they stand: those with variables in them, and defaults, which are
//! read once for each table that takes them. What is wrong with one is said where it stands, once,
//! and never with the value of a variable that is a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::faults::{Flaw, Spot};
use crate::value::url::STARS;
use crate::value::{CUT, on_one_line};

/// What no message says, whatever it is about, is at least this long: of a shorter value every
/// other word has a part.
const SECRET_BYTES_MIN: usize = 4;

/// How many of the variables in a value are named in what is said of it.
const NAMES_TOLD: usize = 5;

/// What is known of such values, by where they begin in the whole text.
#[derive(Default)]
pub(crate) struct Marks {
    substituted: BTreeMap<usize, Substituted>,
    /// The values of variables that are secrets.
    secrets: BTreeSet<String>,
    /// Where a name or a value of a table of defaults ends, and that table.
    defaults: BTreeMap<usize, (usize, &'static str)>,
    /// How many tables take the default that begins there.
    takers: BTreeMap<usize, usize>,
    /// How often the same was said of a default.
    said: BTreeMap<Saying, usize>,
}

/// A fault of a default: where, and what.
type Saying = (usize, &'static str, String);

/// A value with variables in it.
pub(crate) struct Substituted {
    /// Where it ends.
    pub(crate) end: usize,
    /// The variables' names.
    pub(crate) names: Vec<String>,
    pub(crate) state: State,
}

/// What became of the variables of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Their values are in it.
    Plain,
    /// Their values are in it, and one of them is a secret.
    Secret,
    /// They could not be put in, which is said: nothing else is to be said of the value.
    Broken,
}

impl Marks {
    /// Notes that the value which begins at `start` has variables in it.
    pub(crate) fn substitute(&mut self, start: usize, value: Substituted) {
        self.substituted.insert(start, value);
    }

    /// Keeps `value` out of every message.
    pub(crate) fn keep_secret(&mut self, value: String) {
        if value.len() >= SECRET_BYTES_MIN {
            self.secrets.insert(on_one_line(&value));
            self.secrets.insert(value);
        }
    }

    /// Notes that `span` is a name or a value of the table of defaults at the key `table`.
    pub(crate) fn mark_default(&mut self, span: &Range<usize>, table: &'static str) {
        self.defaults.insert(span.start, (span.end, table));
    }

    /// Notes that there is a default at `span`, which nothing takes yet.
    pub(crate) fn offer(&mut self, span: &Range<usize>) {
        self.takers.insert(span.start, 0);
    }

    /// Notes that one more table takes the default at `span`.
    pub(crate) fn take(&mut self, span: &Range<usize>) {
        *self.takers.entry(span.start).or_default() += 1;
    }

    /// How many tables take the default at `span`.
    pub(crate) fn takers(&self, span: &Range<usize>) -> usize {
        self.takers.get(&span.start).copied().unwrap_or_default()
    }

    /// Whether `span` lies in a table of defaults.
    pub(crate) fn is_default(&self, span: &Range<usize>) -> bool {
        self.table_of(span).is_some()
    }

    /// The key of the table of defaults in which `span` lies, if it does.
    pub(crate) fn table_of(&self, span: &Range<usize>) -> Option<&'static str> {
        let (start, (end, table)) = self.defaults.range(..=span.start).next_back()?;
        (*start == span.start || *end >= span.end).then_some(*table)
    }

    /// What is known of the variables in the value at `span`, which may be a part of it, or it with
    /// its key.
    pub(crate) fn of(&self, span: &Range<usize>) -> Option<&Substituted> {
        let (start, last) = self.substituted.range(..span.end.max(span.start + 1)).next_back()?;
        let is_part = *start <= span.start && span.end <= last.end;
        let is_entry = span.start <= *start && span.end == last.end;
        (is_part || is_entry).then_some(last)
    }

    /// The fault as it is to be said, if it is.
    pub(crate) fn judge(
        &mut self,
        spot: Spot,
        flaw: Flaw,
        related: &[(Range<usize>, &str)],
    ) -> Option<(Spot, Flaw)> {
        let flaw = self.flaw(&spot, flaw)?;
        let Some(table) = self.table_of(&spot.span) else { return Some((spot, flaw)) };
        // What a table says itself may leave a default nothing to say: that is no mistake.
        let is_idle = matches!(flaw.code, Code::Conflict | Code::NoEffect);
        if is_idle && related.iter().any(|(span, _)| !self.is_default(span)) {
            return None;
        }
        let said = self.said.entry((spot.span.start, flaw.code.as_str(), flaw.what.clone()));
        let times = said.or_default();
        *times += 1;
        (*times == 1).then(|| (Spot { key: key_of_default(&spot.key, table), ..spot }, flaw))
    }

    /// The flaw with the names of the variables that have to do with it.
    fn flaw(&self, spot: &Spot, flaw: Flaw) -> Option<Flaw> {
        let Some(value) = self.of(&spot.span) else { return Some(flaw) };
        let names = value.names.iter().take(NAMES_TOLD).map(|name| format!("`{name}`"));
        let mut names: Vec<String> = names.collect();
        if value.names.len() > NAMES_TOLD {
            names.push(format!("{} more", value.names.len() - NAMES_TOLD));
        }
        let noun = if names.len() == 1 { "the variable" } else { "the variables" };
        let variables = format!("{noun} {}", names.join(" and "));
        match value.state {
            // What is no TOML hides what is wrong with its variables, and must be said.
            State::Broken => matches!(flaw.code, Code::Variable | Code::Syntax).then_some(flaw),
            State::Plain => Some(Flaw { why: format!("{} (from {variables})", flaw.why), ..flaw }),
            State::Secret => {
                let key = spot.key.rsplit('.').next().unwrap_or_default();
                let what = format!("`{key}` has a value that cannot be used");
                let why = format!("it comes from {variables}, and is a secret: it is not shown");
                Some(Flaw { what, why, hint: format!("correct {variables}"), ..flaw })
            }
        }
    }

    /// Whether a warning about a default, if this is one, holds for all tables that take it: one
    /// that can do without a default which others need is no mistake.
    pub(crate) fn is_said_by_all(&self, span: &Range<usize>, diagnostic: &Diagnostic) -> bool {
        if diagnostic.code.severity() == Severity::Error || !self.is_default(span) {
            return true;
        }
        let saying = (span.start, diagnostic.code.as_str(), diagnostic.what.clone());
        let said = self.said.get(&saying).copied().unwrap_or_default();
        let (_, takers) = self.takers.range(..=span.start).next_back().unwrap_or((&0, &0));
        said >= *takers
    }

    /// The diagnostic, in which no secret stands.
    pub(crate) fn without_secrets(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        let Diagnostic { key, what, why, hint, .. } = &mut diagnostic;
        for text in [key, what, why, hint] {
            for secret in self.secrets.iter().rev() {
                if text.contains(secret) {
                    *text = text.replace(secret, STARS);
                }
                hide_cut(text, secret);
            }
        }
        diagnostic
    }
}

/// Hides the beginnings of `secret` in `text` behind which that was cut.
fn hide_cut(text: &mut String, secret: &str) {
    let mut from = 0;
    while let Some(at) = text[from..].find(CUT).map(|at| from + at) {
        let ends = secret.char_indices().map(|(at, c)| at + c.len_utf8());
        let shown = ends.take_while(|end| *end <= at);
        let shown = shown.filter(|end| text[..at].ends_with(&secret[..*end])).last();
        from = at + CUT.len_utf8();
        if let Some(length) = shown.filter(|length| *length >= SECRET_BYTES_MIN) {
            text.replace_range(at - length..at, STARS);
            from = from - length + STARS.len();
        }
    }
}

/// The key in the table of defaults at `table` that stands for `key` of a service or a route that takes it.
fn key_of_default(key: &str, table: &str) -> String {
    let rest = |top: &str| Some(key.strip_prefix(top)?.split_once('.')?.1);
    match rest("services.").or_else(|| rest("routes[")) {
        Some(rest) => format!("{table}.{rest}"),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::shown;

    fn spot(key: &str, span: Range<usize>) -> Spot {
        Spot { key: key.to_owned(), span }
    }

    fn flaw(code: Code) -> Flaw {
        Flaw::new(code, "\"hunter2\" is not a duration", "it has no unit", "write \"hunter2s\"")
    }

    fn marks(state: State) -> Marks {
        let mut marks = Marks::default();
        let names = vec!["X".to_owned()];
        marks.substitute(10, Substituted { end: 20, names, state });
        marks
    }

    #[test]
    fn a_fault_names_the_variable_that_the_value_is_from() {
        for span in [10..20, 12..14, 2..20] {
            let mut marks = marks(State::Plain);
            let (_, flaw) = marks.judge(spot("a.b", span), flaw(Code::Invalid), &[]).unwrap();
            assert_eq!(flaw.why, "it has no unit (from the variable `X`)");
        }
        for span in [0..9, 2..30, 20..21] {
            let mut marks = marks(State::Plain);
            let (_, flaw) = marks.judge(spot("a.b", span), flaw(Code::Invalid), &[]).unwrap();
            assert_eq!(flaw.why, "it has no unit");
        }
    }

    #[test]
    fn a_secret_is_in_no_part_of_a_fault() {
        let mut marks = marks(State::Secret);
        marks.keep_secret("hunter2".to_owned());
        let (_, flaw) = marks.judge(spot("a.b", 10..20), flaw(Code::Invalid), &[]).unwrap();
        assert_eq!(flaw.what, "`b` has a value that cannot be used");
        assert!(!format!("{flaw:?}").contains("hunter2"));
    }

    #[test]
    fn a_secret_that_was_cut_is_hidden_too() {
        let mut marks = Marks::default();
        let secret = "ü".repeat(100);
        marks.keep_secret(secret.clone());
        let said = shown(&format!("conf-{secret}"));
        assert!(said.ends_with("ü…"), "{said}");
        let place = crate::place::Lines::new("a".into(), "").place(0..0);
        let what = format!("\"{said}\" names no files, \"{said}\"");
        let (code, key) = (Code::Invalid, String::new());
        let (why, hint, related) = (String::new(), "write less…".to_owned(), Vec::new());
        let told = marks.without_secrets(Diagnostic { code, key, place, what, why, hint, related });
        assert_eq!(told.what, "\"conf-***…\" names no files, \"conf-***…\"");
        assert_eq!(told.hint, "write less…");
    }

    #[test]
    fn of_a_value_whose_variables_are_missing_nothing_else_is_said() {
        let mut marks = marks(State::Broken);
        assert!(marks.judge(spot("a.b", 10..20), flaw(Code::Invalid), &[]).is_none());
        assert!(marks.judge(spot("a.b", 10..20), flaw(Code::Variable), &[]).is_some());
        assert!(marks.judge(spot("a.c", 0..5), flaw(Code::Invalid), &[]).is_some());
    }

    #[test]
    fn a_fault_of_a_default_is_said_once_and_where_it_stands() {
        let mut marks = Marks::default();
        marks.mark_default(&(10..20), "defaults.services");
        let first = marks.judge(spot("services.a.idle", 10..20), flaw(Code::Invalid), &[]);
        assert_eq!(first.unwrap().0.key, "defaults.services.idle");
        assert!(marks.judge(spot("services.b.idle", 10..20), flaw(Code::Invalid), &[]).is_none());
        assert_eq!(key_of_default("routes[12].deny.x", "policies"), "policies.deny.x");
    }

    #[test]
    fn a_default_that_a_table_leaves_nothing_to_say_is_no_fault() {
        let mut marks = Marks::default();
        marks.mark_default(&(10..20), "defaults.services");
        let own = [(40..50, "this says how")];
        assert!(marks.judge(spot("services.a.b", 10..20), flaw(Code::Conflict), &own).is_none());
        let both = [(12..13, "this says how")];
        assert!(marks.judge(spot("services.a.b", 10..20), flaw(Code::Conflict), &both).is_some());
    }
}
