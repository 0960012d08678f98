//! How many instances of a service run, by hand.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A service has at most so many instances, as in the file.
const REPLICAS_MAX: u32 = 1000;

/// How many instances a service is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// How many, from 1 to 1000.
    pub replicas: u32,
}

/// How many instances a service has from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scaled {
    /// How many: until the file says another number than it does now, or this is asked for again.
    pub replicas: u32,
    /// How many the file wants.
    pub of_file: u32,
    /// The deploy that is running, after which they are started or stopped; absent where that happens now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_deploy: Option<i64>,
}

impl Scale {
    /// How many, if it is a number that a service can have.
    pub(crate) fn count(self) -> Result<NonZeroU32, String> {
        let count = NonZeroU32::new(self.replicas).filter(|count| count.get() <= REPLICAS_MAX);
        count.ok_or_else(|| format!("`replicas` is a number from 1 to {REPLICAS_MAX}"))
    }
}

impl From<control::Scaled> for Scaled {
    fn from(scaled: control::Scaled) -> Self {
        let control::Scaled { replicas, of_file, after_deploy } = scaled;
        Self { replicas: replicas.get(), of_file: of_file.get(), after_deploy }
    }
}
