//! Whatever the text of a configuration, and whatever its variables hold, there is an answer, it can be
//! drawn without a secret, and to lay the text out changes nothing that it means.

#![no_main]

use std::ffi::OsString;
use std::path::PathBuf;

use config::{Environment, FormatError, Loaded, Origin, Paint};
use libfuzzer_sys::fuzz_target;

/// What a secret variable holds.
const SECRET: &str = "correct-horse-battery";

fn variable(name: &str) -> Option<OsString> {
    match name {
        "SECRET" => Some(SECRET.into()),
        "TRICKY" => Some("${SECRET}\"\n[x]\r'".into()),
        "N" => Some("7".into()),
        "ON" => Some("true".into()),
        _ => None,
    }
}

fuzz_target!(|text: &str| {
    let environment = Environment { variable, ..Environment::fixed() };
    let origin = Origin { name: "fuzz.toml".to_owned(), dir: PathBuf::from("/"), environment };
    let (Err(found) | Ok(Loaded { warnings: found, .. })) = config::parse(text, &origin);
    let drawing = found.render(Paint::Plain);
    assert!(text.contains(SECRET) || !drawing.contains(SECRET), "{drawing}");
    match config::format(text, &origin) {
        Ok(once) => assert_eq!(config::format(&once, &origin).ok().as_ref(), Some(&once)),
        Err(error) => assert!(matches!(error, FormatError::Invalid(_)), "{error}"),
    }
});
