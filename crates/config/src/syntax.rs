//! The TOML layer: a tree in which every value has its place, and what is wrong with the text as
//! TOML, said in the words of somebody who wants to mend it. What the values mean is not known
//! here.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::ops::Range;
use std::string::FromUtf8Error;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::bare::Bare;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::dialect::Dialect;
use crate::environment::Origin;
use crate::faults::{Faults, Flaw, Outcome, Spot};
use crate::place::Lines;
use crate::sources::Sources;

/// How many mistakes of one line are looked at. Each costs time linear in the line, which may be the whole file; and what
/// stands behind so many is not believed.
const LOOKED_AT_MAX: usize = 32;

/// How deep the parser of TOML follows brackets and the parts of names.
const DEPTH_MAX: usize = 80;

/// What it says of a name beyond that.
const NAME_TOO_DEEP: &str = "recursion limit";

/// A file read as TOML, as far as that was possible.
pub(crate) struct Document<'a> {
    /// What could be read; its places are those in the whole text.
    pub(crate) tree: Spanned<DeTable<'a>>,
    mistakes: Mistakes,
}

/// What is wrong with a file as TOML.
pub(crate) struct Mistakes {
    /// Where the file begins in the whole text.
    base: usize,
    list: Vec<Mistake>,
    /// The lines that they are in, and where the first that spoils the rest begins.
    lines: Vec<usize>,
    horizon: usize,
}

/// Something that is wrong with the text as TOML.
struct Mistake {
    span: Range<usize>,
    reach: Reach,
    flaw: Flaw,
}

/// How much of the text a mistake spoils for those who read on; of several on one line the
/// greatest is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// All that follows: a bracket that is not closed swallows the keys behind it.
    Rest,
    /// Its line, where it explains what else seems wrong there.
    Line,
    /// Its value only.
    Value,
}

impl<'a> Document<'a> {
    /// Reads a file, which begins at `base` of the whole text.
    pub(crate) fn parse(base: usize, lines: &Lines<'a>) -> Self {
        let text = lines.text();
        let (tree, errors) = DeTable::parse_recoverable(text);
        let other = if errors.is_empty() { None } else { Dialect::of(text) };
        let list = match other {
            Some((dialect, span)) => vec![Mistake::language(dialect, span)],
            None => mistakes(&errors, lines),
        };
        let list = telling(list, lines);
        let spoiler = list.iter().find(|mistake| mistake.reach == Reach::Rest);
        let horizon = spoiler.map_or(usize::MAX, |mistake| mistake.span.start);
        let broken = list.iter().map(|mistake| lines.line(mistake.span.start)).collect();
        Self { tree: moved(tree, base), mistakes: Mistakes { base, list, lines: broken, horizon } }
    }

    /// What could be read, and what is wrong.
    pub(crate) fn into_parts(self) -> (Spanned<DeTable<'a>>, Mistakes) {
        (self.tree, self.mistakes)
    }
}

impl Mistakes {
    /// Adds them to `faults`, and leaves where they are.
    pub(crate) fn tell(&mut self, faults: &Faults<'_>) {
        for Mistake { span, flaw, .. } in self.list.drain(..) {
            let span = self.base + span.start..self.base + span.end;
            faults.add(Spot { key: String::new(), span }, flaw, &[]);
        }
    }

