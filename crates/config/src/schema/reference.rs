//! The reference of the file's keys, as Markdown.

use std::fmt::Write;

use super::{ANY_NUMBER, Absent, Key, Shape, Table, tables, words_later};
use crate::tables::log::ACCESS_LATER;
use crate::value::{duration, size};

const PREAMBLE: &str = "\
<!-- Made from crates/config/src/tables by `UPDATE_REFERENCE=1 cargo test -p config`; not to be \
edited. -->

# Every key of plimsoll.toml

`plimsoll check` reports each error with its line, its column and the remedy. What is not written \
here
is refused as an unknown key. A machine-readable form, for editors, is [schema.json](schema.json).

- **Durations** are a whole number and a unit: `\"250ms\"`, `\"30s\"`, `\"5m\"`, `\"1h\"`, `\"1d\"`.
- **Sizes** likewise: `\"512B\"`, `\"64KiB\"`, `\"10MiB\"`, `\"1GiB\"`; `KB`, `MB` and `GB` are powers of
  ten.
- **Shares** have a percent sign: `\"25%\"`, `\"0.5%\"`.
- **Networks** are an address with the length of a prefix, `\"10.0.0.0/8\"`, or one address.
- **Values** that a header, query parameter or cookie must have are compared as they are; behind a
  `~` stands a [regular expression](https://docs.rs/regex/latest/regex/#syntax) that is looked for
  in them.
- **Examples** show how each key of a table could be written; not all of them go together.
- **Relative paths** start at the directory of the file in which they stand.
- **Variables**: `${NAME}` in a value is the variable of Plimsoll's own environment, `${NAME:-default}`
  has a default for where it is not set or empty (up to the first `}`), and `$${` is `${` itself. Any
  other `$` stays as it is. It goes into every value, a number or a switch too (`workers =
  \"${WORKERS:-2}\"`), but not into names, and not into a `command`, where `${PORT}` and `${VERSION}` are
  the instance's. What a variable holds is taken as it is. A reload takes the environment that the
  running program was started with.

Secrets do not belong in the file. If one is in a header, a cookie or a query parameter
nevertheless, no message repeats it, and the lines shown around an error mask it
if its name marks it as one (`authorization`, `x-api-key`, `session`, ...).
";

/// The reference: every key with its type, its default and what it does, as Markdown.
pub fn reference() -> String {
    let mut page = PREAMBLE.to_owned();
    for table in tables() {
        if table.header.is_empty() {
            page.push_str("\n## The file\n");
        } else {
            let _ = write!(page, "\n## {}\n\n{}\n", headings(table.header), table.doc);
        }
        keys(&mut page, table);
    }
    later(&mut page);
    page
}

fn headings(header: &str) -> String {
    header.split(", ").map(|header| format!("`{header}`")).collect::<Vec<_>>().join(", ")
}

fn keys(page: &mut String, table: &Table) {
    page.push_str("\n| key | value | default | |\n| --- | --- | --- | --- |\n");
    for key in table.keys {
        let cells = [format!("`{}`", key.name), kind(&key.shape), default(key), key.doc.to_owned()];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    if table.header.is_empty() {
        return;
    }
    page.push_str("\n```toml\n");
    for key in table.keys {
        let _ = writeln!(page, "{} = {}", key.name, key.example);
    }
    page.push_str("```\n");
}

/// What kind of value a key takes, in a few words.
fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Flag => "`true` or `false`".to_owned(),
        Shape::Duration(range) => format!(
            "duration, {} to {}",
            duration::written(*range.start()),
            duration::written(*range.end())
        ),
        Shape::Size(range) => {
            format!("size, {} to {}", size::written(*range.start()), size::written(*range.end()))
        }
        Shape::SizeOrUnlimited => "size or `\"unlimited\"`".to_owned(),
        Shape::Share => "share, 0% to 100%".to_owned(),
        Shape::Count(range) => format!("whole number, {} to {}", range.start(), range.end()),
        Shape::Number(range) if *range == ANY_NUMBER => "number".to_owned(),
        Shape::Number(range) => format!("number, {} to {}", range.start(), range.end()),
        Shape::Word(words, _) => {
            words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ")
        }
        Shape::Text(format) => format.noun.to_owned(),
        Shape::List { of, .. } => format!("list: {}", kind(of)),
        Shape::Names { names, of } => format!("{names} = {}", kind(of)),
        Shape::Table(table) => format!("table: {}", headings(table.header)),
        Shape::Defaults { of, .. } => format!("table: keys of {}", headings(of.header)),
        Shape::Either(shapes) => shapes.iter().map(kind).collect::<Vec<_>>().join("; or "),
    }
}

fn default(key: &Key) -> String {
    match key.absent {
        Absent::Fault => "**must be there**".to_owned(),
        Absent::Means(what) => what.to_owned(),
        Absent::Text(text) => format!("`\"{text}\"`"),
        Absent::Count(count) => format!("`{count}`"),
        Absent::Flag(flag) => format!("`{flag}`"),
        Absent::Texts(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| format!("\"{text}\"")).collect();
            format!("`[{}]`", texts.join(", "))
        }
        Absent::Inner => "the defaults of its keys".to_owned(),
    }
}

/// The names that are taken, but do nothing yet.
fn later(page: &mut String) {
    page.push_str(
        "\n## Not supported yet\n\nThese names are reserved. A file that has one is refused, \
         so that it cannot seem to have an effect.\n\n| name | kept for |\n| --- | --- |\n",
    );
    for table in tables() {
        for later in table.later {
            let _ = writeln!(page, "| `{}` in `{}` | {} |", later.name, table.header, later.what);
        }
        for key in table.keys {
            for later in words_later(&key.shape) {
                let (word, what) = (later.name, later.what);
                let _ = writeln!(
                    page,
                    "| `\"{word}\"` as `{}` in `{}` | {what} |",
                    key.name, table.header
                );
            }
        }
    }
    for later in ACCESS_LATER {
        let _ = writeln!(page, "| `\"{}\"` as `access` in `[log]` | {} |", later.name, later.what);
    }
}
