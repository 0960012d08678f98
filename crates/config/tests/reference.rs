//! The committed reference is the one that the descriptions make, and the JSON Schema accepts
//! what the parser accepts. `UPDATE_REFERENCE=1 cargo test -p config` writes both anew.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

fn compare(name: &str, made: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let path = folder.join(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::create_dir_all(folder).unwrap();
        fs::write(path, made).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let is_same = committed == made;
    assert!(is_same, "docs/reference/{name} is old: UPDATE_REFERENCE=1 cargo test -p config");
}

#[test]
fn the_committed_reference_is_what_the_descriptions_make() {
    compare("configuration.md", &config::reference());
}

#[test]
fn the_committed_schema_is_what_the_descriptions_make() {
    compare("schema.json", &format!("{:#}\n", config::schema()));
}

/// What of JSON Schema ours uses, checked: the first thing that is wrong, if any.
fn invalid(value: &Value, whole: &Value) -> Option<String> {
    invalid_in(value, whole, whole)
}

/// The same of a part of the `whole` schema.
fn invalid_in(value: &Value, schema: &Value, whole: &Value) -> Option<String> {
    if let Some(place) = schema["$ref"].as_str() {
        let there = whole.pointer(place.strip_prefix('#').unwrap());
        return invalid_in(value, there.unwrap(), whole);
    }
    let invalid = |value: &Value, schema: &Value| invalid_in(value, schema, whole);
    let wrong = |what: &str| Some(format!("{value} is not {what}"));
    if let Some(shapes) = schema["anyOf"].as_array() {
        return match shapes.iter().any(|shape| invalid(value, shape).is_none()) {
            true => None,
            false => wrong(&schema.to_string()),
        };
    }
    if let Some(words) = schema["enum"].as_array() {
        return if words.contains(value) { None } else { wrong("one of the words") };
    }
    match (schema["type"].as_str().unwrap(), value) {
        ("boolean", Value::Bool(_)) => None,
        ("integer" | "number", Value::Number(number)) => {
            let number = number.as_f64().unwrap();
            let least = schema["minimum"].as_f64().unwrap_or(f64::MIN);
            let range = least..=schema["maximum"].as_f64().unwrap_or(f64::MAX);
            if range.contains(&number) { None } else { wrong("in range") }
        }
        ("string", Value::String(text)) => {
            let pattern = schema["pattern"].as_str().unwrap_or("");
            if Regex::new(pattern).unwrap().is_match(text) { None } else { wrong(pattern) }
        }
        ("array", Value::Array(items)) => {
            let min = schema["minItems"].as_u64().unwrap_or(0);
            let items_are_wrong = items.iter().find_map(|item| invalid(item, &schema["items"]));
            if (items.len() as u64) < min { wrong("long enough") } else { items_are_wrong }
        }
        ("object", Value::Object(members)) => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let missing = required.iter().find(|key| !members.contains_key(key.as_str().unwrap()));
            missing.map(|key| format!("{key} is missing")).or_else(|| {
                members.iter().find_map(|(key, member)| {
                    match (schema["properties"].get(key), &schema["additionalProperties"]) {
                        (Some(schema), _) => invalid(member, schema),
                        (None, Value::Bool(_)) => Some(format!("{key} is unknown")),
                        (None, schema) => invalid(member, schema),
                    }
                })
            })
        }
        (wanted, _) => wrong(wanted),
    }
}

fn case(path: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let text = fs::read_to_string(folder.join(path)).unwrap();
    let tree: toml::Table = text.trim_start_matches('\u{feff}').parse().unwrap();
    serde_json::to_value(tree).unwrap()
}

#[test]
fn the_schema_accepts_good_files() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/good");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let value = case(path.to_str().unwrap());
            assert_eq!(invalid(&value, &config::schema()), None, "{}", path.display());
        }
    }
}

#[test]
fn the_schema_accepts_files_that_are_included() {
    let schema = config::schema();
    for name in ["routes/a-shop", "routes/b-blog", "deep/one", "all"] {
        let value = case(&format!("included/{name}.toml"));
        assert_eq!(invalid(&value, &schema), None, "{name}");
    }
}

#[test]
fn the_schema_refuses_what_is_plainly_wrong() {
    for name in [
        "unknown-key-near",
        "type-number-for-duration",
        "duration-forms",
        "size-forms",
        "share-forms",
        "word-far",
        "no-bind",
        "numbers-out-of-range",
        "service-without-targets",
        "bind-forms",
        "path-forms",
    ] {
        let value = case(&format!("faults/{name}.toml"));
        assert!(invalid(&value, &config::schema()).is_some(), "{name}");
    }
}
