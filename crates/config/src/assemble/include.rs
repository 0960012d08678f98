//! `include`: which files belong to a configuration, and how they are joined to it.
//!
//! A file is read once, where it is first named; it comes behind the one that names it, files of one
//! pattern sorted by path. Each has listeners, services, routes and `include` of its own; what there
//! is only one of stands in the configuration itself. All that is read is bounded, and only regular
//! files are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::glob::Pattern;
use super::variables;
use crate::FILE_BYTES_MAX;
use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::{Faults, Flaw, Spot};
use crate::node::Node;
use crate::schema::{Key, Shape};
use crate::sources::Part;
use crate::tables::ROOT;
use crate::trail::Trail;
use crate::value::{on_one_line, shown};

/// How many files one configuration may include.
const FILES_MAX: usize = 1_000;

/// How many patterns there may be in all: each may list a directory.
const PATTERNS_MAX: usize = 1_000;

/// How deep files may include others.
const DEPTH_MAX: usize = 8;

/// The right of all users to write a file.
const WRITABLE_BY_ALL: u32 = 0o002;

/// The key.
pub(crate) const KEY: &str = "include";

/// All texts of a configuration.
pub(crate) struct Gathered {
    /// One behind the other; `None` where there is only the first.
    pub(crate) whole: Option<String>,
    pub(crate) parts: Vec<Part>,
    /// What is wrong with patterns, by where they stand in the whole.
    problems: Vec<(Range<usize>, Flaw)>,
}

/// Reads all files that `text`, which came from `origin`, includes.
pub(crate) fn gather(text: &str, origin: &Origin) -> Gathered {
    let alone =
        || Gathered { whole: None, parts: vec![origin.part(text.len())], problems: Vec::new() };
    // Most configurations are one file, and are not read twice.
    if !text.contains(KEY) {
        return alone();
    }
    let mut gatherer = Gatherer::new(origin, text.len());
    let first = Source { index: 0, name: Path::new(&origin.name), dir: &origin.dir, depth: 0 };
    gatherer.read(text, &first);
    let Gatherer { files, problems, .. } = gatherer;
    if files.len() == 1 && problems.is_empty() {
        return alone();
    }
    let mut whole = text.to_owned();
    let mut parts = vec![origin.part(text.len())];
    for file in files.into_iter().skip(1) {
        whole.push('\n');
        let begin = whole.len();
        whole.push_str(&file.text);
        parts.push(Part { name: file.name, dir: file.dir, bytes: begin..whole.len() });
    }
    let moved = |(index, span, flaw): (usize, Range<usize>, Flaw)| {
        let base = parts[index].bytes.start;
        (base + span.start..base + span.end, flaw)
    };
    let problems = problems.into_iter().map(moved).collect();
    Gathered { whole: Some(whole), parts, problems }
}

impl Gathered {
    /// Whether a file that is named was not read: what it says is missed by the rest.
    pub(crate) fn lacks_a_file(&self) -> bool {
        let is_unread = |code| {
            matches!(code, Code::UnreadableFile | Code::Encoding | Code::OutOfRange | Code::Invalid)
        };
        self.problems.iter().any(|(_, flaw)| is_unread(flaw.code))
    }

    /// Says what is wrong with the patterns.
    pub(crate) fn tell(&mut self, faults: &Faults<'_>) {
        for (span, flaw) in self.problems.drain(..) {
            faults.add(Spot { key: KEY.to_owned(), span }, flaw, &[]);
        }
    }
}

/// A file that may include others.
struct Source<'a> {
    index: usize,
    /// As its user named it.
    name: &'a Path,
    dir: &'a Path,
    depth: usize,
}

/// A file that was read.
struct Included {
    name: Arc<str>,
    dir: PathBuf,
    text: String,
}

/// Which file it is, however it is named.
type Identity = (u64, u64);

struct Gatherer<'o> {
    origin: &'o Origin,
    files: Vec<Included>,
    known: BTreeMap<Identity, State>,
    /// How many bytes more may be read.
    left: u64,
    problems: Vec<(usize, Range<usize>, Flaw)>,
    /// What is doubtful in the files of the pattern that is looked at.
    doubts: Vec<Flaw>,
    patterns: usize,
}

/// Whether a file is being read, that is, includes what is read now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
}

/// What came of a file that is included.
enum Outcome {
    Read,
    Known(State),
}

