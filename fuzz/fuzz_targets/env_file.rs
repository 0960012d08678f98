//! Whatever the text of an `env_file`: it is read or refused, a fault names a line that is there and
//! never what stands in it, and what was read is read the same when it is written out in quotes.

#![no_main]

use driver::env_file::EnvFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match EnvFile::parse(text) {
        Ok(file) => {
            let mut written = String::new();
            for (name, value) in file.entries() {
                assert!(!name.is_empty() && !name.contains(['=', '\0', '\n']), "no name: {name:?}");
                assert!(!value.0.contains('\0'), "a value with a NUL");
                written.push_str(&format!("{name}=\"{}\"\n", quoted(&value.0)));
            }
            let again = EnvFile::parse(&written);
            assert_eq!(again.as_ref(), Ok(&file), "what was read is not read again");
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused for nothing");
            let lines = text.lines().count().max(1);
            for fault in faults {
                assert!((1..=lines).contains(&fault.line), "line {} of {lines}", fault.line);
            }
        }
    }
});

/// `value` as it stands between double quotes.
fn quoted(value: &str) -> String {
    value.chars().fold(String::new(), |mut text, c| {
        match c {
            '"' | '\\' | '$' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            other => text.push(other),
        }
        text
    })
}
