//! The JSON Schema (draft 2020-12) of the file, for editors and programs that write it.

use serde_json::{Map, Value, json};

use super::{ANY_NUMBER, Absent, Empty, Key, Shape, Table, Variables};
use crate::tables::ROOT;
use crate::value::{duration, size};

const DURATION: &str = "^[0-9]+(ms|s|m|h|d)$";
const SIZE: &str = "^[0-9]+([KMG]i?)?B$";
const SIZE_OR_UNLIMITED: &str = "^([0-9]+([KMG]i?)?B|unlimited)$";
/// Where a variable begins.
const VARIABLE: &str = r"\$\{";
const SHARE: &str = r"^[0-9]+(\.[0-9]+)?%$";

/// The JSON Schema of plimsoll.toml, and of files that it includes. It accepts every file that [`crate::parse`] accepts; what
/// needs a look at two places at once, only the latter refuses.
pub fn schema() -> Value {
    let mut schema = table(&ROOT);
    if let Value::Object(members) = &mut schema {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        members.insert("$schema".to_owned(), dialect.into());
        members.insert("title".to_owned(), "plimsoll.toml".into());
    }
    schema
}

fn table(table: &Table) -> Value {
    let properties: Map<String, Value> =
        table.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = table
        .keys
        .iter()
        .filter(|key| matches!(key.absent, Absent::Fault))
        .map(|key| key.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    // What the file as a whole must have may stand in one that it includes.
    if !required.is_empty() && !std::ptr::eq(table, &ROOT) {
        schema["required"] = json!(required);
    }
    if !table.doc.is_empty() {
        schema["description"] = table.doc.into();
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = match key.variables {
        Variables::Substituted => with_variables(shape(&key.shape)),
        Variables::Kept => shape(&key.shape),
    };
    schema["description"] = key.doc.into();
    let default = match key.absent {
        Absent::Text(text) => Some(json!(text)),
        Absent::Count(count) => Some(json!(count)),
        Absent::Flag(flag) => Some(json!(flag)),
        Absent::Texts(texts) => Some(json!(texts)),
        Absent::Fault | Absent::Means(_) | Absent::Inner => None,
    };
    if let Some(default) = default {
        schema["default"] = default;
    }
    schema
}

fn shape(of: &Shape) -> Value {
    match of {
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Count(range) => {
            json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
        }
        Shape::Number(range) if *range == ANY_NUMBER => json!({ "type": "number" }),
        Shape::Number(range) => {
            json!({ "type": "number", "minimum": range.start(), "maximum": range.end() })
        }
        Shape::Text(format) => match format.pattern {
            Some(pattern) => json!({ "type": "string", "pattern": pattern }),
            None => json!({ "type": "string" }),
        },
        Shape::Word(words, _) => json!({ "enum": words }),
        Shape::Duration(range) => json!({
            "type": "string",
            "pattern": DURATION,
            "$comment": between(duration::written(*range.start()), duration::written(*range.end())),
        }),
        Shape::Size(range) => json!({
            "type": "string",
            "pattern": SIZE,
            "$comment": between(size::written(*range.start()), size::written(*range.end())),
        }),
        Shape::SizeOrUnlimited => json!({ "type": "string", "pattern": SIZE_OR_UNLIMITED }),
        Shape::Share => json!({ "type": "string", "pattern": SHARE }),
        Shape::List { of, empty } => match empty {
            Empty::Allowed => json!({ "type": "array", "items": shape(of) }),
            Empty::Refused => json!({ "type": "array", "items": shape(of), "minItems": 1 }),
        },
        Shape::Names { of, .. } => json!({ "type": "object", "additionalProperties": shape(of) }),
        Shape::Table(inner) => table(inner),
        Shape::Defaults { of, but } => defaults(of, but),
        Shape::Either(shapes) => {
            let shapes: Vec<Value> = shapes.iter().map(shape).collect();
            json!({ "anyOf": shapes })
        }
    }
}

/// The keys of `table` but some, each as it is described where its table stands.
fn defaults(of: &Table, but: &[&str]) -> Value {
    let top =
        ROOT.keys.iter().find(|key| key.shape.tables().iter().any(|it| std::ptr::eq(*it, of)));
    let (top, inner) = match top.map(|key| (key.name, &key.shape)) {
        Some((name, Shape::Names { .. })) => (name, "additionalProperties"),
        Some((name, _)) => (name, "items"),
        None => return table(of),
    };
    let keys = of.keys.iter().filter(|key| !but.contains(&key.name));
    let reference = |key: &Key| {
        let path = format!("#/properties/{top}/{inner}/properties/{}", key.name);
        (key.name.to_owned(), json!({ "$ref": path }))
    };
    let properties: Map<String, Value> = keys.map(reference).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The schema, which takes a text with a variable wherever it takes a value that a text can be
/// written for: what the variable holds is not known here.
fn with_variables(schema: Value) -> Value {
    let Value::Object(mut members) = schema else { return schema };
    if let Some(shapes) = members.get_mut("anyOf").and_then(Value::as_array_mut) {
        let is_there = shapes.iter().any(takes_any_text);
        let inner: Vec<Value> = std::mem::take(shapes).into_iter().map(with_items).collect();
        *shapes = inner;
        if !is_there {
            shapes.push(variable());
        }
        return Value::Object(members);
    }
    match members.get("type").and_then(Value::as_str) {
        Some("string") => {
            if let Some(Value::String(pattern)) = members.get_mut("pattern") {
                pattern.push('|');
                pattern.push_str(VARIABLE);
            }
            Value::Object(members)
        }
        Some("array" | "object") => with_items(Value::Object(members)),
        _ => json!({ "anyOf": [members, variable()] }),
    }
}

/// The schema of a list or a table whose keys the user made up, with variables in its items.
fn with_items(mut schema: Value) -> Value {
    for inner in ["items", "additionalProperties"] {
        if let Some(of) = schema.get_mut(inner).filter(|of| of.is_object()) {
            *of = with_variables(of.take());
        }
    }
    schema
}

fn takes_any_text(schema: &Value) -> bool {
    schema["type"] == "string" && schema.get("pattern").is_none()
}

/// A text with a variable in it.
fn variable() -> Value {
    json!({ "type": "string", "pattern": VARIABLE })
}

fn between(least: String, most: String) -> String {
    format!("from {least} to {most}")
}