impl<'o> Gatherer<'o> {
    fn new(origin: &'o Origin, length: usize) -> Self {
        let name = origin.name.as_str().into();
        let first = Included { name, dir: origin.dir.clone(), text: String::new() };
        let known = origin.identity().map(|identity| (identity, State::Open)).into_iter().collect();
        let left = FILE_BYTES_MAX.saturating_sub(length as u64);
        let (problems, doubts) = (Vec::new(), Vec::new());
        Self { origin, files: vec![first], known, left, problems, doubts, patterns: 0 }
    }

    /// Reads what `text` includes.
    fn read(&mut self, text: &str, source: &Source<'_>) {
        let (tree, _) = DeTable::parse_recoverable(text);
        let Some(DeValue::Array(patterns)) = tree.get_ref().get(KEY).map(Spanned::get_ref) else {
            return;
        };
        for pattern in patterns {
            let DeValue::String(written) = pattern.get_ref() else { continue };
            let meant = match variables::expand(written, self.origin.environment.variable) {
                None => written.clone().into_owned(),
                Some(Ok(expanded)) => expanded.text,
                // Said where all variables are put in.
                Some(Err(_)) => continue,
            };
            let outcome = self.pattern(&meant, source);
            for flaw in self.doubts.drain(..).chain(outcome.err()) {
                self.problems.push((source.index, pattern.span(), flaw));
            }
        }
    }

    fn pattern(&mut self, text: &str, source: &Source<'_>) -> Result<(), Flaw> {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            let what = format!("more than {PATTERNS_MAX} patterns of files");
            return Err(Flaw::new(Code::OutOfRange, what, "this is one more", "write a wider one"));
        }
        let pattern = Pattern::parse(text).map_err(|(why, hint)| {
            Flaw::invalid(format!("\"{}\" names no files", shown(text)), why, hint)
        })?;
        let environment = &self.origin.environment;
        let files = pattern.files(source.dir, environment).map_err(|error| unread(text, &error))?;
        if files.is_empty() {
            return Err(Flaw::new(
                Code::NoEffect,
                format!("no file is named like \"{}\"", shown(text)),
                "nothing is included by this",
                format!(
                    "looked in {}; leave it, if there are to be some later",
                    source.dir.display()
                ),
            ));
        }
        if source.depth >= DEPTH_MAX {
            let what = format!("files include others more than {DEPTH_MAX} deep");
            return Err(Flaw::new(
                Code::OutOfRange,
                what,
                "this goes deeper",
                "include it further up",
            ));
        }
        for path in files {
            let name = path.strip_prefix(source.dir).map(Path::to_owned).unwrap_or(path.clone());
            let name = source.name.parent().unwrap_or(Path::new("")).join(name);
            let outcome = self.file(&path, &name, source.depth + 1)?;
            if matches!(outcome, Outcome::Known(State::Open)) && !pattern.is_wild() {
                return Err(Flaw::new(
                    Code::Conflict,
                    format!("{} includes itself", shown(&name.display().to_string())),
                    "it is being read already",
                    "remove this",
                ));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &Path, depth: usize) -> Result<Outcome, Flaw> {
        let shown = on_one_line(&name.display().to_string());
        let file = (self.origin.environment.open)(path).map_err(|error| unread(&shown, &error))?;
        let metadata = file.metadata().map_err(|error| unread(&shown, &error))?;
        let identity = (metadata.dev(), metadata.ino());
        if let Some(state) = self.known.get(&identity) {
            return Ok(Outcome::Known(*state));
        }
        if self.files.len() > FILES_MAX {
            let what = format!("more than {FILES_MAX} files are included");
            return Err(Flaw::new(Code::OutOfRange, what, "this is one more", "join some of them"));
        }
        let text = self.text(file, &shown)?;
        self.known.insert(identity, State::Open);
        let index = self.files.len();
        let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
        self.files.push(Included {
            name: shown.as_str().into(),
            dir: dir.clone(),
            text: text.clone(),
        });
        self.read(&text, &Source { index, name, dir: &dir, depth });
        self.known.insert(identity, State::Done);
        if metadata.mode() & WRITABLE_BY_ALL != 0 {
            self.doubts.push(Flaw::new(
                Code::Risky,
                format!("every user of this machine may write {shown}"),
                "it says which programs Plimsoll runs, and where requests go",
                format!("take that right away: chmod o-w {shown}"),
            ));
        }
        Ok(Outcome::Read)
    }

    fn text(&mut self, file: File, name: &str) -> Result<String, Flaw> {
        let mut bytes = Vec::new();
        let read = file.take(self.left + 1).read_to_end(&mut bytes);
        read.map_err(|error| unread(name, &error))?;
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            let what = format!("the files are larger than {} MiB together", FILE_BYTES_MAX >> 20);
            return Err(Flaw::new(Code::OutOfRange, what, "here it is too much", "leave some out"));
        };
        self.left = left;
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            Flaw::new(
                Code::Encoding,
                format!("{name} is not UTF-8"),
                format!("its line {line} is not"),
                "save it as UTF-8; TOML allows nothing else",
            )
        })
    }
}