    /// Whether what the reader found in this file holds: where the syntax is wrong, the reader is
    /// believed only so far as the mistake cannot have misled it.
    pub(crate) fn leave_standing(&self, fault: &Diagnostic) -> bool {
        self.lines.is_empty()
            || fault.code == Code::Syntax
            || fault.place.bytes.end <= self.horizon
                && self.lines.binary_search(&fault.place.line).is_err()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// The tree with each place moved by `base`.
fn moved(tree: Spanned<DeTable<'_>>, base: usize) -> Spanned<DeTable<'_>> {
    if base == 0 {
        return tree;
    }
    let span = tree.span();
    Spanned::new(span.start + base..span.end + base, moved_table(tree.into_inner(), base))
}

fn moved_table(table: DeTable<'_>, base: usize) -> DeTable<'_> {
    let mut moved = DeTable::new();
    for (name, value) in table {
        let span = name.span();
        let name = Spanned::new(span.start + base..span.end + base, name.into_inner());
        moved.insert(name, moved_value(value, base));
    }
    moved
}

fn moved_value(value: Spanned<DeValue<'_>>, base: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved_table(table, base)),
        DeValue::Array(items) => {
            let mut moved = DeArray::new();
            items.into_iter().for_each(|item| moved.push(moved_value(item, base)));
            DeValue::Array(moved)
        }
        value => value,
    };
    Spanned::new(span.start + base..span.end + base, value)
}

/// The first mistakes of each line. A line with more of them than are looked at spoils all that follows.
fn mistakes(errors: &[toml::de::Error], lines: &Lines<'_>) -> Vec<Mistake> {
    struct Looked {
        first: usize,
        count: usize,
    }
    let text = lines.text();
    let deep = LazyCell::new(|| deep_name(text));
    let mut list: Vec<Mistake> = Vec::new();
    let mut by_line: HashMap<usize, Looked> = HashMap::new();
    for error in errors {
        let span = match error.span() {
            Some(span) => span,
            None if error.message() == NAME_TOO_DEEP => deep.clone(),
            None => text.len()..text.len(),
        };
        let line = lines.line(span.start);
        let looked = by_line.entry(line).or_insert(Looked { first: list.len(), count: 0 });
        looked.count += 1;
        match looked.count > LOOKED_AT_MAX {
            true => list[looked.first].reach = Reach::Rest,
            false => list.push(Mistake::of(error, span, text)),
        }
    }
    list
}

/// The first name with more parts than the parser takes; it does not say where.
fn deep_name(text: &str) -> Range<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let name = line.split(['=', '#']).next().unwrap_or_default();
        if name.matches('.').count() >= DEPTH_MAX {
            let name = name.trim();
            let start = start + line.find(name).unwrap_or_default();
            return start..start + name.len();
        }
        start += line.len();
    }
    text.len()..text.len()
}

/// The mistakes that tell something: one for each line, up to the first that spoils the rest.
fn telling(mut mistakes: Vec<Mistake>, lines: &Lines<'_>) -> Vec<Mistake> {
    let line = |mistake: &Mistake| lines.line(mistake.span.start);
    mistakes.sort_by_key(|mistake| (line(mistake), mistake.reach, mistake.span.start));
    mistakes.dedup_by_key(|mistake| line(mistake));
    if let Some(last) = mistakes.iter().position(|mistake| mistake.reach == Reach::Rest) {
        mistakes.truncate(last + 1);
    }
    mistakes
}

impl Mistake {
    /// The file is another program's.
    fn language(dialect: Dialect, span: Range<usize>) -> Self {
        let what = format!("this looks like {}", dialect.called());
        let flaw = Flaw::new(Code::Syntax, what, "plimsoll.toml is TOML", dialect.hint());
        Self { span, reach: Reach::Rest, flaw }
    }

    /// A text without quotes, where the parser saw a broken number, or stopped within it.
    fn bare(problem: &str, text: &str, span: &Range<usize>) -> Option<Self> {
        let is_broken = ["invalid float", "invalid integer", "invalid date", "invalid number"];
        let is_meant = is_broken.iter().any(|word| problem.starts_with(word))
            || matches!(
                problem,
                "string values must be quoted"
                    | "unexpected key or value"
                    | "unexpected leading zero"
                    | "invalid boolean"
            );
        if !is_meant {
            return None;
        }
        let bare = Bare::around(text, span.start).filter(Bare::is_text)?;
        let is_flag = matches!(bare.text.to_ascii_lowercase().as_str(), "true" | "false");
        if is_flag || bare.text.contains('=') {
            return None;
        }
        let what = "a text without quotes";
        let why = "only numbers, `true` and `false` go without";
        let flaw = Flaw::new(Code::Syntax, what, why, bare.hint());
        Some(Self { span: bare.span, reach: Reach::Line, flaw })
    }

    /// Translates what the parser of TOML says.
    fn of(error: &toml::de::Error, span: Range<usize>, text: &str) -> Self {
        let (problem, expected) = match error.message().split_once(", expected ") {
            Some((problem, expected)) => (problem, Some(expected)),
            None => (error.message(), None),
        };
        let shown = text.get(span.clone()).unwrap_or_default();
        if let Some(mistake) = Self::bare(problem, text, &span) {
            return mistake;
        }
        let words = of_value(problem, shown)
            .or_else(|| of_line(problem, expected, text, &span))
            .or_else(|| of_bracket(problem, text, &span));
        let Some((reach, what, why, hint)) = words else {
            return Self::other(problem, expected, span);
        };
        Self { span, reach, flaw: Flaw::new(Code::Syntax, what, why, hint) }
    }

