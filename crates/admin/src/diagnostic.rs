//! What is wrong with a configuration file, as a document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// `error`, or `warning` for what can be used but is hardly intended.
    pub severity: String,
    /// The stable name of its kind.
    pub code: String,
    /// The file: that of the configuration, or one that it includes.
    pub file: String,
    /// The names that lead to it, as in `services.api.health`; empty for the whole file.
    pub key: String,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong, in one line.
    pub what: String,
    /// Why it is wrong.
    pub why: String,
    /// What to do.
    pub hint: String,
    /// Other places that have to do with it.
    pub related: Vec<Related>,
}

/// A stretch of the file. Lines and characters are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The line it begins in.
    pub line: usize,
    /// The character of that line it begins at.
    pub column: usize,
    /// The line it ends in.
    pub end_line: usize,
    /// The character of that line behind its last one.
    pub end_column: usize,
}

/// Another place that has to do with a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Related {
    /// The file.
    pub file: String,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What it has to do with it.
    pub why: String,
}

/// Each of `diagnostics` as a document.
pub fn diagnostics(diagnostics: &config::Diagnostics) -> Vec<Diagnostic> {
    let of = |diagnostic: &config::Diagnostic| Diagnostic {
        severity: match diagnostic.code.severity() {
            config::Severity::Error => "error".to_owned(),
            config::Severity::Warning => "warning".to_owned(),
        },
        code: diagnostic.code.to_string(),
        file: diagnostic.place.file.to_string(),
        key: diagnostic.key.clone(),
        place: Place::from(&diagnostic.place),
        what: diagnostic.what.clone(),
        why: diagnostic.why.clone(),
        hint: diagnostic.hint.clone(),
        related: diagnostic.related.iter().map(Related::from).collect(),
    };
    diagnostics.iter().map(of).collect()
}

impl From<&config::Place> for Place {
    fn from(place: &config::Place) -> Self {
        Self {
            line: place.line,
            column: place.column,
            end_line: place.end_line,
            end_column: place.end_column,
        }
    }
}

impl From<&config::Related> for Related {
    fn from(related: &config::Related) -> Self {
        let (file, why) = (related.place.file.to_string(), related.why.clone());
        Self { file, place: Place::from(&related.place), why }
    }
}