fn unread(name: &str, error: &io::Error) -> Flaw {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    };
    let hint = "relative paths start at the directory of the file in which they stand";
    Flaw::new(Code::UnreadableFile, format!("cannot include {}", shown(name)), why, hint)
}

/// Joins `part`, the tree of a file that is included, to `root`.
pub(super) fn join<'a>(root: &mut DeTable<'a>, part: DeTable<'a>, faults: &Faults<'a>) {
    for (name, value) in part {
        let shape = ROOT.key(name.get_ref()).map(|key| &key.shape);
        match shape {
            Some(_) if *name.get_ref() == KEY => check(&name, &value, faults),
            Some(Shape::Names { .. } | Shape::List { .. }) => join_key(root, name, value, faults),
            Some(_) => refuse(&name, faults),
            // What is no key at all is said by the reader.
            None if root.contains_key(&**name.get_ref()) => {}
            None => {
                root.insert(name, value);
            }
        }
    }
}

/// Checks the type of an `include`, as the reader does in the configuration itself.
fn check<'a>(name: &Spanned<DeString<'a>>, value: &Spanned<DeValue<'a>>, faults: &Faults<'a>) {
    let top = Trail::top();
    let Some(key) = ROOT.key(KEY) else { return };
    let node = Node::new(value, &key.shape, Some(key), top.key(name.get_ref()), faults);
    for item in node.items() {
        item.text();
    }
}

/// The keys of all files: what they have is joined.
fn joined() -> impl Iterator<Item = &'static str> {
    let is_joined = |key: &&Key| {
        key.name != KEY && matches!(key.shape, Shape::Names { .. } | Shape::List { .. })
    };
    ROOT.keys.iter().filter(is_joined).map(|key| key.name)
}

fn refuse(name: &Spanned<DeString<'_>>, faults: &Faults<'_>) {
    let key = name.get_ref().to_string();
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`{key}` in a file that is included"),
        "there is one of it, in the configuration itself",
        format!("move `{key}` there; a file that is included has {}", suggest::listed(joined())),
    );
    faults.add(Spot { key, span: name.span() }, flaw, &[]);
}

fn join_key<'a>(
    root: &mut DeTable<'a>,
    name: Spanned<DeString<'a>>,
    value: Spanned<DeValue<'a>>,
    faults: &Faults<'a>,
) {
    let Some(known) = root.get_mut(&**name.get_ref()) else {
        root.insert(name, value);
        return;
    };
    let span = value.span();
    match (known.get_mut(), value.into_inner()) {
        (DeValue::Array(known), DeValue::Array(more)) => {
            more.into_iter().for_each(|item| known.push(item));
        }
        (DeValue::Table(known), DeValue::Table(more)) => {
            for (inner, value) in more {
                match known.get_key_value(&**inner.get_ref()) {
                    Some((first, _)) => refuse_twice(&name, &inner, first.span(), faults),
                    None => {
                        known.insert(inner, value);
                    }
                }
            }
        }
        (DeValue::Table(_) | DeValue::Array(_), other) => {
            // The type is wrong, and the reader sees only the other one.
            let Some(key) = ROOT.key(name.get_ref()) else { return };
            let (top, value) = (Trail::top(), Spanned::new(span, other));
            Node::new(&value, &key.shape, Some(key), top.key(name.get_ref()), faults)
                .wrong_type::<()>();
        }
        // So is the one before; one word is enough.
        (known, more) => *known = more,
    }
}

fn refuse_twice(
    table: &Spanned<DeString<'_>>,
    name: &Spanned<DeString<'_>>,
    first: Range<usize>,
    faults: &Faults<'_>,
) {
    let noun = table.get_ref().strip_suffix('s').unwrap_or(table.get_ref());
    let flaw = Flaw::new(
        Code::Duplicate,
        format!("the {noun} `{}` is defined twice", shown(name.get_ref())),
        "here again",
        "give one of them another name, or remove it",
    );
    let top = Trail::top();
    let (table, name_text) = (top.key(table.get_ref()), name.get_ref());
    let spot = Spot { key: table.key(name_text).to_string(), span: name.span() };
    faults.add(spot, flaw, &[(first, "here first")]);
}