    /// What is seen too seldom to have words of its own.
    fn other(problem: &str, expected: Option<&str>, span: Range<usize>) -> Self {
        let why = match expected {
            None | Some("nothing") => "not TOML".to_owned(),
            Some(expected) => format!("expected {expected}"),
        };
        let is_number = ["`_`", "integer", "radix", "redundant", "unexpected sign"];
        let reach = match is_number.iter().any(|word| problem.starts_with(word)) {
            true => Reach::Value,
            false => Reach::Rest,
        };
        let hint = "https://toml.io shows how each kind of value is written";
        Self { span, reach, flaw: Flaw::new(Code::Syntax, problem, why, hint) }
    }
}

/// The parts of a mistake: reach, what, why and hint.
type Words = (Reach, String, &'static str, &'static str);

/// What is wrong with a value, which is `shown`, or with the key that has it.
fn of_value(problem: &str, shown: &str) -> Option<Words> {
    Some(match problem {
        "string values must be quoted" => unquoted(shown),
        "invalid boolean" => (
            Reach::Value,
            "neither `true` nor `false`".to_owned(),
            "TOML writes both in lower case",
            "write `true` or `false`",
        ),
        "duplicate key" => (
            Reach::Value,
            format!("`{shown}` is defined twice"),
            "the second definition",
            "keep one of them; a table can be opened with `[...]` only once",
        ),
        "missing escaped value" | "too few unicode value digits" => (
            Reach::Value,
            "`\\` is followed by nothing it could escape".to_owned(),
            "not an escape of TOML",
            "write `\\\\` for a backslash, or put the text in single quotes, where a \
             backslash is only itself",
        ),
        "unexpected leading zero" => (
            Reach::Value,
            "a number begins with `0`".to_owned(),
            "TOML allows no leading zero",
            "leave the zero out, or write the value in quotes if it is a text",
        ),
        _ if problem.starts_with("cannot extend value") => (
            Reach::Value,
            format!("`{shown}` is a value, not a table to add keys to"),
            "it was given its value before",
            "put all its keys in one place",
        ),
        _ => return None,
    })
}

/// What is wrong with a line: a key with its value.
fn of_line(
    problem: &str,
    expected: Option<&str>,
    text: &str,
    span: &Range<usize>,
) -> Option<Words> {
    let begins_with = |mark: &[char]| {
        let shown = text.get(span.clone()).unwrap_or_default();
        shown.starts_with(mark) || rest(text, span).starts_with(mark)
    };
    Some(match problem {
        "missing value" | "missing value for key" | "extra `=`" => (
            Reach::Line,
            "a value is missing".to_owned(),
            "after `=` comes a value",
            "write `key = value`",
        ),
        "unexpected key or value" if begins_with(&[';']) => (
            Reach::Line,
            "a semicolon at the end of a line".to_owned(),
            "TOML ends a line with nothing",
            "remove the semicolon",
        ),
        "unexpected key or value" => (
            Reach::Line,
            "more than one key and its value on a line".to_owned(),
            "the value ends before this",
            "put the next key on a line of its own, or the whole value in quotes",
        ),
        "invalid basic string" | "invalid literal string" if is_quote(expected) => (
            Reach::Line,
            "a text is not closed".to_owned(),
            "here the line ends",
            "end the text with the quote that it began with",
        ),
        "key with no value" | "invalid unquoted key" => keyless(text, span),
        "invalid key-value pair" => {
            let is_json = begins_with(&['{', '}']);
            let why = if is_json { "TOML is not JSON" } else { "a line begins with a key" };
            let hint = "write `key = value`, or `[table]` and its keys below";
            (Reach::Rest, "no key here".to_owned(), why, hint)
        }
        _ => return None,
    })
}

/// What is wrong with brackets: of lists and of tables.
fn of_bracket(problem: &str, text: &str, span: &Range<usize>) -> Option<Words> {
    let place = || Place::of(text, span.start);
    Some(match problem {
        "unclosed table" | "unclosed array table" => (
            Reach::Rest,
            "the header of a table is not closed".to_owned(),
            "a bracket is missing",
            "end a header with as many `]` as it began with `[`; what follows is read after \
             that",
        ),
        "missing comma between array elements" | "unclosed array" => {
            unclosed("a list", "`]`", place())
        }
        "missing comma between key-value pairs"
        | "missing key for inline table element"
        | "unclosed inline table" => unclosed("an inline table", "`}`", place()),
        "cannot recurse further; max recursion depth met" => (
            Reach::Rest,
            format!("brackets within brackets, more than {DEPTH_MAX} deep"),
            "no key has a value so deep",
            "close those that are open, or remove those that are too many",
        ),
        NAME_TOO_DEEP => (
            Reach::Rest,
            format!("a name of more than {DEPTH_MAX} parts"),
            "dots separate the parts, and no table lies so deep",
            "shorten it, or put it in quotes if the dots belong to one name",
        ),
        _ => return None,
    })
}

fn is_quote(expected: Option<&str>) -> bool {
    matches!(expected, Some("`\"`" | "`'`"))
}

fn unquoted(shown: &str) -> Words {
    let (what, why, hint) = match shown.chars().next() {
        Some('“' | '”' | '„' | '‘' | '’' | '«') => (
            "typographic quotes",
            "TOML knows only the plain `\"` and `'`",
            "retype the quotes, as `\"`",
        ),
        None => ("a value is missing", "after `=` comes a value", "write `key = value`"),
        Some(_) => (
            "a text without quotes",
            "only numbers, `true` and `false` go without",
            "put it in double quotes",
        ),
    };
    (Reach::Value, what.to_owned(), why, hint)
}

fn keyless(text: &str, span: &Range<usize>) -> Words {
    let rest = rest(text, span);
    let before = text.get(..span.start).unwrap_or_default();
    if let Some(char) = rest.chars().next().filter(|char| !char.is_ascii()) {
        let what = format!("`{char}` in a name without quotes");
        let why = "without quotes a name has only ASCII letters, digits, `-` and `_`";
        return (Reach::Rest, what, why, "write the name in ASCII, or put it in quotes");
    }
    let line = before.rsplit('\n').next().unwrap_or_default().trim_start();
    if line.starts_with("//") || rest.starts_with("//") {
        let why = "TOML's comments begin with `#`";
        return (
            Reach::Line,
            "`//` does not begin a comment".to_owned(),
            why,
            "write `#` for `//`",
        );
    }
    let has_colon = rest.starts_with(':') || before.trim_end().ends_with(':');
    let (what, why, hint) = match has_colon {
        true => ("`:` where `=` belongs", "TOML is not YAML", "write `key = value`"),
        false => ("a key without a value", "`=` and a value are missing", "write `key = value`"),
    };
    (Reach::Rest, what.to_owned(), why, hint)
}

/// The text from the beginning of `span` on.
fn rest<'a>(text: &'a str, span: &Range<usize>) -> &'a str {
    text.get(span.start..).unwrap_or_default()
}

