//! What a picker knows of an instance from the start: its identity, its weight, its role.

use model::InstanceName;

use crate::eligibility::Role;
use crate::key::xxh64;

/// One instance of a service, as far as it is wanted. What is observed of it is read through
/// [`Field`](crate::Field).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Identifies the instance wherever it stands in a list: a stable hash of its name. Decides
    /// which keys are its own.
    pub id: u64,
    /// Its share relative to the other members of its role; 0 gets nothing.
    pub weight: u32,
    /// Whether it serves first or only in need.
    pub role: Role,
}

impl Member {
    /// The instance of this name; its id is the XXH64 of the name, with seed 0.
    pub fn named(name: &InstanceName, weight: u32, role: Role) -> Self {
        Self { id: xxh64(name.as_str().as_bytes()), weight, role }
    }
}
