//! Each key of the file stands in a case that somebody wrote and read, or in a file of the guide, with
//! another value than its default: a key that is new fails here until it does.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A key, as `services.NAME.retry.attempts`; what stands in lists has the list's name.
type Keys = BTreeSet<String>;

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// All keys that `schema` describes.
fn described(schema: &Value, path: &str, keys: &mut Keys) {
    let shapes = schema["anyOf"].as_array();
    shapes.into_iter().flatten().for_each(|shape| described(shape, path, keys));
    if schema["items"].is_object() {
        described(&schema["items"], path, keys);
    }
    if schema["additionalProperties"].is_object() {
        described(&schema["additionalProperties"], &below(path, "NAME"), keys);
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        // A default for a key that is described elsewhere.
        if inner.get("$ref").is_some() {
            continue;
        }
        let path = below(path, name);
        described(inner, &path, keys);
        keys.insert(path);
    }
}

/// The keys in `value` that say something else than their defaults.
fn used(value: &Value, schema: &Value, path: &str, keys: &mut Keys) {
    let shapes = schema["anyOf"].as_array();
    shapes.into_iter().flatten().for_each(|shape| used(value, shape, path, keys));
    for item in value.as_array().into_iter().flatten() {
        used(item, &schema["items"], path, keys);
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let property = &schema["properties"][name];
        if property.is_object() {
            let path = below(path, name);
            used(value, property, &path, keys);
            if property.get("default") != Some(value) {
                keys.insert(path);
            }
        } else if schema["additionalProperties"].is_object() {
            used(value, &schema["additionalProperties"], &below(path, "NAME"), keys);
        }
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|it| it == extension)).collect()
}

/// The files of the guide, and the good cases.
fn texts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    let cases = files(&root.join("tests/cases/good"), "toml").into_iter().map(read);
    let pages = files(&root.join("../../docs/guide"), "md").into_iter().map(read);
    let blocks = pages.flat_map(|page| {
        let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        blocks.map(str::to_owned).collect::<Vec<_>>()
    });
    cases.chain(blocks).collect()
}

#[test]
fn each_key_stands_in_a_case_with_another_value_than_its_default() {
    let schema = config::schema();
    let (mut all, mut seen) = (Keys::new(), Keys::new());
    described(&schema, "", &mut all);
    assert!(all.len() > 80 && all.contains("services.NAME.retry.attempts"), "{all:#?}");
    for text in texts() {
        let tree: toml::Table = text.trim_start_matches('\u{feff}').parse().unwrap();
        used(&serde_json::to_value(tree).unwrap(), &schema, "", &mut seen);
    }
    let unseen: Vec<_> = all.difference(&seen).collect();
    assert!(unseen.is_empty(), "add them to a file in tests/cases/good: {unseen:#?}");
}