fn unclosed(noun: &str, bracket: &str, place: Place) -> Words {
    let what = format!("{noun} is not closed by {bracket}, or a comma is missing");
    let (why, hint) = match place {
        Place::BeginsLine => (
            "this was read as a part of it",
            "look at the line before: it ends with `,` if there is more to come, else with the \
             closing bracket",
        ),
        Place::InLine => ("a comma is missing before this", "separate what it holds by commas"),
    };
    (Reach::Rest, what, why, hint)
}

/// Where in its line something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing but blanks stands before it.
    BeginsLine,
    InLine,
}

impl Place {
    /// That of the byte at this offset. The end of the text begins a line.
    fn of(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or_default();
        match byte >= text.len() || before.trim_end_matches([' ', '\t']).ends_with('\n') {
            true => Self::BeginsLine,
            false => Self::InLine,
        }
    }
}

/// What is said of a file that is not even text.
pub(crate) fn not_utf8(error: &FromUtf8Error, origin: &Origin) -> Diagnostics {
    let at = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let flaw = Flaw::new(
        Code::Encoding,
        "the file is not UTF-8",
        "no character of UTF-8",
        "save it as UTF-8; TOML allows nothing else",
    );
    let sources = Sources::new(&text, vec![origin.part(text.len())]);
    let faults = Faults::new(&sources);
    faults.add(Spot { key: String::new(), span: at..at + 1 }, flaw, &[]);
    let Outcome { list, left_out, texts } = faults.finish(|_, _| true);
    Diagnostics { origin: origin.name.clone(), texts, list, left_out }
}
