//! Files as users write them, and what is said of each: `tests/cases/faults/*.toml` with the
//! drawing of their faults beside them, `tests/cases/good/*.toml` with their intents.
//!
//! `UPDATE_CASES=1 cargo test -p config` writes what is said now; read the difference before it is
//! committed.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use config::{Code, Diagnostics, Environment, Loaded, Origin, Paint};

/// How many kinds of faults the cases hold at the least.
const FAULTS_MIN: usize = 80;

/// The only files and directories that these cases find.
fn probe(path: &Path) -> io::Result<()> {
    match path.to_str() {
        Some("/etc/plimsoll/fullchain.pem" | "/etc/plimsoll/privkey.pem") => Ok(()),
        Some("/etc/plimsoll/clients.pem" | "/etc/plimsoll/clients.crl") => Ok(()),
        Some("/etc/plimsoll/certs" | "/etc/plimsoll" | "/var/lib" | "/var/log") => {
            Err(io::ErrorKind::IsADirectory.into())
        }
        Some("/root/secret.pem") => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// What a secret variable holds: nothing that is said may have it.
const SECRET: &str = "correct-horse";

/// The only variables that are set.
fn variable(name: &str) -> Option<OsString> {
    let value = match name {
        "API_HOST" => "10.0.0.11",
        "API_PORT" | "WORKERS" => "9",
        "IDLE" => "20s",
        "SWITCH" => "true",
        "SHARE" => "25%",
        "BOUND" => "1.25",
        "WORD" => "round_robin",
        "EMPTY" => "",
        "NESTED" => "${API_HOST}",
        "TRICKY" => "a\"b\n[server]\nworkers = 7",
        "BAD" => "soon",
        "EAB_SECRET" => "correct-horse-AA",
        "TSIG_SECRET" => "Y29ycmVjdC1ob3JzZQ==",
        "JWT_SECRET" | "HMAC_NEW" | "HMAC_OLD" => "0123456789abcdef0123456789abcdef-correct-horse",
        "API_TOKEN" | "DB_PASSWORD" | "INTROSPECT_SECRET" | "REDIS_PASSWORD" => SECRET,
        "REDIS_URL" => "redis://app:correct-horse@10.0.0.5:6379/2",
        "DATABASE_URL" => "postgres://app:correct-horse@db/shop",
        "BYTES" => return Some(OsString::from_vec(vec![b'a', 0xff])),
        _ => return None,
    };
    Some(value.into())
}

/// Where files that are included are found: what lies below /etc/plimsoll in the cases.
fn included(path: &Path) -> io::Result<PathBuf> {
    let below = path.strip_prefix("/etc/plimsoll").map_err(|_| io::ErrorKind::NotFound)?;
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/included").join(below))
}

fn open(path: &Path) -> io::Result<File> {
    match path.to_str() {
        Some("/etc/plimsoll/secret.toml") => Err(io::ErrorKind::PermissionDenied.into()),
        _ if included(path)?.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        _ => File::open(included(path)?),
    }
}

fn list(path: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(included(path)?)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn parse(path: &Path, text: &str) -> Result<Loaded, Diagnostics> {
    let mut environment = Environment { probe, variable, open, list, ..Environment::fixed() };
    if path.ends_with("no-home.toml") {
        environment.home = None;
    }
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    config::parse(text, &Origin { name, dir: PathBuf::from("/etc/plimsoll"), environment })
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    cases.sort();
    cases
}

/// Compares what is said of each case of `folder` with what stands beside it.
fn compare(folder: &str, extension: &str, say: impl Fn(&Path, &str) -> String) {
    let mut differences = String::new();
    for case in cases(folder) {
        let said = say(&case, &fs::read_to_string(&case).unwrap());
        let golden = case.with_extension(extension);
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&golden, &said).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != said {
            let _ = writeln!(differences, "{} differs; now:\n{said}", golden.display());
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn each_fault_is_drawn_as_it_was_agreed() {
    compare("faults", "txt", |path, text| {
        let (Err(found) | Ok(Loaded { warnings: found, .. })) = parse(path, text);
        format!("{}{}\n", found.render(Paint::Plain), found.summary())
    });
}

#[test]
fn each_good_file_gives_the_intent_that_was_agreed() {
    compare("good", "intent", |path, text| match parse(path, text) {
        Ok(loaded) => format!("{:#?}\n", loaded.intent),
        Err(diagnostics) => panic!("{}\n{diagnostics}", path.display()),
    });
}

#[test]
fn good_files_have_no_warnings() {
    for path in cases("good") {
        let loaded = parse(&path, &fs::read_to_string(&path).unwrap()).unwrap();
        assert!(loaded.warnings.is_empty(), "{}\n{}", path.display(), loaded.warnings);
    }
}

#[test]
fn every_kind_of_fault_has_a_case() {
    let mut kinds: BTreeSet<&str> = BTreeSet::new();
    let mut faults = BTreeSet::new();
    for path in cases("faults") {
        let text = fs::read_to_string(&path).unwrap();
        let (Err(diagnostics) | Ok(Loaded { warnings: diagnostics, .. })) = parse(&path, &text);
        assert!(!diagnostics.is_empty(), "{} has no fault", path.display());
        kinds.extend(diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()));
        faults.extend(diagnostics.iter().map(|d| (d.code.as_str(), d.why.clone())));
    }
    let all = [
        Code::Syntax,
        Code::UnknownKey,
        Code::Unsupported,
        Code::WrongType,
        Code::Missing,
        Code::Invalid,
        Code::OutOfRange,
        Code::Duplicate,
        Code::Conflict,
        Code::UndefinedService,
        Code::IndistinctRoutes,
        Code::UnreadableFile,
        Code::NoEffect,
        Code::Unused,
        Code::Risky,
        Code::MissingDirectory,
        Code::Variable,
    ];
    for code in all {
        assert!(kinds.contains(code.as_str()), "no case for {code}");
    }
    assert!(faults.len() >= FAULTS_MIN, "only {} faults", faults.len());
}

#[test]
fn the_place_in_the_data_is_the_place_that_is_drawn() {
    for path in cases("faults") {
        let text = fs::read_to_string(&path).unwrap();
        let (Err(found) | Ok(Loaded { warnings: found, .. })) = parse(&path, &text);
        let drawing = found.render(Paint::Plain);
        let drawn = drawing.lines().filter_map(|line| line.trim_start().strip_prefix("--> "));
        let places =
            found.iter().map(|d| format!("{}:{}:{}", d.place.file, d.place.line, d.place.column));
        assert_eq!(drawn.collect::<Vec<_>>(), places.collect::<Vec<_>>());
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    for path in cases("faults") {
        let text = fs::read_to_string(&path).unwrap();
        let (Err(found) | Ok(Loaded { warnings: found, .. })) = parse(&path, &text);
        let coloured = found.render(Paint::Coloured);
        assert!(coloured.contains("\u{1b}["));
        let mut plain = String::new();
        let mut pieces = coloured.split("\u{1b}[");
        plain.push_str(pieces.next().unwrap_or_default());
        pieces.for_each(|piece| plain.push_str(piece.split_once('m').map_or("", |(_, text)| text)));
        assert_eq!(plain, found.render(Paint::Plain), "{}", path.display());
    }
}

#[test]
fn no_fault_is_told_twice() {
    for path in cases("faults") {
        let text = fs::read_to_string(&path).unwrap();
        let (Err(found) | Ok(Loaded { warnings: found, .. })) = parse(&path, &text);
        let faults: Vec<_> = found.iter().collect();
        for (at, fault) in faults.iter().enumerate() {
            assert!(!faults[..at].contains(fault), "{}: {fault:?}", path.display());
        }
    }
}

#[test]
fn secrets_are_in_nothing_that_is_said() {
    let mut tried = 0;
    for path in cases("faults") {
        let text = fs::read_to_string(&path).unwrap();
        let (Err(found) | Ok(Loaded { warnings: found, .. })) = parse(&path, &text);
        for secret in ["s3cr3t", "hunter2"].into_iter().filter(|secret| text.contains(secret)) {
            tried += 1;
            assert!(!format!("{found}{found:?}").contains(secret), "{}\n{found}", path.display());
        }
    }
    assert!(tried >= 4);
}

#[test]
fn what_a_secret_variable_holds_is_in_nothing_that_is_said() {
    let mut tried = 0;
    for path in cases("faults") {
        let text = fs::read_to_string(&path).unwrap();
        let (Err(found) | Ok(Loaded { warnings: found, .. })) = parse(&path, &text);
        tried += text.matches("${REDIS_URL}").count();
        tried += text.matches("${API_TOKEN}").count() + text.matches("${DB_PASSWORD}").count();
        let said = format!("{found}{found:?}");
        assert!(!said.contains(SECRET) && !said.contains("horse"), "{}\n{found}", path.display());
    }
    assert!(tried >= 4, "{tried}");
}

#[test]
fn each_fault_says_what_why_and_what_to_do() {
    for path in cases("faults") {
        let text = fs::read_to_string(&path).unwrap();
        let (Err(found) | Ok(Loaded { warnings: found, .. })) = parse(&path, &text);
        for fault in &found {
            for words in [&fault.what, &fault.why, &fault.hint] {
                assert!(
                    !words.is_empty() && !words.contains('\n'),
                    "{}: {fault:?}",
                    path.display()
                );
            }
        }
    }
}
