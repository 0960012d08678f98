//! Whatever the text, and whatever its variables hold and the files that it includes, there is an answer: an
//! intent, or faults that lie in the text, and none of them shows a secret.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use config::{Diagnostics, Environment, Loaded, Origin, Paint};
use proptest::prelude::*;

const SEEDS: [&str; 8] = [
    include_str!("cases/good/whole.toml"),
    include_str!("cases/good/headers-of-tables.toml"),
    include_str!("cases/good/answers-without-services.toml"),
    include_str!("cases/faults/many-at-once.toml"),
    include_str!("cases/faults/path-forms.toml"),
    include_str!("cases/faults/target-forms.toml"),
    include_str!("cases/good/variables.toml"),
    include_str!("cases/good/defaults.toml"),
];

/// Pieces that mean something to TOML or to us, to be put where they do not belong.
const PIECES: [&str; 50] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "#",
    "\n",
    "\r\n",
    "\\",
    "\\u0000",
    "\u{feff}",
    "é",
    "\u{0}",
    "~",
    "*",
    "/*",
    "%",
    "-",
    "0",
    "1e999",
    "99999999999999999999",
    "nan",
    "true",
    "1979-05-27",
    "[routes]",
    "[[routes]]",
    "[services.api]",
    "listeners",
    "to = 1\n",
    "\"10xx\"",
    "\"é%\"",
    "a.b.c = {}\n",
    "${SECRET}",
    "${TRICKY}",
    "${N}",
    "${ON:-",
    "$${",
    "${",
    "include = [\"*.toml\", \"a.toml\"]\n",
    "[defaults.services]\n",
    "[defaults.routes]\n",
    "defaults = false\n",
];

/// What a secret variable holds.
const SECRET: &str = "correct-horse-battery";

fn variable(name: &str) -> Option<OsString> {
    match name {
        "SECRET" | "API_TOKEN" | "DB_PASSWORD" => Some(SECRET.into()),
        "TRICKY" => Some("${SECRET}\"\n[x]\r'é".into()),
        "N" | "API_PORT" | "WORKERS" => Some("7".into()),
        "ON" => Some("true".into()),
        _ => None,
    }
}

/// Every file is one of the good cases, which includes nothing more.
fn open(_: &Path) -> io::Result<File> {
    File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/good/headers-of-tables.toml"))
}

fn list(_: &Path) -> io::Result<Vec<OsString>> {
    Ok(vec!["a.toml".into(), "b.toml".into()])
}

fn parse(text: &str) -> Result<Loaded, Diagnostics> {
    let environment = Environment { variable, open, list, ..Environment::fixed() };
    let origin = Origin { name: "fuzz.toml".to_owned(), dir: PathBuf::from("/"), environment };
    config::parse(text, &origin)
}

/// Parses and draws `text`, and checks what holds for every text.
fn check(text: &str) {
    let (Err(found) | Ok(Loaded { warnings: found, .. })) = match parse(text) {
        Ok(loaded) => {
            assert!(!loaded.warnings.has_errors());
            Ok(loaded)
        }
        Err(found) => {
            assert!(found.has_errors(), "{text}");
            Err(found)
        }
    };
    for fault in &found {
        let place = &fault.place;
        // The files that are included are all the same.
        let text = if &*place.file == found.origin() { text } else { SEEDS[1] };
        assert!(place.bytes.start <= place.bytes.end && place.bytes.end <= text.len());
        assert!(text.is_char_boundary(place.bytes.start) && text.is_char_boundary(place.bytes.end));
        assert!((place.line, place.column) <= (place.end_line, place.end_column));
    }
    let drawing = found.render(Paint::Plain);
    assert_eq!(found.is_empty(), drawing.is_empty());
    assert!(!drawing.contains(SECRET) && !format!("{found:?}").contains(SECRET), "{drawing}");
}

/// Takes away a stretch of `text` and puts `piece` in its place.
fn mutate(text: &str, at: usize, length: usize, piece: &str) -> String {
    let start = text.floor_char_boundary(at % (text.len() + 1));
    let end = text.ceil_char_boundary((start + length).min(text.len()));
    format!("{}{piece}{}", &text[..start], &text[end..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_file_has_an_answer(
        seed in 0..SEEDS.len(),
        mutations in prop::collection::vec((any::<usize>(), 0..40usize, 0..PIECES.len()), 1..6),
    ) {
        let mut text = SEEDS[seed].to_owned();
        for (at, length, piece) in mutations {
            text = mutate(&text, at, length, PIECES[piece]);
        }
        check(&text);
    }

    #[test]
    fn a_heap_of_pieces_has_an_answer(pieces in prop::collection::vec(0..PIECES.len(), 0..60)) {
        check(&pieces.into_iter().map(|piece| PIECES[piece]).collect::<String>());
    }

    #[test]
    fn any_text_has_an_answer(text in "\\PC*") {
        check(&text);
    }

    #[test]
    fn any_value_of_any_key_has_an_answer(
        line in 0..200usize,
        value in prop_oneof!["\"\\PC{0,20}\"", "'[~/*%.:0-9a-zé-]{0,12}'", "-?[0-9]{1,40}", "[0-9]+\\.[0-9]+", "\\[\\]", "\\{\\}"],
    ) {
        let lines: Vec<&str> = SEEDS[0].lines().collect();
        let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
        let count = lines.len();
        let line = &mut lines[line % count];
        if let Some((key, _)) = line.split_once('=') {
            *line = format!("{key}= {value}");
        }
        check(&lines.join("\n"));
    }
}

#[test]
fn every_beginning_of_a_file_has_an_answer() {
    for end in 0..=SEEDS[0].len() {
        if SEEDS[0].is_char_boundary(end) {
            check(&SEEDS[0][..end]);
        }
    }
}

#[test]
fn nesting_does_not_overflow_the_stack() {
    for open in ["[", "{a=", "[[", "a."] {
        check(&format!("x = {}", open.repeat(100_000)));
        check(&open.repeat(100_000));
    }
}

#[test]
fn thousands_of_faults_have_an_answer() {
    let services: String =
        (0..3_000).map(|i| format!("[services.s{i}]\ntargets = [\"a{i}:1\"]\n")).collect();
    let routes: String = (0..3_000)
        .map(|i| format!("[[routes]]\npath = \"/{i}\"\nto = \"t{i}\"\nfoo{i} = 1\n"))
        .collect();
    check(&format!("[listeners.web]\nbind = \"0.0.0.0:80\"\n{services}{routes}"));
}
