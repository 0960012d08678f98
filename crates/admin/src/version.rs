//! Who answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The running Plimsoll's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
}

impl Version {
    /// Of this process.
    pub fn of_process() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id() }
    }
}
