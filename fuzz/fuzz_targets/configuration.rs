//! Whatever the text of a configuration, there is an answer, and it can be drawn.

#![no_main]

use std::path::PathBuf;

use config::{Environment, Loaded, Origin, Paint};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let environment = Environment::fixed();
    let origin = Origin { name: "fuzz.toml".to_owned(), dir: PathBuf::from("/"), environment };
    let (Err(found) | Ok(Loaded { warnings: found, .. })) = config::parse(text, &origin);
    let _ = found.render(Paint::Plain);
});
